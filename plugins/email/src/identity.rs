//! Message-IDs: the same for the same notification, and one thread for all about a group.

use haetae_plugin::{Notification, Reason};
use sha2::{Digest, Sha256};

/// How a mail is known, and what it continues.
#[derive(Debug, PartialEq)]
pub(crate) struct Identity {
    /// Its Message-ID.
    pub(crate) message: String,
    /// The Message-ID of the first mail about its group; none if it is that one.
    pub(crate) root: Option<String>,
}

impl Identity {
    /// The identity of the mail about this notification, sent from `domain`.
    ///
    /// The first one is known by the group's key, since later ones know nothing else of it.
    pub(crate) fn of(notification: &Notification, domain: &str) -> Self {
        let root = format!("<{}@{domain}>", digest(&["thread", &notification.key]));
        if notification.reason == Reason::First {
            return Self { message: root, root: None };
        }
        let own = digest(&["notification", &notification.idempotency_key]);
        Self { message: format!("<{own}@{domain}>"), root: Some(root) }
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
