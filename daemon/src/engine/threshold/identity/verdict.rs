//! The verdict on an identity: from what its series say at a slot to where its levels stand.

use std::time::Duration;

use haetae_plugin::Timestamp;

use super::{Awaited, Ending, Identity};
use crate::engine::{
    series::window::Reading,
    threshold::{
        condition::Comparison,
        evidence::{Effect, Evidence, Heard},
        levels::{Levels, levels, top},
        member::{Member, Slot},
        rule::Then,
    },
};

/// Whether all series of an identity have a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Partial,
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
