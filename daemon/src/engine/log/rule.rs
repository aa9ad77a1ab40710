//! A log evaluator, as configured: which records it wants, and what it watches for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::Severity;
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::{alarm::summary::Summaries, mute::matcher::Matcher};

/// An evaluator of kind `log`.
#[derive(Clone, Debug)]
pub struct LogRule {
    /// Its name: half of its alarms' identity.
    pub name: String,
    /// The sources that it reads.
    pub inputs: Vec<String>,
    /// Which records; all must match their fields.
    pub matchers: Vec<Matcher>,
    /// What the message must match; `None`: anything. Its named groups are labels.
    pub pattern: Option<Regex>,
    /// The labels that identify its alarms; none: there is one alarm.
    pub by: Vec<String>,
    /// Labels added to its alarms.
    pub labels: BTreeMap<String, String>,
    /// What it watches for.
    pub watch: LogCondition,
    /// How many of its alarms may fire at once; what would be more waits, and one alarm says how
    /// much.
    pub limit: usize,
    /// One line on what is wrong, by language; `{{label}}` and `{{value}}` are filled in.
    pub summary: Summaries,
    /// Where it says what to do.
    pub runbook: Option<String>,
}

/// What a log evaluator watches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogCondition {
    /// Many matches within a window.
    Count(Levels<Count>),
    /// No match for as long as this.
    Absence(Levels<Duration>),
    /// The first sight of a value of a label; the alarm lasts as long as its level says.
    New {
        /// The label or named group.
        label: String,
        /// For how long, from its beginning, values become known without an alarm.
        learn: Duration,
        /// A value that was not seen for this long is new again.
        forget: Duration,
        /// How long it is told.
        levels: Levels<Duration>,
    },
}

/// What each severity waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels<T> {
    /// The lesser severity.
    pub warning: Option<T>,
    /// The greater severity.
    pub critical: Option<T>,
}

/// How many within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// As many matches, or more.
    pub at_least: usize,
    /// Within the time up to now.
    pub within: Duration,
}

impl<T: Copy> Levels<T> {
    /// Those that there are, the worse first.
    pub(super) fn each(&self) -> impl Iterator<Item = (T, Severity)> {
        let critical = self.critical.into_iter().map(|level| (level, Severity::Critical));
        critical.chain(self.warning.into_iter().map(|level| (level, Severity::Warning)))
    }
}

/// What tells the alarms of a rule apart, and what kind of thing it knows of each: with another
/// one it begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RuleIdentity {
    kind: String,
    by: BTreeSet<String>,
    /// The label whose values are new or known.
    label: Option<String>,
}

impl LogRule {
    /// What tells its alarms apart.
    pub(super) fn identity(&self) -> RuleIdentity {
        let (kind, label) = match &self.watch {
            LogCondition::Count(_) => ("count", None),
            LogCondition::Absence(_) => ("absence", None),
            LogCondition::New { label, .. } => ("new", Some(label.clone())),
        };
        RuleIdentity { kind: kind.into(), by: self.by.iter().cloned().collect(), label }
    }

    /// Whether a label is part of what identifies its alarms.
    pub(super) fn identifies(&self, name: &str) -> bool {
        let new = matches!(&self.watch, LogCondition::New { label, .. } if label == name);
        new || self.by.iter().any(|by| by == name)
    }

    /// The labels that its summary mentions.
    pub(super) fn mentioned(&self) -> impl Iterator<Item = &str> {
        self.summary.texts().flat_map(|text| {
            let parts = text.split("{{").skip(1);
            parts.filter_map(|part| part.split_once("}}").map(|(name, _)| name.trim()))
        })
    }

    /// How many of the newest matches decide.
    pub(super) fn newest(&self) -> usize {
        match &self.watch {
            LogCondition::Count(levels) => levels.each().map(|(level, _)| level.at_least).max(),
            _ => None,
        }
        .unwrap_or(0)
    }
}
