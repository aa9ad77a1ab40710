//! Batches, and what became of one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Logs, Notification, Samples};

/// A kind of record that a source yields or a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Records {
    /// Values of series.
    Samples,
    /// Log lines.
    Logs,
    /// Messages about alarms.
    Notifications,
    /// A kind that this build does not know.
    #[serde(other)]
    Unknown,
}

/// What one call of a source yields, and one call of a sink takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Batch {
    /// Values of series.
    Samples(Samples),
    /// Log lines.
    Logs(Logs),
    /// Messages about alarms.
    Notifications(Vec<Notification>),
}

impl Batch {
    /// Nothing happened, and the source does not say up to when.
    pub fn empty() -> Self {
        Self::Samples(Samples::default())
    }

    /// What it holds.
    pub fn records(&self) -> Records {
        match self {
            Self::Samples(_) => Records::Samples,
            Self::Logs(_) => Records::Logs,
            Self::Notifications(_) => Records::Notifications,
        }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.points().len(),
            Self::Logs(logs) => logs.len(),
            Self::Notifications(notifications) => notifications.len(),
        }
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Samples> for Batch {
    fn from(samples: Samples) -> Self {
        Self::Samples(samples)
    }
}

impl From<Logs> for Batch {
    fn from(logs: Logs) -> Self {
        Self::Logs(logs)
    }
}

/// What became of a delivered batch: one verdict, and exceptions by the item's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The verdict on every item that is not named below.
    pub verdict: Verdict,
    /// Items with another verdict.
    #[serde(default)]
    pub except: Vec<(u32, Verdict)>,
    /// Recipients of a notification with another verdict than the rest of theirs: the item's
    /// index, the address. One of them that is to be tried again comes back alone, in
    /// [`Notification::recipients`].
    #[serde(default)]
    pub recipients: Vec<(u32, String, Verdict)>,
}

/// What became of an item. The plugin classes; the daemon retries, waits and gives up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The peer has it.
    Delivered,
    /// Not now; perhaps later.
    Retry {
        /// Why.
        reason: String,
        /// How long the peer asked to wait.
        #[serde(default)]
        after: Option<Duration>,
    },
    /// The peer will never take this item.
    Rejected {
        /// Why.
        reason: String,
    },
    /// A wrong option or credential: nothing can be delivered until a person acts.
    Config {
        /// What to change.
        reason: String,
    },
}

impl Outcome {
    /// All items were delivered.
    pub const fn delivered() -> Self {
        Self::all(Verdict::Delivered)
    }

    /// One verdict on all items.
    pub const fn all(verdict: Verdict) -> Self {
        Self { verdict, except: Vec::new(), recipients: Vec::new() }
    }

    /// The item at `index` has another verdict.
    #[must_use]
    pub fn but(mut self, index: u32, verdict: Verdict) -> Self {
        self.except.push((index, verdict));
        self
    }

    /// One recipient of the item at `index` has another verdict than the item.
    #[must_use]
    pub fn but_for(mut self, index: u32, recipient: impl Into<String>, verdict: Verdict) -> Self {
        self.recipients.push((index, recipient.into(), verdict));
        self
    }

    /// The verdict on the item at `index`.
    pub fn of(&self, index: u32) -> &Verdict {
        let exception = self.except.iter().find(|(item, _)| *item == index);
        exception.map_or(&self.verdict, |(_, verdict)| verdict)
    }
}
