//! A member: one series of an identity, as it speaks or falls silent from slot to slot.

use std::{cmp::Ordering, time::Duration};

use haetae_plugin::{Kind, Series, Timestamp};

use super::{feed::EvaluatorInput, rule::Threshold};
use crate::engine::series::{
    source::SourceState,
    window::{Reading, Window, WindowQuery},
};

/// After how many intervals of its source a series counts as silent by default.
const SILENT_INTERVALS: u32 = 3;

/// One series of an identity.
#[derive(Debug)]
pub(in crate::engine) struct Member {
    /// The source, by its place among all.
    pub(super) source: usize,
    /// Its place among the source's series.
    pub(super) place: usize,
    series: Series,
    /// The time of its newest fresh point.
    pub(super) seen: Option<Timestamp>,
    /// How long it has been silent, counted over slots that were judged one after the other, so
    /// that neither a late source nor a jump of the clock makes a series old.
    silent: Duration,
    pub(super) reading: Reading,
}

/// A slot that is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    /// The evaluator.
    pub(super) threshold: &'a Threshold,
    /// All sources.
    pub(super) sources: &'a [SourceState],
    /// The slot's time.
    pub(super) at: Timestamp,
    /// The time between two slots.
    pub(super) every: Duration,
    /// The interval of its slowest source.
    pub(super) interval: Duration,
    /// The sources that its evaluator reads.
    pub(super) inputs: &'a [EvaluatorInput],
    /// How far apart two values are that follow each other.
    pub(super) stride: Duration,
    /// The time since the slot before; zero if that one was not judged.
    pub(super) passed: Duration,
}

impl<'a> Slot<'a> {
    /// The same for an identity with numbers of its own, if it has.
    pub(super) fn under<'b>(self, numbers: Option<&'b Threshold>) -> Slot<'b>
    where
        'a: 'b,
    {
        Slot { threshold: numbers.unwrap_or(self.threshold), ..self }
    }

    /// How long a series with this interval may be silent.
    pub(super) fn silence(&self, interval: Duration) -> Duration {
        let default = || interval.saturating_mul(SILENT_INTERVALS);
        self.threshold.no_data.after.unwrap_or_else(default)
    }

    /// Whether any source of the evaluator was down, so that what is missing may be for that.
    pub(super) fn was_down(&self) -> bool {
        let mut sources = self.inputs.iter().filter_map(|input| self.sources.get(input.source));
        sources.any(|source| source.was_down(self.at))
    }
}

impl Member {
    /// The series at `place` of `source`, of which nothing was read yet.
    pub(super) fn new(source: usize, place: usize, series: Series) -> Self {
        let (seen, silent, reading) = (None, Duration::ZERO, Reading::Absent);
        Self { source, place, series, seen, silent, reading }
    }

    /// The same in a new plan: its series is tracked elsewhere.
    pub(super) fn moved(self, source: usize, place: usize) -> Self {
        Self { source, place, ..self }
    }

    /// Its series.
    pub(super) fn series(&self) -> &Series {
        &self.series
    }

    /// Where it stands among the members of its identity.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let sources = self.source.cmp(&other.source);
        sources.then_with(|| self.series.labels().cmp(other.series.labels()))
    }

    /// Reads what its window says at the slot.
    pub(super) fn read(&mut self, slot: &Slot<'_>) {
        let Some((source, window)) = self.window(slot) else {
            self.reading = Reading::Ended;
            return;
        };
        let over = slot.threshold.over;
        let interval = source.timing.interval;
        let counter = self.series.kind() == Kind::COUNTER;
        // With a window, a fresh point must lie in it: else what drains from it would be evidence.
        let recent = over.map_or(slot.every, |over| slot.every.max(interval).min(over.length));
        self.reading = window.read(WindowQuery { at: slot.at, recent, interval, counter }, over);
        let newest = window.newest(slot.at);
        if newest.is_some() && newest != self.seen {
            self.seen = newest;
            self.silent = newest.map_or(Duration::ZERO, |time| slot.at.since(time)).min(slot.every);
        } else if !source.was_down(slot.at) {
            self.silent = self.silent.saturating_add(slot.passed);
        }
    }

    /// The value that was read.
    pub(super) fn value(&self) -> Option<f64> {
        match self.reading {
            Reading::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether a value was read.
    pub(super) fn has_value(&self) -> bool {
        self.value().is_some()
    }

    /// Whether it has been silent for as long as `no_data.after`.
    pub(super) fn is_silent(&self, slot: &Slot<'_>) -> bool {
        let interval = slot.sources.get(self.source).map(|source| source.timing.interval);
        let after = slot.silence(interval.unwrap_or(slot.every));
        self.reading == Reading::Absent && self.silent >= after
    }

    /// Whether it ended and nothing came after that.
    pub(super) fn has_ended_for_good(&self, slot: &Slot<'_>) -> bool {
        self.reading == Reading::Ended
            && !self.window(slot).is_some_and(|(_, window)| window.goes_on())
    }

    fn window<'a>(&self, slot: &Slot<'a>) -> Option<(&'a SourceState, &'a Window)> {
        let source = slot.sources.get(self.source)?;
        Some((source, source.window(self.place)?))
    }
}
