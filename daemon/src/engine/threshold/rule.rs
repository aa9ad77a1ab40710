//! A threshold evaluator, as configured: what it judges, how, and what it raises.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::engine::{
    alarm::{labels::Labels, summary::Summaries},
    mute::matcher::Matcher,
};

/// An evaluator of kind `threshold`.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// Its name: half of its alarms' identity.
    pub name: String,
    /// The sources that it reads.
    pub inputs: Vec<String>,
    /// The series' name.
    pub metric: String,
    /// Which series of that name; all must match.
    pub matchers: Vec<Matcher>,
    /// The labels that identify its alarms; `None`: all labels of the series.
    pub by: Option<Vec<String>>,
    /// How several series under one identity become one value.
    pub across: Across,
    /// Labels added to its alarms.
    pub labels: BTreeMap<String, String>,
    /// The lesser severity.
    pub warning: Option<Level>,
    /// The greater severity.
    pub critical: Option<Level>,
    /// What to do when a series stops.
    pub no_data: NoData,
    /// Its own window; `None`: the newest point of each slot.
    pub over: Option<Over>,
    /// Most alarms that fire at once; those beyond it wait.
    pub limit: usize,
    /// When an alarm comes and goes too often; `None`: nobody minds.
    pub flap: Option<Flap>,
    /// How often it judges; `None`: at the slots of its slowest source.
    pub every: Option<Duration>,
    /// One line on what is wrong, by language; `{{label}}` and `{{value}}` are filled in.
    pub summary: Summaries,
    /// Where it says what to do.
    pub runbook: Option<String>,
    /// Which identities must be there.
    pub expect: ExpectedIdentities,
    /// The id or place of the override that its numbers are of; `None`: they are its own.
    pub judged_by: Option<String>,
}

impl Threshold {
    /// The labels that identify its alarms, in an order of their own; `None`: all labels.
    pub(in crate::engine) fn identifying(&self) -> Option<BTreeSet<&str>> {
        self.by.as_ref().map(|by| by.iter().map(String::as_str).collect())
    }

    /// Whether a series with these identifying labels may be among those that it reads.
    pub(super) fn may_read(&self, labels: &Labels) -> bool {
        let by = self.identifying();
        let known = |label: &str| by.as_ref().is_none_or(|by| by.contains(label));
        let mut decided = self.matchers.iter().filter(|matcher| known(matcher.label()));
        decided.all(|matcher| matcher.matches(labels.get(matcher.label())))
    }
}

/// Which identities must be there: what is silent of them is no data, also if it never spoke.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExpectedIdentities {
    /// None: what stops is no data, and is then forgotten unless it is an alarm.
    #[default]
    Nobody,
    /// Those with these labels, as many as `by` names.
    Named(Vec<BTreeMap<String, String>>),
    /// Each that was ever seen, until it has been silent for that long.
    Learned {
        /// How long.
        forget: Duration,
    },
}

/// One severity's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Which side of `raise` is bad.
    pub side: Side,
    /// A value beyond it holds; equal does not.
    pub raise: f64,
    /// A firing alarm begins to clear when its value is beyond this on the good side, or equal.
    pub clear: f64,
    /// How long or how often it must hold.
    pub debounce: Debounce,
    /// How long it must stay cleared.
    pub clear_for: Duration,
}

/// When an alarm flaps: the score of its changes, in percent, of the last `decay`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flap {
    /// Above it, it begins to.
    pub start: f64,
    /// At it or below, it has settled.
    pub stop: f64,
    /// After how long a change is forgotten; `None`: after twenty slots.
    pub decay: Option<Duration>,
}

impl Default for Flap {
    fn default() -> Self {
        Self { start: 30.0, stop: 25.0, decay: None }
    }
}

/// How many alarms of an evaluator fire at once by default.
pub const LIMIT: usize = 1000;

/// Which side of a number is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Greater values.
    Above,
    /// Smaller values.
    Below,
}

/// What a level waits for before it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debounce {
    /// It holds this long without a break.
    For(Duration),
    /// It holds in `count` of the last `slots` slots that had a value.
    Of {
        /// How many must hold.
        count: usize,
        /// Of how many.
        slots: usize,
    },
}

/// How several series under one identity become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// The greatest for `above`, the smallest for `below`.
    Worst,
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The greatest.
    Max,
    /// The smallest.
    Min,
    /// How many have a value.
    Count,
}

/// A window that the evaluator keeps, and what it makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Its length.
    pub length: Duration,
    /// What is judged of the points in it.
    pub value: Aggregation,
}

/// What is judged of the points of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
    /// Their sum.
    Sum,
    /// How many there are.
    Count,
    /// The newest.
    Last,
    /// A counter's growth per second, resets recognised.
    Rate,
    /// The newest less the oldest; of a counter its increase, resets recognised.
    Delta,
    /// The 95th percentile by nearest rank: the smallest value that at least 95 % of the points do
    /// not exceed.
    P95,
}

/// What happens when a series stops while its source goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoData {
    /// How long after the last point; `None`: three intervals of the source.
    pub after: Option<Duration>,
    /// What then.
    pub then: Then,
}

/// What `no data` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The condition stays as it is.
    Hold,
    /// It is an alarm of the evaluator's highest severity.
    Alarm,
    /// The condition is cleared: the user says that absence is good.
    Ok,
}
