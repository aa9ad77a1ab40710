//! Judging: what follows from a match, and from time that passes without one.

use haetae_plugin::Timestamp;

use super::{
    LogEvaluator, MOST_SETS,
    alarm::Entry,
    matches::Tally,
    matching::{Found, Hit},
    rule::Watch,
};
use crate::engine::alarm::{
    id::{Fingerprint, Occurrences},
    labels::Labels,
    stored::Changes,
    view::Transition,
};

impl LogEvaluator {
    /// At the first word of any source the one record that all are waiting for is expected, also
    /// where it was another rule that had begun under this name before a restart.
    pub(super) fn begin(&mut self, found: &Found, occurrences: &Occurrences) {
        let Some(first) = found.span.map(|(first, _)| first).or(found.vouched) else { return };
        self.begun.get_or_insert(first);
        let none = Labels::default();
        if matches!(self.rule.watch, Watch::Absence(_))
            && self.rule.by.is_empty()
            && !self.entries.contains_key(&none)
        {
            self.enter(&none, Tally::since(first), occurrences);
            self.plan(&none, first);
        }
    }

    /// What nobody listened to was not absent. What several sources missed at a time is one gap.
    pub(super) fn close_gap(&mut self, cursor: usize, found: &Found) {
        let gap = self.cursors.get_mut(cursor).and_then(|cursor| cursor.gap(found));
        let (Some((from, until)), Watch::Absence(_)) = (gap, &self.rule.watch) else { return };
        let from = from.max(self.left_out);
        if from >= until {
            return;
        }
        self.left_out = until;
        for (labels, entry) in &mut self.entries {
            entry.tally.skip(from, until);
            self.dirty.insert(labels.clone());
        }
        self.due_all_now();
    }

    /// Judges what is due by now.
    pub(super) fn advance(&mut self, occurrences: &mut Occurrences, changes: &mut Changes) {
        let mut heard = self.cursors.iter().map(|cursor| cursor.state.heard);
        let clock = match self.rule.watch {
            // Of several sources any may say what is expected.
            Watch::Absence(_) => heard.min(),
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
        if !self.entries.contains_key(&labels) {
            if self.entries.len() >= MOST_SETS {
                self.ignored += 1;
                return;
            }
            let tally = Tally::of(&self.rule, &hit, self.begun.unwrap_or(hit.time));
            self.enter(&labels, tally, occurrences);
        }
        let Some(entry) = self.entries.get_mut(&labels) else { return };
        let fires = entry.severity.is_some();
        if entry.tally.add(&self.rule, hit, fires) {
            self.dirty.insert(labels.clone());
            self.judge(&labels, at, occurrences, changes);
        }
    }

    fn enter(&mut self, labels: &Labels, tally: Tally, occurrences: &Occurrences) {
        let fingerprint = Fingerprint::of(&self.rule.name, labels);
        let mut entry = Entry::new(fingerprint, occurrences.next(fingerprint), tally);
        // One that was forgotten a moment ago has its row yet.
        entry.stored = self.gone.remove(&entry.id());
        self.entries.insert(labels.clone(), Box::new(entry));
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
        while let Some(next) = self.room.next(self.rule.limit) {
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
        let Some(entry) = self.entries.get_mut(labels) else { return };
        let (was_over, waited) = (self.room.is_over(), entry.waits);
        let may = self.room.has_for(labels, rule.limit);
        self.room.leave(labels, entry);
        let turn = entry.judge(rule, at, may);
        self.room.enter(labels, entry);
        if waited != entry.waits {
            self.dirty.insert(labels.clone());
        }
        // That there are too many is told as soon as an alarm is.
        self.turned |= was_over != self.room.is_over();
        if let Some((change, severity)) = turn {
            let alarm = if change.is_end() {
                let ended = entry.occurrence;
                let alarm = entry.end(rule, labels, severity);
                changes.store(entry.stored(labels, ended, alarm.clone()));
                Some(alarm)
            } else {
                entry.view(rule, labels)
            };
            changes.transitions.extend(alarm.map(|alarm| Transition { change, alarm, at }));
            self.dirty.insert(labels.clone());
            self.turned = true;
        }
        if entry.severity.is_none() && entry.tally.is_over(rule, at) {
            self.forget(labels, occurrences);
        } else {
            self.plan(labels, at);
        }
    }

    /// Nothing of a label set can matter any more.
    fn forget(&mut self, labels: &Labels, occurrences: &mut Occurrences) {
        let Some(entry) = self.entries.remove(labels) else { return };
        self.unplan(labels, entry.due);
        self.dirty.remove(labels);
        if entry.stored {
            self.gone.insert(entry.id());
        }
        if entry.occurrence > 1 {
            occurrences.remember(entry.fingerprint, entry.occurrence - 1);
        }
    }

    /// When it is looked at again.
    fn plan(&mut self, labels: &Labels, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(labels) else { return };
        let due = entry.tally.due(&self.rule, at);
        let before = std::mem::replace(&mut entry.due, due);
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
        for (labels, entry) in &mut self.entries {
            entry.due = Some(self.clock);
            self.due.insert((self.clock, labels.clone()));
        }
    }
}
