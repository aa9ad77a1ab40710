//! Active: the alarms that fire, in as little memory as they need, and how to look at one.

use std::{fmt, sync::Arc};

use haetae_plugin::Severity;

use crate::engine::{
    SYSTEM,
    alarm::{labels::Labels, view::AlarmView},
    log::LogEvaluator,
    mute::matcher::Matcher,
    series::source::Source,
    system::System,
    threshold::evaluator::Evaluator,
};

/// An alarm's id as numbers: its fingerprint and its occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct AlarmId(u64, u32);

impl AlarmId {
    pub(in crate::engine) const FIRST: Self = Self(0, 0);
    pub(in crate::engine) const LAST: Self = Self(u64::MAX, u32::MAX);

    /// Reads what it is shown as.
    pub(in crate::engine) fn parse(text: &str) -> Option<Self> {
        let (fingerprint, occurrence) = text.rsplit_once('-')?;
        Some(Self(u64::from_str_radix(fingerprint, 16).ok()?, occurrence.parse().ok()?))
    }

    /// The id of an occurrence of a fingerprint.
    pub(in crate::engine) const fn new(fingerprint: u64, occurrence: u32) -> Self {
        Self(fingerprint, occurrence)
    }

    /// What all occurrences of one alarm share.
    pub(in crate::engine) const fn fingerprint(self) -> u64 {
        self.0
    }

    /// All occurrences of a fingerprint.
    pub(super) const fn occurrences(fingerprint: u64) -> std::ops::RangeInclusive<Self> {
        Self(fingerprint, 0)..=Self(fingerprint, u32::MAX)
    }
}

impl fmt::Display for AlarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}-{}", self.0, self.1)
    }
}

/// An alarm that fires; its looks are with its evaluator.
#[derive(Debug)]
pub(in crate::engine) struct ActiveAlarm {
    pub(in crate::engine) evaluator: Arc<str>,
    /// Those that identify it.
    pub(in crate::engine) labels: Labels,
    /// What it looks like, if its evaluator can't say.
    pub(super) kept: Option<Box<AlarmView>>,
    /// Whether its severity is critical; else it is a warning.
    pub(super) critical: bool,
}

impl ActiveAlarm {
    /// How bad it is.
    pub(super) const fn severity(&self) -> Severity {
        if self.critical { Severity::Critical } else { Severity::Warning }
    }
}

/// Where alarms are looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Views<'a> {
    pub(in crate::engine) evaluators: &'a [Evaluator],
    pub(in crate::engine) sources: &'a [Source],
    pub(in crate::engine) system: &'a System,
    pub(in crate::engine) logs: &'a [LogEvaluator],
}

impl Views<'_> {
    /// An alarm as its evaluator has it now.
    pub(super) fn view_by_labels(
        &self,
        evaluator: &str,
        labels: &Labels,
        id: AlarmId,
    ) -> Option<AlarmView> {
        let view = if evaluator == SYSTEM {
            self.system.alarm(labels)
        } else if let Some(log) = self.logs.iter().find(|log| log.name() == evaluator) {
            log.alarm(labels)
        } else {
            self.evaluator(evaluator)?.alarm(labels, self.sources)
        };
        view.filter(|view| view.is_firing() && AlarmId::parse(&view.id) == Some(id))
    }

    /// Whether an alarm fires as far as its evaluator knows.
    pub(super) fn has(&self, evaluator: &str, labels: &Labels, id: AlarmId) -> bool {
        match self.evaluator(evaluator) {
            Some(evaluator) => evaluator.fires(labels, id),
            None => self.view_by_labels(evaluator, labels, id).is_some(),
        }
    }

    /// Whether an evaluator of thresholds shows an alarm as it was stored, as far as it depends on
    /// that who is told of it: under the same id and labels, and as severe.
    pub(super) fn fires_as_stored(&self, stored: &AlarmView, labels: &Labels, id: AlarmId) -> bool {
        let evaluator = self.evaluator(&stored.evaluator);
        evaluator.is_some_and(|evaluator| evaluator.fires_as_stored(stored, labels, id))
    }

    /// An evaluator of thresholds; a plan has them by name.
    fn evaluator(&self, name: &str) -> Option<&Evaluator> {
        match self.evaluators.binary_search_by(|one| one.name().cmp(name)) {
            Ok(at) => self.evaluators.get(at),
            Err(_) => self.evaluators.iter().find(|one| one.name() == name),
        }
    }

    /// An alarm that fires, as it is now.
    pub(super) fn view(&self, id: AlarmId, active: &ActiveAlarm) -> Option<AlarmView> {
        if let Some(kept) = &active.kept {
            return Some((**kept).clone());
        }
        self.view_by_labels(&active.evaluator, &active.labels, id)
    }
}

/// A label of an alarm; `severity` and `evaluator` count as labels.
pub(in crate::engine) fn label<'a>(alarm: &'a AlarmView, name: &str) -> Option<&'a str> {
    match name {
        "severity" => Some(alarm.severity.as_str()),
        "evaluator" => Some(&alarm.evaluator),
        name => alarm.labels.get(name).map(String::as_str),
    }
}

/// Whether all matchers fit.
pub(in crate::engine) fn fits(matchers: &[Matcher], alarm: &AlarmView) -> bool {
    matchers.iter().all(|matcher| matcher.matches(label(alarm, matcher.label())))
}
