//! Tallies: how often evaluators fired and sinks were told, and for how long.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use haetae_plugin::{Severity, Timestamp};
use serde::Serialize;

use crate::engine::{Change, Effects, EvaluatorStatus, Transition};

/// What one evaluator did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Alarms that fired.
    pub fired: u64,
    /// Those of them that fired as critical.
    pub critical: u64,
    /// Those of them that fired as warning.
    pub warning: u64,
    /// How often a warning became critical.
    pub worse: u64,
    /// Alarms that ended.
    pub resolved: u64,
    /// How often an alarm began to flap.
    pub flaps: u64,
    /// Alarms that fire at the end of the range.
    pub open: u64,
    /// For how long the longest alarm fired.
    pub longest_ns: u64,
    /// For how long all alarms together fired.
    pub in_alarm_ns: u64,
    /// Slots that were judged.
    pub slots: u64,
    /// Evaluations that met a value that is no number.
    pub errors: u64,
    /// How often a series was turned away: its source has too many.
    pub ignored: u64,
}

/// What one configuration led to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// By evaluator.
    pub evaluators: BTreeMap<String, Counts>,
    /// By sink, notices by their reason.
    pub sinks: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A side that is being counted.
#[derive(Debug, Default)]
pub(super) struct Counter {
    side: Side,
    /// Alarms that fire, by id: of which evaluator, and since when.
    open: HashMap<String, (String, Timestamp)>,
}

impl Counter {
    /// A tally of these evaluators.
    pub(super) fn new(
        evaluators: impl Iterator<Item = String>,
        sinks: impl Iterator<Item = String>,
    ) -> Self {
        let mut counter = Self::default();
        counter.side.evaluators = evaluators.map(|name| (name, Counts::default())).collect();
        counter.side.sinks = sinks.map(|name| (name, BTreeMap::new())).collect();
        counter
    }

    /// Counts what a step led to.
    pub(super) fn count(&mut self, effects: &Effects) {
        for transition in &effects.transitions {
            self.count_transition(transition);
        }
        for flush in &effects.flushes {
            let sink = self.side.sinks.entry(flush.sink.clone()).or_default();
            *sink.entry(flush.reason.as_str().to_owned()).or_default() += 1;
        }
    }

    fn count_transition(&mut self, transition: &Transition) {
        let Transition { change, alarm, at } = transition;
        let Some(counts) = self.side.evaluators.get_mut(&alarm.evaluator) else { return };
        match change {
            Change::Fired => {
                counts.fired += 1;
                match alarm.severity {
                    Severity::Critical => counts.critical += 1,
                    Severity::Warning => counts.warning += 1,
                }
                self.open.insert(alarm.id.clone(), (alarm.evaluator.clone(), *at));
            }
            Change::Worse => counts.worse += 1,
            Change::Flapping => counts.flaps += 1,
            Change::Better | Change::Settled => {}
            Change::Resolved | Change::Closed => {
                counts.resolved += 1;
                if let Some((_, since)) = self.open.remove(&alarm.id) {
                    counts.lasted(at.since(since));
                }
            }
        }
    }

    /// The counts at the end of the range.
    pub(super) fn finish(mut self, statuses: Vec<EvaluatorStatus>, end: Timestamp) -> Side {
        for (evaluator, since) in self.open.into_values() {
            if let Some(counts) = self.side.evaluators.get_mut(&evaluator) {
                counts.open += 1;
                counts.lasted(end.since(since));
            }
        }
        for status in statuses {
            if let Some(counts) = self.side.evaluators.get_mut(&status.name) {
                counts.slots = status.judged;
                counts.errors = status.errors;
                counts.ignored = status.ignored;
            }
        }
        self.side
    }
}

impl Counts {
    fn lasted(&mut self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.longest_ns = self.longest_ns.max(time);
        self.in_alarm_ns = self.in_alarm_ns.saturating_add(time);
    }
}
