//! Restore of a log evaluator: it goes on where an earlier run has ended.

use haetae_plugin::Timestamp;

use super::{LogCursor, LogEvaluator, alarm::LogAlarm};
use crate::engine::alarm::{id::Fingerprint, labels::Labels, stored::Standing, view::CHANGED};

impl LogEvaluator {
    /// Goes on in a queue where an earlier run has ended, whose clock may have run ahead of `now`.
    pub(in crate::engine) fn resume(&mut self, mut stored: LogCursor, now: Timestamp) {
        let known = self.cursors.iter_mut().find(|cursor| cursor.source == stored.source);
        let Some(cursor) = known else { return };
        stored.state.follow_clock(now);
        self.clock = self.clock.max(stored.state.clock);
        self.strange |= stored.state.rule.take().is_some_and(|rule| rule != self.rule.identity());
        // Another kind of thing begins anew.
        let begun = stored.state.begun.filter(|_| !self.strange);
        self.begun = match (self.begun, begun) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        cursor.resume(stored);
    }

    /// Goes on with a label set that was stored; the answer is why it can't.
    pub(in crate::engine) fn restore(
        &mut self,
        standing: &Standing,
        now: Timestamp,
    ) -> Option<&'static str> {
        let labels = Labels::from(&standing.labels);
        if self.alarms.get(&labels).is_some_and(|known| known.id() == standing.alarm.id) {
            // A row that is read twice goes on once.
            return None;
        }
        let fits = standing.labels.keys().all(|name| self.rule.identifies(name));
        let fits = fits && !self.strange;
        let matches = standing.state.as_ref().and_then(|state| state.log.clone());
        let Some(mut matches) = matches.filter(|_| fits && !self.alarms.contains_key(&labels))
        else {
            return Some(CHANGED);
        };
        matches.follow_clock(now);
        let fingerprint = Fingerprint::parse(&standing.fingerprint)
            .unwrap_or_else(|| Fingerprint::of(&self.rule.name, &labels));
        let mut alarm = LogAlarm::restored(fingerprint, standing, matches);
        // Numbers may have changed: it is judged as soon as time moves.
        alarm.due = Some(self.clock);
        self.due.insert((self.clock, labels.clone()));
        self.limit.enter(&labels, &alarm);
        self.alarms.insert(labels, Box::new(alarm));
        None
    }
}
