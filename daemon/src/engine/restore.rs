//! Restore: alarms go on where the process before this one left them.

use std::{
    collections::{BTreeSet, HashMap},
    mem::take,
};

use haetae_plugin::Timestamp;

use super::{
    Engine, Problem, SYSTEM,
    alarm::{Change, INSTANCE_REMOVED, REMOVED, Transition},
    log::LogCursor,
    notify::Views,
    occurrence::Fingerprint,
    source::Source,
    standing::{Changes, Effects, Past, Standing},
};

impl Engine {
    /// Goes on with what was stored; to be called before the first step, several times if the
    /// standings come in parts. `instances` are the names that system alarms may be about.
    ///
    /// An alarm whose series have not spoken yet holds its condition, and the time that nobody
    /// judged counts toward nothing. What nothing judges any more is closed.
    pub fn restore(
        &mut self,
        mut past: Past,
        instances: &BTreeSet<String>,
        now: Timestamp,
    ) -> Effects {
        let mut changes = Changes::default();
        self.recall_sinks(&mut past, now);
        self.occurrences.above(past.floor);
        for (fingerprint, last) in past.occurrences {
            self.remember(&fingerprint, last);
        }
        self.recall_cursors(past.cursors, now);
        let names = self.evaluators.iter().enumerate();
        let places: HashMap<_, _> =
            names.map(|(at, evaluator)| (evaluator.name().to_owned(), at)).collect();
        let mut firing = Vec::new();
        for standing in past.standings {
            let reason = if standing.alarm.ended.is_some() {
                self.remember(&standing.fingerprint, standing.occurrence);
                continue;
            } else if standing.alarm.evaluator == SYSTEM {
                self.restore_problem(&standing, instances, now)
            } else if let Some(log) =
                self.logs.iter_mut().find(|log| log.name() == standing.alarm.evaluator)
            {
                log.restore(&standing, now)
            } else {
                let evaluator = places.get(&standing.alarm.evaluator);
                match evaluator.and_then(|at| self.evaluators.get_mut(*at)) {
                    None => Some(REMOVED),
                    Some(evaluator) => evaluator.restore(&standing, now, &mut changes),
                }
            };
            if let Some(reason) = reason {
                if standing.alarm.is_firing() {
                    self.remember(&standing.fingerprint, standing.occurrence);
                }
                close(standing, reason, now, &mut changes);
                continue;
            }
            self.notifier.recall_pace(&standing);
            if standing.alarm.is_firing() {
                firing.push(standing);
            }
        }
        let mut effects = changes.into_effects();
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        let views = Views { evaluators, sources, system, logs };
        for standing in &firing {
            notifier.resume(standing, now, views);
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

    /// What sinks were told goes on, and nobody is told anything before every source has spoken.
    fn recall_sinks(&mut self, past: &mut Past, now: Timestamp) {
        if !past.standings.is_empty() || !past.groups.is_empty() {
            let patience = self.sources.iter().map(Source::patience).max().unwrap_or_default();
            let names = self.sources.iter().map(|source| source.timing.name.clone());
            self.notifier.hold(names.collect(), patience, now);
        }
        let (groups, handlings) = (take(&mut past.groups), take(&mut past.handlings));
        self.notifier.recall(groups, handlings);
        if !past.silences.is_empty() {
            self.notifier.silence(take(&mut past.silences), now);
        }
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
