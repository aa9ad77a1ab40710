//! Prometheus' alert state machine (facts/alerting.md §2.1), step by step, and where we differ.

use super::{
    threshold::{Level, Threshold},
    trial::{MINUTE, level, run, threshold},
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
    let (trial, ..) = run(threshold(2), ".#");
    assert_eq!(trial.alarms()[0].since, trial.slot);
}

#[test]
fn step_2_a_known_element_takes_the_new_value_and_ends_keep_firing() {
    check(0, 2, "#.#...", "FRFRR-");
    let (trial, ..) = run(threshold(0), "#9#");
    assert_eq!(trial.alarms()[0].value, Some(95.0));
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
