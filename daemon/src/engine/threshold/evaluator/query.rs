//! Query: what an evaluator says of itself and of all its alarms.

use haetae_plugin::Severity;

use super::Evaluator;
use crate::engine::{alarm::view::AlarmView, series::source::SourceState, status::EvaluatorStatus};

impl Evaluator {
    /// All alarms that are not ok.
    pub(in crate::engine) fn alarms(
        &self,
        sources: &[SourceState],
    ) -> impl Iterator<Item = AlarmView> {
        self.identities.keys().filter_map(|labels| self.alarm(labels, sources))
    }

    /// The alarms that are not ok and whose ids start so.
    pub(in crate::engine) fn find<'a>(
        &'a self,
        id: &'a str,
        sources: &'a [SourceState],
    ) -> impl Iterator<Item = AlarmView> + 'a {
        let found = self.identities.iter().filter(move |(_, identity)| identity.id_starts_with(id));
        found.filter_map(move |(labels, _)| self.alarm(labels, sources))
    }

    /// The severities of all alarms that fire.
    pub(in crate::engine) fn firing(&self) -> impl Iterator<Item = Severity> {
        self.identities.values().filter_map(|identity| identity.severity())
    }

    /// What it counted.
    pub(in crate::engine) fn status(&self) -> EvaluatorStatus {
        let series = self.inputs.iter().map(|input| input.series).sum();
        EvaluatorStatus { series, ..self.status.clone() }
    }

    /// Of each source, how many series it counts and how many there are.
    #[cfg(test)]
    pub(in crate::engine) fn series(&self) -> impl Iterator<Item = (usize, usize)> {
        self.inputs.iter().map(|input| {
            let of_source = self.identities.values().map(|one| one.series_of(input.source));
            (input.series, of_source.sum())
        })
    }
}
