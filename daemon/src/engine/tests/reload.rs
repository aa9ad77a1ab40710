//! Trials of reloads: the plan is replaced while alarms, windows and timers go on.

use haetae_plugin::{Samples, Series};
use proptest::{prelude::*, sample::select};

use super::{
    harness::{Harness, MINUTE, by_host, level, threshold, timing},
    properties::{any_threshold, config, words},
    restore::{agrees, told_once, with_cuts},
};
use crate::engine::{
    Effects, EvaluatorStatus, Input, Matcher, SourceTiming,
    series::slot::Slots,
    threshold::rule::{
        Across, Aggregation, Debounce, ExpectedIdentities, Level, NoData, Over, Then, Threshold,
    },
};

/// One series, a character a slot as in `Trial`; at `|` the plan is replaced by the second
/// evaluator.
fn check(before: Threshold, after: &Threshold, slots: &str, conditions: &str) -> Harness {
    let mut harness = Harness::new(vec![before]);
    let mut seen = String::new();
    for slot in slots.chars() {
        if slot == '|' {
            harness.reload(vec![after.clone()]);
            seen.push('|');
        } else {
            harness.slot(&slot.to_string());
            seen.push(harness.condition());
        }
    }
    assert_eq!(seen, conditions);
    harness
}

fn critical(level: Level) -> Threshold {
    Threshold { critical: Some(level), ..threshold(0) }
}

fn of(count: usize, slots: usize) -> Threshold {
    critical(Level { debounce: Debounce::Of { count, slots }, ..level(90.0, 80.0, 0) })
}

#[test]
fn other_numbers_apply_and_end_nothing_that_fires() {
    // `for` shortened while it fires, while it is pending; made longer.
    let thirty = format!("{}|##", "#".repeat(31));
    let fired = format!("{}F|FF", "p".repeat(30));
    assert_eq!(check(threshold(30), &threshold(5), &thirty, &fired).changes(), ["Fired"]);
    check(threshold(5), &threshold(30), "######|##", "pppppF|FF");
    check(threshold(30), &threshold(5), "###|###", "ppp|ppF");
    check(threshold(2), &threshold(5), "##|####", "pp|pppF");
    check(threshold(30), &threshold(1), "##|#", "pp|F");
    // What fires clears under the new numbers.
    check(threshold(0), &critical(level(60.0, 50.0, 0)), "#|~5", "F|F-");
    check(threshold(0), &critical(level(98.0, 97.0, 0)), "#|#", "F|-");
    let slow = |minutes| critical(Level { clear_for: MINUTE * minutes, ..level(90.0, 80.0, 0) });
    check(slow(5), &slow(5), "#..|....", "FRR|RRR-");
    check(slow(5), &slow(2), "#..|..", "FRR|--");
    check(slow(5), &slow(5), "#..|#.", "FRR|FR");
    check(of(3, 5), &of(3, 5), "#.#.|#", "p-p-|F");
    check(of(3, 5), &of(2, 5), "#...|#", "p---|F");
    assert_eq!(check(of(3, 5), &threshold(5), "#.|", "p-|").stored.0.len(), 0);
}

#[test]
fn a_level_that_is_gone_takes_its_alarm_along() {
    let warning = Some(level(70.0, 60.0, 0));
    let both = Threshold { warning, ..threshold(0) };
    let lesser = Threshold { critical: None, ..both.clone() };
    let harness = check(both.clone(), &lesser, "#|#.", "F|F-");
    assert_eq!(harness.changes(), ["Fired", "Better", "Resolved: cleared"]);
    let harness = check(threshold(0), &lesser, "#|#", "F|F");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule changed", "Fired"]);
    assert!(harness.alarms()[0].id.ends_with("-2"));
    assert_eq!(check(lesser, &both, "#|#", "F|F").changes(), ["Fired", "Worse"]);
}

#[test]
fn a_number_that_moves_to_an_override_is_missing_at_no_time() {
    let mut harness = Harness::new(vec![threshold(0)]);
    harness.slot("#");
    let bare = Threshold { critical: None, warning: Some(level(99.0, 99.0, 0)), ..threshold(0) };
    let moved = crate::engine::Override {
        id: "haetae.toml:12".into(),
        evaluator: "cpu".into(),
        matchers: Vec::new(),
        warning: None,
        critical: Some(level(90.0, 80.0, 0)),
    };
    harness.reload_with(vec![timing("s")], vec![bare], vec![moved]);
    harness.slot("#");
    assert_eq!(harness.changes(), ["Fired"]);
    assert_eq!(harness.alarms()[0].threshold.as_deref(), Some("haetae.toml:12"));
}

#[test]
fn what_nothing_judges_any_more_is_closed() {
    let mut harness =
        Harness::new(vec![threshold(0), Threshold { name: "old".into(), ..threshold(0) }]);
    harness.slot("#.");
    harness.reload(vec![threshold(0)]);
    assert_eq!(harness.changes(), ["Fired", "Fired", "Closed: rule removed"]);
    assert_eq!(harness.alarms().len(), 1);
    // Its ids go on if it comes again.
    harness.reload(vec![threshold(0), Threshold { name: "old".into(), ..threshold(0) }]);
    harness.slot("#.");
    let again = harness.alarms().into_iter().find(|one| one.evaluator == "old").unwrap();
    assert!(again.id.ends_with("-2"), "{}", again.id);

    let harness = check(threshold(0), &by_host(Across::Worst, 0), "#|#", "F|F");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule changed", "Fired"]);
    let harness = check(threshold(5), &by_host(Across::Worst, 5), "##|#", "pp|p");
    assert_eq!((harness.changes().len(), harness.stored.0.len()), (0, 1));

    let by = |names: &[&str]| Threshold {
        by: Some(names.iter().map(|name| (*name).into()).collect()),
        ..threshold(0)
    };
    // In another order they are the same labels.
    assert_eq!(check(by(&["id", "b"]), &by(&["b", "id"]), "#|#", "F|F").changes(), ["Fired"]);

    let none = Matcher::parse("id=7").unwrap();
    let other = Threshold { matchers: vec![none], ..threshold(0) };
    let harness = check(threshold(0), &other, "#|##", "F|--");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule changed"]);
    assert_eq!(harness.engine.evaluators()[0].series, 0);
    // And back: as a new one.
    check(other, &threshold(0), "##|#", "--|F");
}

#[test]
fn another_metric_is_waited_for() {
    let other = Threshold { metric: "cpu_used".into(), ..threshold(0) };
    let mut harness = check(threshold(0), &other, "#|###", "F|FFF");
    let say = |harness: &mut Harness, value| {
        harness.slot = harness.slot.after(MINUTE);
        let series = Series::gauge("cpu_used", "percent").label("id", "0").build();
        let samples = Samples::at(harness.slot).with(&series, value);
        harness.step(Input::Samples { source: "s".into(), samples }, harness.slot);
    };
    say(&mut harness, 95.0);
    say(&mut harness, 10.0);
    assert_eq!(harness.changes(), ["Fired", "Resolved: cleared"]);
}

#[test]
fn windows_are_moved() {
    let mean = |minutes: u32, raise| Threshold {
        over: Some(Over { length: MINUTE * minutes, value: Aggregation::Mean }),
        ..critical(level(raise, raise - 1.0, 0))
    };
    // Without the window, the first slot after it would cover less than half.
    check(mean(4, 90.0), &mean(4, 90.0), "####|.#", "-FFF|--");
    check(mean(6, 90.0), &mean(6, 50.0), "...|###", "---|--F");
    // Another length takes what is there.
    check(mean(6, 90.0), &mean(2, 90.0), "....##|#", "------|F");
    // A new evaluator of a series that is known has its past at once.
    let mut harness = Harness::new(vec![threshold(0)]);
    for _ in 0..3 {
        harness.slot("#");
    }
    let over = Some(Over { length: MINUTE * 2, value: Aggregation::Mean });
    harness.reload(vec![threshold(0), Threshold { name: "new".into(), over, ..threshold(0) }]);
    harness.slot("#");
    assert_eq!(harness.alarms().len(), 2);
}

#[test]
fn a_source_that_is_gone_takes_its_alarm_along_and_its_evaluators_wait() {
    let both = Threshold { inputs: vec!["s".into(), "t".into()], ..threshold(0) };
    let mut harness = Harness::new(vec![both.clone()]);
    harness.reload_with(vec![timing("s"), timing("t")], vec![both.clone()], Vec::new());
    let down = |source: &str| Input::SourceDown { source: source.into(), reason: "refused".into() };
    harness.slot("#");
    let now = harness.slot;
    harness.step(down("t"), now);
    harness.step(down("s"), now);
    let system = |harness: &Harness| {
        let all = harness
            .engine
            .alarms()
            .into_iter()
            .filter(|one| one.evaluator == crate::engine::SYSTEM);
        all.map(|one| one.labels["instance"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(system(&harness), ["s", "t"]);
    let effects = harness.reload_with(vec![timing("s")], vec![threshold(0)], Vec::new());
    assert_eq!(system(&harness), ["s"]);
    let [closed] = effects.transitions.as_slice() else { panic!("{effects:?}") };
    assert_eq!(closed.alarm.reason.as_deref(), Some("instance removed"));
    harness.slot("#");
    assert_eq!((system(&harness).len(), harness.condition()), (0, 'F'));
}

#[test]
fn another_interval_misses_no_slot() {
    let mut harness = Harness::new(vec![threshold(0)]);
    harness.slot("#");
    let fast = SourceTiming { interval: MINUTE / 2, ..timing("s") };
    harness.reload_with(vec![fast], vec![threshold(0)], Vec::new());
    let judged = harness.engine.evaluators()[0].judged;
    for _ in 0..4 {
        harness.slot("#");
    }
    let EvaluatorStatus { judged: after, missed, .. } = harness.engine.evaluators().remove(0);
    assert_eq!((after > judged, missed), (true, 0));
    let due = harness.engine.next_due().unwrap();
    let next = Slots::of("s", MINUTE / 2).next(harness.slot);
    assert!(due >= next, "{due:?} {next:?}");
    assert_eq!(harness.condition(), 'F');
}

/// Any evaluator with any `no_data.then` and `expect`.
fn any_plan() -> impl Strategy<Value = Threshold> {
    let then = select(vec![Then::Hold, Then::Alarm, Then::Ok]);
    let named = vec![[("id".to_owned(), "0".to_owned())].into()];
    let learned = ExpectedIdentities::Learned { forget: MINUTE * 5 };
    let expect =
        select(vec![ExpectedIdentities::Nobody, ExpectedIdentities::Named(named), learned]);
    (any_threshold(), then, expect).prop_map(|(threshold, then, expect)| {
        let no_data = NoData { then, ..threshold.no_data };
        let by = match &expect {
            ExpectedIdentities::Named(_) => Some(vec!["id".into()]),
            _ => threshold.by.clone(),
        };
        Threshold { by, no_data, expect, ..threshold }
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_reload_of_the_same_plan_changes_nothing(
        threshold in any_plan(),
        words in words("#~.x8ednx", 1..25),
        silences in proptest::collection::vec(select(vec!["", "", "", " ", "!"]), 25),
        reloads in proptest::collection::vec(any::<bool>(), 25),
    ) {
        let mut plain = Harness::new(vec![threshold.clone()]);
        let mut reloaded = Harness::new(vec![threshold.clone()]);
        for ((word, silence), reload) in words.iter().zip(silences).zip(reloads) {
            let word = if silence.is_empty() { word } else { silence };
            plain.slot(word);
            reloaded.slot(word);
            if reload {
                prop_assert_eq!(reloaded.reload(vec![threshold.clone()]), Effects::default());
            }
            prop_assert_eq!(&plain.transitions, &reloaded.transitions);
            prop_assert_eq!(plain.engine.alarms(), reloaded.engine.alarms());
            prop_assert_eq!(plain.engine.evaluators(), reloaded.engine.evaluators());
            prop_assert_eq!(plain.engine.next_due(), reloaded.engine.next_due());
            prop_assert_eq!(&plain.stored.0, &reloaded.stored.0);
        }
    }

    #[test]
    fn whatever_the_plan_becomes_no_id_fires_or_ends_twice_and_the_store_says_what_is_shown(
        (one, two, three) in (any_plan(), any_plan(), any_plan()),
        slots in with_cuts("#~.8nxde", &["!", " ", "xxx", "eee"]),
        order in proptest::collection::vec(0_usize..5, 30),
    ) {
        let named = |name: &str, plan: &Threshold| Threshold { name: name.into(), ..plan.clone() };
        let rules = [
            vec![one.clone()],
            vec![two.clone()],
            vec![named("memory", &two), three.clone()],
            vec![named("memory", &three)],
            Vec::new(),
        ];
        let mut harness = Harness::new(rules[0].clone());
        for ((word, cut), next) in slots.iter().zip(order) {
            harness.slot(word);
            agrees(&harness)?;
            if *cut {
                harness.reload(rules[next].clone());
                agrees(&harness)?;
            }
        }
        told_once(&harness.transitions)?;
        // With the rules go all alarms but those about the source.
        harness.reload(Vec::new());
        prop_assert_eq!(harness.alarms(), []);
        agrees(&harness)?;
        told_once(&harness.transitions)?;
    }

    #[test]
    fn a_reload_is_a_restart_that_took_no_time(
        (before, after) in (any_threshold(), any_threshold()),
        words in words("#~.", 1..12),
    ) {
        // With windows and several series a restart waits for what a reload has.
        let plain = |threshold: Threshold| Threshold {
            over: None,
            every: None,
            by: None,
            across: Across::Worst,
            ..threshold
        };
        let (before, after) = (plain(before), plain(after));
        let mut restarted = Harness::new(vec![before.clone()]);
        let mut reloaded = Harness::new(vec![before]);
        let half = words.len() / 2;
        for (at, word) in words.iter().enumerate() {
            if at == half {
                restarted.restart(vec![after.clone()], 0, false);
                reloaded.reload(vec![after.clone()]);
            }
            restarted.slot(word);
            reloaded.slot(word);
            let notified = |harness: &Harness| -> Vec<_> {
                let all = harness.transitions.iter();
                all.map(|one| (one.change, one.at, one.alarm.id.clone(), one.alarm.severity)).collect()
            };
            prop_assert_eq!(notified(&restarted), notified(&reloaded));
            prop_assert_eq!(restarted.engine.alarms(), reloaded.engine.alarms());
        }
    }
}
