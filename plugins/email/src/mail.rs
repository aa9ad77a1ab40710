//! A notification as a mail: its envelope, its content, and what became of it.

use std::time::{Duration, UNIX_EPOCH};

use haetae_plugin::{Notification, Outcome, Severity, Status, Verdict};
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::{
    address::Recipient,
    identity::{self, Identity},
};

/// Longer subjects are cut: people read lists.
const SUBJECT: usize = 200;

/// How many alarms a header names.
const ALARMS: usize = 20;

/// Longer names are cut.
const NAME: usize = 100;

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

/// The bytes of the mail about `notification`; the same whenever it is made.
pub(crate) fn message(
    from: &Mailbox,
    to: &[Mailbox],
    notification: &Notification,
) -> Result<Vec<u8>, lettre::error::Error> {
    let identity = Identity::of(notification, from.email.domain());
    // The calendar of mail begins in 1970.
    let seconds = u64::try_from(notification.time.seconds()).unwrap_or(0);
    let mut builder = Message::builder()
        .date(UNIX_EPOCH + Duration::from_secs(seconds))
        .from(from.clone())
        .subject(line(&notification.title).chars().take(SUBJECT).collect::<String>())
        .message_id(Some(identity.message));
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    if let Some(root) = identity.root {
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    for (name, value) in headers(notification) {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value));
    }
    let text = if notification.text.is_empty() { &notification.title } else { &notification.text };
    let text = SinglePart::plain(lines(text));
    let message = if notification.html.is_empty() {
        builder.singlepart(text)?
    } else {
        // No text holds the digest of itself, so none can end its part early.
        let boundary = identity::digest(&[&notification.text, &notification.html]);
        let parts = MultiPart::alternative().boundary(boundary).singlepart(text);
        builder.multipart(parts.singlepart(SinglePart::html(lines(&notification.html))))?
    };
    Ok(message.formatted())
}

fn headers(notification: &Notification) -> Vec<(&'static str, String)> {
    let alarms = notification.alarms.iter().take(ALARMS).map(|alarm| word(&alarm.id));
    let mut headers = vec![
        // Keeps out-of-office answers away.
        ("Auto-Submitted", "auto-generated".into()),
        ("X-Haetae-Alarm", alarms.collect::<Vec<_>>().join(", ")),
        ("X-Haetae-Severity", notification.severity.as_str().into()),
        ("X-Haetae-Reason", notification.reason.as_str().into()),
        ("Content-Language", word(&notification.language)),
    ];
    if notification.severity == Severity::Critical && notification.status == Status::Firing {
        headers.push(("Importance", "high".into()));
        headers.push(("X-Priority", "1".into()));
    }
    headers.retain(|(_, value)| !value.is_empty());
    headers
}

/// Text as one line: what ends a line would begin another header.
fn line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_control() || letter == ' ');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A name as a line that is short enough not to be folded inside.
fn word(name: &str) -> String {
    line(name).chars().take(NAME).collect()
}

/// Text whose lines end alike, without characters that mail has no place for.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|letter| !letter.is_control() || "\n\t".contains(*letter)).collect()
}
