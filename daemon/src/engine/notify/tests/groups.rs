//! Groups: when they are told, and of what.

use std::{collections::BTreeSet, time::Duration};

use haetae_plugin::Severity;

use super::{
    rig::{Rig, acknowledged, plan, prompt, route, silence},
    shown::word,
};
use crate::engine::{
    Input, Problem,
    mute::silence::SilenceSpan,
    notify::{Escalate, GroupBy, Rate, Route},
    tests::harness::MINUTE,
};

#[test]
fn a_group_waits_for_more_then_for_its_interval() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~..");
    rig.wait(Duration::from_secs(29));
    assert_eq!(rig.notified(), [""; 0]);
    rig.slot("~~.");
    assert_eq!(rig.notified(), ["90 mail first +0"]);
    rig.slot("~~.");
    rig.wait(MINUTE * 5);
    assert_eq!(rig.notified(), ["390 mail new-alarms =0 +1"]);
}

#[test]
fn what_waits_for_nothing_is_told_in_the_same_step() {
    let mut rig = Rig::new(plan(vec![prompt("mail")]));
    rig.slot("~#.");
    assert_eq!(rig.notified(), ["60 mail first +1", "60 mail first +0"]);
    rig.slot("#..");
    assert_eq!(rig.notified(), ["120 mail resolved -1", "120 mail worse +0"]);
    rig.slot("~..");
    assert_eq!(rig.notified(), ["180 mail better +0"]);
    rig.slot("...");
    assert_eq!(rig.notified(), ["240 mail resolved -0"]);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}

#[test]
fn the_whole_table_of_what_is_told() {
    // Slots a minute, a group an evaluator; told 30 s after the first, then not before 5 minutes.
    let cases: &[(&str, &[&str])] = &[
        ("... ... ... ...", &[]),
        ("~.. ... ... ...", &["90 mail first +0", "390 mail resolved -0"]),
        ("~.. ~~. ~~. ~~.", &["90 mail first +0", "390 mail new-alarms =0 +1"]),
        ("~.. .~. .~. .~.", &["90 mail first +0", "390 mail new-alarms -0 +1"]),
        ("~.. #.. #.. #..", &["90 mail first +0", "390 mail worse +0"]),
        ("#.. ~.. ~.. ~..", &["90 mail first +0", "390 mail better +0"]),
        ("~~. ~.. ~.. ~..", &["90 mail first +0 +1", "390 mail some-resolved =0 -1"]),
        ("~.. #.. ~.. ~..", &["90 mail first +0"]),
        ("~.. ~~. ~.. ~..", &["90 mail first +0"]),
        ("~.. ... ~.. ~..", &["90 mail first +0", "390 mail new-alarms +0 -0"]),
    ];
    for (words, expected) in cases {
        let mut rig = Rig::new(plan(vec![route("mail")]));
        words.split(' ').for_each(|word| rig.slot(word));
        rig.wait(MINUTE * 10);
        assert_eq!(rig.notified(), *expected, "{words}");
    }
}

#[test]
fn without_resolved_no_end_is_told_and_none_is_owed() {
    let mut rig = Rig::new(plan(vec![Route { resolved: false, ..route("mail") }]));
    rig.slot("~..");
    rig.wait(MINUTE);
    rig.slot("...");
    rig.wait(MINUTE * 10);
    assert_eq!(rig.notified(), ["90 mail first +0"]);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}

#[test]
fn alertmanager_differs_a_repeat_of_7m_with_an_interval_of_5m_is_told_after_7m_not_10m() {
    let repeat = vec![MINUTE * 7];
    let mut rig = Rig::new(plan(vec![Route { repeat, ..route("mail") }]));
    rig.slot("~..");
    rig.wait(MINUTE * 16);
    assert_eq!(rig.notified(), ["90 mail first +0", "510 mail repeat =0", "930 mail repeat =0"]);
}

#[test]
fn repeats_grow_and_start_anew_when_something_new_is_told() {
    let repeat = vec![MINUTE * 6, MINUTE * 12];
    let mut rig = Rig::new(plan(vec![Route { repeat, ..route("mail") }]));
    rig.slot("~..");
    rig.wait(MINUTE * 32);
    let notified = rig.notified();
    assert_eq!(
        notified,
        ["90 mail first +0", "450 mail repeat =0", "1170 mail repeat =0", "1890 mail repeat =0"]
    );
    rig.slot("#..");
    rig.wait(MINUTE * 12);
    assert_eq!(rig.notified(), ["2190 mail worse +0", "2550 mail repeat =0"]);
}

#[test]
fn what_nobody_takes_up_is_told_to_another_sink_and_its_end_too() {
    let escalate = Escalate {
        place: "haetae.toml:9".into(),
        after: MINUTE * 10,
        to: "boss".into(),
        unless_acknowledged: true,
    };
    let mail = Route { escalate: Some(escalate), ..route("mail") };
    let boss = Route { inputs: Vec::new(), system: false, ..route("boss") };
    let routes = vec![mail, boss];
    let mut rig = Rig::new(plan(routes.clone()));
    rig.slot("#~.");
    rig.wait(MINUTE * 20);
    let notified = ["90 mail first +0 +1", "690 boss escalated +0 +1"];
    assert_eq!(rig.notified(), notified);
    rig.slot("...");
    rig.wait(MINUTE * 20);
    assert_eq!(rig.notified(), ["1320 mail resolved -0 -1", "1320 boss resolved -0 -1"]);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
    let mut rig = Rig::new(plan(routes));
    rig.slot("#~.");
    rig.wait(MINUTE);
    rig.handle(0, acknowledged(None, false));
    rig.handle(1, acknowledged(Some(rig.start.after(MINUTE * 30)), false));
    rig.wait(MINUTE * 40);
    assert_eq!(rig.notified(), ["90 mail first +0 +1", "1800 boss escalated +1"]);
}

#[test]
fn what_is_silenced_when_it_is_to_be_handed_on_is_handed_on_when_the_silence_ends() {
    let escalate = Escalate {
        place: "haetae.toml:9".into(),
        after: MINUTE * 2,
        to: "boss".into(),
        unless_acknowledged: true,
    };
    let boss = Route { inputs: Vec::new(), system: false, ..route("boss") };
    let mut rig = Rig::new(plan(vec![Route { escalate: Some(escalate), ..prompt("page") }, boss]));
    rig.slot("#..");
    let until = rig.start.after(MINUTE * 7);
    rig.silence(vec![silence("host=a", SilenceSpan::Between(rig.start, until))]);
    rig.wait(MINUTE * 9);
    assert_eq!(rig.notified(), ["60 page first +0", "420 boss escalated +0"]);
}

#[test]
fn alertmanager_differs_a_group_has_no_ticker_a_change_is_told_as_soon_as_it_may() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~..");
    rig.wait(MINUTE * 7);
    assert_eq!(rig.notified(), ["90 mail first +0"]);
    // Its tick would be at 690.
    rig.slot("~~.");
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.notified(), ["540 mail new-alarms =0 +1"]);
}

#[test]
fn alertmanager_differs_nothing_is_told_after_a_start_before_it_is_known_what_fires() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~..");
    // What waited is long due, but nobody knows whether it still fires.
    rig.restart();
    rig.wait(Duration::from_secs(50));
    assert_eq!(rig.notified(), [""; 0]);
    rig.slot("...");
    rig.wait(MINUTE * 10);
    assert_eq!(rig.notified(), [""; 0]);
}

#[test]
fn ten_thousand_alarms_in_a_minute_are_twenty_notices_and_each_is_in_one() {
    let rate = Rate { most: 20, per: MINUTE };
    let mut rig = Rig::new(plan(vec![Route { rate, ..prompt("mail") }]));
    let start = rig.start.after(Duration::from_secs(1));
    for index in 0..10_000_u32 {
        let now = start.after(Duration::from_millis(5) * index);
        let (instance, detail) = (index.to_string(), Some(String::new()));
        rig.step(Input::Problem { instance, problem: Problem::Hung, detail }, now);
    }
    assert_eq!(rig.flushes.len(), 20);
    rig.wait(MINUTE * 2);
    assert_eq!(rig.flushes.len(), 21);
    let mut seen = BTreeSet::new();
    for flush in &rig.flushes {
        for alarm in &flush.alarms {
            assert_eq!(alarm.severity, Severity::Critical);
            assert!(seen.insert(alarm.id.clone()), "twice: {}", alarm.id);
        }
    }
    assert_eq!(seen.len(), 10_000);
    let digest = rig.flushes.last().unwrap();
    assert_eq!((word(digest.reason), digest.alarms.len()), ("digest".into(), 9_980));
    rig.flushes.clear();
    for index in 0..10_000_u32 {
        let (instance, detail) = (index.to_string(), None);
        rig.input(Input::Problem { instance, problem: Problem::Hung, detail });
    }
    rig.wait(MINUTE * 5);
    assert!(rig.flushes.len() <= 21, "{}", rig.flushes.len());
    assert!(rig.known.is_empty() && rig.groups.is_empty(), "{:?}", rig.groups.len());
}

#[test]
fn a_group_by_alarm_may_wait_too() {
    let group_by = GroupBy::Alarm;
    let mut rig = Rig::new(plan(vec![Route { group_by, ..route("mail") }]));
    rig.slot("~#.");
    rig.wait(MINUTE);
    assert_eq!(rig.notified().len(), 2);
}

fn fails(rig: &mut Rig, instance: &str, second: u64) {
    let now = rig.start.after(Duration::from_secs(second));
    let (instance, detail) = (instance.into(), Some(String::new()));
    rig.step(Input::Problem { instance, problem: Problem::Hung, detail }, now);
}

#[test]
fn what_is_silenced_while_it_waits_for_the_rate_is_told_when_the_silence_ends() {
    let rate = Rate { most: 1, per: MINUTE };
    let mut rig = Rig::new(plan(vec![Route { rate, ..prompt("mail") }]));
    rig.slot("~..");
    fails(&mut rig, "x", 70);
    let until = rig.start.after(Duration::from_secs(200));
    rig.silence(vec![silence("problem=hung", SilenceSpan::Between(rig.start, until))]);
    // In the very moment in which it may be told again.
    rig.slot("~~.");
    rig.wait(MINUTE * 5);
    assert_eq!(rig.notified(), ["60 mail first +0", "120 mail first +1", "200 mail first +hung"]);
}

#[test]
fn a_clock_that_goes_back_delays_nothing() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    fails(&mut rig, "x", 600);
    let back = rig.start.after(MINUTE);
    rig.step(Input::Tick, back);
    rig.wait(MINUTE);
    assert_eq!(rig.notified(), ["90 mail first +hung"]);
}

#[test]
fn a_silence_that_was_over_before_the_clock_went_back_ends_again() {
    let mut rig = Rig::new(plan(vec![prompt("mail")]));
    let (from, until) = (rig.start.after(MINUTE * 10), rig.start.after(MINUTE * 11));
    rig.silence(vec![silence("evaluator!=none", SilenceSpan::Between(from, until))]);
    rig.wait(MINUTE * 12);
    fails(&mut rig, "x", 630);
    rig.wait(MINUTE);
    assert_eq!(rig.notified(), ["660 mail first +hung"]);
}

/// PostgreSQL has no more room than 2,700 bytes for what it looks rows up by.
#[test]
fn a_group_of_very_long_labels_has_a_short_key_of_its_own() {
    let group_by = GroupBy::Labels(vec!["instance".into(), "problem".into()]);
    let mut rig = Rig::new(plan(vec![Route { group_by, ..route("mail") }]));
    for end in ["a", "b"] {
        let instance = format!("{}{end}", "ü".repeat(1000));
        fails(&mut rig, &instance, 10);
    }
    rig.wait(MINUTE);
    assert_eq!(rig.notified(), ["40 mail first +hung", "40 mail first +hung"]);
    let longest = rig.groups.keys().map(|(_, key)| key.len()).max();
    assert!(longest.is_some_and(|longest| longest < 600), "{longest:?}");
}
