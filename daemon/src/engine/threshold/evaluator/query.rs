//! Query: what an evaluator says of itself and of its alarms.

use haetae_plugin::Severity;

use super::Evaluator;
use crate::engine::{
    alarm::{id::AlarmId, labels::Labels, view::AlarmView},
    series::source::Source,
    status::EvaluatorStatus,
    threshold::identity::Identity,
};

impl Evaluator {
    /// All alarms that are not ok.
    pub(in crate::engine) fn alarms(&self, sources: &[Source]) -> impl Iterator<Item = AlarmView> {
        self.identities.keys().filter_map(|labels| self.alarm(labels, sources))
    }

    /// The alarms that are not ok and whose ids start so.
    pub(in crate::engine) fn find<'a>(
        &'a self,
        id: &'a str,
        sources: &'a [Source],
    ) -> impl Iterator<Item = AlarmView> + 'a {
        let found = self.identities.iter().filter(move |(_, identity)| identity.id_starts_with(id));
        found.filter_map(move |(labels, _)| self.alarm(labels, sources))
    }

    /// The alarm that these labels identify, if it is not ok.
    pub(in crate::engine) fn alarm(
        &self,
        labels: &Labels,
        sources: &[Source],
    ) -> Option<AlarmView> {
        let down = self.inputs().filter_map(|source| sources.get(source)?.down).min();
        let identity = self.identities.get(labels)?;
        let view = identity.view(identity.under(&self.threshold), labels)?;
        Some(AlarmView { evidence: view.evidence.beside(down, self.late), ..view })
    }

    /// The identity of these labels, if its alarm fires under this id.
    fn firing_as(&self, labels: &Labels, id: AlarmId) -> Option<&Identity> {
        let identity = self.identities.get(labels)?;
        let is = AlarmId::new(identity.fingerprint.number(), identity.occurrence) == id;
        (is && identity.severity().is_some()).then_some(&**identity)
    }

    /// Whether the alarm that these labels identify fires under this id.
    pub(in crate::engine) fn fires(&self, labels: &Labels, id: AlarmId) -> bool {
        self.firing_as(labels, id).is_some()
    }

    /// Whether it does so as it was stored: with the same severity and the same labels.
    pub(in crate::engine) fn fires_as_stored(
        &self,
        stored: &AlarmView,
        labels: &Labels,
        id: AlarmId,
    ) -> bool {
        let Some(identity) = self.firing_as(labels, id) else { return false };
        let own = &identity.under(&self.threshold).labels;
        let others = || labels.iter().filter(|(name, _)| !own.contains_key(*name));
        let has = |name: &str, value: &str| stored.labels.get(name).is_some_and(|it| it == value);
        identity.severity() == Some(stored.severity)
            && stored.labels.len() == own.len() + others().count()
            && own.iter().all(|(name, value)| has(name, value))
            && others().all(|(name, value)| has(name, value))
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
