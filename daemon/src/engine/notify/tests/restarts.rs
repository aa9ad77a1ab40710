//! Restarts: a process that ends at any point, and one that goes on.

use std::time::Duration;

use super::rig::{Rig, plan, prompt, route};
use crate::engine::{
    Input,
    notify::{Escalate, Rate, Route},
    trial::MINUTE,
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

fn run(restart: Option<usize>) -> Vec<String> {
    let mut rig = Rig::new(plan(routes()));
    for (index, word) in WORDS.iter().enumerate() {
        rig.slot(word);
        if restart == Some(index) {
            rig.restart();
        }
        rig.wait(Duration::from_secs(20));
    }
    rig.wait(MINUTE * 10);
    assert!(rig.known.is_empty(), "ends are owed: {:?}", rig.known);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
    rig.told()
}

#[test]
fn a_restart_at_any_point_repeats_nothing_and_loses_nothing() {
    let told = run(None);
    assert!(told.iter().any(|line| line.contains("boss escalated")), "{told:#?}");
    assert!(told.iter().any(|line| line.contains("some-resolved")), "{told:#?}");
    for index in 0..WORDS.len() {
        // Told is the same, though some of it after the next word of the source.
        let shown = |told: &[String]| {
            let mut told: Vec<_> = told
                .iter()
                .flat_map(|line| {
                    let mut words = line.split(' ').skip(1).map(String::from);
                    let sink = words.next().unwrap();
                    let news = words.skip(1).filter(|word| !word.starts_with('='));
                    news.map(move |word| format!("{sink} {word}")).collect::<Vec<_>>()
                })
                .collect();
            told.sort();
            told
        };
        let again = run(Some(index));
        assert!(again.len().abs_diff(told.len()) <= 1, "{index}: {told:#?} {again:#?}");
        let (ends, beginnings): (Vec<_>, Vec<_>) =
            shown(&again).into_iter().partition(|it| it.contains('-'));
        assert!(!ends.is_empty() && beginnings.len() >= ends.len(), "{index}: {again:#?}");
    }
}

#[test]
fn nothing_is_told_after_a_start_before_every_source_has_spoken() {
    let mut rig =
        Rig::new(super::rig::Plan { sources: vec!["s", "t"], ..plan(vec![prompt("mail")]) });
    rig.slot("~..");
    rig.told();
    rig.wait(Duration::from_secs(1));
    rig.restart();
    rig.slot("~#.");
    assert_eq!(rig.told(), [""; 0]);
    let index = 1;
    assert_eq!(
        rig.explain(index).against.iter().map(super::rig::why).collect::<Vec<_>>(),
        ["starting"]
    );
    rig.input(Input::SourceDown { source: "t".into(), reason: String::new() });
    rig.wait(Duration::from_secs(1));
    let mut told = rig.told();
    told.sort();
    assert_eq!(told, ["120 mail first +1", "120 mail first +source-down"]);
    rig.wait(Duration::from_secs(1));
    rig.restart();
    rig.slot("#~.");
    assert_eq!(rig.told(), [""; 0]);
    rig.wait(MINUTE);
    assert_eq!(rig.told().len(), 2);
}

#[test]
fn a_sink_that_is_taken_away_leaves_nothing_and_one_that_stays_goes_on() {
    let mut rig = Rig::new(plan(vec![route("mail"), prompt("chat")]));
    rig.slot("~..");
    rig.wait(MINUTE);
    rig.told();
    let (inhibits, maintenance) = (Vec::new(), Vec::new());
    let routes = vec![route("mail"), prompt("new")];
    rig.input(Input::Routes { routes, inhibits, maintenance });
    assert_eq!(rig.told(), ["120 new first +0"]);
    assert!(rig.groups.keys().all(|(sink, _)| sink != "chat"), "{:?}", rig.groups);
    rig.wait(MINUTE * 10);
    assert_eq!(rig.told(), [""; 0]);
}

#[test]
fn a_rule_that_is_gone_closes_what_was_told() {
    let rate = Rate { most: 1, per: MINUTE };
    let mut rig = Rig::new(plan(vec![Route { rate, ..prompt("mail") }]));
    rig.slot("~~#");
    rig.wait(MINUTE);
    let told = rig.told();
    assert_eq!(told, ["60 mail digest +0 +1 +2"]);
    rig.plan.thresholds.clear();
    rig.restart();
    rig.wait(MINUTE * 5);
    let told = rig.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("mail digest -0 -1 -2"), "{told:?}");
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}
