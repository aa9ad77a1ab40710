//! Stored: what of groups and of their alarms outlives the process, a row each, so that a change
//! of one alarm among many writes one row.

use haetae_plugin::{Reason, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::AlarmView;

/// A row: the state of a [`super::StoredGroup`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GroupState {
    /// A group, under its key.
    Group(GroupRow),
    /// An alarm in a group, under the key of the group, `#`, its id.
    Member(MemberRow),
    /// That the sink was told of an alarm that it comes and goes.
    Flapping(u64),
}

impl GroupState {
    /// Reads the state of a group, or of an alarm in one.
    pub(super) fn read(state: &str) -> serde_json::Result<Self> {
        serde_json::from_str(state)
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupRow {
    pub(super) text: String,
    pub(super) bare: bool,
    pub(super) opened: Timestamp,
    #[serde(rename = "told")]
    pub(super) notified: Option<(Timestamp, Reason)>,
    #[serde(default)]
    pub(super) step: u32,
}

/// An alarm in a group that was told, whose end is owed, or that is withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MemberRow {
    pub(super) member: Member,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<End>,
}

/// An alarm that fires, in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Member {
    /// The severity that the sink knows of.
    #[serde(rename = "told")]
    pub(super) notified: Option<Severity>,
    /// Why it is told though nothing changed.
    pub(super) again: Option<Again>,
    /// Whether others were told because nobody took it up.
    pub(super) escalated: bool,
    /// Whether the sink is told of it only because nobody took it up.
    pub(super) foreign: bool,
    #[serde(skip)]
    pub(super) group: u32,
    /// Since when the sink knows of it.
    pub(super) since: Timestamp,
    /// A hash of why it is withheld; zero: it is not.
    pub(super) why: u64,
}

impl Member {
    /// Whether the sink does not know yet that the alarm fires with this severity, or is to be
    /// told all the same.
    pub(super) fn is_news(&self, severity: Severity) -> bool {
        self.notified != Some(severity) || self.again.is_some()
    }
}

/// Why an alarm is told though nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Again {
    /// A person took back that it is closed.
    Reopened,
    /// Nobody took it up.
    Escalated,
    /// Whoever took it up, it lasts too long.
    EscalatedAnyway,
    /// It does not come and go any more, and fires.
    Settled,
}

/// An end that is owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) alarm: Box<AlarmView>,
    /// It came without evidence.
    pub(super) closed: bool,
    /// The severity that the sink knows of.
    #[serde(rename = "told")]
    pub(super) notified: Severity,
    pub(super) since: Timestamp,
}

/// The key of what a sink was told of whether an alarm flaps.
pub(super) fn flapping_key(fingerprint: u64) -> String {
    format!("flapping@{fingerprint:012x}")
}

/// A hash that the next version of the program knows too: FNV-1a.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{alarm::id::AlarmId, notify::active::ActiveAlarm};

    /// In B-trees that are two thirds full: 1.5 × (40 + 24) beside the 1.5 × 64 of what fires.
    #[test]
    fn an_alarm_that_fires_takes_little_room() {
        assert_eq!(size_of::<(AlarmId, Member)>(), 40);
        assert_eq!(size_of::<(u32, AlarmId)>(), 24);
        assert_eq!(size_of::<(AlarmId, ActiveAlarm)>(), 64);
    }
}
