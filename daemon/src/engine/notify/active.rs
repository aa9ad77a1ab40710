//! Active: the alarms that fire, in as little memory as they need, and how to look at one.

use std::sync::Arc;

use haetae_plugin::Severity;

use crate::engine::{
    SYSTEM,
    alarm::{id::AlarmId, labels::Labels, view::AlarmView},
    log::LogEvaluator,
    series::source::SourceState,
    system::System,
    threshold::evaluator::Evaluator,
};

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
    pub(in crate::engine) sources: &'a [SourceState],
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
