//! The verdict on an identity: what each of its series says at a slot, or that it falls silent, and
//! where its levels stand for that.

use std::{cmp::Ordering, time::Duration};

use haetae_plugin::{Kind, Series, Timestamp};

use super::{Awaited, Ending, Identity};
use crate::engine::{
    series::{
        source::SourceState,
        window::{Reading, Window, WindowQuery},
    },
    threshold::{
        condition::Comparison,
        evidence::{Effect, Evidence, Heard},
        feed::EvaluatorInput,
        levels::{Levels, levels, top},
        rule::{Then, Threshold},
    },
};

/// After how many intervals of its source a series counts as silent by default.
const SILENT_INTERVALS: u32 = 3;

/// One series of an identity.
#[derive(Debug)]
pub(in crate::engine) struct Member {
    /// The source, by its place among all.
    pub(in crate::engine) source: usize,
    /// Its place among the source's series.
    pub(in crate::engine) place: usize,
    series: Series,
    /// The time of its newest fresh point.
    pub(super) seen: Option<Timestamp>,
    /// How long it has been silent, counted over slots that were judged one after the other, so
    /// that neither a late source nor a jump of the clock makes a series old.
    silent: Duration,
    reading: Reading,
}

/// A slot that is judged.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Slot<'a> {
    /// The evaluator.
    pub(in crate::engine) threshold: &'a Threshold,
    /// All sources.
    pub(in crate::engine) sources: &'a [SourceState],
    /// The slot's time.
    pub(in crate::engine) at: Timestamp,
    /// The time between two slots.
    pub(in crate::engine) every: Duration,
    /// The interval of its slowest source.
    pub(in crate::engine) interval: Duration,
    /// The sources that its evaluator reads.
    pub(in crate::engine) inputs: &'a [EvaluatorInput],
    /// How far apart two values are that follow each other.
    pub(in crate::engine) stride: Duration,
    /// The time since the slot before; zero if that one was not judged.
    pub(in crate::engine) passed: Duration,
}

/// Whether all series of an identity have a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Partial,
}

impl<'a> Slot<'a> {
    /// The same for an identity with numbers of its own, if it has.
    pub(in crate::engine) fn under<'b>(self, numbers: Option<&'b Threshold>) -> Slot<'b>
    where
        'a: 'b,
    {
        Slot { threshold: numbers.unwrap_or(self.threshold), ..self }
    }

    /// How long a series with this interval may be silent.
    fn silence(&self, interval: Duration) -> Duration {
        let default = || interval.saturating_mul(SILENT_INTERVALS);
        self.threshold.no_data.after.unwrap_or_else(default)
    }

    /// Whether any source of the evaluator was down, so that what is missing may be for that.
    fn was_down(&self) -> bool {
        let mut sources = self.inputs.iter().filter_map(|input| self.sources.get(input.source));
        sources.any(|source| source.was_down(self.at))
    }
}

impl Member {
    /// The series at `place` of `source`, of which nothing was read yet.
    pub(in crate::engine) fn new(source: usize, place: usize, series: Series) -> Self {
        let (seen, silent, reading) = (None, Duration::ZERO, Reading::Absent);
        Self { source, place, series, seen, silent, reading }
    }

    /// The same in a new plan: its series is tracked elsewhere.
    pub(in crate::engine) fn moved(self, source: usize, place: usize) -> Self {
        Self { source, place, ..self }
    }

    /// Its series.
    pub(in crate::engine) fn series(&self) -> &Series {
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
    fn value(&self) -> Option<f64> {
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
    fn is_silent(&self, slot: &Slot<'_>) -> bool {
        let interval = slot.sources.get(self.source).map(|source| source.timing.interval);
        let after = slot.silence(interval.unwrap_or(slot.every));
        self.reading == Reading::Absent && self.silent >= after
    }

    /// Whether it ended and nothing came after that.
    fn has_ended_for_good(&self, slot: &Slot<'_>) -> bool {
        self.reading == Reading::Ended
            && !self.window(slot).is_some_and(|(_, window)| window.goes_on())
    }

    fn window<'a>(&self, slot: &Slot<'a>) -> Option<(&'a SourceState, &'a Window)> {
        let source = slot.sources.get(self.source)?;
        Some((source, source.window(self.place)?))
    }
}

impl Identity {
    /// Lets go of series that ended, and of silent ones that the others can be judged without.
    pub(super) fn let_go(&mut self, slot: &Slot<'_>, gone: &mut Vec<Member>) {
        let speaks = self.members.iter().any(Member::has_value);
        let spare = speaks && (self.levels.is_ok() || slot.threshold.no_data.then == Then::Ok);
        let is_over = |member: &Member| member.has_ended_for_good(slot);
        let goes = |member: &Member| is_over(member) || (spare && member.is_silent(slot));
        if !self.members.iter().any(goes) {
            return;
        }
        let ended = self.members.iter().filter(|member| is_over(member)).count();
        for member in std::mem::take(&mut self.members) {
            if goes(&member) {
                gone.push(member);
            } else {
                self.members.push(member);
            }
        }
        // What has spoken and ended is waited for no more.
        self.awaited
            .iter_mut()
            .for_each(|awaited| awaited.series = awaited.series.saturating_sub(ended));
    }

    /// Decides what the evidence is, and lets follow what [`Heard::weigh`] says.
    pub(super) fn weigh(&mut self, slot: &Slot<'_>) {
        let (mut alive, mut absent, mut silent, mut errors) = (0, 0, 0, 0);
        let mut since = None;
        if let Some((is_silent, seen)) = self.await_series(slot) {
            (alive, absent, silent) = (1, 1, usize::from(is_silent));
            since = seen.filter(|_| is_silent);
        }
        for member in self.members.iter().filter(|member| member.reading != Reading::Ended) {
            alive += 1;
            absent += usize::from(member.reading == Reading::Absent);
            errors += usize::from(member.reading == Reading::Error);
            if member.is_silent(slot) {
                silent += 1;
                since = since.max(member.seen);
            }
        }
        let heard = Heard::of(alive, absent, silent, errors);
        let (evidence, effect) = heard.weigh(slot.threshold.no_data.then, since);
        self.evidence = evidence;
        match effect {
            Effect::Judge => self.step(slot, Extent::Whole),
            Effect::JudgePart => self.step(slot, Extent::Partial),
            Effect::End => self.end(Ending::Ended),
            Effect::EndSilent => self.end(Ending::NoDataOk),
            // What never had a fresh point has not stopped, unless it is known by name.
            Effect::Raise if since.is_some() || self.is_named() => self.raise(slot),
            Effect::Hold | Effect::Raise => {}
        }
    }

    /// Counts how long what is expected is silent; `seen` is when it spoke last.
    pub(super) fn expect(&mut self, slot: &Slot<'_>, seen: Option<Timestamp>) {
        let speaks = self.members.iter().any(Member::has_value);
        let seen = self.seen().max(seen);
        let Some(expected) = self.expected.as_mut() else { return };
        expected.hear(
            speaks,
            seen.is_some(),
            if slot.was_down() { Duration::ZERO } else { slot.passed },
        );
        if expected.is_forgotten() {
            if self.levels.by_absence {
                self.end(Ending::Forgotten);
            }
        } else if self.members.is_empty() && self.awaited.is_none() {
            self.awaited = Some(Box::new(Awaited { series: 1, seen, silent: Duration::ZERO }));
        }
    }

    fn is_named(&self) -> bool {
        self.expected.as_ref().is_some_and(|expected| expected.is_named())
    }

    /// Whether series from before the restart count as one that is absent: whether that one is
    /// silent, and when it spoke. Once it is, those that do speak are all that there are.
    fn await_series(&mut self, slot: &Slot<'_>) -> Option<(bool, Option<Timestamp>)> {
        let awaited = self.awaited.as_mut()?;
        let (is_silent, seen) = (awaited.is_silent(slot), awaited.seen);
        if is_silent && !self.members.is_empty() {
            self.awaited = None;
            return None;
        }
        Some((is_silent, seen))
    }

    /// Lets both levels judge the joined value. Of a part of the series only a value that the
    /// others could but make worse counts, and only if it holds.
    fn step(&mut self, slot: &Slot<'_>, extent: Extent) {
        let threshold = slot.threshold;
        let across = threshold.across;
        let top = top(threshold);
        for (level, severity) in levels(threshold) {
            let values = self.members.iter().filter_map(Member::value);
            let Some(value) = across.join(level.side, values) else { continue };
            if !value.is_finite() {
                self.evidence = Evidence::EvaluationError;
                return;
            }
            let mut judged = Comparison::of(value, level);
            let suffices = judged == Comparison::Holds && across.only_worsens(level.side);
            if extent == Extent::Partial && !suffices {
                continue;
            }
            self.value = Some(value);
            if Some(severity) == top {
                judged = self.without_absence(judged);
            }
            let machine = self.levels.machine(severity);
            *machine = machine.step(judged, slot.at, level, slot.stride);
        }
        self.levels.by_absence &= self.levels.severity().is_some();
    }

    /// What fires for want of data has no value above `raise` to come back from: in the band
    /// it is clear.
    fn without_absence(&mut self, judged: Comparison) -> Comparison {
        match judged {
            Comparison::Between if self.levels.by_absence => Comparison::Clear,
            Comparison::Holds => {
                self.levels.by_absence = false;
                judged
            }
            _ => judged,
        }
    }

    /// No series has said anything for as long as `no_data.after`, and that is an alarm.
    fn raise(&mut self, slot: &Slot<'_>) {
        let Some(top) = top(slot.threshold) else { return };
        let machine = self.levels.machine(top);
        if !machine.is_on() {
            *machine = machine.raised();
            self.levels.by_absence = true;
            self.value = None;
        }
    }

    fn end(&mut self, why: Ending) {
        self.levels = Levels::default();
        self.ending = why;
    }
}

impl Awaited {
    /// Counts the slot, and says whether the silence is as long as `no_data.after`.
    fn is_silent(&mut self, slot: &Slot<'_>) -> bool {
        if !slot.was_down() {
            self.silent = self.silent.saturating_add(slot.passed);
        }
        self.silent >= slot.silence(slot.interval)
    }
}
