//! A window: the recent points of one series, in the order of their time.

use std::{collections::VecDeque, ops::Range, time::Duration};

use haetae_plugin::{Point, Timestamp};

use crate::engine::threshold::rule::{Aggregation, Over};

/// The recent points of one series; bounded by time and number.
#[derive(Debug, Default)]
pub(in crate::engine) struct Window {
    points: VecDeque<Kept>,
}

/// How much a window keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    /// For how long.
    pub(super) keep: Duration,
    /// How many points at most; beyond it the oldest go.
    pub(super) most: usize,
}

/// What a series says at a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) enum Reading {
    /// A finite value.
    Value(f64),
    /// Nothing that may be judged.
    Absent,
    /// A value that is no number.
    Error,
    /// That it ended.
    Ended,
}

/// What a window is asked at a slot.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct WindowQuery {
    /// The slot.
    pub(in crate::engine) at: Timestamp,
    /// How old the newest point may be.
    pub(in crate::engine) recent: Duration,
    /// The interval of the source.
    pub(in crate::engine) interval: Duration,
    /// Whether the series is a counter, whose decrease is a reset.
    pub(in crate::engine) counter: bool,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    time: Timestamp,
    value: f64,
    flags: u32,
}

impl Window {
    /// Adds a point wherever its time belongs; of two at one time, the order of arrival never
    /// decides: an end wins, then a fresh one, then the greater.
    pub(super) fn push(&mut self, point: &Point, now: Timestamp, capacity: Capacity) {
        let horizon = now.before(capacity.keep);
        while self.points.front().is_some_and(|first| first.time < horizon) {
            self.points.pop_front();
        }
        if point.time < horizon {
            return;
        }
        let kept = Kept { time: point.time, value: point.value, flags: point.flags };
        let at = self.points.partition_point(|known| known.time < kept.time);
        match self.points.get_mut(at) {
            Some(known) if known.time == kept.time => *known = known.or(kept),
            _ => {
                if self.points.len() == self.points.capacity() {
                    // There are many windows, and most keep a few points: never twice the room.
                    self.points.reserve_exact(self.points.len() / 8 + 1);
                }
                self.points.insert(at, kept);
            }
        }
        if self.points.len() > capacity.most {
            self.points.pop_front();
        }
    }

    /// Forgets what lies after `now`: a clock that went back has stamped it.
    pub(super) fn forget_after(&mut self, now: Timestamp) {
        self.points.truncate(self.points.partition_point(|point| point.time <= now));
    }

    /// Whether its last word is not that it ended.
    pub(in crate::engine) fn goes_on(&self) -> bool {
        self.points.back().is_some_and(|last| !last.is(Point::END))
    }

    /// The time of the newest fresh value up to `at`.
    pub(in crate::engine) fn newest(&self, at: Timestamp) -> Option<Timestamp> {
        self.last_word(at).filter(|last| !last.is(Point::END)).map(|last| last.time)
    }

    /// What it says at a slot: its newest point, or what `over` makes of its points.
    pub(in crate::engine) fn read(&self, asked: WindowQuery, over: Option<Over>) -> Reading {
        let Some(last) = self.last_word(asked.at) else { return Reading::Absent };
        if last.is(Point::END) {
            return Reading::Ended;
        }
        if last.time <= asked.at.before(asked.recent) {
            return Reading::Absent;
        }
        match over {
            None => Reading::of(last.value),
            Some(over) => {
                let (aggregate, points) = self.aggregate(asked, over.length);
                aggregate
                    .read(over, last.value, asked.counter, || percentile(self.points.range(points)))
            }
        }
    }

    /// The newest point up to `at` that no outage delayed; an end counts even then.
    fn last_word(&self, at: Timestamp) -> Option<&Kept> {
        let end = self.points.partition_point(|point| point.time <= at);
        let mut newest_first = self.points.range(..end).rev();
        newest_first.find(|point| point.is(Point::END) || !point.is(Point::DELAYED))
    }

    /// Counts over the points of the window, and where those are that it counted.
    fn aggregate(&self, asked: WindowQuery, length: Duration) -> (Aggregate, Range<usize>) {
        let start = asked.at.before(length);
        let end = self.points.partition_point(|point| point.time <= asked.at);
        let mut from = self.points.partition_point(|point| point.time <= start).min(end);
        let mut aggregate = Aggregate::default();
        for (index, point) in (from..end).zip(self.points.range(from..end)) {
            if point.is(Point::END) {
                // What was before belongs to a life that is over.
                aggregate = Aggregate::default();
                from = index + 1;
            } else {
                aggregate.add(point, asked.interval);
            }
        }
        (aggregate, from..end)
    }
}

impl Kept {
    fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn or(self, other: Self) -> Self {
        let rank = |kept: &Self| (kept.is(Point::END), !kept.is(Point::DELAYED));
        let order = rank(&self).cmp(&rank(&other)).then(self.value.total_cmp(&other.value));
        if order.is_lt() { other } else { self }
    }
}

impl Reading {
    fn of(value: f64) -> Self {
        if value.is_finite() { Self::Value(value) } else { Self::Error }
    }
}

/// One pass over the points of a window.
#[derive(Debug, Default)]
struct Aggregate {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
    /// How much a counter grew; a decrease is a reset, so that the new value is the growth.
    growth: f64,
    /// How much of the window the points stand for.
    covered: Duration,
    first: Option<(Timestamp, f64)>,
    last: Option<(Timestamp, f64)>,
    broken: bool,
}

impl Aggregate {
    fn add(&mut self, point: &Kept, interval: Duration) {
        let Kept { time, value, .. } = *point;
        self.broken |= !value.is_finite();
        match self.last {
            None => {
                self.first = Some((time, value));
                (self.min, self.max) = (value, value);
                self.covered = interval;
            }
            Some((before, known)) => {
                self.growth += if value < known { value } else { value - known };
                self.min = self.min.min(value);
                self.max = self.max.max(value);
                self.covered += time.since(before).min(interval);
            }
        }
        self.count += 1;
        self.sum += value;
        self.last = Some((time, value));
    }

    /// A window of which less than half is covered says nothing.
    fn read(
        &self,
        over: Over,
        newest: f64,
        counter: bool,
        percentile: impl FnOnce() -> Reading,
    ) -> Reading {
        if self.broken {
            return Reading::Error;
        }
        if self.count == 0 || self.covered < over.length / 2 {
            return Reading::Absent;
        }
        match over.value {
            Aggregation::Mean => Reading::of(self.sum / f64::from(self.count)),
            Aggregation::Min => Reading::of(self.min),
            Aggregation::Max => Reading::of(self.max),
            Aggregation::Sum => Reading::of(self.sum),
            Aggregation::Count => Reading::of(f64::from(self.count)),
            Aggregation::Last => Reading::of(newest),
            Aggregation::P95 => percentile(),
            Aggregation::Rate => self.change(|passed, _| self.growth / passed.as_secs_f64()),
            Aggregation::Delta if counter => self.change(|_, _| self.growth),
            Aggregation::Delta => self.change(|_, difference| difference),
        }
    }

    /// What is made of the time between the oldest and the newest point, and of their difference;
    /// one point alone tells no change.
    fn change(&self, made: impl FnOnce(Duration, f64) -> f64) -> Reading {
        let (Some((first, oldest)), Some((last, newest))) = (self.first, self.last) else {
            return Reading::Absent;
        };
        let passed = last.since(first);
        if passed.is_zero() {
            return Reading::Absent;
        }
        Reading::of(made(passed, newest - oldest))
    }
}

/// The 95th percentile by nearest rank: the smallest value that at least 95 % do not exceed.
fn percentile<'a>(points: impl Iterator<Item = &'a Kept>) -> Reading {
    let mut values: Vec<_> = points.map(|point| point.value).collect();
    let rank = (values.len() * 95).div_ceil(100);
    let Some(at) = rank.checked_sub(1) else { return Reading::Absent };
    let (_, value, _) = values.select_nth_unstable_by(at, f64::total_cmp);
    Reading::of(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { keep: Duration::from_hours(1), most: 100 };
    const INTERVAL: Duration = Duration::from_secs(10);

    fn point(second: i64, value: f64, flags: u32) -> Point {
        Point { series: 0, flags, time: Timestamp::from_seconds(second), value }
    }

    /// `10=1 20=2d 30=end`: seconds, values; `d` is delayed.
    fn window(text: &str) -> Window {
        let mut window = Window::default();
        for word in text.split_whitespace() {
            let (second, value) = word.split_once('=').unwrap();
            let delayed = if value.ends_with('d') { Point::DELAYED } else { 0 };
            let (value, flags) = match value.trim_end_matches('d') {
                "en" => (f64::NAN, Point::END),
                value => (value.parse().unwrap(), delayed),
            };
            let point = point(second.parse().unwrap(), value, flags);
            window.push(&point, Timestamp::from_seconds(60), CAPACITY);
        }
        window
    }

    fn asked(at: i64, recent: u64) -> WindowQuery {
        let (at, recent) = (Timestamp::from_seconds(at), Duration::from_secs(recent));
        WindowQuery { at, recent, interval: INTERVAL, counter: false }
    }

    #[test]
    fn without_over_the_newest_fresh_point_of_the_slot_is_read() {
        let cases = [
            ("20=1 30=2", 30, Reading::Value(2.0)),
            ("30=2 20=1", 30, Reading::Value(2.0)),
            ("20=1 31=2", 30, Reading::Absent),
            ("21=1 31=2", 30, Reading::Value(1.0)),
            ("", 30, Reading::Absent),
            ("25=1 30=2d", 30, Reading::Value(1.0)),
            ("30=2d", 30, Reading::Absent),
            ("30=NaN", 30, Reading::Error),
            ("30=inf", 30, Reading::Error),
            ("10=1 12=end", 30, Reading::Ended),
            ("10=1 12=end 29=3", 30, Reading::Value(3.0)),
            ("10=1 12=end 31=3", 30, Reading::Ended),
        ];
        for (points, at, reading) in cases {
            assert_eq!(window(points).read(asked(at, 10), None), reading, "{points}");
        }
    }

    #[test]
    fn with_over_the_points_of_the_window_are_read() {
        let all = "10=9 20=1 30=2 40=6";
        let cases = [
            (all, Aggregation::Mean, Reading::Value(3.0)),
            (all, Aggregation::Min, Reading::Value(1.0)),
            (all, Aggregation::Max, Reading::Value(6.0)),
            (all, Aggregation::Sum, Reading::Value(9.0)),
            (all, Aggregation::Count, Reading::Value(3.0)),
            (all, Aggregation::Last, Reading::Value(6.0)),
            (all, Aggregation::Rate, Reading::Value(0.25)),
            ("20=5 30=7 40=1", Aggregation::Rate, Reading::Value(0.15)),
            ("40=1", Aggregation::Rate, Reading::Absent),
            (all, Aggregation::Delta, Reading::Value(5.0)),
            ("20=5 30=7 40=1", Aggregation::Delta, Reading::Value(-4.0)),
            ("40=1", Aggregation::Delta, Reading::Absent),
            ("20=90 25=end 30=2 40=6", Aggregation::Delta, Reading::Value(4.0)),
            (all, Aggregation::P95, Reading::Value(6.0)),
            ("20=90 25=end 30=2 40=6", Aggregation::P95, Reading::Value(6.0)),
            ("20=1 30=NaN 40=6", Aggregation::P95, Reading::Error),
            // Half of 30 s must be covered; a point stands for one interval at most.
            ("40=6", Aggregation::Mean, Reading::Absent),
            ("39=2 40=4", Aggregation::Mean, Reading::Absent),
            ("35=2 40=4", Aggregation::Mean, Reading::Value(3.0)),
            ("20=1 40=3", Aggregation::Mean, Reading::Value(2.0)),
            ("20=1d 30=2d 40=6", Aggregation::Mean, Reading::Value(3.0)),
            ("20=1 30=2 40=6d", Aggregation::Last, Reading::Absent),
            ("20=1d 30=2d 40=6d", Aggregation::Mean, Reading::Absent),
            ("20=1 30=NaN 40=6", Aggregation::Mean, Reading::Error),
            ("20=1 30=NaN 40=6", Aggregation::Max, Reading::Error),
            ("20=NaN 25=end 30=2 40=6", Aggregation::Mean, Reading::Value(4.0)),
            ("20=1 30=2 40=end", Aggregation::Mean, Reading::Ended),
            ("20=90 25=end 30=2 40=6", Aggregation::Mean, Reading::Value(4.0)),
            // It stopped: what is left of the window is no evidence.
            ("10=9 20=1 30=2", Aggregation::Mean, Reading::Absent),
        ];
        for (points, value, reading) in cases {
            let over = Over { length: Duration::from_secs(30), value };
            assert_eq!(
                window(points).read(asked(40, 10), Some(over)),
                reading,
                "{points} {value:?}"
            );
        }
    }

    #[test]
    fn the_delta_of_a_counter_is_its_increase_with_resets_recognised() {
        let over = Over { length: Duration::from_secs(30), value: Aggregation::Delta };
        for (points, gauge, counter) in [
            ("10=9 20=1 30=2 40=6", 5.0, 5.0),
            ("20=5 30=7 40=1", -4.0, 3.0),
            ("15=5 20=0 25=4 30=1 40=3", -2.0, 7.0),
            ("20=5 30=5 40=5", 0.0, 0.0),
            ("15=5 20=9 25=end 30=2 40=6", 4.0, 4.0),
        ] {
            for (counter, delta) in [(false, gauge), (true, counter)] {
                let asked = WindowQuery { counter, ..asked(40, 10) };
                let reading = window(points).read(asked, Some(over));
                assert_eq!(reading, Reading::Value(delta), "{points} {counter}");
            }
        }
    }

    #[test]
    fn a_point_alone_tells_no_change_and_stands_for_one_interval_at_most() {
        let read = |points: &str, value, interval, length| {
            let interval = Duration::from_secs(interval);
            let over = Over { length: Duration::from_secs(length), value };
            window(points).read(WindowQuery { interval, ..asked(40, 10) }, Some(over))
        };
        assert_eq!(read("40=1", Aggregation::Last, 20, 30), Reading::Value(1.0));
        assert_eq!(read("40=1", Aggregation::Delta, 20, 30), Reading::Absent);
        assert_eq!(read("40=1", Aggregation::Rate, 20, 30), Reading::Absent);
        assert_eq!(read("5=1 40=3", Aggregation::Delta, 10, 40), Reading::Value(2.0));
        assert_eq!(read("5=1 40=3", Aggregation::Delta, 10, 42), Reading::Absent);
    }

    #[test]
    fn a_clock_that_went_back_leaves_what_is_not_after_it() {
        let mut window = window("10=1 20=2 30=3");
        window.forget_after(Timestamp::from_seconds(20));
        assert_eq!(window.newest(Timestamp::from_seconds(60)), Some(Timestamp::from_seconds(20)));
    }

    proptest::proptest! {
        /// Brute force: the smallest of the values that at least 95 % of all do not exceed.
        #[test]
        fn p95_is_the_smallest_value_that_95_percent_do_not_exceed(
            values in proptest::collection::vec(-50_i32..50, 1..90),
        ) {
            let mut window = Window::default();
            for (second, value) in (0..).zip(&values) {
                window.push(&point(second, f64::from(*value), 0), Timestamp::from_seconds(90), CAPACITY);
            }
            let length = Duration::from_secs(values.len() as u64);
            let at = i64::try_from(values.len()).unwrap() - 1;
            let asked = WindowQuery { interval: length, ..asked(at, 10) };
            let seen = window.read(asked, Some(Over { length, value: Aggregation::P95 }));
            let below = |one: i32| values.iter().filter(|other| **other <= one).count();
            let enough = |one: &&i32| below(**one) * 100 >= values.len() * 95;
            let expected = f64::from(*values.iter().filter(enough).min().unwrap());
            proptest::prop_assert_eq!(seen, Reading::Value(expected));
        }
    }

    #[test]
    fn two_points_at_one_time_are_one_in_any_order() {
        let cases = [
            ("30=1", "30=2", Reading::Value(2.0)),
            ("30=1", "30=2d", Reading::Value(1.0)),
            ("30=1", "30=end", Reading::Ended),
        ];
        for (one, other, reading) in cases {
            for points in [format!("{one} {other}"), format!("{other} {one}")] {
                assert_eq!(window(&points).read(asked(30, 10), None), reading, "{points}");
            }
        }
    }

    #[test]
    fn a_window_is_bounded_by_time_and_number() {
        let mut window = Window::default();
        let capacity = Capacity { keep: Duration::from_secs(20), most: 5 };
        for second in 0..1000 {
            window.push(&point(second, 0.0, 0), Timestamp::from_seconds(second), capacity);
        }
        assert_eq!(window.points.len(), 5);
        window.push(&point(1100, 0.0, 0), Timestamp::from_seconds(1100), capacity);
        window.push(&point(1000, 0.0, 0), Timestamp::from_seconds(1100), capacity);
        assert_eq!(window.points.len(), 1);
    }
}
