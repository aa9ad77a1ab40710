//! Log evaluators: what matches, what is expected and does not come, what was never seen before.
//!
//! Their time is that of the records, so that what is read again after a kill is judged as before.
//! An absence needs all sources to have spoken; one that is down says nothing, so none follows.

mod alarm;
mod cursor;
mod judging;
mod limit;
mod matches;
mod matching;
mod reload;
mod restore;
mod rule;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::{Severity, Timestamp};

use self::{alarm::LogAlarm, cursor::Cursor, limit::Limit};
pub use self::{
    cursor::{CursorState, LogBatch, LogCursor, Positions},
    matches::{EXCERPTS, Matches},
    matching::{EXCERPT, Found, Matching, label},
    rule::{Count, Levels, LogCondition, LogRule},
};
use super::{
    alarm::{changes::Changes, id::Occurrences, labels::Labels, view::AlarmView},
    problem::News,
    status::EvaluatorStatus,
    threshold::evidence::Evidence,
};

/// The most label sets of one evaluator; records of more are not judged, and counted.
pub const MOST_SETS: usize = 10_000;
/// How long what changed may wait to be written when nobody is told of anything.
const SAVE: Duration = Duration::from_secs(1);

/// A log evaluator and all that it knows.
#[derive(Debug)]
pub(super) struct LogEvaluator {
    rule: LogRule,
    cursors: Vec<Cursor>,
    alarms: BTreeMap<Labels, Box<LogAlarm>>,
    due: BTreeSet<(Timestamp, Labels)>,
    limit: Limit,
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
            cursors: rule.inputs.iter().map(|source| Cursor::new(source)).collect(),
            rule,
            alarms: BTreeMap::new(),
            due: BTreeSet::new(),
            limit: Limit::default(),
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

    /// The sources that it reads.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.cursors.iter().map(|cursor| cursor.source.as_str())
    }

    /// Judges a batch.
    pub(super) fn take(
        &mut self,
        records: &LogBatch,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        let Some(at) = self.cursor(&records.source) else { return };
        let Some(cursor) = self.cursors.get_mut(at) else { return };
        if !cursor.moves_to(&records.queue, records.position) {
            return;
        }
        self.moved = true;
        self.begin(&records.found, occurrences);
        self.close_gap(at, &records.found);
        for hit in records.found.of(&self.rule) {
            let Some(cursor) = self.cursors.get_mut(at) else { return };
            if cursor.has_had(hit.time) {
                continue;
            }
            cursor.hears(hit.time);
            cursor.state.matches += 1;
            self.advance(occurrences, changes);
            self.count(hit.clone(), occurrences, changes);
        }
        if let Some(cursor) = self.cursors.get_mut(at) {
            cursor.done(&records.found);
        }
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
        let Some(at) = self.cursor(source) else { return };
        self.moved |= self.cursors.get(at).is_some_and(|cursor| !cursor.queue.is_empty());
        self.begin(found, occurrences);
        self.close_gap(at, found);
        if let Some(cursor) = self.cursors.get_mut(at) {
            cursor.done(found);
        }
        self.advance(occurrences, changes);
    }

    /// Its place in the queue of a source is gone.
    pub(super) fn rewind(&mut self, source: &str) {
        if let Some(cursor) = self.cursors.iter_mut().find(|cursor| cursor.source == source) {
            cursor.rewind();
        }
    }

    /// A source does not answer.
    pub(super) fn source_down(&mut self, source: &str) {
        if let Some(cursor) = self.cursors.iter_mut().find(|cursor| cursor.source == source) {
            cursor.breaks();
        }
    }

    /// The clock jumped, or the machine was suspended: nobody listened meanwhile.
    pub(super) fn jump(&mut self) {
        for cursor in &mut self.cursors {
            cursor.breaks();
        }
    }

    /// Takes what a clock that went back to `now` has stamped out of the future.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        self.saved = self.saved.min(now);
        self.left_out = self.left_out.min(now);
        self.begun = self.begun.map(|begun| begun.min(now));
        for cursor in &mut self.cursors {
            cursor.state.follow_clock(now);
        }
        if self.clock <= now {
            return;
        }
        self.clock = now;
        for (labels, alarm) in &mut self.alarms {
            alarm.matches.follow_clock(now);
            self.dirty.insert(labels.clone());
        }
        self.due_all_now();
    }

    /// Adds what is to be written: with what people are told, or once a second.
    pub(super) fn settle(&mut self, now: Timestamp, whole: bool, changes: &mut Changes) {
        let due = self.is_dirty() && (whole || now.since(self.saved) >= SAVE);
        if due || self.turned || self.limit.is_unsaid() {
            self.limit.report(self.rule.limit);
        }
        if !due && !self.turned {
            return;
        }
        for id in std::mem::take(&mut self.gone) {
            changes.delete(id);
        }
        for labels in std::mem::take(&mut self.dirty) {
            if let Some(alarm) = self.alarms.get_mut(&labels) {
                alarm.stored = true;
                changes.store(alarm.standing(&self.rule, &labels));
            }
        }
        for cursor in self.cursors.iter().filter(|cursor| !cursor.queue.is_empty()) {
            let (begun, rule) = (self.begun, Some(self.rule.identity()));
            let state = CursorState { begun, rule, clock: self.clock, ..cursor.state.clone() };
            changes.cursors.push(LogCursor {
                evaluator: self.rule.name.clone(),
                source: cursor.source.clone(),
                queue: cursor.queue.clone(),
                position: cursor.position,
                state,
            });
        }
        (self.moved, self.turned, self.saved) = (false, false, now);
    }

    /// What there is to be said of it since it was asked last.
    pub(super) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.limit.news)
    }

    /// When it has something to write at the latest.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.is_dirty().then(|| self.saved.after(SAVE))
    }

    /// All alarms that fire, or wait to; `down` is since when a source of it is.
    pub(super) fn alarms(&self, down: Option<Timestamp>) -> impl Iterator<Item = AlarmView> {
        self.alarms.iter().filter_map(move |(labels, alarm)| {
            let mut view = alarm.view(&self.rule, labels)?;
            view.evidence = Evidence::Fresh.beside(down, false);
            Some(view)
        })
    }

    /// The alarms whose ids start so.
    pub(super) fn find<'a>(
        &'a self,
        id: &'a str,
        down: Option<Timestamp>,
    ) -> impl Iterator<Item = AlarmView> + 'a {
        self.alarms(down).filter(move |alarm| alarm.id.starts_with(id))
    }

    /// The alarm that these labels identify, if it fires.
    pub(super) fn alarm(&self, labels: &Labels) -> Option<AlarmView> {
        self.alarms.get(labels)?.view(&self.rule, labels)
    }

    /// The severities of all alarms that fire.
    pub(super) fn firing(&self) -> impl Iterator<Item = Severity> {
        self.alarms.values().filter_map(|alarm| alarm.severity)
    }

    /// What it counted.
    pub(super) fn status(&self) -> EvaluatorStatus {
        EvaluatorStatus {
            name: self.rule.name.clone(),
            series: self.alarms.len(),
            judged_slot: self.begun.map(|_| self.clock),
            judged: self.cursors.iter().map(|cursor| cursor.state.records).sum(),
            late: 0,
            missed: 0,
            ignored: self.ignored,
            errors: 0,
            matches: self.cursors.iter().map(|cursor| cursor.state.matches).sum(),
        }
    }

    fn cursor(&self, source: &str) -> Option<usize> {
        self.cursors.iter().position(|cursor| cursor.source == source)
    }

    fn is_dirty(&self) -> bool {
        self.moved || !self.dirty.is_empty() || !self.gone.is_empty()
    }
}
