//! By hand: what evaluators count, from the values that were written, in as few lines as it takes.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "a wrong index fails the test")]
#![allow(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "its numbers are small")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae::engine::last_slot;
use haetae_plugin::Timestamp;

/// What is compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub fired: u64,
    pub resolved: u64,
    pub open: u64,
    /// Seconds.
    pub in_alarm: u64,
    pub longest: u64,
}

/// An alarm: whose it is, and from which slot to which it fires.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub host: usize,
    since: usize,
    until: Option<usize>,
}

/// When a sink is told of a group, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub wait: i64,
    pub interval: i64,
    /// The first time, the second …; the last one goes on.
    pub repeat: &'static [i64],
}

/// How many notices, by their reason.
pub type Notices = BTreeMap<String, u64>;

/// Which time is judged, and how far apart points are; a slot has a point at most.
#[derive(Clone, Copy)]
pub struct Rule {
    pub from: i64,
    pub to: i64,
    /// The time of the first point.
    pub begin: i64,
    pub step: i64,
    pub source: &'static str,
}

impl Rule {
    /// Of each slot the index of the newest point that is not after it.
    fn slots(self) -> impl Iterator<Item = usize> {
        let every = Duration::from_secs(self.step.unsigned_abs());
        let from = Timestamp::from_seconds(self.from);
        let first = last_slot(self.source, every, from).after(every);
        let slots = std::iter::successors(Some(first), move |slot| Some(slot.after(every)));
        let slots = slots.take_while(move |slot| *slot <= Timestamp::from_seconds(self.to));
        slots.map(move |slot| {
            let since = slot.since(Timestamp::from_seconds(self.begin)).as_secs();
            usize::try_from(since / self.step.unsigned_abs()).expect("small")
        })
    }

    /// The end of the range after the last slot, for alarms that are open: in seconds.
    fn rest(self) -> u64 {
        let every = Duration::from_secs(self.step.unsigned_abs());
        let to = Timestamp::from_seconds(self.to);
        to.since(last_slot(self.source, every, to)).as_nanos().try_into().expect("small")
    }

    pub fn newest(
        self,
        values: &[Vec<Option<u32>>],
        above: u32,
        clear: u32,
        hold: i64,
        clear_for: i64,
    ) -> Vec<Span> {
        self.spans(values, hold, clear_for, (above.into(), clear.into()), |host, at| {
            host[at].map(f64::from)
        })
    }

    /// The mean of `(slot - points * step, slot]`: of two points at least, the newest of the slot.
    pub fn own_window(
        self,
        values: &[Vec<Option<u32>>],
        points: usize,
        above: f64,
        clear: f64,
        hold: i64,
    ) -> Vec<Span> {
        self.spans(values, hold, 0, (above, clear), |host, at| {
            host[at]?;
            let inside: Vec<f64> = host[at + 1 - points..=at]
                .iter()
                .flatten()
                .map(|value| f64::from(*value))
                .collect();
            (inside.len() >= 2).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
        })
    }

    /// The mean of `slot - points * step ≤ time < slot`, whichever points there are.
    pub fn pushed_down(
        self,
        values: &[Vec<Option<u32>>],
        points: usize,
        above: f64,
        hold: i64,
    ) -> Vec<Span> {
        self.spans(values, hold, 0, (above, above), |host, at| {
            let inside: Vec<f64> = host[at + 1 - points..=at]
                .iter()
                .flatten()
                .map(|value| f64::from(*value))
                .collect();
            (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
        })
    }

    fn spans(
        self,
        values: &[Vec<Option<u32>>],
        hold: i64,
        clear_for: i64,
        (above, clear): (f64, f64),
        read: impl Fn(&[Option<u32>], usize) -> Option<f64>,
    ) -> Vec<Span> {
        let mut spans = Vec::new();
        for (host, values) in values.iter().enumerate() {
            // Since which slot it fires, and how many slots on end have spoken for a change.
            let (mut fires, mut lasts, mut before) = (None, None, None);
            for at in self.slots() {
                let Some(value) = read(values, at) else { continue };
                let follows = before == Some(at.wrapping_sub(1));
                before = Some(at);
                let (turns, wait) = if fires.is_none() {
                    (value > above, hold)
                } else {
                    (value <= clear, clear_for)
                };
                lasts = turns
                    .then(|| lasts.map_or(0, |held: i64| held + i64::from(follows) * self.step));
                if lasts.is_some_and(|held| held >= wait) {
                    lasts = None;
                    match fires.take() {
                        None => fires = Some(at),
                        Some(since) => spans.push(Span { host, since, until: Some(at) }),
                    }
                }
            }
            spans.extend(fires.map(|since| Span { host, since, until: None }));
        }
        spans
    }

    pub fn count(self, spans: &[Span]) -> Count {
        let mut count = Count::default();
        let (mut nanos, last) = (0, self.slots().last().expect("some"));
        for span in spans {
            count.fired += 1;
            let slots = span.until.unwrap_or(last) - span.since;
            let lasted = slots as u64 * self.step.unsigned_abs();
            count.in_alarm += lasted;
            let rest = if span.until.is_none() { self.rest() } else { 0 };
            nanos += rest;
            count.longest = count.longest.max(lasted + rest / 1_000_000_000);
            *if span.until.is_none() { &mut count.open } else { &mut count.resolved } += 1;
        }
        count.in_alarm += nanos / 1_000_000_000;
        count
    }

    /// What a sink is told of these alarms if those with the same key are a group.
    pub fn notices<K: Ord>(
        self,
        spans: &[Span],
        pace: Pace,
        key: impl Fn(usize, Span) -> K,
    ) -> Notices {
        let mut groups: BTreeMap<K, BTreeMap<usize, Vec<(usize, bool)>>> = BTreeMap::new();
        for (alarm, span) in spans.iter().enumerate() {
            let group = groups.entry(key(alarm, *span)).or_default();
            group.entry(span.since).or_default().push((alarm, true));
            if let Some(until) = span.until {
                group.entry(until).or_default().push((alarm, false));
            }
        }
        let (first, every) = (self.slots().next().expect("some"), self.step * SECOND);
        let end = Timestamp::from_seconds(self.to);
        let source = Duration::from_secs(self.step.unsigned_abs());
        let newest = last_slot(self.source, source, end).nanos();
        let begin = newest - (self.slots().count() as i64 - 1) * every;
        let mut notices = Notices::new();
        for changes in groups.into_values() {
            let mut group = Group::default();
            for (at, changes) in changes {
                let now = begin + (at - first) as i64 * every;
                group.tell_before(now, pace, &mut notices);
                for (alarm, fires) in changes {
                    group.change(alarm, fires, now);
                }
            }
            group.tell_before(end.nanos(), pace, &mut notices);
        }
        notices
    }
}

const SECOND: i64 = 1_000_000_000;

/// A group: alarms that fire and that nobody knows of, those that are known, ends that are owed.
#[derive(Default)]
struct Group {
    new: BTreeSet<usize>,
    known: BTreeSet<usize>,
    owed: BTreeSet<usize>,
    /// When it came to be, and when something changed that is not told.
    opened: Option<i64>,
    changed: Option<i64>,
    told: Option<i64>,
    repeats: usize,
}

impl Group {
    fn change(&mut self, alarm: usize, fires: bool, now: i64) {
        if fires {
            self.new.insert(alarm);
        } else if self.known.remove(&alarm) {
            self.owed.insert(alarm);
        } else {
            self.new.remove(&alarm);
        }
        self.opened.get_or_insert(now);
        self.changed.get_or_insert(now);
        self.end_if_over();
    }

    fn end_if_over(&mut self) {
        if self.new.is_empty() && self.known.is_empty() && self.owed.is_empty() {
            *self = Self::default();
        }
    }

    fn due(&self, pace: Pace) -> Option<i64> {
        let again = pace.repeat.get(self.repeats).or(pace.repeat.last());
        if self.new.is_empty() && self.owed.is_empty() {
            return Some(self.told? + again? * SECOND);
        }
        let may = match self.told {
            None => self.opened? + pace.wait * SECOND,
            Some(told) => told + pace.interval * SECOND,
        };
        Some(may.max(self.changed?))
    }

    fn tell_before(&mut self, end: i64, pace: Pace, notices: &mut Notices) {
        while let Some(due) = self.due(pace).filter(|due| *due < end) {
            let knows = !self.known.is_empty() || !self.owed.is_empty();
            let reason = match (self.new.is_empty(), self.owed.is_empty()) {
                (false, _) if !knows => "first",
                (false, _) => "new-alarms",
                (true, false) if self.known.is_empty() => "resolved",
                (true, false) => "some-resolved",
                (true, true) => "repeat",
            };
            *notices.entry(reason.to_owned()).or_default() += 1;
            self.repeats = if reason == "repeat" { self.repeats + 1 } else { 0 };
            self.known.append(&mut self.new);
            self.owed.clear();
            (self.told, self.changed) = (Some(due), None);
            self.end_if_over();
        }
    }
}
