//! Restarts: a process that ends at any point, and one that goes on.

use std::{collections::BTreeMap, time::Duration};

use super::rig::{Rig, plan, prompt, route};
use crate::engine::{
    Input,
    notify::{Escalate, Rate, Route},
    tests::harness::MINUTE,
};

const WORDS: [&str; 9] = ["~..", "~#.", "##~", "#..", "#..", "..~", "~~~", "...", "..."];

fn routes() -> Vec<Route> {
    let escalate = Escalate {
        place: String::new(),
        after: MINUTE * 3,
        to: "boss".into(),
        unless_acknowledged: true,
    };
    vec![
        Route { group_interval: MINUTE * 2, repeat: vec![MINUTE * 4], ..route("mail") },
        Route { escalate: Some(escalate), ..prompt("chat") },
        Route { inputs: Vec::new(), group_interval: MINUTE, ..route("boss") },
    ]
}

/// What was told with a restart after a word, and to each sink of each alarm in turn: its
/// severities and its end.
fn run(restart: Option<usize>, heard: bool) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let mut rig = Rig::new(plan(routes()));
    for (index, word) in WORDS.iter().enumerate() {
        rig.slot(word);
        if restart == Some(index) {
            rig.restart();
            if heard {
                rig.hear();
            }
        }
        rig.wait(Duration::from_secs(20));
    }
    rig.wait(MINUTE * 10);
    assert!(rig.known.is_empty(), "ends are owed: {:?}", rig.known);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
    let mut news: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for flush in &rig.flushes {
        for alarm in flush.alarms.iter().filter(|alarm| flush.news.contains(&alarm.id)) {
            let word = if alarm.is_firing() { alarm.severity.as_str() } else { "ended" };
            let of = format!("{} {}", flush.sink, alarm.id);
            news.entry(of).or_default().push(word.to_owned());
        }
    }
    (rig.notified(), news)
}

#[test]
fn a_restart_at_any_point_repeats_nothing_and_loses_nothing() {
    let (notified, news) = run(None, true);
    assert!(notified.iter().any(|line| line.contains("boss escalated")), "{notified:#?}");
    assert!(notified.iter().any(|line| line.contains("some-resolved")), "{notified:#?}");
    for index in 0..WORDS.len() {
        // Where the source speaks at once, each notice is the same, and at the same time.
        assert_eq!(run(Some(index), true), (notified.clone(), news.clone()), "{index}");
        // Else what is due waits for its next word, may join what that leads to, and need not be
        // told any more. What waits for nothing is told all the same.
        let (_, again) = run(Some(index), false);
        let prompt = |news: &BTreeMap<String, Vec<String>>| -> BTreeMap<_, _> {
            let chat = news.iter().filter(|(of, _)| of.starts_with("chat"));
            chat.map(|(of, words)| (of.clone(), words.clone())).collect()
        };
        assert_eq!(prompt(&again), prompt(&news), "{index}");
        for (of, words) in again {
            assert!(words.windows(2).all(|two| two[0] != two[1]), "twice: {index} {of} {words:?}");
            assert_eq!(words.last().map(String::as_str), Some("ended"), "{index} {of}");
        }
    }
}

#[test]
fn nothing_is_told_after_a_start_before_every_source_has_spoken() {
    let mut rig =
        Rig::new(super::rig::Plan { sources: vec!["s", "t"], ..plan(vec![prompt("mail")]) });
    rig.slot("~..");
    rig.notified();
    rig.wait(Duration::from_secs(1));
    rig.restart();
    rig.slot("~#.");
    assert_eq!(rig.notified(), [""; 0]);
    let index = 1;
    assert_eq!(
        rig.explain(index).against.iter().map(super::shown::why).collect::<Vec<_>>(),
        ["starting"]
    );
    rig.input(Input::SourceDown { source: "t".into(), reason: String::new() });
    rig.wait(Duration::from_secs(1));
    let mut notified = rig.notified();
    notified.sort();
    assert_eq!(notified, ["120 mail first +1", "120 mail first +source-down"]);
    rig.wait(Duration::from_secs(1));
    rig.restart();
    rig.slot("#~.");
    assert_eq!(rig.notified(), [""; 0]);
    rig.wait(MINUTE);
    assert_eq!(rig.notified().len(), 2);
}

#[test]
fn a_sink_that_is_taken_away_leaves_nothing_and_one_that_stays_goes_on() {
    let mut rig = Rig::new(plan(vec![route("mail"), prompt("chat")]));
    rig.slot("~..");
    rig.wait(MINUTE);
    rig.notified();
    let (inhibits, maintenance) = (Vec::new(), Vec::new());
    let routes = vec![route("mail"), prompt("new")];
    rig.input(Input::Routes { routes, inhibits, maintenance });
    assert_eq!(rig.notified(), ["120 new first +0"]);
    assert!(rig.groups.keys().all(|(sink, _)| sink != "chat"), "{:?}", rig.groups);
    rig.wait(MINUTE * 10);
    assert_eq!(rig.notified(), [""; 0]);
}

#[test]
fn a_rule_that_is_gone_closes_what_was_told() {
    let rate = Rate { most: 1, per: MINUTE };
    let mut rig = Rig::new(plan(vec![Route { rate, ..prompt("mail") }]));
    rig.slot("~~#");
    rig.wait(MINUTE);
    let notified = rig.notified();
    assert_eq!(notified, ["60 mail digest +0 +1 +2"]);
    rig.plan.thresholds.clear();
    rig.restart();
    rig.wait(MINUTE * 5);
    let notified = rig.notified();
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].ends_with("mail digest -0 -1 -2"), "{notified:?}");
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}
