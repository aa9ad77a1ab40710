//! Matches: what is known of the matches of one label set, and what follows from it at a time.

use std::collections::BTreeMap;

use haetae_plugin::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    matching::Hit,
    rule::{Levels, LogCondition, LogRule},
};

/// Lines that an alarm shows: the newest ones.
pub const EXCERPTS: usize = 3;
/// Fields that are kept for a summary.
const FIELDS: usize = 16;
/// Into how many steps the time until a value is forgotten is divided: it is written once a step.
const STEPS: u32 = 64;

/// What is known of one label set. All of it is bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Matches {
    /// The newest matches, as many as decide, oldest first.
    times: Vec<Timestamp>,
    /// When the first one was.
    first: Timestamp,
    /// When it was last heard of; for absence it moves on while nobody listened.
    pub(super) last: Timestamp,
    /// Whether the value was there from the beginning.
    learned: bool,
    /// Matches of the occurrence that fires.
    pub(super) count: u64,
    /// The newest lines.
    pub(super) excerpts: Vec<String>,
    /// What the newest record says of labels that the summary mentions.
    pub(super) fields: BTreeMap<String, String>,
}

impl Matches {
    /// One whose first match is still to come, heard of at `since`.
    pub(super) fn since(since: Timestamp) -> Self {
        Self { first: since, last: since, ..Self::default() }
    }

    /// One of a label set that is seen for the first time; `begun` is when its evaluator began.
    pub(super) fn of(rule: &LogRule, hit: &Hit, begun: Timestamp) -> Self {
        let learned =
            matches!(rule.watch, LogCondition::New { learn, .. } if hit.time < begun.after(learn));
        Self { learned, ..Self::since(hit.time) }
    }

    /// Counts a match; whether anything changed that is to be kept.
    pub(super) fn add(&mut self, rule: &LogRule, hit: Hit, fires: bool) -> bool {
        let before = self.last;
        self.last = self.last.max(hit.time);
        if let LogCondition::New { forget, .. } = rule.watch {
            // A value that is seen all the time is not written all the time.
            let step = forget / STEPS;
            let moved = self.times.is_empty() || self.last.since(before) >= step;
            if !moved {
                self.last = before;
                return false;
            }
        }
        let most = rule.newest().max(1);
        let at = self.times.partition_point(|time| *time <= hit.time);
        self.times.insert(at, hit.time);
        let over = self.times.len().saturating_sub(most);
        self.times.drain(..over);
        self.count += u64::from(fires);
        self.excerpts.push(hit.excerpt);
        let over = self.excerpts.len().saturating_sub(EXCERPTS);
        self.excerpts.drain(..over);
        self.fields = hit.fields.into_iter().take(FIELDS).collect();
        true
    }

    /// The severity that it has at a time.
    pub(super) fn level(&self, rule: &LogRule, at: Timestamp) -> Option<Severity> {
        self.spans(rule).find(|span| span.is_on(at)).map(|span| span.severity)
    }

    /// When its severity changes next without a match, or it can be forgotten.
    pub(super) fn due(&self, rule: &LogRule, at: Timestamp) -> Option<Timestamp> {
        let span = self.spans(rule).flat_map(|span| [span.from, span.until]).flatten();
        span.chain(self.end(rule)).filter(|time| *time > at).min()
    }

    /// Whether nothing of it can matter any more.
    pub(super) fn is_over(&self, rule: &LogRule, at: Timestamp) -> bool {
        self.end(rule).is_some_and(|end| end <= at)
    }

    /// How many of the matches that are known lie in the widest window.
    pub(super) fn within(&self, rule: &LogRule, at: Timestamp) -> u64 {
        let LogCondition::Count(levels) = &rule.watch else { return 1 };
        let widest = levels.each().map(|(level, _)| level.within).max().unwrap_or_default();
        self.times.iter().filter(|time| **time <= at && time.after(widest) > at).count() as u64
    }

    /// Not all listened between these times: what of it follows the last match does not count.
    pub(super) fn skip(&mut self, from: Timestamp, until: Timestamp) {
        self.last = self.last.after(until.since(from.max(self.last)));
    }

    /// Takes what a clock that went back to `now` has stamped out of the future.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        for time in self.times.iter_mut().chain([&mut self.first, &mut self.last]) {
            *time = now.min(*time);
        }
    }

    /// When nothing of it can matter any more, if no match comes.
    fn end(&self, rule: &LogRule) -> Option<Timestamp> {
        match &rule.watch {
            LogCondition::Count(levels) => {
                let widest = levels.each().map(|(level, _)| level.within).max()?;
                Some(self.times.last().map_or(self.last, |newest| newest.after(widest)))
            }
            // What was expected once is expected.
            LogCondition::Absence(_) => None,
            LogCondition::New { forget, levels, .. } => {
                let longest = levels.each().map(|(level, _)| level).max().unwrap_or_default();
                Some(self.last.after(*forget).max(self.first.after(longest)))
            }
        }
    }

    /// Each severity with the time in which it is on, the worse first.
    fn spans(&self, rule: &LogRule) -> impl Iterator<Item = SeveritySpan> {
        let (count, absence, new) = match &rule.watch {
            LogCondition::Count(levels) => (Some(levels), None, None),
            LogCondition::Absence(levels) => (None, Some(levels), None),
            LogCondition::New { levels, .. } => (None, None, (!self.learned).then_some(levels)),
        };
        let count = count.into_iter().flat_map(Levels::each);
        let count = count.filter_map(|(level, severity)| {
            let deciding = self.times.len().checked_sub(level.at_least.max(1))?;
            let until = self.times.get(deciding)?.after(level.within);
            Some(SeveritySpan { severity, from: None, until: Some(until) })
        });
        let absence = absence.into_iter().flat_map(Levels::each);
        let absence = absence.map(|(longest, severity)| SeveritySpan {
            severity,
            from: Some(self.last.after(longest)),
            until: None,
        });
        let new = new.into_iter().flat_map(Levels::each);
        let new = new.map(|(told, severity)| SeveritySpan {
            severity,
            from: None,
            until: Some(self.first.after(told)),
        });
        count.chain(absence).chain(new)
    }
}

/// From when and until when a severity is on.
struct SeveritySpan {
    severity: Severity,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl SeveritySpan {
    fn is_on(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}
