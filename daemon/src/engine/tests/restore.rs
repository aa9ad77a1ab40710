//! Restarts: alarms go on as if the daemon had only not looked for a while.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::Samples;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    harness::{Harness, MINUTE, by_host, level, no_data, series, threshold, timing},
    properties::{any_threshold, config, words},
};
use crate::engine::{
    AlarmView, Change, Condition, Engine, Evidence, Input, Matcher, Past, Problem, SYSTEM,
    SourceTiming, Standing, Transition,
    threshold::rule::{Across, Aggregation, Debounce, Flap, Level, NoData, Over, Then, Threshold},
};

/// One series, a character a slot as in `Trial`; at `|` the engine is killed and started with
/// the second evaluator, after as many slots as there are `_` behind it.
fn check(before: Threshold, after: &Threshold, slots: &str, conditions: &str) -> Harness {
    let mut harness = Harness::new(vec![before]);
    let mut seen = String::new();
    let mut slots = slots.chars().peekable();
    while let Some(slot) = slots.next() {
        if slot == '|' {
            let mut down = 0;
            while slots.next_if_eq(&'_').is_some() {
                down += 1;
                seen.push('_');
            }
            harness.restart(vec![after.clone()], down, false);
            seen.push('|');
        } else {
            harness.slot(&slot.to_string());
            seen.push(harness.condition());
        }
    }
    assert_eq!(seen, conditions);
    harness
}

fn same(threshold: &Threshold, slots: &str, conditions: &str) -> Harness {
    check(threshold.clone(), threshold, slots, conditions)
}

fn recovering(minutes: u32) -> Threshold {
    let critical = Level { clear_for: MINUTE * minutes, ..level(90.0, 80.0, 0) };
    Threshold { critical: Some(critical), ..threshold(0) }
}

fn of(count: usize, slots: usize) -> Threshold {
    let critical = Level { debounce: Debounce::Of { count, slots }, ..level(90.0, 80.0, 0) };
    Threshold { critical: Some(critical), ..threshold(0) }
}

#[test]
fn time_while_down_counts_toward_nothing() {
    let held = |before: usize, down: usize, after: usize| {
        let slots = format!("{}|{}{}", "#".repeat(before), "_".repeat(down), "#".repeat(after));
        let expected =
            format!("{}{}|{}F", "p".repeat(before), "_".repeat(down), "p".repeat(after - 1));
        same(&threshold(30), &slots, &expected)
    };
    // Pending at 0: down from 10 to 40 it fires at 60, down from 25 to 40 at 45.
    held(11, 29, 21);
    held(26, 14, 6);
    // A restart between two slots is no time at all.
    held(11, 0, 20);
    same(&recovering(5), "#..|___.....", "FRR___|RRRR-");
    same(&recovering(5), "#..|....", "FRR|RRR-");
}

#[test]
fn what_fires_is_judged_again_at_the_first_complete_evaluation() {
    let harness = same(
        &threshold(30),
        &format!("{}|___ x#.", "#".repeat(31)),
        &format!("{}F___|FFF-", "p".repeat(30)),
    );
    assert_eq!(harness.changes(), ["Fired", "Resolved: cleared"]);
    let [fired, resolved] = harness.transitions.as_slice() else { panic!("two transitions") };
    assert_eq!(fired.alarm.id, resolved.alarm.id);
    assert_eq!(fired.alarm.since, resolved.alarm.since);
    // What cleared while the daemon was down is told.
    assert_eq!(same(&threshold(0), "#|___.", "F___|-").changes(), ["Fired", "Resolved: cleared"]);
}

#[test]
fn other_numbers_end_nothing_that_fires() {
    check(
        threshold(30),
        &threshold(5),
        &format!("{}|_##", "#".repeat(31)),
        &format!("{}F_|FF", "p".repeat(30)),
    );
    check(threshold(5), &threshold(30), "######|_##", "pppppF_|FF");
    check(threshold(30), &threshold(1), "##|_#", "pp_|F");
    let warning = Some(level(70.0, 60.0, 0));
    let lesser = Threshold { warning, critical: None, ..threshold(0) };
    let both = Threshold { warning, ..threshold(0) };
    let harness = check(both, &lesser, "#|#.", "F|F-");
    assert_eq!(harness.changes(), ["Fired", "Better", "Resolved: cleared"]);
    let harness = check(threshold(0), &lesser, "#|#", "F|F");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule changed", "Fired"]);
    assert!(harness.alarms()[0].id.ends_with("-2"));
}

#[test]
fn the_slots_of_n_of_m_are_remembered_and_are_no_alarm() {
    same(&of(3, 5), "#.#.|#", "p-p-|F");
    same(&of(3, 5), "#.#.|____#", "p-p-____|F");
    same(&of(2, 3), "#..|#", "p--|p");
    let harness = same(&of(3, 5), "#.|", "p-|");
    assert_eq!((harness.alarms(), harness.stored.0.len()), (Vec::new(), 1));
    let row = harness.stored.rows().next().unwrap();
    assert_eq!((row.alarm.condition, row.alarm.ended), (Condition::Ok, None));
    // Once the slots no longer count, nothing is left of it.
    assert_eq!(same(&of(3, 5), "#.|...", "p-|---").stored.0.len(), 0);
    assert_eq!(same(&of(3, 5), "#.|xxxx", "p-|----").stored.0.len(), 0);
    assert_eq!(check(of(3, 5), &threshold(5), "#.|", "p-|").stored.0.len(), 0);
}

#[test]
fn without_its_series_an_alarm_holds_until_there_is_no_data() {
    let cases = [
        (Then::Hold, "#|xxxxx", "FFFFFF", "=lll00", &["Fired"][..]),
        (Then::Ok, "#|xxxxx", "FFFF--", "=lll--", &["Fired", "Resolved: no data ok"]),
        (Then::Hold, "#|!!!!", "FFFFF", "=!!!!", &["Fired"]),
        (Then::Alarm, "#|xxxx.", "FFFFF-", "=lll0-", &["Fired", "Resolved: cleared"]),
    ];
    for (then, slots, conditions, evidence, changes) in cases {
        let mut harness = Harness::new(vec![no_data(0, then)]);
        let (mut seen, mut why) = (String::new(), String::new());
        for slot in slots.chars() {
            if slot == '|' {
                harness.restart(vec![no_data(0, then)], 0, false);
                assert_eq!(harness.evidence(), 'l');
                continue;
            }
            harness.slot(&slot.to_string());
            seen.push(harness.condition());
            why.push(harness.evidence());
        }
        assert_eq!((seen.as_str(), why.as_str()), (conditions, evidence), "{then:?} {slots}");
        assert_eq!(harness.changes(), changes, "{then:?} {slots}");
    }
    let harness = same(&no_data(5, Then::Alarm), "##|xxxx", "pp|pppF");
    assert_eq!(harness.changes(), ["Fired: no data"]);
    // The silence is counted over slots that were judged, not over the time that was down.
    same(&no_data(5, Then::Alarm), "##|______xxx", "pp______|ppp");
}

#[test]
fn some_of_its_series_end_nothing_until_the_others_are_known_to_be_silent() {
    let mut harness = Harness::new(vec![by_host(Across::Worst, 0)]);
    let mut seen = String::new();
    harness.slot("#.");
    harness.restart(vec![by_host(Across::Worst, 0)], 2, false);
    for slot in ["x.", "x.", "x.", "x."] {
        harness.slot(slot);
        seen.extend([harness.condition(), harness.evidence()]);
    }
    assert_eq!(seen, "FlFlFl--");
    // All have ended, one after the other.
    let mut harness = Harness::new(vec![by_host(Across::Worst, 0)]);
    harness.slot("#.");
    harness.restart(vec![by_host(Across::Worst, 0)], 0, false);
    for slot in ["e", "x", "x", "xe"] {
        harness.slot(slot);
    }
    assert_eq!(harness.changes(), ["Fired", "Resolved: ended"]);
    same(&threshold(0), "#|e", "F|-");
    let harness = same(&by_host(Across::Worst, 0), "#|e#", "F|-F");
    assert_eq!(harness.changes(), ["Fired", "Resolved: ended", "Fired"]);
}

#[test]
fn what_nothing_judges_any_more_is_closed() {
    let other = Threshold { name: "memory".into(), ..threshold(0) };
    let harness = check(threshold(0), &other, "#|###", "F|FFF");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule removed", "Fired"]);
    let closed = &harness.transitions[1].alarm;
    assert_eq!((closed.condition, closed.is_firing()), (Condition::Ok, false));
    assert_eq!(closed.ended, Some(harness.transitions[1].at));
    // It is not closed again, and a later one is another occurrence.
    let mut harness = check(threshold(0), &other, "#|", "F|");
    harness.restart(vec![threshold(0)], 0, false);
    harness.slot("#");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule removed", "Fired"]);
    assert!(harness.alarms()[0].id.ends_with("-2"));
    let named = Threshold { by: Some(vec!["host".into()]), ..threshold(0) };
    let harness = check(threshold(0), &named, "#|", "F|");
    assert_eq!(harness.changes(), ["Fired", "Closed: rule changed"]);
    // What never fired is only forgotten.
    let harness = check(threshold(5), &by_host(Across::Worst, 5), "#|", "p|");
    assert_eq!((harness.changes().len(), harness.stored.0.len()), (0, 0));
}

#[test]
fn what_no_series_can_speak_for_any_more_is_closed_as_a_reload_would() {
    let matching = |by: Option<&[&str]>, text: &str| Threshold {
        by: by.map(|by| by.iter().map(|name| (*name).into()).collect()),
        matchers: vec![Matcher::parse(text).unwrap()],
        ..threshold(0)
    };
    let by = |names: &[&str]| matching(Some(names), "id=0");
    let closed = ["Fired", "Closed: rule changed"];
    for (before, after) in [
        (matching(None, "id=0"), matching(None, "id!=0")),
        (by(&["id"]), matching(Some(&["id"]), "id=7")),
        (by(&["id"]), by(&["id", "zone"])),
        (by(&["id", "zone"]), by(&["id"])),
        (by(&["id"]), matching(None, "id=0")),
        (matching(None, "id=0"), by(&["id"])),
    ] {
        assert_eq!(check(before, &after, "#|", "F|").changes(), closed, "{after:?}");
    }
    for (before, after) in [
        (matching(None, "id=0"), matching(None, "id=~\"0|1\"")),
        (by(&["id", "zone"]), by(&["zone", "id"])),
        // What is not among its labels may fit yet.
        (by(&["id"]), matching(Some(&["id"]), "zone=a")),
    ] {
        assert_eq!(check(before, &after, "#|", "F|").changes(), ["Fired"], "{after:?}");
    }
}

#[test]
fn what_an_alarm_waits_for_is_not_turned_away_because_others_spoke_first() {
    let mut harness = Harness::new(Vec::new());
    let engine = |harness: &Harness| {
        let one = SourceTiming { max_series: 1, ..timing("s") };
        Engine::new(vec![one], vec![threshold(0)], harness.slot)
    };
    harness.engine = engine(&harness);
    harness.slot("#");
    let standings: Vec<_> = harness.stored.rows().collect();
    harness.engine = engine(&harness);
    let past = Past { standings, ..Past::default() };
    harness.engine.restore(past, &["s".to_owned()].into(), harness.slot);
    harness.slot("x.");
    harness.slot("..");
    assert_eq!(harness.changes(), ["Fired", "Resolved: cleared"]);
    assert_eq!(harness.engine.evaluators()[0].ignored, 0);
}

#[test]
fn system_alarms_go_on_until_they_are_ended() {
    let mut harness = Harness::new(vec![threshold(0)]);
    let now = harness.slot;
    let problem = |instance: &str, detail: Option<&str>| Input::Problem {
        instance: instance.into(),
        problem: Problem::StoreFailing,
        detail: detail.map(Into::into),
    };
    harness.step(problem("s", Some("disk")), now);
    harness.step(problem("gone", Some("disk")), now);
    harness.slot("#");
    harness.slot("!");
    harness.restart(vec![threshold(0)], 1, false);
    assert_eq!(harness.evidence(), '!');
    let system = |harness: &Harness| -> Vec<String> {
        let alarms = harness.engine.alarms().into_iter().filter(|one| one.evaluator == SYSTEM);
        alarms.map(|one| format!("{} {}", one.labels["instance"], one.labels["problem"])).collect()
    };
    assert_eq!(system(&harness), ["s store-failing", "s source-down"]);
    let closed = harness.transitions.last().unwrap();
    assert_eq!(
        (closed.change, closed.alarm.reason.as_deref()),
        (Change::Closed, Some("instance removed"))
    );
    harness.slot(".");
    assert_eq!(system(&harness), ["s store-failing"]);
    harness.step(problem("s", None), harness.slot.after(MINUTE));
    assert_eq!(system(&harness), [""; 0]);
}

#[test]
fn an_outage_that_a_clock_ahead_has_stamped_is_one_after_a_restart() {
    let mut harness = Harness::new(vec![threshold(0)]);
    harness.slot("!");
    let standings: Vec<_> = harness.stored.rows().collect();
    let now = harness.slot.before(MINUTE * 60);
    let mut engine = Engine::new(vec![timing("s")], vec![threshold(0)], now);
    engine.restore(Past { standings, ..Past::default() }, &["s".to_owned()].into(), now);
    assert_eq!(engine.sources[0].down, Some(now));
}

#[test]
fn a_row_without_state_or_of_a_later_version_is_still_understood() {
    let harness = same(&threshold(0), "#", "F");
    let row = harness.stored.rows().next().unwrap();
    let mut value = serde_json::to_value(&row).unwrap();
    value["state"]["later"] = "unknown".into();
    value["state"]["levels"]["critical"]["later"] = 1.into();
    assert_eq!(serde_json::from_value::<Standing>(value).unwrap(), row);
    for condition in [Condition::Firing, Condition::Recovering, Condition::Pending] {
        let alarm = AlarmView { condition, ..row.alarm.clone() };
        let bare = Standing { state: None, alarm, ..row.clone() };
        let mut engine = Engine::new(vec![timing("s")], vec![threshold(5)], harness.slot);
        let past = Past { standings: vec![bare], ..Past::default() };
        let effects = engine.restore(past, &["s".to_owned()].into(), harness.slot);
        assert_eq!(effects.transitions, [], "{condition:?}");
        assert_eq!(engine.alarms().len(), 1, "{condition:?}");
    }
}

#[test]
fn no_occurrence_is_given_again_after_a_restart() {
    let fired = |floor: u32, last: Option<u32>| {
        let harness = Harness::new(vec![threshold(0)]);
        let mut engine = harness.engine;
        let now = harness.slot.after(MINUTE);
        let known = same(&threshold(0), "#", "F").stored.rows().next().unwrap().fingerprint;
        let occurrences = last.map(|last| (known, last)).into_iter().collect();
        let past = Past { occurrences, floor, ..Past::default() };
        engine.restore(past, &std::collections::BTreeSet::new(), now);
        let samples = Samples::at(now).with(&series(0), 95.0);
        let effects = engine.step(Input::Samples { source: "s".into(), samples }, now);
        effects.standings[0].occurrence
    };
    assert_eq!(fired(0, None), 1);
    assert_eq!(fired(0, Some(7)), 8);
    assert_eq!(fired(9, Some(7)), 10);
}

#[test]
fn history_fills_windows_and_is_no_evidence_by_itself() {
    let over = Over { length: MINUTE * 4, value: Aggregation::Mean };
    let mean = Threshold { over: Some(over), ..threshold(0) };
    // Without history the window is too empty: what fires holds, what does not is late.
    let run = |refilled: bool, slots: &str| {
        let mut harness = Harness::new(vec![mean.clone()]);
        "####".chars().for_each(|slot| harness.slot(&slot.to_string()));
        harness.restart(vec![mean.clone()], 0, refilled);
        let mut seen = String::new();
        for slot in slots.chars() {
            harness.slot(&slot.to_string());
            seen.extend([harness.condition(), harness.evidence()]);
        }
        seen
    };
    assert_eq!(run(false, "#.."), "Fl----");
    assert_eq!(run(true, "#.."), "F=----");
    // History alone judges nothing, raises nothing and says nothing of the source.
    let alarming = Threshold { no_data: NoData { after: None, then: Then::Alarm }, ..mean.clone() };
    let mut harness = Harness::new(Vec::new());
    harness.engine = Engine::new(vec![timing("s")], vec![alarming], harness.slot);
    let now = harness.slot.after(MINUTE);
    harness.step(Input::SourceDown { source: "s".into(), reason: "refused".into() }, now);
    let mut samples = Samples::at(now);
    (0..5).for_each(|ago| samples.push_at(&series(0), 95.0, now.before(MINUTE * ago)));
    samples.push_at(&series(0), 95.0, now.after(MINUTE));
    harness.step(Input::History { source: "s".into(), samples }, now);
    assert_eq!(harness.engine.alarms().len(), 1, "the source is still down");
    assert_eq!(harness.engine.evaluators()[0].judged, 0);
    (0..9).for_each(|_| harness.slot("x"));
    assert_eq!((harness.changes().len(), harness.engine.evaluators()[0].series), (0, 0));
    assert_eq!(harness.engine.evaluators()[0].judged, 9);
    // What it says of the future is not believed.
    let mut harness = same(&threshold(0), ".", "-");
    let mut samples = Samples::at(harness.slot);
    samples.push_at(&series(0), 95.0, harness.slot.after(MINUTE));
    let now = harness.slot.after(Duration::from_secs(2));
    harness.step(Input::History { source: "s".into(), samples }, now);
    harness.slot("x");
    assert_eq!(harness.condition(), '-');
}

/// A word a slot, and whether the engine is killed after it.
pub(super) fn with_cuts(
    alphabet: &'static str,
    nothing: &'static [&'static str],
) -> impl Strategy<Value = Vec<(String, bool)>> {
    let word = words(alphabet, 1..2).prop_map(|words| words.concat());
    let nothing = select(nothing.to_vec()).prop_map(String::from);
    vec((prop_oneof![5 => word, 1 => nothing], any::<bool>()), 1..30)
}

/// What is shown is what is stored, and series are counted as they are.
pub(super) fn agrees(harness: &Harness) -> Result<(), TestCaseError> {
    let key = |alarm: &AlarmView| {
        let since = (alarm.since, alarm.severity, alarm.condition.as_str());
        (alarm.id.clone(), (alarm.evaluator.clone(), alarm.labels.clone(), since))
    };
    let shown: BTreeMap<_, _> = harness.engine.alarms().iter().map(key).collect();
    let rows = harness.stored.rows().filter(|row| row.alarm.condition != Condition::Ok);
    let stored: BTreeMap<_, _> = rows.map(|row| key(&row.alarm)).collect();
    prop_assert_eq!(shown, stored);
    for evaluator in &harness.engine.evaluators {
        let mut series = evaluator.series();
        prop_assert!(series.all(|(counted, known)| counted == known), "{:?}", evaluator.status());
        let known: usize = evaluator.series().map(|(_, known)| known).sum();
        prop_assert_eq!(evaluator.status().series, known);
    }
    Ok(())
}

pub(super) fn told_once(transitions: &[Transition]) -> Result<(), TestCaseError> {
    let mut fires: BTreeMap<&str, bool> = BTreeMap::new();
    let mut flaps: BTreeMap<&str, bool> = BTreeMap::new();
    for one in transitions {
        if one.change.is_flapping() {
            let identity = one.alarm.id.split('-').next().unwrap_or_default();
            let begins = one.change == Change::Flapping;
            prop_assert_eq!(one.alarm.flapping, begins);
            let before = flaps.insert(identity, begins).unwrap_or_default();
            prop_assert_ne!(before, begins, "{:?}", one);
            continue;
        }
        let before = fires.insert(&one.alarm.id, !one.change.is_end());
        let expected = if one.change == Change::Fired { None } else { Some(true) };
        prop_assert_eq!(before, expected, "{:?}", one);
    }
    Ok(())
}

/// That restarts after slots, as many as is said behind each, change nothing.
fn changes_nothing(threshold: Threshold, slots: &[(String, usize)]) -> Result<(), TestCaseError> {
    // With slots of its own, an evaluator may be killed while one waits to be judged.
    let threshold = Threshold { every: None, ..threshold };
    let run = |killed: bool| {
        let mut harness = Harness::new(vec![threshold.clone()]);
        for (word, cuts) in slots {
            harness.slot(word);
            for _ in 0..if killed { *cuts } else { 0 } {
                harness.restart(vec![threshold.clone()], 0, true);
            }
        }
        harness.slot("#.8");
        harness
    };
    let (one, other) = (run(false), run(true));
    // What is over or can't be judged shows the value that was judged last or stored last.
    let shown = |one: &AlarmView| {
        let ended = one.reason.as_deref() == Some("ended");
        let settled = one.condition == Condition::Ok && one.ended.is_none();
        let judged = one.evidence == Evidence::Fresh && !ended && !settled;
        AlarmView { value: one.value.filter(|_| judged), ..one.clone() }
    };
    let notified = |harness: &Harness| -> Vec<_> {
        let all = harness.transitions.iter();
        all.map(|one| (one.change, one.at, shown(&one.alarm))).collect()
    };
    prop_assert_eq!(notified(&one), notified(&other));
    let alarms = |harness: &Harness| harness.engine.alarms().iter().map(shown).collect::<Vec<_>>();
    prop_assert_eq!(alarms(&one), alarms(&other));
    prop_assert_eq!(one.stored.0.len(), other.stored.0.len());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn where_no_slot_was_missed_and_windows_are_refilled_a_restart_changes_nothing(
        threshold in any_threshold(),
        slots in with_cuts("#~.8ne", &["!", " "]),
    ) {
        let slots: Vec<_> = slots.into_iter().map(|(word, cut)| (word, usize::from(cut))).collect();
        changes_nothing(threshold, &slots)?;
    }

    #[test]
    fn the_same_of_what_comes_and_goes_and_is_killed_all_the_time(
        (threshold, minutes) in (any_threshold(), 0_u32..3),
        (start, band, decay) in (0_u32..60, 0_u32..30, proptest::option::of(1_u32..40)),
        slots in vec(
            (select(vec!["###", "...", "#.#", ".#.", "e#.", "#e.", ".n#", "eee", "!", " "]), 0_usize..3),
            10..50,
        ),
    ) {
        let decay = decay.map(|minutes| MINUTE * minutes);
        let (start, stop) = (f64::from(start), f64::from(start.saturating_sub(band)));
        let flap = Some(Flap { start, stop, decay });
        let critical = Some(level(90.0, 90.0, minutes / 2));
        let slots: Vec<_> = slots.into_iter().map(|(word, cuts)| (word.into(), cuts)).collect();
        changes_nothing(Threshold { critical, flap, ..threshold }, &slots)?;
    }

    #[test]
    fn whatever_comes_no_id_fires_twice_none_ends_twice_and_the_store_says_what_is_shown(
        threshold in any_threshold(),
        other in any_threshold(),
        then in select(vec![Then::Hold, Then::Alarm, Then::Ok]),
        slots in with_cuts("#~.8nxde", &["!", " ", "xxx", "eee"]),
        (down, changes) in (0_u32..4, 0_usize..4),
    ) {
        let no_data = NoData { then, ..threshold.no_data };
        let rules = [
            vec![Threshold { no_data, ..threshold }],
            vec![Threshold { no_data, ..other.clone() }],
            vec![Threshold { name: "memory".into(), ..other }],
            Vec::new(),
        ];
        let mut harness = Harness::new(rules[0].clone());
        let mut killed = 0;
        for (word, cut) in &slots {
            harness.slot(word);
            agrees(&harness)?;
            if *cut {
                killed += 1;
                let rules = &rules[if changes == 0 { 0 } else { killed % (changes + 1) }];
                harness.restart(rules.clone(), down, killed % 2 == 0);
                agrees(&harness)?;
                let ended = harness.transitions.iter().filter(|one| one.change.is_end());
                let ended: Vec<_> = ended.map(|one| one.alarm.id.clone()).collect();
                let back = harness.engine.alarms().into_iter().find(|one| ended.contains(&one.id));
                prop_assert!(back.is_none(), "{:?}", back);
            }
        }
        told_once(&harness.transitions)?;
    }
}

#[test]
fn a_firing_alarm_is_not_written_while_only_its_value_changes() {
    let mut harness = Harness::new(vec![threshold(2)]);
    let mut written = Vec::new();
    for value in [95.0, 96.0, 97.0, 98.0, 99.0, 70.0] {
        harness.slot = harness.slot.after(MINUTE);
        let samples = Samples::at(harness.slot).with(&series(0), value);
        let now = harness.slot.after(Duration::from_secs(1));
        let effects = harness.engine.step(Input::Samples { source: "s".into(), samples }, now);
        written.push((effects.standings.len(), effects.gone.len()));
    }
    assert_eq!(written, [(1, 0), (1, 0), (1, 0), (0, 0), (0, 0), (2, 0)]);
    // The second row of the last slot is that of its changes, for as long as they count.
    let slots = (0..21).map(|_| {
        harness.slot = harness.slot.after(MINUTE);
        let samples = Samples::at(harness.slot).with(&series(0), 70.0);
        let now = harness.slot.after(Duration::from_secs(1));
        let effects = harness.engine.step(Input::Samples { source: "s".into(), samples }, now);
        (effects.standings.len(), effects.gone.len())
    });
    assert_eq!(slots.collect::<Vec<_>>(), [vec![(0, 0); 19], vec![(0, 1), (0, 0)]].concat());
    assert!(harness.engine.alarms().iter().all(|alarm| alarm.evaluator != SYSTEM));
}
