//! Reload: the plan is replaced while alarms, windows and timers go on.

use std::{
    collections::{BTreeSet, HashMap},
    mem::take,
    sync::Arc,
};

use haetae_plugin::Timestamp;

use super::{
    Engine,
    alarm::{changes::Changes, view::REMOVED},
    effects::Effects,
    log::{LogEvaluator, LogRule},
    mute::silence::Silence,
    notify::{Inhibit, Route, Views},
    progress::Progress,
    series::source::SourceTiming,
    threshold::{evaluator::Evaluator, overrides::Override, rule::Threshold},
};

/// Where the series of each source before are now: the source's place, and theirs.
pub(super) type Moves = Vec<Option<(usize, HashMap<usize, usize>)>>;

/// What an engine takes from a plan.
#[derive(Debug, Default)]
pub struct Setting {
    /// The sources.
    pub sources: Vec<SourceTiming>,
    /// The threshold evaluators.
    pub thresholds: Vec<Arc<Threshold>>,
    /// Numbers that stand in for those of evaluators, the newest last.
    pub overrides: Vec<Override>,
    /// The log evaluators. What comes after the reload may have been matched by those before.
    pub logs: Vec<LogRule>,
    /// The sinks, in their order.
    pub routes: Vec<Route>,
    /// Which alarms mute others.
    pub inhibits: Vec<Inhibit>,
    /// What is worked on.
    pub maintenance: Vec<Silence>,
    /// What system alarms may be about: those of others end, and nobody hears of theirs any more.
    /// `None`: sources, evaluators and sinks that are gone take theirs along.
    pub instances: Option<BTreeSet<String>>,
    /// By which its effects are known, see [`Effects::plan`].
    pub number: Option<u64>,
}

impl Engine {
    /// Goes on with another plan, as after a restart that took no time. What has the same name
    /// keeps its alarms, windows and timers; other numbers apply from now on. An evaluator that is
    /// gone, or tells its alarms apart by other labels, has its alarms closed, and so has what is
    /// wrong with an instance that is gone. Nothing is judged.
    ///
    /// The overrides come along, so that a number that moved from an evaluator to one of them is
    /// missing at no time.
    pub fn reload(&mut self, setting: Setting, now: Timestamp) -> Effects {
        while self.flush_due(now) == Progress::More {}
        let mut changes = Changes::default();
        self.replace_plan(setting, now, &mut changes);
        self.finish(changes, now)
    }

    /// The same as a part of a step: what was due before was told.
    pub(super) fn replace_plan(&mut self, setting: Setting, now: Timestamp, changes: &mut Changes) {
        let Setting { sources, thresholds, overrides, logs, .. } = setting;
        let mut next = Self::new(sources, thresholds, now).with_logs(logs);
        for evaluator in &mut next.evaluators {
            evaluator.override_with(&overrides, now, changes);
        }
        let moves = self.move_sources(&mut next, now, changes);
        self.move_evaluators(&mut next, &moves, now, changes);
        self.move_logs(&mut next, now, changes);
        for sink in self.notifier.sinks() {
            if !setting.routes.iter().any(|route| route.sink == sink) {
                self.system.retire(sink, now, changes);
            }
        }
        for source in &mut next.sources {
            source.settle(now);
        }
        (self.sources, self.evaluators, self.logs) = (next.sources, next.evaluators, next.logs);
        // From here on alarms are looked at where they have moved to.
        self.route(setting.routes, setting.inhibits, setting.maintenance, now);
        if let Some(instances) = setting.instances {
            self.system.know(instances, now, changes);
        }
        changes.plan = setting.number;
    }

    /// Replaces who is told of what, and what mutes.
    pub(super) fn route(
        &mut self,
        routes: Vec<Route>,
        inhibits: Vec<Inhibit>,
        maintenance: Vec<Silence>,
        now: Timestamp,
    ) {
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        let views = Views { evaluators, sources, system, logs };
        let name = |source: usize| Some(sources.get(source)?.timing.name.clone());
        let read = |one: &Evaluator| one.inputs().filter_map(name).collect::<Vec<_>>();
        let reads = evaluators.iter().map(|one| (one.name().to_owned(), read(one)));
        let read = |log: &LogEvaluator| log.inputs().map(Into::into).collect();
        let logs = logs.iter().map(|log| (log.name().to_owned(), read(log)));
        let reads = reads.chain(logs).collect();
        notifier.configure(routes, (inhibits, maintenance), reads, now, views);
    }

    /// Moves what sources know to those of the same name; where what has moved to.
    fn move_sources(&mut self, next: &mut Self, now: Timestamp, changes: &mut Changes) -> Moves {
        let Self { sources, evaluators, .. } = next;
        let mut moves = Vec::new();
        for before in take(&mut self.sources) {
            let named = sources.iter_mut().enumerate();
            let after =
                named.into_iter().find(|(_, after)| after.timing.name == before.timing.name);
            if let Some((index, after)) = after {
                let places = after.succeed(before, |evaluator, series| {
                    evaluators.get(evaluator).is_some_and(|evaluator| evaluator.wants(series))
                });
                moves.push(Some((index, places)));
            } else {
                // Nobody waits for its first word.
                self.notifier.heard(&before.timing.name);
                self.system.retire(&before.timing.name, now, changes);
                moves.push(None);
            }
        }
        moves
    }

    /// Moves what threshold evaluators know to those of the same name.
    fn move_evaluators(
        &mut self,
        next: &mut Self,
        moves: &Moves,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        for before in take(&mut self.evaluators) {
            let named = next.evaluators.iter_mut().enumerate();
            let Some((index, after)) =
                named.into_iter().find(|(_, after)| after.name() == before.name())
            else {
                before.close_all(REMOVED, now, &mut self.occurrences, changes);
                self.system.retire(before.name(), now, changes);
                continue;
            };
            let attached = after.succeed(before, moves, now, &mut self.occurrences, changes);
            for (source, place) in attached {
                if let Some(source) = next.sources.get_mut(source) {
                    source.attached(place, index);
                }
            }
        }
    }

    /// Moves what log evaluators know to those of the same name.
    fn move_logs(&mut self, next: &mut Self, now: Timestamp, changes: &mut Changes) {
        for before in take(&mut self.logs) {
            let after = next.logs.iter_mut().find(|after| after.name() == before.name());
            if let Some(after) = after {
                after.succeed(before, now, &mut self.occurrences, changes);
            } else {
                before.close_all(REMOVED, now, &mut self.occurrences, changes);
                self.system.retire(before.name(), now, changes);
            }
        }
    }
}
