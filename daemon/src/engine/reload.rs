//! Reload: the plan is replaced while alarms, windows and timers go on.

use haetae_plugin::Timestamp;

use super::{
    Engine,
    alarm::REMOVED,
    overrides::Override,
    source::SourceTiming,
    standing::{Changes, Effects},
    threshold::Threshold,
};

/// Where the series of each source before are now: the source's place, and theirs.
pub(super) type Moves = Vec<Option<(usize, std::collections::HashMap<usize, usize>)>>;

impl Engine {
    /// Goes on with another plan, as after a restart that took no time. What has the same name
    /// keeps its alarms, windows and timers; other numbers apply from now on. An evaluator that is
    /// gone, or tells its alarms apart by other labels, has its alarms closed. Nothing is judged.
    ///
    /// The overrides come along, so that a number that moved from an evaluator to one of them is
    /// missing at no time.
    pub fn reload(
        &mut self,
        sources: Vec<SourceTiming>,
        evaluators: Vec<Threshold>,
        overrides: Vec<Override>,
        now: Timestamp,
    ) -> Effects {
        self.follow_clock(now);
        let mut changes = Changes::default();
        let mut next = Self::new(sources, evaluators, now);
        for evaluator in &mut next.evaluators {
            evaluator.override_with(&overrides, now, &mut changes);
        }
        let moves = self.move_sources(&mut next, now, &mut changes);
        for before in std::mem::take(&mut self.evaluators) {
            let named = next.evaluators.iter_mut().enumerate();
            let Some((index, after)) =
                named.into_iter().find(|(_, after)| after.name() == before.name())
            else {
                before.close_all(REMOVED, now, &mut self.occurrences, &mut changes);
                continue;
            };
            let attached = after.succeed(before, &moves, now, &mut self.occurrences, &mut changes);
            for (source, place) in attached {
                if let Some(source) = next.sources.get_mut(source) {
                    source.attached(place, index);
                }
            }
        }
        for source in &mut next.sources {
            source.settle(now);
        }
        (self.sources, self.evaluators) = (next.sources, next.evaluators);
        self.overrides = overrides;
        changes.into_effects()
    }

    /// Moves what sources know to those of the same name; where what has moved to.
    fn move_sources(&mut self, next: &mut Self, now: Timestamp, changes: &mut Changes) -> Moves {
        let Self { sources, evaluators, .. } = next;
        let mut moves = Vec::new();
        for before in std::mem::take(&mut self.sources) {
            let named = sources.iter_mut().enumerate();
            let after =
                named.into_iter().find(|(_, after)| after.timing.name == before.timing.name);
            if let Some((index, after)) = after {
                let places = after.succeed(before, |evaluator, series| {
                    evaluators.get(evaluator).is_some_and(|evaluator| evaluator.wants(series))
                });
                moves.push(Some((index, places)));
            } else {
                self.system.retire(&before.timing.name, now, changes);
                moves.push(None);
            }
        }
        moves
    }
}
