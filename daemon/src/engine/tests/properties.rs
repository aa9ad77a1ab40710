//! Properties that hold whatever comes: each was seen to fail when the code is broken on purpose.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Point, Samples, Series, Timestamp};
use proptest::{collection::vec, prelude::*, sample::select};

use super::harness::{Harness, MINUTE, level, run_words, series, threshold, timing};
use crate::engine::{
    AlarmView, CLOCK, Change, Condition, Engine, Input, SYSTEM, Transition,
    series::slot::Slots,
    threshold::rule::{Across, Aggregation, Debounce, Level, NoData, Over, Side, Then, Threshold},
};

const ACROSS: [Across; 6] =
    [Across::Worst, Across::Mean, Across::Sum, Across::Max, Across::Min, Across::Count];

/// 256 cases, or as many as `PROPTEST_CASES` says.
pub(in crate::engine) fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Words of three series, each a character of `alphabet`.
pub(super) fn words(
    alphabet: &'static str,
    length: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<String>> {
    let letters: Vec<char> = alphabet.chars().collect();
    vec(vec(select(letters), 3).prop_map(String::from_iter), length)
}

prop_compose! {
    fn any_level(raise: f64)(
        (minutes, clear_minutes, side) in (0_u32..4, 0_u32..3, select(vec![Side::Above, Side::Below])),
        of in proptest::option::of((1_usize..4, 0_usize..3)),
        band in select(vec![0.0, 10.0]),
    ) -> Level {
        let clear = if side == Side::Above { raise - band } else { raise + band };
        let debounce = of.map_or(Debounce::For(MINUTE * minutes), |(count, more)| {
            Debounce::Of { count, slots: count + more }
        });
        Level { side, raise, clear, debounce, clear_for: MINUTE * clear_minutes }
    }
}

prop_compose! {
    /// Any evaluator of `s` whose silent series hold.
    pub(super) fn any_threshold()(
        (warning, critical) in (proptest::option::of(any_level(70.0)), any_level(90.0)),
        across in select(ACROSS.to_vec()),
        one in any::<bool>(),
        over in proptest::option::of((1_u32..5, select(vec![
            Aggregation::Mean, Aggregation::Min, Aggregation::Max, Aggregation::Sum, Aggregation::Count, Aggregation::Last, Aggregation::Rate,
            Aggregation::Delta, Aggregation::P95,
        ]))),
        (after, double) in (proptest::option::of(1_u32..5), any::<bool>()),
    ) -> Threshold {
        let no_data = NoData { after: after.map(|minutes| MINUTE * minutes), then: Then::Hold };
        let over = over.map(|(minutes, value)| Over { length: MINUTE * minutes, value });
        let by = one.then(Vec::new);
        let every = double.then_some(MINUTE * 2);
        let critical = Some(critical);
        Threshold { by, across, warning, critical, no_data, over, every, ..threshold(0) }
    }
}

/// A source's batch of one slot: series, seconds before the slot, value, flags.
type Batch = Vec<(usize, u32, f64, u32)>;

fn batch() -> impl Strategy<Value = Batch> {
    let value = select(vec![10.1, 33.3, 85.7, 95.2, f64::NAN]);
    let flags = select(vec![0, 0, 0, 0, Point::DELAYED, Point::END]);
    vec((0_usize..4, 0_u32..60, value, flags), 0..6)
}

/// Two sources, slot by slot; `true` lets the second one speak first.
fn two_sources(
    threshold: &Threshold,
    slots: &[(Batch, Batch, bool)],
) -> (Vec<Vec<Transition>>, Engine) {
    let start = Timestamp::from_seconds(1_700_000_000);
    let inputs = vec!["s".into(), "t".into()];
    let threshold = Threshold { inputs, ..threshold.clone() };
    let mut engine = Engine::new(vec![timing("s"), timing("t")], vec![threshold], start);
    let mut slot = Slots::of("t", MINUTE).last(start);
    let handles: Vec<Series> = (0..4).map(series).collect();
    let mut seen = Vec::new();
    for (one, two, swapped) in slots {
        slot = slot.after(MINUTE);
        let mut spoken = vec![("s", one), ("t", two)];
        if *swapped {
            spoken.reverse();
        }
        let mut transitions = Vec::new();
        for (source, batch) in spoken {
            let mut samples = Samples::at(slot);
            for &(index, before, value, flags) in batch {
                let time = slot.before(Duration::from_secs(before.into()));
                samples.push_flagged(&handles[index], value, time, flags);
            }
            let source = source.into();
            transitions.extend(engine.step(Input::Samples { source, samples }, slot).transitions);
        }
        transitions.sort_by(|a, b| (a.at, &a.alarm.labels).cmp(&(b.at, &b.alarm.labels)));
        seen.push(transitions);
    }
    (seen, engine)
}

/// The same batches, each with its points in another order, or the sources in another order.
fn shuffled(slots: Vec<(Batch, Batch)>) -> impl Strategy<Value = Vec<(Batch, Batch, bool)>> {
    let shuffle = |(one, two): (Batch, Batch)| {
        (Just(one).prop_shuffle(), Just(two).prop_shuffle(), any::<bool>())
    };
    slots.into_iter().map(shuffle).collect::<Vec<_>>()
}

fn debug(seen: &(Vec<Vec<Transition>>, Engine)) -> String {
    format!("{:?} {:?} {:?}", seen.0, seen.1.alarms(), seen.1.evaluators())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_arrival_within_a_slot_never_matters(
        threshold in any_threshold(),
        (slots, other) in vec((batch(), batch()), 1..12)
            .prop_flat_map(|slots| (Just(slots.clone()), shuffled(slots))),
    ) {
        let slots: Vec<_> = slots.into_iter().map(|(one, two)| (one, two, false)).collect();
        prop_assert_eq!(
            debug(&two_sources(&threshold, &slots)),
            debug(&two_sources(&threshold, &other))
        );
    }

    #[test]
    fn the_same_input_gives_the_same_output(
        threshold in any_threshold(),
        slots in vec((batch(), batch(), any::<bool>()), 1..12),
    ) {
        prop_assert_eq!(
            debug(&two_sources(&threshold, &slots)),
            debug(&two_sources(&threshold, &slots))
        );
    }

    #[test]
    fn no_data_and_a_down_source_change_nothing(
        threshold in any_threshold(),
        before in words("#~.x8", 1..10),
        nothing in vec(select(vec!["!", " ", "xxx", "nnn", "ddd"]), 1..15),
    ) {
        // An evaluator with slots of its own still owes a verdict on what was said.
        let owed = threshold.every.unwrap_or_default();
        let (mut harness, ..) = run_words(threshold, &before);
        let said = harness.slot.after(owed);
        for word in nothing {
            harness.slot(word);
        }
        let own = harness.transitions.iter().filter(|one| one.alarm.evaluator != SYSTEM);
        let (mut fires, mut flaps) = (BTreeMap::new(), BTreeMap::new());
        for one in own {
            let flapped = flaps.get(&one.alarm.labels) == Some(&Change::Flapping);
            // Changes grow old, so time alone settles what flapped. Nothing else may happen.
            let settles = flapped && one.change == Change::Settled;
            prop_assert!(one.at <= said || settles, "{one:?}");
            if one.change.is_flapping() {
                flaps.insert(&one.alarm.labels, one.change);
            } else {
                fires.insert(one.alarm.id.clone(), (one.alarm.severity, one.change.is_end()));
            }
        }
        let fires = fires.into_iter().filter(|(_, (_, over))| !over);
        let notified: BTreeMap<_, _> = fires.map(|(id, (severity, _))| (id, severity)).collect();
        let shown = harness.alarms().into_iter().filter(AlarmView::is_firing);
        let shown: BTreeMap<_, _> = shown.map(|alarm| (alarm.id, alarm.severity)).collect();
        prop_assert_eq!(notified, shown);
    }

    #[test]
    fn a_series_that_falls_silent_never_clears_what_it_shares(
        across in select(ACROSS.to_vec()),
        before in words("#~.", 0..6),
        after in words("#~.x", 1..12),
    ) {
        let count = level(2.0, 2.0, 0);
        let critical = Some(if across == Across::Count { count } else { level(90.0, 80.0, 0) });
        let by = Some(Vec::new());
        let (mut harness, ..) = run_words(Threshold { by, across, critical, ..threshold(0) }, &before);
        harness.slot("###");
        prop_assert_eq!(harness.alarms().len(), 1);
        let known = harness.transitions.len();
        for word in after {
            harness.slot(&word.replacen(|_| true, "x", 1));
        }
        let later = &harness.transitions[known..];
        prop_assert!(later.is_empty(), "{later:?}");
    }

    #[test]
    fn a_jump_of_the_clock_raises_and_clears_nothing(
        then in select(vec![Then::Hold, Then::Alarm, Then::Ok]),
        value in select(vec!["#", "."]),
        slots in vec(proptest::option::weighted(0.1, any_jump()), 2..40),
        told in any::<bool>(),
    ) {
        let no_data = NoData { after: None, then };
        let mut harness = Harness::new(vec![Threshold { no_data, ..threshold(4) }]);
        let (mut said, mut calm) = (0, 0);
        for jump in slots {
            if let Some(jump) = jump {
                jump.apply(&mut harness, told);
                calm = 0;
            }
            harness.slot(value);
            (said, calm) = (said + 1, calm + 1);
            let system = harness.transitions.iter().filter(|one| one.alarm.evaluator == SYSTEM);
            let system = system.filter(|one| one.alarm.labels["instance"] != CLOCK);
            prop_assert!(!told || system.count() == 0, "it is nobody's fault");
            let fired = harness.changes();
            if value == "." || said <= 4 {
                prop_assert!(fired.is_empty(), "{fired:?} after {said}");
            } else {
                prop_assert!(fired.is_empty() || fired == ["Fired"], "{fired:?}");
                // It goes on judging: four minutes to hold, and some to find the slots again.
                prop_assert!(calm < 9 || fired == ["Fired"], "deaf after a jump");
            }
        }
    }

    #[test]
    fn an_alarm_fires_when_it_was_held_for_and_never_before(
        minutes in 0_u32..6,
        slots in vec(select(vec!["#", "#", "#", ".", "x", "!", " "]), 1..60),
    ) {
        let mut harness = Harness::new(vec![threshold(minutes)]);
        let mut model = Model { minutes, ..Model::default() };
        for slot in slots {
            harness.slot(slot);
            let fires = model.step(slot);
            let on = harness.alarms().first().is_some_and(|alarm| alarm.condition == Condition::Firing);
            prop_assert_eq!(on, fires, "at {}", slot);
        }
    }
}

/// What an alarm with `for` should do, in the fewest words.
#[derive(Default)]
struct Model {
    minutes: u32,
    held: u32,
    pending: bool,
    firing: bool,
    /// Whether the slot before held.
    followed: bool,
}

impl Model {
    fn step(&mut self, slot: &str) -> bool {
        match slot {
            "#" => {
                self.held = if self.pending { self.held + u32::from(self.followed) } else { 0 };
                self.pending = true;
                self.firing |= self.held >= self.minutes;
            }
            "." => (self.pending, self.firing) = (false, false),
            _ => {}
        }
        self.followed = slot == "#";
        self.firing
    }
}

/// A clock that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Jump {
    /// For one tick.
    Spike(i64),
    /// For good.
    Leap(i64),
}

fn any_jump() -> impl Strategy<Value = Jump> {
    let seconds = select(vec![-86_400_i64, -3_600, -150, -61, 61, 150, 3_600, 86_400]);
    (any::<bool>(), seconds)
        .prop_map(|(leap, by)| if leap { Jump::Leap(by) } else { Jump::Spike(by) })
}

impl Jump {
    /// `told`: the engine is told that it is a jump, as it is by its thread.
    fn apply(self, harness: &mut Harness, told: bool) {
        let from = harness.slot.after(Duration::from_secs(1));
        let by =
            |seconds: i64| Timestamp::from_nanos(harness.slot.nanos() + seconds * 1_000_000_000);
        match self {
            Self::Spike(seconds) => {
                let now = by(seconds);
                if told {
                    harness.step_at_once(Input::Jumped { from }, now);
                    harness.step_at_once(Input::Jumped { from: now }, from);
                } else {
                    harness.step(Input::Tick, now);
                }
            }
            Self::Leap(seconds) => {
                let now = by(seconds);
                if told {
                    harness.step_at_once(Input::Jumped { from }, now);
                }
                harness.slot = Slots::of("s", MINUTE).last(now);
            }
        }
    }
}
