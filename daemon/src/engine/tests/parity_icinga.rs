//! Icinga's soft and hard states (facts/alerting.md §2.6) on `of` and `for`, and where we differ.
//! Its flap percentages are in `flap.rs`.

use super::harness::{MINUTE, level, run, threshold};
use crate::engine::{
    Change,
    threshold::rule::{Debounce, Level, Threshold},
};

/// `max_check_attempts` as `of = [n, n]` and as `for` of all slots but one; warning above 70.
fn attempts(attempts: u32) -> [Threshold; 2] {
    let slots = attempts as usize;
    let debounces = [Debounce::Of { count: slots, slots }, Debounce::For(MINUTE * (attempts - 1))];
    debounces.map(|debounce| Threshold {
        warning: Some(Level { debounce, ..level(70.0, 70.0, 0) }),
        critical: Some(Level { debounce, ..level(90.0, 90.0, 0) }),
        ..threshold(0)
    })
}

/// Slots as in `Trial` (`8` is warning, `#` critical, `.` ok), conditions, and what is told.
type Row = (&'static str, u32, &'static str, &'static str, &'static [&'static str]);

fn check(rows: &[Row]) {
    for (name, max, slots, conditions, notified) in rows {
        for threshold in attempts(*max) {
            let debounce = threshold.critical.map(|level| level.debounce);
            let (harness, seen, _) = run(threshold, slots);
            assert_eq!(seen, *conditions, "{name}: {debounce:?}");
            let changes: Vec<_> = harness.changes();
            assert_eq!(changes, *notified, "{name}: {debounce:?}");
        }
    }
}

#[test]
fn soft_is_pending_and_hard_is_firing() {
    check(&[
        ("OK hard, not OK: soft", 3, ".#", "-p", &[]),
        ("OK hard, not OK, one attempt: hard", 1, ".#", "-F", &["Fired"]),
        ("not OK soft, not OK: one attempt more", 3, ".##", "-pp", &[]),
        ("not OK soft, not OK, the last attempt: hard, told", 3, ".###", "-ppF", &["Fired"]),
        ("not OK soft, OK: a soft recovery, not told", 3, ".##.", "-pp-", &[]),
        ("after a soft recovery attempts count anew", 3, "##.##", "pp-pp", &[]),
        ("not OK hard, the same: not told", 1, "##", "FF", &["Fired"]),
        ("warning hard, critical: told", 1, "8#", "FF", &["Fired", "Worse"]),
        ("critical hard, warning: told", 1, "#8", "FF", &["Fired", "Better"]),
        ("not OK hard, OK: recovery, told", 3, "###.", "ppF-", &["Fired", "Resolved: cleared"]),
        ("OK hard, OK: nothing", 3, "..", "--", &[]),
    ]);
}

#[test]
fn differs_each_severity_counts_its_own_slots() {
    // Icinga counts any that is not OK: warning, critical, critical is a hard critical.
    check(&[
        ("warning, critical, critical", 3, "8##", "ppF", &["Fired"]),
        ("and one more", 3, "8###", "ppFF", &["Fired", "Worse"]),
        ("a hard warning worsens after as many slots as always", 3, "888##", "ppFFF", &["Fired"]),
    ]);
    let [rule, _] = attempts(3);
    let (harness, ..) = run(rule, "8##");
    assert_eq!(harness.alarms()[0].severity, haetae_plugin::Severity::Warning);
}

#[test]
fn differs_a_slot_without_evidence_is_no_attempt() {
    // There a check that times out is UNKNOWN, which is not OK.
    let [of, hold] = attempts(3);
    for slots in ["##xx", "##nn", "##!!"] {
        for rule in [of.clone(), hold.clone()] {
            let (harness, seen, _) = run(rule, slots);
            assert_eq!((seen.as_str(), harness.changes().len()), ("pppp", 0), "{slots}");
        }
    }
}

#[test]
fn a_change_of_severity_is_no_flap() {
    let [rule, _] = attempts(1);
    let (harness, seen, _) = run(rule, "8#8#8#8#8#8#");
    assert_eq!(seen, "F".repeat(12));
    assert!(harness.transitions.iter().all(|one| one.change != Change::Flapping));
}
