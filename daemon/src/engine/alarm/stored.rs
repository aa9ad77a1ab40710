//! Standings: what of an alarm outlives the process, and what a step changes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    flap::Flaps,
    handling::Handling,
    id::Fingerprint,
    view::{AlarmView, Condition, Transition},
};
use crate::engine::{
    log::{LogCursor, Matches},
    mute::silence::Silence,
    notify::{Flush, StoredGroup, Withheld},
    progress::PART,
    threshold::{levels::Levels, rule::Threshold},
};

/// The form of [`AlarmState`]; a later one reads the earlier.
const VERSION: u32 = 2;
/// The first one that says which labels identify it.
const IDENTIFYING: u32 = 2;

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
    /// Alarms whose handling changed by itself: an acknowledgement that ended, or fell.
    pub handled: Vec<(String, Handling)>,
    /// Where log evaluators have got to; what follows from the batches up to there is in here or
    /// was before.
    pub cursors: Vec<LogCursor>,
    /// The plan that they and all later ones follow from, if this is the first that it led to.
    pub plan: Option<u64>,
}

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

    /// Where it stands, with which severity, and since when; what waits to fire is pending.
    pub(in crate::engine) fn standing(
        &self,
        since: Timestamp,
    ) -> Option<(Condition, Severity, Timestamp)> {
        let (condition, severity, since) = self.levels.standing(since)?;
        Some((if self.waits { Condition::Pending } else { condition }, severity, since))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    /// How alarms that have not ended are handled, those that are.
    pub handlings: Vec<(String, Handling)>,
    /// What of the groups of alarms goes on, by sink and key; before the alarms that are in them.
    pub groups: Vec<StoredGroup>,
    /// What people silence.
    pub silences: Vec<Silence>,
    /// Where log evaluators got to.
    pub cursors: Vec<LogCursor>,
}

impl Effects {
    /// Adds what a later one led to. What it stores is not deleted by what came before: whoever
    /// writes them stores first.
    pub fn extend(&mut self, later: Self) {
        if !self.gone.is_empty() {
            let stored = later.standings.iter().map(|standing| standing.alarm.id.as_str());
            let stored: BTreeSet<_> = stored.collect();
            self.gone.retain(|id| !stored.contains(id.as_str()));
        }
        self.transitions.extend(later.transitions);
        self.standings.extend(later.standings);
        self.gone.extend(later.gone);
        self.flushes.extend(later.flushes);
        self.groups.extend(later.groups);
        self.withheld.extend(later.withheld);
        self.handled.extend(later.handled);
        self.cursors.extend(later.cursors);
        self.plan = later.plan.or(self.plan);
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.transitions.is_empty()
            && self.standings.is_empty()
            && self.gone.is_empty()
            && self.flushes.is_empty()
            && self.groups.is_empty()
            && self.withheld.is_empty()
            && self.handled.is_empty()
            && self.cursors.is_empty()
            && self.plan.is_none()
    }
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

/// Effects in the making.
#[derive(Debug, Default)]
pub(in crate::engine) struct Changes {
    pub(in crate::engine) transitions: Vec<Transition>,
    /// By id: several slots may change one alarm, and the last one counts.
    rows: BTreeMap<String, Option<Standing>>,
    pub(in crate::engine) cursors: Vec<LogCursor>,
    pub(in crate::engine) plan: Option<u64>,
}

impl Changes {
    /// Stores a standing.
    pub(in crate::engine) fn store(&mut self, standing: Standing) {
        self.rows.insert(standing.alarm.id.clone(), Some(standing));
    }

    /// Deletes the standing of an id.
    pub(in crate::engine) fn delete(&mut self, id: String) {
        self.rows.insert(id, None);
    }

    /// Whether they are as many as a part of a step should have.
    pub(in crate::engine) fn is_full(&self) -> bool {
        self.rows.len().max(self.transitions.len()) >= PART
    }

    /// All of them, in order.
    pub(in crate::engine) fn into_effects(self) -> Effects {
        let Self { transitions, rows, cursors, plan } = self;
        let mut effects = Effects { transitions, cursors, plan, ..Effects::default() };
        effects.transitions.sort_by(|a, b| {
            let order = a.at.cmp(&b.at);
            let order = order.then_with(|| a.alarm.evaluator.cmp(&b.alarm.evaluator));
            order.then_with(|| a.alarm.labels.cmp(&b.alarm.labels))
        });
        for (id, standing) in rows {
            match standing {
                Some(standing) => effects.standings.push(standing),
                None => effects.gone.push(id),
            }
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::harness::{run, threshold};

    #[test]
    fn of_a_deletion_and_what_is_stored_after_it_the_later_counts() {
        let (harness, ..) = run(threshold(5), "#");
        let row = harness.stored.rows().next().unwrap();
        let id = row.alarm.id.clone();
        let stored = || Effects { standings: vec![row.clone()], ..Effects::default() };
        let deleted = || Effects { gone: vec![id.clone()], ..Effects::default() };
        // Whoever writes them stores first and deletes then.
        let both = |mut one: Effects, later| {
            one.extend(later);
            (one.standings.len(), one.gone.len())
        };
        assert_eq!(both(stored(), deleted()), (1, 1));
        assert_eq!(both(deleted(), stored()), (1, 0));
    }
}
