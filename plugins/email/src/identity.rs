//! Message-IDs: the same for the same notification, and known to those that answer it.

use haetae_plugin::Notification;
use sha2::{Digest, Sha256};

/// How a mail is known, and what it continues.
#[derive(Debug, PartialEq)]
pub(crate) struct Identity {
    /// Its Message-ID.
    pub(crate) message: String,
    /// The Message-ID of the mail that began its thread; none if it is that one.
    pub(crate) root: Option<String>,
}

impl Identity {
    /// The identity of the mail about this notification, sent from `domain`.
    pub(crate) fn of(notification: &Notification, domain: &str) -> Self {
        let id = |key: &String| format!("<{}@{domain}>", digest(&["notification", key]));
        let root = notification.answers.as_ref().map(id);
        Self { message: id(&notification.idempotency_key), root }
    }
}

/// 32 hexadecimal digits that these texts alone have.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        // With its length, so that no other texts run together to the same.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let half = hash.finalize().into_iter().take(16);
    format!("{:032x}", half.fold(0_u128, |number, byte| number << 8 | u128::from(byte)))
}
