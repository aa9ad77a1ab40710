//! What comes in from a plugin, as the rest of the daemon may have it.
//!
//! This is the one place where a pause that a peer asked for is limited, and where what a peer echoes
//! of our credentials is taken out of what it says. What a plugin logs is redacted where it is lent
//! the log.

use haetae_plugin::{Error, Outcome, Result, Verdict};

use super::order::Reply;
use crate::{redact::Secrets, retry::asked};

/// The reply of a call.
pub(super) fn reply(reply: Result<Reply>, secrets: &Secrets) -> Result<Reply> {
    match reply {
        Ok(Reply::Outcome(outcome)) => Ok(Reply::Outcome(checked(outcome, secrets))),
        Ok(reply) => Ok(reply),
        Err(error) => Err(failure(error, secrets)),
    }
}

/// An error of a call, or of opening.
pub(super) fn failure(error: Error, secrets: &Secrets) -> Error {
    let error = error.map_message(|message| secrets.redact(message).into_owned());
    match error.wait() {
        Some(wait) => error.retry_after(asked(wait)),
        None => error,
    }
}

fn checked(mut outcome: Outcome, secrets: &Secrets) -> Outcome {
    let items = outcome.except.iter_mut().map(|(_, verdict)| verdict);
    let recipients = outcome.recipients.iter_mut().map(|(_, _, verdict)| verdict);
    for verdict in [&mut outcome.verdict].into_iter().chain(items).chain(recipients) {
        if let Verdict::Retry { after: Some(after), .. } = verdict {
            *after = asked(*after);
        }
        if let Verdict::Retry { reason, .. }
        | Verdict::Rejected { reason }
        | Verdict::Config { reason } = verdict
        {
            *reason = secrets.redact(std::mem::take(reason)).into_owned();
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
        let none = Secrets::default();
        let Ok(Reply::Outcome(limited)) = reply(Ok(Reply::Outcome(outcome(YEARS))), &none) else {
            panic!("an outcome")
        };
        assert_eq!(limited, outcome(LONGEST_ASKED));
        let error = reply(Err(Error::failed("429").retry_after(YEARS)), &none).unwrap_err();
        assert_eq!(error.wait(), Some(LONGEST_ASKED));
        assert_eq!(failure(Error::failed("429"), &none).wait(), None);
    }

    #[test]
    fn what_a_peer_echoes_of_a_credential_goes_no_further() {
        let secrets = Secrets::of(b"hunter2");
        let said = |what: &str| format!("535 no: {what}");
        let outcome = |what| {
            let own = Outcome::all(Verdict::Config { reason: said(what) });
            let own = own.but(1, Verdict::Rejected { reason: said(what) });
            own.but_for(2, "a@x", Verdict::Retry { reason: said(what), after: None })
        };
        let Ok(Reply::Outcome(redacted)) = reply(Ok(Reply::Outcome(outcome("hunter2"))), &secrets)
        else {
            panic!("an outcome")
        };
        assert_eq!(redacted, outcome("***"));
        let error = failure(Error::config(said("hunter2")), &secrets);
        assert_eq!((error.fault(), error.message()), (haetae_plugin::Fault::Config, "535 no: ***"));
    }
}
