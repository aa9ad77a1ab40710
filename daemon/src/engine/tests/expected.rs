//! Trials of what is expected: named or learned, absent from the start or vanished, over restarts.

use std::collections::BTreeMap;

use super::harness::{Harness, MINUTE, threshold};
use crate::engine::{
    Evidence,
    threshold::rule::{ExpectedIdentities, NoData, Then, Threshold},
};

fn labels(id: &str) -> BTreeMap<String, String> {
    [("id".to_owned(), id.to_owned())].into()
}

/// Silent after two minutes.
fn expecting(expect: ExpectedIdentities, then: Then) -> Threshold {
    let no_data = NoData { after: Some(MINUTE * 2), then };
    // Without flapping, so that a row that is left is one of what is expected.
    let by = Some(vec!["id".into()]);
    Threshold { expect, by, no_data, flap: None, ..threshold(0) }
}

fn named(ids: &[&str], then: Then) -> Threshold {
    expecting(ExpectedIdentities::Named(ids.iter().map(|id| labels(id)).collect()), then)
}

fn learned(minutes: u32, then: Then) -> Threshold {
    expecting(ExpectedIdentities::Learned { forget: MINUTE * minutes }, then)
}

/// A word a slot as in `Trial`; `|` restarts with the same evaluator, with `_` that many slots
/// down; `%` reloads it. What is seen: the condition of the worst.
fn check(own: &Threshold, slots: &str, conditions: &str, changes: &[&str]) -> Harness {
    let mut harness = Harness::new(vec![own.clone()]);
    let mut seen = String::new();
    for word in slots.split(' ') {
        match word.strip_prefix('|') {
            Some(down) => {
                harness.restart(vec![own.clone()], u32::try_from(down.len()).unwrap(), false);
                seen.push('|');
            }
            None if word == "%" => {
                let effects = harness.reload(vec![own.clone()]);
                assert!(effects.is_empty(), "{effects:?}");
                seen.push('%');
            }
            None => {
                harness.slot(if word == "." { " " } else { word });
                seen.push(harness.condition());
            }
        }
    }
    assert_eq!(seen, conditions, "{slots}");
    assert_eq!(harness.changes(), changes, "{slots}");
    harness
}

const FIRED: &str = "Fired: no data";
const CLEARED: &str = "Resolved: cleared";

#[test]
fn a_named_one_that_never_spoke_is_no_data() {
    let harness = check(&named(&["0"], Then::Alarm), "xx xx xx xx", "--FF", &[FIRED]);
    let alarm = harness.alarms().remove(0);
    assert_eq!((alarm.evidence, alarm.labels), (Evidence::NoData { since: None }, labels("0")));
    // It joins when it speaks.
    let harness =
        check(&named(&["0"], Then::Alarm), "xx xx xx 1x #x", "--F-F", &[FIRED, CLEARED, "Fired"]);
    assert_eq!(harness.alarms()[0].unit, "percent");
    assert!(harness.alarms()[0].id.ends_with("-2"));
    check(&named(&["0"], Then::Hold), "xx xx xx xx #x", "----F", &["Fired"]);
    check(
        &named(&["0"], Then::Ok),
        "xx xx xx xx #x xx xx xx",
        "----FF--",
        &["Fired", "Resolved: no data ok"],
    );
    // Of others nothing is known, and nothing is said.
    check(&named(&["0"], Then::Alarm), "1x 1x 1x 1x 1x", "-----", &[]);
    check(&threshold(0), "xx xx xx xx", "----", &[]);
}

#[test]
fn a_named_one_that_vanished_is_no_data_and_stays_known() {
    check(&named(&["0"], Then::Alarm), "1x xx xx xx 1x", "--FF-", &[FIRED, CLEARED]);
    // Also when it was told that it ended, which ends what fired.
    let ended = ["Fired", "Resolved: ended", FIRED];
    check(&named(&["0"], Then::Alarm), "#x ex xx xx xx", "F--FF", &ended);
    let harness = check(&named(&["0"], Then::Hold), "1x ex xx xx xx xx", "------", &[]);
    assert_eq!(harness.engine.evaluators()[0].series, 0);
}

#[test]
fn a_source_that_is_down_or_late_is_no_absence_of_what_is_expected() {
    check(&named(&["0"], Then::Alarm), ". . . . .", "-----", &[]);
    check(&named(&["0"], Then::Alarm), "! ! ! ! !", "-----", &[]);
    check(&learned(9, Then::Alarm), "1x ! ! ! ! ! 1x", "-------", &[]);
}

#[test]
fn a_named_one_goes_on_over_restarts() {
    let own = named(&["0"], Then::Alarm);
    check(&own, "xx xx xx |__ xx xx", "--F|FF", &[FIRED]);
    check(&own, "xx xx xx |__ 1x", "--F|-", &[FIRED, CLEARED]);
    // Its ids are never given twice.
    let harness = check(&own, "xx xx xx 1x | xx xx xx", "--F-|--F", &[FIRED, CLEARED, FIRED]);
    assert!(harness.alarms()[0].id.ends_with("-2"), "{:?}", harness.alarms());
    check(&own, "xx xx % xx 1x % % xx xx", "--%F-%%-F", &[FIRED, CLEARED, FIRED]);
    // It is named no more.
    let mut harness = check(&own, "xx xx xx", "--F", &[FIRED]);
    harness.restart(vec![named(&["7"], Then::Alarm)], 0, false);
    assert_eq!(harness.changes(), [FIRED, "Closed: rule changed"]);
    let mut harness = check(&own, "xx xx xx", "--F", &[FIRED]);
    harness.reload(vec![named(&["7"], Then::Alarm)]);
    assert_eq!(harness.changes(), [FIRED, "Closed: rule changed"]);
    for _ in 0..3 {
        harness.slot("xx");
    }
    assert_eq!(harness.alarms()[0].labels, labels("7"));
}

#[test]
fn what_was_learned_is_expected_also_after_restarts() {
    let own = learned(60, Then::Alarm);
    // Nothing is expected that was never seen.
    check(&own, "xx xx xx xx", "----", &[]);
    check(&own, "1x xx xx xx 1x", "--FF-", &[FIRED, CLEARED]);
    let harness = check(&own, "1x |_____ xx xx xx", "-|--F", &[FIRED]);
    assert_eq!(harness.alarms()[0].labels, labels("0"));
    check(&own, "1x | | |__ xx xx xx | xx", "-|||--F|F", &[FIRED]);
    check(&own, "1x |__ x1 x1 x1 11", "-|--F-", &[FIRED, CLEARED]);
    // One that is well is remembered, and nobody is shown it.
    let harness = check(&own, "11 11", "--", &[]);
    assert_eq!((harness.stored.0.len(), harness.alarms().len()), (2, 0));
    check(&own, "1x % xx % xx % 1x", "-%-%F%-", &[FIRED, CLEARED]);
    // Without learning, a restart forgets what was well.
    let forgetful = expecting(ExpectedIdentities::Nobody, Then::Alarm);
    check(&forgetful, "1x |_____ xx xx xx", "-|---", &[]);
}

#[test]
fn what_was_learned_is_forgotten_after_its_time() {
    let forgotten = [FIRED, "Resolved: forgotten"];
    let harness = check(&learned(4, Then::Alarm), "11 x1 x1 x1 x1 x1", "--FF--", &forgotten);
    let ended = harness.stored.rows().filter(|row| row.alarm.ended.is_some()).count();
    assert_eq!((harness.stored.0.len(), ended), (2, 1));
    // The time counts over restarts, but not what passed meanwhile.
    check(&learned(4, Then::Alarm), "11 x1 x1 |_____ x1 x1 x1", "--F|FF-", &forgotten);
    // Once more it is new.
    let again = [FIRED, "Resolved: forgotten", FIRED];
    check(&learned(4, Then::Alarm), "11 x1 x1 x1 x1 x1 11 x1 x1", "--FF----F", &again);
    // One that is not known to be bad goes quietly, and its row with it.
    for then in [Then::Hold, Then::Ok] {
        let harness = check(&learned(4, then), "11 x1 x1 x1 x1 x1", "------", &[]);
        assert_eq!(harness.stored.0.len(), 1);
    }
    // A value that held is held, as without learning.
    check(&learned(4, Then::Hold), "#1 x1 x1 x1 x1 x1 x1", "FFFFFFF", &["Fired"]);
}

#[test]
fn no_more_are_learned_than_there_may_be_series() {
    let own = learned(60, Then::Alarm);
    let mut harness = Harness::new(vec![own.clone()]);
    let one = crate::engine::SourceTiming { max_series: 1, ..super::harness::timing("s") };
    harness.reload_with(vec![one], vec![own.clone()], Vec::new());
    for word in ["1x", "ex", "x1"] {
        harness.slot(word);
    }
    assert_eq!(harness.stored.0.len(), 1, "{:?}", harness.stored.0);
    // Switched off, what was learned is not kept.
    harness.reload(vec![expecting(ExpectedIdentities::Nobody, Then::Alarm)]);
    assert_eq!(harness.stored.0.len(), 0, "{:?}", harness.stored.0);
}

#[test]
fn a_series_of_what_is_no_longer_expected_is_offered_again() {
    let mut harness = Harness::new(vec![named(&["0"], Then::Alarm)]);
    // All that the series has said is delayed: it fires for want of a fresh word.
    harness.slots("xxxxd");
    assert_eq!(harness.changes(), [FIRED]);
    harness.reload(vec![expecting(ExpectedIdentities::Nobody, Then::Alarm)]);
    assert_eq!(harness.changes(), [FIRED, "Closed: rule changed"]);
    assert_eq!(harness.engine.evaluators()[0].series, 0);
    harness.slot("#");
    assert_eq!((harness.condition(), harness.engine.evaluators()[0].series), ('F', 1));
}
