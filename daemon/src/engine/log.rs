//! Log evaluators: what matches, what is expected and does not come, what was never seen before.
//!
//! Their time is that of the records, so that what is read again after a kill is judged as before.
//! An absence needs all sources to have spoken; one that is down says nothing, so none follows.

mod entry;
mod lane;
mod matching;
mod reload;
mod restore;
mod rule;
mod tally;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::{Severity, Timestamp};

use self::{entry::Entry, lane::Lane, matching::Hit};
pub use self::{
    lane::{LaneState, LogCursor, Positions, Records},
    matching::{EXCERPT, Found, Matching},
    rule::{Count, Levels, LogRule, Watch},
    tally::{EXCERPTS, Tally},
};
use super::{
    alarm::{AlarmView, Transition},
    evidence::Evidence,
    labels::Labels,
    occurrence::{Fingerprint, Occurrences},
    standing::Changes,
    status::EvaluatorStatus,
};

/// The most label sets of one evaluator; records of more are not judged, and counted.
pub const MOST_SETS: usize = 10_000;
/// How long what changed may wait to be written when nobody is told of anything.
const SAVE: Duration = Duration::from_secs(1);

/// A log evaluator and all that it knows.
#[derive(Debug)]
pub(super) struct LogEvaluator {
    rule: LogRule,
    lanes: Vec<Lane>,
    entries: BTreeMap<Labels, Box<Entry>>,
    due: BTreeSet<(Timestamp, Labels)>,
    clock: Timestamp,
    begun: Option<Timestamp>,
    /// Whether what was stored is of a rule that told alarms apart by other labels or kinds.
    strange: bool,
    /// Up to when time in which nobody listened was left out.
    left_out: Timestamp,
    /// What is to be written, and to be deleted.
    dirty: BTreeSet<Labels>,
    gone: BTreeSet<String>,
    moved: bool,
    /// Whether somebody is to be told: then all is written with it.
    turned: bool,
    saved: Timestamp,
    ignored: u64,
}

impl LogEvaluator {
    /// An evaluator that has read nothing.
    pub(super) fn new(rule: LogRule) -> Self {
        Self {
            lanes: rule.inputs.iter().map(|source| Lane::new(source)).collect(),
            rule,
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            clock: Timestamp::default(),
            begun: None,
            strange: false,
            left_out: Timestamp::default(),
            dirty: BTreeSet::new(),
            gone: BTreeSet::new(),
            moved: false,
            turned: false,
            saved: Timestamp::default(),
            ignored: 0,
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.rule.name
    }

    /// Whether it reads a source.
    pub(super) fn reads(&self, source: &str) -> bool {
        self.lanes.iter().any(|lane| lane.source == source)
    }

    /// The sources that it reads.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.lanes.iter().map(|lane| lane.source.as_str())
    }

    /// Judges a batch; `rule` is its own place among the rules of the source.
    pub(super) fn take(
        &mut self,
        records: &Records,
        rule: usize,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        let Some(at) = self.lane(&records.source) else { return };
        if !self
            .lanes
            .get_mut(at)
            .is_some_and(|lane| lane.moves_to(&records.queue, records.position))
        {
            return;
        }
        self.moved = true;
        self.begin(&records.found, occurrences);
        self.close_gap(at, &records.found);
        for hit in records.found.hits.iter().filter(|hit| hit.rule == rule) {
            let Some(lane) = self.lanes.get_mut(at) else { return };
            if lane.has_had(hit.time) {
                continue;
            }
            lane.hears(hit.time);
            lane.state.matches += 1;
            self.advance(occurrences, changes);
            self.count(hit.clone(), occurrences, changes);
        }
        self.lanes.iter_mut().skip(at).take(1).for_each(|lane| lane.done(&records.found));
        self.advance(occurrences, changes);
    }

    /// A source has spoken, and all that it had said before was judged.
    pub(super) fn heard(
        &mut self,
        source: &str,
        found: &Found,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        let Some(at) = self.lane(source) else { return };
        self.moved |= self.lanes.get(at).is_some_and(|lane| !lane.queue.is_empty());
        self.begin(found, occurrences);
        self.close_gap(at, found);
        self.lanes.iter_mut().skip(at).take(1).for_each(|lane| lane.done(found));
        self.advance(occurrences, changes);
    }

    /// Its place in the queue of a source is gone.
    pub(super) fn rewind(&mut self, source: &str) {
        self.lanes.iter_mut().filter(|lane| lane.source == source).for_each(Lane::rewind);
    }

    /// A source does not answer.
    pub(super) fn source_down(&mut self, source: &str) {
        self.lanes.iter_mut().filter(|lane| lane.source == source).for_each(Lane::breaks);
    }

    /// The clock jumped, or the machine was suspended: nobody listened meanwhile.
    pub(super) fn jump(&mut self) {
        self.lanes.iter_mut().for_each(Lane::breaks);
    }

    /// Takes what a clock that went back to `now` has stamped out of the future.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        self.saved = self.saved.min(now);
        self.left_out = self.left_out.min(now);
        self.begun = self.begun.map(|begun| begun.min(now));
        self.lanes.iter_mut().for_each(|lane| lane.state.follow_clock(now));
        if self.clock <= now {
            return;
        }
        self.clock = now;
        for (labels, entry) in &mut self.entries {
            entry.tally.follow_clock(now);
            self.dirty.insert(labels.clone());
        }
        self.due_all_now();
    }

    /// Adds what is to be written: with what people are told, or once a second.
    pub(super) fn settle(&mut self, now: Timestamp, whole: bool, changes: &mut Changes) {
        let due = self.is_dirty() && (whole || now.since(self.saved) >= SAVE);
        if !due && !self.turned {
            return;
        }
        for id in std::mem::take(&mut self.gone) {
            changes.delete(id);
        }
        for labels in std::mem::take(&mut self.dirty) {
            if let Some(entry) = self.entries.get_mut(&labels) {
                entry.stored = true;
                changes.store(entry.standing(&self.rule, &labels));
            }
        }
        for lane in self.lanes.iter().filter(|lane| !lane.queue.is_empty()) {
            let (begun, rule) = (self.begun, Some(self.rule.identity()));
            let state = LaneState { begun, rule, clock: self.clock, ..lane.state.clone() };
            changes.cursors.push(LogCursor {
                evaluator: self.rule.name.clone(),
                source: lane.source.clone(),
                queue: lane.queue.clone(),
                position: lane.position,
                state,
            });
        }
        (self.moved, self.turned, self.saved) = (false, false, now);
    }

    /// When it has something to write at the latest.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.is_dirty().then(|| self.saved.after(SAVE))
    }

    /// All alarms that fire; `down` is since when a source of it is.
    pub(super) fn alarms(&self, down: Option<Timestamp>) -> impl Iterator<Item = AlarmView> {
        self.entries.iter().filter_map(move |(labels, entry)| {
            let mut view = entry.view(&self.rule, labels)?;
            view.evidence = Evidence::Fresh.beside(down, false);
            Some(view)
        })
    }

    /// The alarm that these labels identify, if it fires.
    pub(super) fn alarm(&self, labels: &Labels) -> Option<AlarmView> {
        self.entries.get(labels)?.view(&self.rule, labels)
    }

    /// The severities of all alarms that fire.
    pub(super) fn firing(&self) -> impl Iterator<Item = Severity> {
        self.entries.values().filter_map(|entry| entry.severity)
    }

    /// What it counted.
    pub(super) fn status(&self) -> EvaluatorStatus {
        EvaluatorStatus {
            name: self.rule.name.clone(),
            series: self.entries.len(),
            judged_slot: self.begun.map(|_| self.clock),
            judged: self.lanes.iter().map(|lane| lane.state.records).sum(),
            late: 0,
            missed: 0,
            ignored: self.ignored,
            errors: 0,
            matches: self.lanes.iter().map(|lane| lane.state.matches).sum(),
        }
    }

    fn lane(&self, source: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.source == source)
    }

    fn is_dirty(&self) -> bool {
        self.moved || !self.dirty.is_empty() || !self.gone.is_empty()
    }

    /// At the first word of any source the one record that all are waiting for is expected, also
    /// where it was another rule that had begun under this name before a restart.
    fn begin(&mut self, found: &Found, occurrences: &Occurrences) {
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
    fn close_gap(&mut self, lane: usize, found: &Found) {
        let gap = self.lanes.get_mut(lane).and_then(|lane| lane.gap(found));
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
    fn advance(&mut self, occurrences: &mut Occurrences, changes: &mut Changes) {
        let mut heard = self.lanes.iter().map(|lane| lane.state.heard);
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
    fn count(&mut self, hit: Hit, occurrences: &mut Occurrences, changes: &mut Changes) {
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

    fn judge(
        &mut self,
        labels: &Labels,
        at: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        let rule = &self.rule;
        let Some(entry) = self.entries.get_mut(labels) else { return };
        if let Some((change, severity)) = entry.judge(rule, at) {
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

    fn due_all_now(&mut self) {
        self.due.clear();
        for (labels, entry) in &mut self.entries {
            entry.due = Some(self.clock);
            self.due.insert((self.clock, labels.clone()));
        }
    }
}
