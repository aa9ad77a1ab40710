//! The limit: how many alarms of a log evaluator fire, which wait until there is room for them, and what
//! is said of that.

use std::{collections::BTreeSet, mem::take};

use super::alarm::LogAlarm;
use crate::engine::{
    alarm::{
        labels::Labels,
        limit::{Rank, summary},
    },
    problem::{News, Problem},
};

/// How many fire, and which wait.
#[derive(Debug, Default)]
pub(super) struct Limit {
    firing: usize,
    /// In the order in which they will fire.
    waiting: BTreeSet<(Rank, Labels)>,
    /// Whether there may be something else to say of it than was said.
    changed: bool,
    /// Whether anything was said of it since the start.
    said: bool,
    over: Option<String>,
    pub(super) news: Vec<News>,
}

impl Limit {
    /// An alarm stands so from now on.
    pub(super) fn enter(&mut self, labels: &Labels, alarm: &LogAlarm) {
        self.firing += usize::from(alarm.severity.is_some());
        if let Some(rank) = alarm.rank() {
            self.waiting.insert((rank, labels.clone()));
            self.changed = true;
        }
    }

    /// It does not any more.
    pub(super) fn leave(&mut self, labels: &Labels, alarm: &LogAlarm) {
        self.firing -= usize::from(alarm.severity.is_some());
        if let Some(rank) = alarm.rank() {
            self.waiting.remove(&(rank, labels.clone()));
            self.changed = true;
        }
    }

    /// Whether an alarm may fire: nobody who waits comes before it.
    pub(super) fn has_for(&self, labels: &Labels, limit: usize) -> bool {
        let first = self.waiting.first();
        self.firing < limit && first.is_none_or(|(_, first)| first == labels)
    }

    /// Who may fire next of those that wait.
    pub(super) fn next(&self, limit: usize) -> Option<Labels> {
        let first = self.waiting.first().filter(|_| self.firing < limit);
        first.map(|(_, labels)| labels.clone())
    }

    /// Whether any waits.
    pub(super) fn is_over(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether nothing was said of it yet.
    pub(super) fn is_unsaid(&self) -> bool {
        !self.said
    }

    /// The limit may be another one.
    pub(super) fn judge_anew(&mut self) {
        self.changed = true;
    }

    /// Says what changed.
    pub(super) fn report(&mut self, limit: usize) {
        if self.said && !take(&mut self.changed) {
            return;
        }
        let over = summary(limit, self.waiting.iter().map(|(_, labels)| labels));
        if !self.said || self.over != over {
            self.said = true;
            self.over.clone_from(&over);
            self.news.push((Problem::AlarmsOverLimit, over));
        }
    }
}
