//! Restore: alarms go on where the process before this one left them.

use std::collections::{BTreeSet, HashMap};

use haetae_plugin::{Samples, Timestamp};

use super::{
    Engine, Problem, SYSTEM,
    alarm::{
        changes::Changes,
        handling::Handling,
        id::Fingerprint,
        labels::Labels,
        stored::Standing,
        view::{Change, INSTANCE_REMOVED, REMOVED, Transition},
    },
    effects::Effects,
    log::LogCursor,
    mute::silence::Silence,
    notify::{StoredGroup, Views},
    series::source::SourceState,
};

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

impl Engine {
    /// Goes on with what was stored; to be called before the first step. Groups and alarms may
    /// follow in parts: [`Self::restore_groups`], then [`Self::restore_alarms`]. `instances` are the
    /// names that system alarms may be about.
    ///
    /// An alarm whose series have not spoken yet holds its condition, and the time that nobody
    /// judged counts toward nothing. What nothing judges any more is closed.
    pub fn restore(&mut self, past: Past, instances: &BTreeSet<String>, now: Timestamp) -> Effects {
        let Past { standings, occurrences, floor, handlings, groups, silences, cursors } = past;
        self.occurrences.above(floor);
        for (fingerprint, last) in occurrences {
            self.remember(&fingerprint, last);
        }
        self.notifier.recall_handlings(handlings);
        if !silences.is_empty() {
            self.notifier.silence(silences, now);
        }
        self.recall_cursors(cursors, now);
        // Whoever gives all at once, a test or a rehearsal, wrote it a moment ago.
        let (mut effects, _) = self.restore_groups(&groups, now);
        effects.extend(self.restore_alarms(&standings, instances, now));
        effects
    }

    /// Goes on with what sinks were told together; beside the effects, what of it can't be read.
    pub fn restore_groups(
        &mut self,
        groups: &[StoredGroup],
        now: Timestamp,
    ) -> (Effects, Vec<String>) {
        if !groups.is_empty() {
            self.hold(now);
        }
        let unreadable = self.notifier.recall(groups);
        let mut effects = Effects::default();
        self.notifier.drain(&mut effects);
        (effects, unreadable)
    }

    /// Fills windows with what a source said before it was heard.
    pub(super) fn recall(&mut self, name: &str, samples: &Samples, now: Timestamp) {
        let Self { sources, evaluators, .. } = self;
        if let Some(source) = sources.iter_mut().find(|source| source.timing.name == name) {
            source.recall(samples, now, |evaluator, series| {
                evaluators.get(evaluator).is_some_and(|evaluator| evaluator.wants(series))
            });
        }
    }

    /// Goes on with alarms that have not ended.
    pub fn restore_alarms(
        &mut self,
        standings: &[Standing],
        instances: &BTreeSet<String>,
        now: Timestamp,
    ) -> Effects {
        if !standings.is_empty() {
            self.hold(now);
        }
        let mut changes = Changes::default();
        let names = self.evaluators.iter().enumerate();
        let places: HashMap<_, _> =
            names.map(|(at, evaluator)| (evaluator.name().to_owned(), at)).collect();
        let mut firing = Vec::new();
        for standing in standings {
            let labels = Labels::from(&standing.labels);
            let reason = if standing.alarm.ended.is_some() {
                self.remember(&standing.fingerprint, standing.occurrence);
                continue;
            } else if standing.alarm.evaluator == SYSTEM {
                self.restore_problem(standing, instances, now)
            } else if let Some(log) =
                self.logs.iter_mut().find(|log| log.name() == standing.alarm.evaluator)
            {
                log.restore(standing, now)
            } else {
                let evaluator = places.get(&standing.alarm.evaluator);
                match evaluator.and_then(|at| self.evaluators.get_mut(*at)) {
                    None => Some(REMOVED),
                    Some(evaluator) => evaluator.restore(standing, &labels, now, &mut changes),
                }
            };
            if let Some(reason) = reason {
                if standing.alarm.is_firing() {
                    self.remember(&standing.fingerprint, standing.occurrence);
                }
                close(standing.clone(), reason, now, &mut changes);
                continue;
            }
            self.notifier.recall_pace(standing);
            if standing.alarm.is_firing() {
                firing.push((standing, labels));
            }
        }
        let mut effects = changes.into_effects();
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        let views = Views { evaluators, sources, system, logs };
        for (standing, labels) in firing {
            notifier.resume(standing, labels, now, views);
        }
        notifier.take(&effects, now, views);
        notifier.drain(&mut effects);
        effects
    }

    fn recall_cursors(&mut self, cursors: Vec<LogCursor>, now: Timestamp) {
        for cursor in cursors {
            let reader = self.logs.iter_mut().find(|log| log.name() == cursor.evaluator);
            if let Some(reader) = reader {
                reader.resume(cursor, now);
            }
        }
    }

    /// Nobody is told anything before every source has spoken.
    fn hold(&mut self, now: Timestamp) {
        let patience = self.sources.iter().map(SourceState::patience).max().unwrap_or_default();
        let names = self.sources.iter().map(|source| source.timing.name.clone());
        self.notifier.hold(names.collect(), patience, now);
    }

    /// Restores a system alarm; the answer is why it can't be.
    fn restore_problem(
        &mut self,
        standing: &Standing,
        instances: &BTreeSet<String>,
        now: Timestamp,
    ) -> Option<&'static str> {
        let Some(instance) = standing.labels.get("instance").filter(|it| instances.contains(*it))
        else {
            return Some(INSTANCE_REMOVED);
        };
        let Some(problem) = self.system.restore(standing) else { return Some(REMOVED) };
        self.remember(&standing.fingerprint, standing.occurrence);
        if let (Problem::SourceDown, Some(source)) = (problem, self.source(instance)) {
            source.outage(standing.alarm.since.min(now));
        }
        None
    }

    fn remember(&mut self, fingerprint: &str, last: u32) {
        if let Some(fingerprint) = Fingerprint::parse(fingerprint) {
            self.occurrences.remember(fingerprint, last);
        }
    }
}

/// Ends an alarm that nothing judges any more; one that never fired is forgotten.
fn close(standing: Standing, reason: &str, now: Timestamp, changes: &mut Changes) {
    if !standing.alarm.is_firing() {
        changes.delete(standing.alarm.id);
        return;
    }
    let alarm = standing.alarm.over(now, reason);
    changes.transitions.push(Transition { change: Change::Closed, alarm: alarm.clone(), at: now });
    changes.store(Standing { alarm, state: None, ..standing });
}
