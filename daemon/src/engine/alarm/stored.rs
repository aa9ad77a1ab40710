//! Standings: what of an alarm outlives the process.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    flap::Flaps,
    id::Fingerprint,
    view::{AlarmView, Condition},
};
use crate::engine::{
    log::Matches,
    threshold::{
        levels::{ActiveLevel, Levels},
        rule::Threshold,
    },
};

/// The form of [`AlarmState`]; a later one reads the earlier.
const VERSION: u32 = 2;
/// The first one that says which labels identify it.
const IDENTIFYING: u32 = 2;

/// What is stored of one alarm, under the id [`AlarmView::id`].
///
/// One whose alarm is [`crate::engine::Condition::Ok`] and has not ended is no alarm to anybody: it
/// holds history that the next slots count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The stable half of the id.
    pub fingerprint: String,
    /// The other half.
    pub occurrence: u32,
    /// The labels that identify it, without those that its evaluator adds.
    pub labels: BTreeMap<String, String>,
    /// What it looks like. The value of one that merely fires on is as old as its last change.
    pub alarm: AlarmView,
    /// What its evaluator goes on with; none if it ended, and for system alarms.
    pub state: Option<AlarmState>,
}

/// What an evaluator needs to go on with an alarm; only the engine reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlarmState {
    version: u32,
    levels: Levels,
    /// Its recent changes.
    #[serde(skip_serializing_if = "is_default")]
    flaps: Flaps,
    /// Whether it would fire if there were fewer.
    #[serde(skip_serializing_if = "is_default")]
    pub(in crate::engine) waits: bool,
    /// The labels that its evaluator told alarms apart by, in order; none: all labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Vec<String>>,
    /// How many series it had.
    pub(in crate::engine) series: usize,
    /// The time of the newest fresh point of any of them.
    pub(in crate::engine) seen: Option<Timestamp>,
    /// How long it has been silent, if it is expected.
    #[serde(skip_serializing_if = "is_default")]
    pub(in crate::engine) silent: Duration,
    /// What a log evaluator knows of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) log: Option<Matches>,
}

/// What of an identity a later slot can depend on: it is stored when that changes, and while it is
/// not the default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Kept {
    pub(in crate::engine) levels: Levels,
    pub(in crate::engine) flaps: Flaps,
    /// Whether it would fire if there were fewer.
    pub(in crate::engine) waits: bool,
    /// Of one that was learned: for how long it has been silent, roughly.
    pub(in crate::engine) silence: Option<u32>,
}

impl Kept {
    /// The severity with which it fires.
    pub(in crate::engine) fn severity(&self) -> Option<Severity> {
        self.levels.severity().filter(|_| !self.waits)
    }

    /// The level that decides; what waits to fire is pending.
    pub(in crate::engine) fn standing(&self, since: Timestamp) -> Option<ActiveLevel> {
        let mut level = self.levels.standing(since)?;
        if self.waits {
            level.condition = Condition::Pending;
        }
        Some(level)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Standing {
    /// What is stored of an alarm of `fingerprint`.
    pub(in crate::engine) fn new(
        fingerprint: Fingerprint,
        occurrence: u32,
        labels: BTreeMap<String, String>,
        alarm: AlarmView,
    ) -> Self {
        Self { fingerprint: fingerprint.to_string(), occurrence, labels, alarm, state: None }
    }

    /// What of it can go on under these numbers.
    pub(in crate::engine) fn kept(&self, threshold: &Threshold) -> Kept {
        let AlarmView { condition, severity, since, .. } = self.alarm;
        let Some(state) = &self.state else {
            let levels = Levels::of(condition, severity, since).kept(threshold);
            return Kept { levels, ..Kept::default() };
        };
        let levels = state.levels.kept(threshold);
        let waits = state.waits && levels.severity().is_some();
        Kept { levels, flaps: state.flaps, waits, silence: None }
    }
}

impl AlarmState {
    /// The state of an alarm that stands so.
    pub(in crate::engine) fn new(
        threshold: &Threshold,
        kept: Kept,
        series: usize,
        seen: Option<Timestamp>,
    ) -> Self {
        let Kept { levels, flaps, waits, .. } = kept;
        let by = threshold.identifying();
        let by = by.map(|by| by.into_iter().map(String::from).collect());
        Self { version: VERSION, levels, flaps, waits, by, series, seen, ..Self::default() }
    }

    /// Whether its alarm was told apart by the labels that this evaluator tells its own apart by,
    /// as far as is known.
    pub(in crate::engine) fn is_identified_as_by(&self, threshold: &Threshold) -> bool {
        let own = threshold.identifying();
        let by = self.by.as_ref().map(|by| by.iter().map(String::as_str).collect());
        self.version < IDENTIFYING || own == by
    }

    /// The state of an alarm of a log evaluator.
    pub(in crate::engine) fn of_log(matches: Matches, waits: bool) -> Self {
        Self { version: VERSION, log: Some(matches), waits, ..Self::default() }
    }
}
