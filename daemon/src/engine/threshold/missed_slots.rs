//! Missed slots: an evaluator that cannot keep up says so, and when it can again.

use std::time::Duration;

use haetae_plugin::Timestamp;

/// How many slots must be judged in a row before it counts as keeping up.
const CLEAN: u32 = 10;
/// How often the number is told anew: who cannot keep up has better to do.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// Slots that an evaluator missed because it was too slow.
#[derive(Debug)]
pub(super) struct Misses {
    /// How many, and the first of them; none while it keeps up.
    open: Option<(u64, Timestamp)>,
    /// When that was told.
    reported: Option<Timestamp>,
    /// How many slots in a row were judged since; an earlier run may have told of some.
    clean: u32,
}

impl Misses {
    /// What an earlier run told of is over after as many slots as always.
    pub(super) fn new() -> Self {
        Self { open: None, reported: None, clean: 0 }
    }

    /// Slots from `first` on were missed; the answer is what is to be said of it.
    pub(super) fn miss(&mut self, slots: u64, first: Timestamp, now: Timestamp) -> Option<String> {
        let (before, since) = self.open.unwrap_or((0, first));
        let count = before.saturating_add(slots);
        self.open = Some((count, since));
        self.clean = 0;
        let recently = self.reported.is_some_and(|at| at <= now && now < at.after(REPORT_EVERY));
        if recently {
            return None;
        }
        self.reported = Some(now);
        let since = jiff::Timestamp::from_millisecond(since.millis()).unwrap_or_default();
        Some(format!("{count} slots were missed since {since}: the machine is too slow"))
    }

    /// A slot was judged; the answer is whether it keeps up again.
    pub(super) fn judged(&mut self) -> bool {
        self.clean = self.clean.saturating_add(1);
        let over = self.clean == CLEAN;
        if over {
            (self.open, self.reported) = (None, None);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use haetae_plugin::Samples;

    use super::*;
    use crate::engine::{
        CLOCK, Input, SYSTEM,
        tests::harness::{Harness, MINUTE, series, threshold},
        threshold::rule::{NoData, Then, Threshold},
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// What system alarms did, and why; without those of the clock.
    fn system(harness: &Harness) -> Vec<String> {
        reported(harness, |instance| instance != CLOCK)
    }

    fn reported(harness: &Harness, is: impl Fn(&str) -> bool) -> Vec<String> {
        let own = harness.transitions.iter().filter(|one| one.alarm.evaluator == SYSTEM);
        let own = own.filter(|one| is(&one.alarm.labels["instance"]));
        let reported = own.map(|one| {
            let labels = ["instance", "problem"].map(|name| one.alarm.labels[name].as_str());
            format!(
                "{:?} {}: {}",
                one.change,
                labels.join(" "),
                one.alarm.reason.as_deref().unwrap_or("")
            )
        });
        reported.collect()
    }

    #[test]
    fn slots_that_are_missed_through_overload_are_an_alarm_until_ten_were_judged_in_a_row() {
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slot(".");
        let first = harness.slot;
        harness.slot = harness.slot.after(MINUTE * 60);
        let now = harness.slot.after(SECOND);
        let samples = Samples::at(harness.slot).with(&series(0), 10.0);
        let effects = harness.engine.step(Input::Samples { source: "s".into(), samples }, now);
        assert_eq!(effects.transitions.len(), 1);
        harness.transitions.extend(effects.transitions);
        let missed = harness.engine.evaluators()[0].missed;
        let since = jiff::Timestamp::from_millisecond(first.after(MINUTE).millis()).unwrap();
        let expected = format!(
            "Fired cpu slots-missed: {missed} slots were missed since {since}: the machine is too slow"
        );
        assert_eq!((system(&harness), missed), (vec![expected], 57));
        // Three slots had waited and were judged at once.
        for judged in 3..10 {
            assert_eq!(system(&harness).len(), 1, "{judged}");
            harness.slot(".");
        }
        assert_eq!(system(&harness)[1], "Resolved cpu slots-missed: cleared");
    }

    #[test]
    fn what_an_earlier_run_told_of_ends_as_well() {
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slot(".");
        harness.slot = harness.slot.after(MINUTE * 60);
        let now = harness.slot.after(SECOND);
        harness.step_at_once(Input::Tick, now);
        harness.restart(vec![threshold(0)], 0, false);
        (0..9).for_each(|_| harness.slot("."));
        assert_eq!(system(&harness).len(), 1);
        harness.slot(".");
        assert_eq!(system(&harness).len(), 2);
    }

    #[test]
    fn who_misses_all_the_time_is_told_of_once_and_the_number_at_most_once_a_minute() {
        let at = |second| Timestamp::from_seconds(second);
        let mut misses = Misses::new();
        assert!(
            misses
                .miss(3, at(10), at(60))
                .unwrap()
                .starts_with("3 slots were missed since 1970-01-01T00:00:10Z")
        );
        assert_eq!(misses.miss(3, at(70), at(90)), None);
        assert!(
            misses
                .miss(3, at(100), at(120))
                .unwrap()
                .starts_with("9 slots were missed since 1970-01-01T00:00:10Z")
        );
        assert!((1..10).all(|_| !misses.judged()));
        assert_eq!(misses.miss(1, at(130), at(130)), None);
        assert!((1..10).all(|_| !misses.judged()));
        assert!(misses.judged() && !misses.judged());
        assert!(misses.miss(2, at(150), at(151)).unwrap().starts_with("2 slots"));
    }

    /// The clock reads that many seconds more, or less, a second after the last slot.
    fn jump(harness: &mut Harness, seconds: i64) {
        let from = harness.slot.after(SECOND);
        let now = Timestamp::from_nanos(from.nanos() + seconds * 1_000_000_000);
        harness.step_at_once(Input::Jumped { from }, now);
        harness.slot = crate::engine::series::slot::Slots::of("s", MINUTE).last(now);
    }

    #[test]
    fn a_suspended_machine_and_a_clock_that_is_set_raise_nothing_and_hold_nothing() {
        // An hour's suspend and NTP's step of an hour ahead are one to the engine; then one back,
        // and jumps within a slot.
        for seconds in [3600, -3600, 86_400, 59, 61, -59, -61, 3] {
            let then = Then::Alarm;
            let no_data = NoData { after: None, then };
            let alarming = |minutes| vec![Threshold { no_data, ..threshold(minutes) }];
            // Silence: neither what the machine slept through nor an hour of the clock is one.
            let mut harness = Harness::new(alarming(0));
            harness.slots("...");
            jump(&mut harness, seconds);
            harness.slots("xx..");
            assert_eq!((harness.changes(), system(&harness)), (vec![], vec![]), "{seconds}");
            // For: it was held for two minutes before and must be for three after.
            let mut harness = Harness::new(alarming(5));
            harness.slots("###");
            jump(&mut harness, seconds);
            harness.slots("###");
            assert_eq!((harness.condition(), system(&harness)), ('p', vec![]), "{seconds}");
            harness.slots("###");
            assert_eq!((harness.condition(), system(&harness)), ('F', vec![]), "{seconds}");
        }
    }

    #[test]
    fn a_jump_is_an_alarm_until_the_clock_has_run_on_for_a_minute() {
        for (seconds, way) in [(3600, "ahead"), (-3600, "back"), (59, "ahead")] {
            let mut harness = Harness::new(vec![threshold(0)]);
            harness.slot(".");
            let from = harness.slot.after(SECOND);
            jump(&mut harness, seconds);
            let (from, to) = (from, Timestamp::from_nanos(from.nanos() + seconds * 1_000_000_000));
            let by = Duration::from_secs(seconds.unsigned_abs());
            let [from, until] = [from, to].map(crate::engine::time_in_words);
            let fired = format!(
                "Fired clock clock-jumped: the clock went {way} by {by:?}, from {from} to {until}: it \
                 was set, or the machine was suspended"
            );
            let all = |harness: &Harness| reported(harness, |instance| instance == CLOCK);
            assert_eq!(all(&harness), [fired.as_str()]);
            harness.step_at_once(Input::Tick, to.after(SECOND * 59));
            assert_eq!(all(&harness).len(), 1);
            assert!(harness.engine.next_due().is_some_and(|due| due <= to.after(MINUTE)));
            harness.step_at_once(Input::Tick, to.after(MINUTE));
            assert_eq!(all(&harness)[1], "Resolved clock clock-jumped: cleared");
        }
    }

    #[test]
    fn at_the_end_of_all_time_nothing_spins() {
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slots("..");
        let (end, back) = (Timestamp::from_nanos(i64::MAX), harness.slot.after(SECOND));
        // As its thread has it: told of the jump, and again in the same moment.
        for (from, now) in [(back, end), (end, end), (end, back)] {
            harness.engine.step(Input::Jumped { from }, now);
            harness.engine.step(Input::Tick, now);
        }
        harness.slot("#");
        assert_eq!(harness.condition(), 'F');
    }

    #[test]
    fn slots_within_a_jump_are_counted_as_missed() {
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slots("..");
        jump(&mut harness, 3600);
        let status = &harness.engine.evaluators()[0];
        assert_eq!((status.judged, status.late, status.missed), (2, 0, 60));
        harness.slot(".");
        let status = &harness.engine.evaluators()[0];
        assert_eq!((status.judged, status.late, status.missed), (3, 0, 60));
    }
}
