//! Prometheus' alert state machine (facts/alerting.md §2.1), step by step, and where we differ.

use super::harness::{Harness, MINUTE, by_host, level, run, run_words, threshold};
use crate::engine::{
    slot_phase,
    threshold::rule::{Across, Level, Threshold},
};

/// `for` and `keep_firing_for` (our `clear_for`) in minutes; a character a slot, as in `Trial`.
/// `.` is an element that is absent because its value fell, `!` a query that failed.
fn check(held: u32, keep: u32, slots: &str, conditions: &str) {
    let critical = Level { clear_for: MINUTE * keep, ..level(90.0, 90.0, held) };
    let (_, seen, _) = run(Threshold { critical: Some(critical), ..threshold(held) }, slots);
    assert_eq!(seen, conditions, "for {held} keep {keep}: {slots}");
}

#[test]
fn step_1_a_query_error_leaves_the_state_untouched() {
    check(2, 0, "!!.", "---");
    check(2, 0, "#!!.", "ppp-");
    check(0, 0, "#!!!.", "FFFF-");
    check(0, 3, "#.!!!..", "FRRRRRR");
}

#[test]
fn step_1_differs_the_time_of_an_error_does_not_count_toward_for() {
    // Prometheus fires at the first success after `for`: "ppppF".
    check(2, 0, "##!!###", "pppppFF");
}

#[test]
fn step_2_an_element_that_is_new_or_inactive_is_pending_since_its_slot() {
    check(2, 0, ".#", "-p");
    check(2, 0, "##.#", "pp-p");
    let (harness, ..) = run(threshold(2), ".#");
    assert_eq!(harness.alarms()[0].since, harness.slot);
}

#[test]
fn step_2_a_known_element_takes_the_new_value_and_ends_keep_firing() {
    check(0, 2, "#.#...", "FRFRR-");
    let (harness, ..) = run(threshold(0), "#9#");
    assert_eq!(harness.alarms()[0].value, Some(95.0));
}

#[test]
fn step_3_pending_fires_when_active_for_as_long_as_for() {
    check(2, 0, "####", "ppFF");
    check(1, 0, "####", "pFFF");
}

#[test]
fn step_3_for_zero_fires_in_the_same_evaluation() {
    check(0, 0, ".#", "-F");
}

#[test]
fn step_4_pending_whose_element_is_absent_is_gone_at_once() {
    check(3, 5, "##.##", "pp-pp");
}

#[test]
fn step_4_firing_whose_element_is_absent_keeps_firing_as_told() {
    check(0, 0, "#.", "F-");
    check(0, 1, "#...", "FR--");
    check(0, 3, "#.....", "FRRR--");
}

#[test]
fn step_4_differs_a_series_that_stops_clears_nothing() {
    // Prometheus cannot tell a value that fell from one that is missing: "pp-" and "F-".
    check(3, 0, "##x", "ppp");
    check(0, 0, "#xxxxxx", "FFFFFFF");
    // An end is known to be one: then ours does as Prometheus does.
    check(0, 0, "#e", "F-");
}

#[test]
fn step_5_differs_a_longer_for_takes_back_nothing_that_fires() {
    // There a firing alert falls back to pending when `for` is raised by a reload.
    let mut harness = Harness::new(vec![threshold(2)]);
    harness.slots("###");
    assert_eq!(harness.condition(), 'F');
    harness.restart(vec![threshold(30)], 0, true);
    harness.slot("#");
    assert_eq!((harness.condition(), harness.changes().len()), ('F', 1));
}

#[test]
fn differs_two_elements_under_one_identity_are_joined() {
    // There the evaluation of the whole rule is an error.
    let words = ["#.", "..", ".#"].map(String::from);
    let (_, seen, evidence) = run_words(by_host(Across::Worst, 0), &words);
    assert_eq!((seen.as_str(), evidence.as_str()), ("F-F", "=-="));
}

/// `for` in minutes, when the daemon goes down and comes back, and at which minute the alarm fires
/// that is pending at 0; `None`: it has fired before and goes on.
type Restored = (u32, u32, u32, Option<u32>);

fn fires_at((held, down, up, expected): Restored) {
    let mut harness = Harness::new(vec![threshold(held)]);
    (0..=down).for_each(|_| harness.slot("#"));
    let fired = harness.changes().len();
    harness.restart(vec![threshold(held)], up - down - 1, true);
    let mut minute = up;
    while minute < 100 && (harness.changes().len() == fired) {
        harness.slot("#");
        minute += u32::from(harness.changes().len() == fired);
    }
    let seen = (fired == 0).then_some(minute);
    assert_eq!(seen, expected, "for {held}, down {down} to {up}");
    assert_eq!((harness.condition(), harness.changes().len()), ('F', 1));
}

#[test]
fn restored_it_fires_when_it_was_held_for_long_enough_downtime_left_out() {
    fires_at((30, 10, 40, Some(60)));
    fires_at((30, 35, 40, None));
}

#[test]
fn restored_differs_there_is_no_grace() {
    // There it fires ten minutes after the start, at 50.
    fires_at((30, 25, 40, Some(45)));
}

#[test]
fn restored_differs_a_short_for_is_restored_too() {
    // There it falls back to pending and fires five minutes after the start.
    fires_at((5, 35, 40, None));
    fires_at((5, 3, 40, Some(42)));
}

#[test]
fn restored_differs_keep_firing_for_goes_on() {
    // There it is not stored, so that the alert resolves at the restart.
    let critical = Level { clear_for: MINUTE * 4, ..level(90.0, 90.0, 0) };
    let keeping = Threshold { critical: Some(critical), ..threshold(0) };
    let mut harness = Harness::new(vec![keeping.clone()]);
    harness.slots("#..");
    harness.restart(vec![keeping], 10, true);
    let conditions = [".", ".", ".", ".", "."].map(|slot| {
        harness.slot(slot);
        harness.condition()
    });
    // A minute was clear before, three more follow the first one after the start.
    assert_eq!(String::from_iter(conditions), "RRR--");
}

#[test]
fn slots_are_spread_by_name_and_an_alarm_bears_the_time_of_its_slot() {
    let mut harness = Harness::new(vec![threshold(0)]);
    harness.slot("#");
    assert_eq!(harness.alarms()[0].since, harness.slot);
    let phase = slot_phase("s", MINUTE);
    let into = harness.slot.before(phase).nanos().rem_euclid(60_000_000_000);
    assert_eq!(into, 0, "one phase for ever");
    assert_ne!(phase, slot_phase("t", MINUTE));
}

// §2.10: what of ElastAlert and Alerta is about conditions.
#[test]
fn alerta_only_a_rise_of_severity_is_worse_and_one_alarm_carries_both() {
    let warning = Some(level(70.0, 70.0, 0));
    let cases = [
        ("8#", &["Fired", "Worse"][..]),
        ("#8", &["Fired", "Better"]),
        ("#8#", &["Fired", "Better", "Worse"]),
        ("88", &["Fired"]),
    ];
    for (slots, changes) in cases {
        let (harness, ..) = run(Threshold { warning, ..threshold(0) }, slots);
        assert_eq!(harness.changes(), changes, "{slots}");
        assert_eq!(harness.alarms().len(), 1);
    }
}

#[test]
fn elastalert_differs_an_end_is_told() {
    let (harness, ..) = run(threshold(0), "#.");
    assert_eq!(harness.changes(), ["Fired", "Resolved: cleared"]);
}

#[test]
fn alerta_differs_nothing_expires_by_time() {
    // There an alert that is not heard of again expires after a day.
    let slots = format!("#{}", "x".repeat(24 * 60 + 1));
    let (harness, seen, _) = run(threshold(0), &slots);
    assert!(seen.chars().all(|condition| condition == 'F'));
    assert_eq!(harness.changes(), ["Fired"]);
}
