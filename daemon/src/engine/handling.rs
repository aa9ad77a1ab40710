//! Handling: what people do about an alarm. Independent of its condition.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

/// What people have done about one occurrence of an alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handling {
    /// Where it stands.
    pub state: HandlingState,
    /// Who is to see to it.
    pub owner: Option<String>,
}

/// Where the handling of an alarm stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum HandlingState {
    /// Nobody has taken it up.
    #[default]
    Unhandled,
    /// Somebody knows: it is not told again.
    Acknowledged {
        /// Who.
        by: String,
        /// Until when; none: until it changes.
        until: Option<Timestamp>,
        /// Whether it holds while the severity changes, until the alarm ends.
        sticky: bool,
    },
    /// Somebody works on it.
    InProgress {
        /// Who.
        by: String,
    },
    /// It is done with.
    Closed {
        /// Who said so.
        by: String,
        /// What it was.
        code: CloseCode,
    },
}

/// What an alarm turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseCode {
    /// A real trouble.
    Real,
    /// No trouble.
    Noise,
    /// The same as another one.
    Duplicate,
    /// A trouble that was planned.
    Expected,
}
