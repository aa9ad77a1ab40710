//! Standings: what of an alarm outlives the process, and what a step changes of it.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    alarm::{AlarmView, Transition},
    levels::Levels,
    notify::{Flush, StoredGroup, Withheld},
    occurrence::Fingerprint,
    threshold::Threshold,
};

/// The form of [`AlarmState`]; a later one reads the earlier.
const VERSION: u32 = 1;

/// What a step led to. It is written in one transaction, so that after a restart either all of
/// it has happened or nothing.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// What people are told, in the order of time and name. The alarm of each is among the
    /// standings, as it is at the end of the step.
    pub transitions: Vec<Transition>,
    /// Alarms whose durable form changed, by id; each replaces what was stored under its id.
    pub standings: Vec<Standing>,
    /// Ids to be deleted: they never fired, and nothing of them is left to remember.
    pub gone: Vec<String>,
    /// What sinks are told, in the order of time.
    pub flushes: Vec<Flush>,
    /// Groups whose durable form changed; each replaces what was stored under its sink and key.
    pub groups: Vec<StoredGroup>,
    /// What is withheld from a sink, and what is not any more.
    pub withheld: Vec<Withheld>,
}

/// What is stored of one alarm, under the id [`AlarmView::id`].
///
/// One whose alarm is [`super::Condition::Ok`] and has not ended is no alarm to anybody: it
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
    /// How many series it had.
    pub(super) series: usize,
    /// The time of the newest fresh point of any of them.
    pub(super) seen: Option<Timestamp>,
    /// How long it has been silent, if it is expected.
    pub(super) silent: Duration,
}

/// What the store knows of the time before.
#[derive(Debug, Default)]
pub struct Past {
    /// Standings that have not ended.
    pub standings: Vec<Standing>,
    /// Fingerprints with the last occurrence that is stored of each.
    pub occurrences: Vec<(String, u32)>,
    /// No occurrence of any other fingerprint was greater.
    pub floor: u32,
}

impl Effects {
    /// Adds what a later one led to.
    pub fn extend(&mut self, later: Self) {
        self.transitions.extend(later.transitions);
        self.standings.extend(later.standings);
        self.gone.extend(later.gone);
        self.flushes.extend(later.flushes);
        self.groups.extend(later.groups);
        self.withheld.extend(later.withheld);
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.transitions.is_empty()
            && self.standings.is_empty()
            && self.gone.is_empty()
            && self.flushes.is_empty()
            && self.groups.is_empty()
            && self.withheld.is_empty()
    }
}

impl Standing {
    /// What is stored of an alarm of `fingerprint`.
    pub(super) fn new(
        fingerprint: Fingerprint,
        occurrence: u32,
        labels: BTreeMap<String, String>,
        alarm: AlarmView,
    ) -> Self {
        Self { fingerprint: fingerprint.to_string(), occurrence, labels, alarm, state: None }
    }

    /// Both levels as they can go on under these numbers.
    pub(super) fn levels(&self, threshold: &Threshold) -> Levels {
        let AlarmView { condition, severity, since, .. } = self.alarm;
        let bare = || Levels::of(condition, severity, since);
        self.state.as_ref().map_or_else(bare, |state| state.levels).kept(threshold)
    }
}

impl AlarmState {
    /// The state of an alarm whose levels stand so.
    pub(super) fn new(levels: Levels, series: usize, seen: Option<Timestamp>) -> Self {
        Self { version: VERSION, levels, series, seen, silent: Duration::ZERO }
    }
}

/// Effects in the making.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) transitions: Vec<Transition>,
    /// By id: several slots may change one alarm, and the last one counts.
    rows: BTreeMap<String, Option<Standing>>,
}

impl Changes {
    /// Stores a standing.
    pub(super) fn store(&mut self, standing: Standing) {
        self.rows.insert(standing.alarm.id.clone(), Some(standing));
    }

    /// Deletes the standing of an id.
    pub(super) fn delete(&mut self, id: String) {
        self.rows.insert(id, None);
    }

    /// All of them, in order.
    pub(super) fn into_effects(self) -> Effects {
        let mut effects = Effects { transitions: self.transitions, ..Effects::default() };
        effects.transitions.sort_by(|a, b| {
            let order = a.at.cmp(&b.at);
            let order = order.then_with(|| a.alarm.evaluator.cmp(&b.alarm.evaluator));
            order.then_with(|| a.alarm.labels.cmp(&b.alarm.labels))
        });
        for (id, standing) in self.rows {
            match standing {
                Some(standing) => effects.standings.push(standing),
                None => effects.gone.push(id),
            }
        }
        effects
    }
}
