//! Alarms, as the engine hands them out, and their ids.

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeMap,
};

use haetae_plugin::{Reason, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::summary::Summaries;
use crate::engine::threshold::evidence::Evidence;

/// Why an alarm is closed: its rule is gone, judges other labels, or its instance is gone.
pub(in crate::engine) const REMOVED: &str = "rule removed";
pub(in crate::engine) const CHANGED: &str = "rule changed";
pub(in crate::engine) const INSTANCE_REMOVED: &str = "instance removed";

/// An alarm as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmView {
    /// A stable fingerprint of its identity, `-`, its occurrence.
    pub id: String,
    /// The evaluator that it is of.
    pub evaluator: String,
    /// The labels that identify it and those that the evaluator adds.
    pub labels: BTreeMap<String, String>,
    /// Its severity; if pending, the one that it would have; if ok, the last one.
    pub severity: Severity,
    /// Where it stands.
    pub condition: Condition,
    /// What that rests on.
    pub evidence: Evidence,
    /// Whether it comes and goes too often of late.
    #[serde(default)]
    pub flapping: bool,
    /// Since when it fires; for a pending one, since when it is pending.
    pub since: Timestamp,
    /// The slot at which it was looked at last.
    pub updated: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The value that was judged last.
    pub value: Option<f64>,
    /// The unit of the value.
    pub unit: String,
    /// One line on what is wrong, by language: templates, not filled in.
    pub summaries: Summaries,
    /// Where it says what to do.
    pub runbook: Option<String>,
    /// The threshold that its numbers are of: an id, or a place such as `haetae.toml:12`; none: they
    /// are its evaluator's own.
    #[serde(default)]
    pub threshold: Option<String>,
    /// Why it ended (`cleared`, `ended`, `no data ok`, `rule removed` …), or why it fires without a
    /// value.
    pub reason: Option<String>,
    /// The newest lines that it is about, oldest first: a few, cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpts: Vec<String>,
}

/// Where an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Nothing is wrong.
    Ok,
    /// It holds, but not yet long or often enough.
    Pending,
    /// It fires.
    Firing,
    /// It fires and is clear, but not yet long enough.
    Recovering,
}

/// An alarm that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// How.
    pub change: Change,
    /// What it is now.
    pub alarm: AlarmView,
    /// The slot that changed it; for a system alarm, the time of the input.
    pub at: Timestamp,
}

/// How an alarm changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It began to fire.
    Fired,
    /// Its severity rose.
    Worse,
    /// Its severity fell, and it still fires.
    Better,
    /// It ended.
    Resolved,
    /// It was ended without evidence: nothing judges it any more.
    Closed,
    /// It begins to come and go too often.
    Flapping,
    /// It does no longer. If it does not fire either, its id is that of the next occurrence.
    Settled,
}

impl Condition {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Recovering => "recovering",
        }
    }
}

impl Change {
    /// Whether the alarm is over.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::Closed)
    }

    /// Whether it says how often the alarm changes, and nothing of where it stands.
    pub const fn is_flapping(self) -> bool {
        matches!(self, Self::Flapping | Self::Settled)
    }

    /// Why a sink is told of it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Fired => Reason::First,
            Self::Worse => Reason::Worse,
            Self::Better => Reason::Better,
            Self::Resolved => Reason::Resolved,
            Self::Closed => Reason::Closed,
            Self::Flapping | Self::Settled => Reason::Flapping,
        }
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Flapping => "flapping",
            Self::Settled => "settled",
        }
    }
}

impl AlarmView {
    /// Whether it fires; a recovering one does until it has recovered.
    pub const fn is_firing(&self) -> bool {
        matches!(self.condition, Condition::Firing | Condition::Recovering)
    }

    /// How one that is over ended: cleared by evidence, or closed because nothing judges it.
    pub fn ending(&self) -> Change {
        match self.reason.as_deref() {
            Some(REMOVED | CHANGED | INSTANCE_REMOVED) => Change::Closed,
            _ => Change::Resolved,
        }
    }

    /// Orders alarms: the worst first, then the oldest, then by name.
    pub(in crate::engine) fn worst_first(&self, other: &Self) -> Ordering {
        let rank =
            |alarm: &Self| (Reverse(alarm.is_firing()), Reverse(alarm.severity), alarm.since);
        let order = rank(self).cmp(&rank(other));
        let order = order.then_with(|| self.evaluator.cmp(&other.evaluator));
        order.then_with(|| self.labels.cmp(&other.labels))
    }

    /// What it looks like when it is over.
    pub(in crate::engine) fn over(self, at: Timestamp, reason: &str) -> Self {
        let reason = Some(reason.into());
        Self { condition: Condition::Ok, updated: at, ended: Some(at), reason, ..self }
    }
}
