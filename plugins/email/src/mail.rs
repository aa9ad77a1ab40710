//! A mail on its way: its envelope, its content, and what became of it.

use haetae_plugin::{Notification, Outcome, Verdict};
use lettre::{Address, message::Mailbox};

use crate::{address::Recipient, message::message};

/// A mail on its way.
pub(crate) struct Mail {
    /// Whom it is from.
    pub(crate) from: Address,
    /// Everyone who is to get it.
    pub(crate) recipients: Vec<Recipient>,
    /// The message itself.
    pub(crate) message: Vec<u8>,
}

impl Mail {
    /// The mail about `notification`; an error is the verdict on it.
    pub(crate) fn new(
        from: &Mailbox,
        to: &[String],
        notification: &Notification,
    ) -> Result<Self, Verdict> {
        let to = if notification.recipients.is_empty() { to } else { &notification.recipients };
        let recipients: Vec<_> = to.iter().map(|written| Recipient::new(written)).collect();
        let mailboxes: Vec<_> =
            recipients.iter().filter_map(|recipient| recipient.mailbox.clone().ok()).collect();
        if mailboxes.is_empty() {
            let whys = recipients.iter().filter_map(|recipient| {
                let why = recipient.mailbox.as_ref().err()?;
                Some(format!("{}: {why}", recipient.written))
            });
            return Err(Verdict::Rejected { reason: whys.collect::<Vec<_>>().join("; ") });
        }
        let message = message(from, &mailboxes, notification)
            .map_err(|error| Verdict::Rejected { reason: error.to_string() })?;
        Ok(Self { from: from.email.clone(), recipients, message })
    }

    /// Adds to `outcome` what became of this mail, the item at `index`.
    pub(crate) fn settle(&self, mut outcome: Outcome, index: u32, each: &[Verdict]) -> Outcome {
        let Some(best) = each.iter().min_by_key(|verdict| rank(verdict)) else { return outcome };
        if *best != Verdict::Delivered {
            outcome = outcome.but(index, together(best, each));
        }
        for (recipient, verdict) in self.recipients.iter().zip(each) {
            if rank(verdict) != rank(best) {
                outcome = outcome.but_for(index, &recipient.written, verdict.clone());
            }
        }
        outcome
    }
}

/// The best that happened to a recipient is the verdict on the mail.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Delivered => 0,
        Verdict::Retry { .. } => 1,
        Verdict::Config { .. } => 2,
        _ => 3,
    }
}

/// `verdict` with the reasons of all that are of its kind.
fn together(verdict: &Verdict, each: &[Verdict]) -> Verdict {
    let mut reasons: Vec<&str> = Vec::new();
    for verdict in each.iter().filter(|other| rank(other) == rank(verdict)) {
        if let Verdict::Retry { reason, .. }
        | Verdict::Rejected { reason }
        | Verdict::Config { reason } = verdict
            && !reasons.contains(&reason.as_str())
        {
            reasons.push(reason);
        }
    }
    let all = reasons.join("; ");
    let mut verdict = verdict.clone();
    if let Verdict::Retry { reason, .. }
    | Verdict::Rejected { reason }
    | Verdict::Config { reason } = &mut verdict
    {
        *reason = all;
    }
    verdict
}
