//! Trials of overrides: whose numbers an alarm is judged by, and what a change of them does.

use super::harness::{Harness, level, threshold};
use crate::engine::{
    Matcher, Override,
    threshold::rule::{Debounce, Level, Threshold},
};

fn matchers(texts: &str) -> Vec<Matcher> {
    texts.split_whitespace().map(|text| Matcher::parse(text).unwrap()).collect()
}

/// Critical above `raise`, clear at `raise` - 10, held `minutes`.
fn over(id: &str, matching: &str, raise: f64, minutes: u32) -> Override {
    Override {
        id: id.into(),
        evaluator: "cpu".into(),
        matchers: matchers(matching),
        warning: None,
        critical: Some(level(raise, raise - 10.0, minutes)),
    }
}

fn labelled() -> Threshold {
    Threshold { labels: [("plane".to_owned(), "paas".to_owned())].into(), ..threshold(0) }
}

#[test]
fn the_most_specific_wins_then_the_newest() {
    // A series with id 0 at 95; its alarm is `plane="paas"` too.
    let cases: [(&[Override], Option<&str>); 9] = [
        (&[], None),
        (&[over("a", "id=1", 20.0, 0)], None),
        (&[Override { evaluator: "mem".into(), ..over("a", "", 20.0, 0) }], None),
        (&[over("a", "", 20.0, 0)], Some("a")),
        (&[over("a", "plane=paas", 20.0, 0), over("b", "id=~.*", 20.0, 0)], Some("a")),
        (&[over("a", "id=~.* plane=~p.*", 20.0, 0), over("b", "id=0", 20.0, 0)], Some("b")),
        (&[over("a", "id=0 plane=paas", 20.0, 0), over("b", "id=0", 20.0, 0)], Some("a")),
        (&[over("a", "id=0 plane=~p.*", 20.0, 0), over("b", "id=0", 20.0, 0)], Some("a")),
        (&[over("a", "id=0", 20.0, 0), over("b", "plane=paas", 20.0, 0)], Some("b")),
    ];
    for (overrides, wins) in cases {
        let mut harness = Harness::new(vec![labelled()]);
        harness.override_with(overrides.to_vec());
        harness.slot("#");
        let alarm = harness.alarms().remove(0);
        assert_eq!(alarm.threshold.as_deref(), wins, "{overrides:?}");
        // Those that are there already are judged by the same.
        let mut harness = Harness::new(vec![labelled()]);
        harness.slot("#");
        harness.override_with(overrides.to_vec());
        assert_eq!(harness.alarms()[0].threshold.as_deref(), wins, "{overrides:?}");
        let row = harness.stored.rows().next().unwrap();
        assert_eq!(row.alarm.threshold.as_deref(), wins, "stored: {overrides:?}");
    }
}

#[test]
fn a_level_that_is_not_named_stays_the_evaluators() {
    let warning = Some(level(70.0, 60.0, 0));
    let mut harness = Harness::new(vec![Threshold { warning, ..threshold(0) }]);
    harness.override_with(vec![over("a", "id=0", 40.0, 0)]);
    harness.slot("55");
    assert_eq!((harness.alarms().len(), harness.condition()), (1, 'F'));
    harness.slot("88");
    let shown: Vec<_> = harness
        .alarms()
        .iter()
        .map(|one| (one.labels["id"].clone(), one.severity.as_str()))
        .collect();
    assert_eq!(shown, [("0".to_owned(), "critical"), ("1".to_owned(), "warning")]);
}

/// A character a slot as in `Trial`; at `A` to `C` these overrides are set, at `-` none.
fn check(own: Threshold, sets: &[Override], slots: &str, conditions: &str) -> Harness {
    let mut harness = Harness::new(vec![own]);
    let mut seen = String::new();
    for slot in slots.chars() {
        match slot {
            'A'..='C' => {
                let one = sets[usize::try_from(u32::from(slot) - u32::from('A')).unwrap()].clone();
                harness.override_with(vec![one]);
                seen.push(slot);
            }
            '-' => {
                harness.override_with(Vec::new());
                seen.push(slot);
            }
            slot => {
                harness.slot(&slot.to_string());
                seen.push(harness.condition());
            }
        }
    }
    assert_eq!(seen, conditions, "{slots}");
    harness
}

#[test]
fn a_firing_alarm_stays_until_it_clears_under_the_new_numbers() {
    let fired = ["Fired"];
    // 85 neither raises nor clears by the evaluator's numbers: above 90, clear at 80.
    let high = [over("h", "", 99.0, 0)];
    assert_eq!(check(threshold(0), &high, "#A#", "FAF").changes(), fired, "in the band of 89-99");
    let ended = ["Fired", "Resolved: cleared"];
    assert_eq!(check(threshold(0), &high, "#A8", "FA-").changes(), ended);
    let low = [over("l", "", 50.0, 0)];
    assert_eq!(check(threshold(0), &low, "#A7", "FAF").changes(), fired);
    assert_eq!(check(threshold(0), &low, "7A7-7", "-AF--").changes(), ended);
    assert_eq!(check(threshold(0), &low, "7A7-8", "-AF--").changes(), ended);
    assert_eq!(check(threshold(0), &low, "7A7-~", "-AF-F").changes(), fired);
    // Nothing is told of a change as such.
    assert_eq!(check(threshold(0), &low, "#A-A-A", "FA-A-A").changes(), fired);
}

#[test]
fn what_is_pending_goes_on_under_the_new_numbers() {
    check(threshold(9), &[over("s", "", 90.0, 2)], "##A#", "ppAF");
    check(threshold(2), &[over("l", "", 90.0, 4)], "##A###", "ppAppF");
    check(threshold(9), &[over("h", "", 99.0, 2)], "##A#-#", "ppA--p");
    let of =
        |count, slots| Level { debounce: Debounce::Of { count, slots }, ..level(90.0, 80.0, 0) };
    let own = Threshold { critical: Some(of(3, 5)), ..threshold(0) };
    let shorter = Override { critical: Some(of(2, 3)), ..over("o", "", 0.0, 0) };
    check(own.clone(), &[shorter], "#.A#", "p-AF");
    // What was counted for `of` is nothing to `for`, in the store either.
    let harness = check(own, &[over("f", "", 90.0, 1)], "#.A", "p-A");
    assert_eq!(harness.stored.0.len(), 0);
}

#[test]
fn of_a_level_that_an_override_added_and_is_gone_nothing_is_left() {
    let warning = Some(level(40.0, 30.0, 0));
    let adds = [Override { critical: None, warning, ..over("w", "", 0.0, 0) }];
    let harness = check(threshold(0), &adds, "A5-5", "AF--");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule changed"]);
    assert_eq!(harness.transitions[1].alarm.ending(), crate::engine::Change::Closed);
    let harness = check(threshold(0), &adds, "A#-#A5", "AF-FAF");
    assert_eq!(harness.changes(), ["Fired", "Better"]);
    let harness = check(threshold(0), &adds, "A5-A5", "AF-AF");
    assert!(harness.alarms()[0].id.ends_with("-2"), "{:?}", harness.alarms());
}

#[test]
fn a_restart_goes_on_under_the_overrides_that_are_given_first() {
    let low = over("low", "", 50.0, 5);
    let mut harness = Harness::new(vec![threshold(0)]);
    harness.override_with(vec![low.clone()]);
    for _ in 0..3 {
        harness.slot("7");
    }
    harness.restart_with(vec![threshold(0)], vec![low], 2);
    let mut seen = String::new();
    for _ in 0..4 {
        harness.slot("7");
        seen.push(harness.condition());
    }
    // Pending since the first; two minutes before, three after.
    assert_eq!(seen, "pppF");
    assert_eq!(harness.alarms()[0].threshold.as_deref(), Some("low"));
}

#[test]
fn what_a_change_would_do_is_foreseen() {
    let mut harness = Harness::new(vec![threshold(0)]);
    harness.slot("5#~.");
    let low = [over("low", "id=~[02]", 40.0, 7)];
    let preview = harness.engine.preview(&low, "low");
    assert_eq!(preview.applies, 2);
    let changes: Vec<_> = preview
        .changes
        .iter()
        .map(|one| {
            let severity =
                |one: Option<haetae_plugin::Severity>| one.map(haetae_plugin::Severity::as_str);
            (one.labels["id"].as_str(), one.value, severity(one.now), severity(one.then))
        })
        .collect();
    let critical = Some("critical");
    assert_eq!(changes, [("0", 50.0, None, critical), ("2", 85.0, None, critical)]);
    let high = [over("high", "", 96.0, 0)];
    let preview = harness.engine.preview(&high, "high");
    assert_eq!((preview.applies, preview.changes.len()), (4, 0), "95 is in the band");
    let high = [over("high", "", 120.0, 0)];
    let preview = harness.engine.preview(&high, "high");
    let ends = &preview.changes[0];
    assert_eq!((ends.now, ends.then), (Some(haetae_plugin::Severity::Critical), None));
    assert_eq!(ends.alarm, harness.alarms()[0].id);
    // Nothing has changed by looking.
    assert_eq!(harness.alarms()[0].threshold, None);
}
