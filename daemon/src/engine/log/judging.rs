//! Judging: what follows from a match, and from time that passes without one.

use haetae_plugin::Timestamp;

use super::{
    LogEvaluator, MOST_SETS,
    alarm::LogAlarm,
    matches::Matches,
    matching::{Found, Hit},
    rule::LogCondition,
};
use crate::engine::alarm::{
    changes::Changes,
    id::{Fingerprint, Occurrences},
    labels::Labels,
    view::Transition,
};

impl LogEvaluator {
    /// At the first word of any source the one record that all are waiting for is expected, also
    /// where it was another rule that had begun under this name before a restart.
    pub(super) fn begin(&mut self, found: &Found, occurrences: &Occurrences) {
        let Some(first) = found.span.map(|(first, _)| first).or(found.vouched) else { return };
        self.begun.get_or_insert(first);
        let none = Labels::default();
        if matches!(self.rule.watch, LogCondition::Absence(_))
            && self.rule.by.is_empty()
            && !self.alarms.contains_key(&none)
        {
            self.enter(&none, Matches::since(first), occurrences);
            self.plan(&none, first);
        }
    }

    /// What nobody listened to was not absent. What several sources missed at a time is one gap.
    pub(super) fn close_gap(&mut self, cursor: usize, found: &Found) {
        let gap = self.cursors.get_mut(cursor).and_then(|cursor| cursor.gap(found));
        let (Some((from, until)), LogCondition::Absence(_)) = (gap, &self.rule.watch) else {
            return;
        };
        let from = from.max(self.left_out);
        if from >= until {
            return;
        }
        self.left_out = until;
        for (labels, log_alarm) in &mut self.alarms {
            log_alarm.matches.skip(from, until);
            self.dirty.insert(labels.clone());
        }
        self.due_all_now();
    }

    /// Judges what is due by now.
    pub(super) fn advance(&mut self, occurrences: &mut Occurrences, changes: &mut Changes) {
        let mut heard = self.cursors.iter().map(|cursor| cursor.state.heard);
        let clock = match self.rule.watch {
            // Of several sources any may say what is expected.
            LogCondition::Absence(_) => heard.min(),
            _ => heard.next().map(|first| heard.fold(first, Option::max)),
        };
        let Some(clock) = clock.flatten() else { return };
        while let Some((at, labels)) = self.due.pop_first() {
            if at > clock {
                self.due.insert((at, labels));
                break;
            }
            self.judge(&labels, at, occurrences, changes);
        }
        self.clock = self.clock.max(clock);
    }

    /// Counts a match.
    pub(super) fn count(&mut self, hit: Hit, occurrences: &mut Occurrences, changes: &mut Changes) {
        let labels = hit.labels.clone();
        // One that is late is judged with what is known by now.
        let at = self.clock.max(hit.time);
        if !self.alarms.contains_key(&labels) {
            if self.alarms.len() >= MOST_SETS {
                self.ignored += 1;
                return;
            }
            let matches = Matches::of(&self.rule, &hit, self.begun.unwrap_or(hit.time));
            self.enter(&labels, matches, occurrences);
        }
        let Some(log_alarm) = self.alarms.get_mut(&labels) else { return };
        let fires = log_alarm.severity.is_some();
        if log_alarm.matches.add(&self.rule, hit, fires) {
            self.dirty.insert(labels.clone());
            self.judge(&labels, at, occurrences, changes);
        }
    }

    fn enter(&mut self, labels: &Labels, matches: Matches, occurrences: &Occurrences) {
        let fingerprint = Fingerprint::of(&self.rule.name, labels);
        let mut log_alarm = LogAlarm::new(fingerprint, occurrences.next(fingerprint), matches);
        // One that was forgotten a moment ago has its row yet.
        log_alarm.stored = self.gone.remove(&log_alarm.id());
        self.alarms.insert(labels.clone(), Box::new(log_alarm));
        self.dirty.insert(labels.clone());
    }

    /// Judges a label set, and lets those that wait into the room that it leaves.
    pub(super) fn judge(
        &mut self,
        labels: &Labels,
        at: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        self.judge_one(labels, at, occurrences, changes);
        while let Some(next) = self.limit.next(self.rule.limit) {
            self.judge_one(&next, at, occurrences, changes);
        }
    }

    fn judge_one(
        &mut self,
        labels: &Labels,
        at: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        let rule = &self.rule;
        let Some(log_alarm) = self.alarms.get_mut(labels) else { return };
        let (was_over, waited) = (self.limit.is_over(), log_alarm.waits);
        let may = self.limit.has_for(labels, rule.limit);
        self.limit.leave(labels, log_alarm);
        let turn = log_alarm.judge(rule, at, may);
        self.limit.enter(labels, log_alarm);
        if waited != log_alarm.waits {
            self.dirty.insert(labels.clone());
        }
        // That there are too many is told as soon as an alarm is.
        self.turned |= was_over != self.limit.is_over();
        if let Some((change, severity)) = turn {
            let alarm = if change.is_end() {
                let ended = log_alarm.occurrence;
                let alarm = log_alarm.end(rule, labels, severity);
                changes.store(log_alarm.stored(labels, ended, alarm.clone()));
                Some(alarm)
            } else {
                log_alarm.view(rule, labels)
            };
            changes.transitions.extend(alarm.map(|alarm| Transition { change, alarm, at }));
            self.dirty.insert(labels.clone());
            self.turned = true;
        }
        if log_alarm.severity.is_none() && log_alarm.matches.is_over(rule, at) {
            self.forget(labels, occurrences);
        } else {
            self.plan(labels, at);
        }
    }

    /// Nothing of a label set can matter any more.
    fn forget(&mut self, labels: &Labels, occurrences: &mut Occurrences) {
        let Some(log_alarm) = self.alarms.remove(labels) else { return };
        self.unplan(labels, log_alarm.due);
        self.dirty.remove(labels);
        if log_alarm.stored {
            self.gone.insert(log_alarm.id());
        }
        if log_alarm.occurrence > 1 {
            occurrences.remember(log_alarm.fingerprint, log_alarm.occurrence - 1);
        }
    }

    /// When it is looked at again.
    fn plan(&mut self, labels: &Labels, at: Timestamp) {
        let Some(log_alarm) = self.alarms.get_mut(labels) else { return };
        let due = log_alarm.matches.due(&self.rule, at);
        let before = std::mem::replace(&mut log_alarm.due, due);
        self.unplan(labels, before);
        self.due.extend(due.map(|due| (due, labels.clone())));
    }

    fn unplan(&mut self, labels: &Labels, due: Option<Timestamp>) {
        if let Some(due) = due {
            self.due.remove(&(due, labels.clone()));
        }
    }

    pub(super) fn due_all_now(&mut self) {
        self.due.clear();
        for (labels, log_alarm) in &mut self.alarms {
            log_alarm.due = Some(self.clock);
            self.due.insert((self.clock, labels.clone()));
        }
    }
}
