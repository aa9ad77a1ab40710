//! What comes in from a plugin, as the rest of the daemon may have it.
//!
//! This is the one place where a pause that a peer asked for is limited.

use haetae_plugin::{Error, Outcome, Result, Verdict};

use super::instance::Reply;
use crate::retry::asked;

/// The reply of a call.
pub(super) fn reply(reply: Result<Reply>) -> Result<Reply> {
    match reply {
        Ok(Reply::Outcome(outcome)) => Ok(Reply::Outcome(limited(outcome))),
        Ok(reply) => Ok(reply),
        Err(error) => Err(failure(error)),
    }
}

/// An error of a call, or of opening.
pub(super) fn failure(error: Error) -> Error {
    match error.wait() {
        Some(wait) => error.retry_after(asked(wait)),
        None => error,
    }
}

fn limited(mut outcome: Outcome) -> Outcome {
    let items = outcome.except.iter_mut().map(|(_, verdict)| verdict);
    let recipients = outcome.recipients.iter_mut().map(|(_, _, verdict)| verdict);
    for verdict in [&mut outcome.verdict].into_iter().chain(items).chain(recipients) {
        if let Verdict::Retry { after: Some(after), .. } = verdict {
            *after = asked(*after);
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::retry::LONGEST_ASKED;

    const YEARS: Duration = Duration::from_hours(10 * 365 * 24);

    #[test]
    fn no_peer_silences_us_for_longer_than_an_hour() {
        let later = |after| Verdict::Retry { reason: "busy".into(), after: Some(after) };
        let short = Duration::from_secs(7);
        let outcome = |after| {
            let own = Outcome::all(later(after)).but(1, later(after)).but(2, later(short));
            own.but_for(3, "a@x", later(after))
        };
        let Ok(Reply::Outcome(limited)) = reply(Ok(Reply::Outcome(outcome(YEARS)))) else {
            panic!("an outcome")
        };
        assert_eq!(limited, outcome(LONGEST_ASKED));
        let error = reply(Err(Error::failed("429").retry_after(YEARS))).unwrap_err();
        assert_eq!(error.wait(), Some(LONGEST_ASKED));
        assert_eq!(failure(Error::failed("429")).wait(), None);
    }
}
