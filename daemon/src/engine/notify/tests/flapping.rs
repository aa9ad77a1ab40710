//! Flapping: one notice that an alarm comes and goes, one of how it ended up, and no end too many.

use std::time::Duration;

use super::{
    rig::{Plan, Rig, cpu, plan, prompt, route, silence},
    shown::why,
};
use crate::engine::{
    Input,
    mute::silence::SilenceSpan,
    notify::{GroupBy, Route},
    tests::harness::MINUTE,
    threshold::rule::Threshold,
};

/// A series, a character a slot; what was told, by the slot in which it was.
fn run(rig: &mut Rig, slots: &str) -> Vec<String> {
    let mut notified = Vec::new();
    for slot in slots.chars() {
        rig.slot(&format!("{slot}.."));
        notified.extend(rig.notified());
    }
    notified
}

/// It begins to come and go as it ends, and then as it begins.
const AT_AN_END: &str = "#.#.#.";
const AT_A_BEGINNING: &str = "#.#...........#.#";
/// As long as it takes to settle.
const QUIET: &str = "...............";
const FIRES: &str = "################";

fn at_once() -> Rig {
    Rig::new(plan(vec![prompt("mail")]))
}

/// Told at the end of a minute, all of the rule in one.
fn by_host() -> Route {
    let (group_wait, group_interval) = (Duration::from_secs(10), Duration::from_secs(10));
    Route { group_wait, group_interval, ..route("mail") }
}

fn is_over(rig: &mut Rig) {
    rig.wait(MINUTE);
    assert!(rig.known.is_empty(), "{:?}", rig.known);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}

#[test]
fn one_that_begins_to_flap_as_it_fires_is_told_once_until_it_settles() {
    let mut rig = at_once();
    let notified = run(&mut rig, AT_A_BEGINNING);
    assert_eq!(notified.len(), 7, "{notified:?}");
    assert_eq!(notified[6], "1020 mail flapping +0");
    assert_eq!(run(&mut rig, ".#.#.#."), [""; 0]);
    assert_eq!(run(&mut rig, QUIET), ["2340 mail resolved -0"]);
    is_over(&mut rig);
}

#[test]
fn one_that_begins_to_flap_as_it_ends_is_told_when_it_fires_next() {
    let mut rig = at_once();
    let notified = run(&mut rig, AT_AN_END);
    assert_eq!(notified.last().unwrap(), "300 mail first +0");
    assert_eq!(rig.known.len(), 1, "the end waits");
    assert_eq!(run(&mut rig, "#.#."), ["420 mail flapping +0"]);
    assert_eq!(rig.known.len(), 2);
    // Each was told, and each is an alarm of its own to this sink.
    let notified = run(&mut rig, QUIET);
    assert_eq!(notified.len(), 2, "{notified:?}");
    assert!(notified.iter().all(|line| line.ends_with("mail resolved -0")), "{notified:?}");
    is_over(&mut rig);
}

#[test]
fn one_that_never_fires_again_is_told_to_be_over_when_it_settles() {
    let mut rig = at_once();
    run(&mut rig, AT_AN_END);
    let notified = run(&mut rig, QUIET);
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].ends_with("mail resolved -0"), "{notified:?}");
    is_over(&mut rig);
}

#[test]
fn one_that_settles_as_it_fires_is_told_to_fire_on() {
    let mut rig = at_once();
    run(&mut rig, AT_A_BEGINNING);
    let notified = run(&mut rig, FIRES);
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].ends_with("mail repeat +0"), "{notified:?}");
    // That it has settled is told once.
    assert_eq!(
        run(&mut rig, "###."),
        [format!("{} mail resolved -0", rig.now.since(rig.start).as_secs())]
    );
    is_over(&mut rig);
}

#[test]
fn what_was_told_before_ends_in_the_notice_that_tells_how_it_ended_up() {
    let mut rig = Rig::new(plan(vec![by_host()]));
    let mut notified = run(&mut rig, AT_AN_END);
    notified.extend(run(&mut rig, "#.#.#"));
    assert_eq!(notified.last().unwrap(), "420 mail flapping +0");
    let notified = run(&mut rig, FIRES);
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].ends_with("mail new-alarms +0 -0 -0"), "{notified:?}");
    assert_eq!(rig.known.len(), 1);
    run(&mut rig, ".");
    is_over(&mut rig);
}

#[test]
fn others_of_its_group_are_told_meanwhile() {
    let mut rig = Rig::new(plan(vec![by_host()]));
    run(&mut rig, AT_A_BEGINNING);
    rig.slot(".~.");
    rig.slot("#..");
    rig.slot("...");
    assert_eq!(
        rig.notified(),
        ["1030 mail flapping +0", "1080 mail new-alarms +1", "1140 mail resolved -1"]
    );
    run(&mut rig, QUIET);
    is_over(&mut rig);
}

#[test]
fn one_that_gets_worse_while_it_flaps_is_told_so_when_it_settles() {
    let mut rig = at_once();
    run(&mut rig, &AT_A_BEGINNING.replace('#', "~"));
    let notified = run(&mut rig, FIRES);
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].ends_with("mail worse +0"), "{notified:?}");
}

#[test]
fn a_restart_at_any_slot_changes_nothing_of_it() {
    let slots = [AT_AN_END, "#.#.#", FIRES, ".", AT_AN_END, QUIET].concat();
    for routes in [vec![prompt("mail")], vec![by_host()]] {
        let run = |restart: Option<usize>| {
            let mut rig = Rig::new(plan(routes.clone()));
            for (index, slot) in slots.char_indices() {
                rig.slot(&format!("{slot}.."));
                if restart == Some(index) {
                    rig.restart();
                    rig.hear();
                }
            }
            let notified = rig.notified();
            is_over(&mut rig);
            (notified, rig.held())
        };
        let expected = run(None);
        assert!(expected.0.iter().any(|line| line.contains("flapping")), "{expected:#?}");
        for index in 0..slots.len() {
            assert_eq!(run(Some(index)), expected, "{index}");
        }
    }
}

#[test]
fn a_rule_that_is_taken_away_lets_its_ends_be_told_whether_it_fires_or_not() {
    for (slots, reasons) in [
        ("", &["resolved"][..]),
        ("#", &["resolved", "closed"]),
        ("#.", &["resolved", "resolved"]),
        ("#.#", &["resolved", "resolved"]),
    ] {
        let mut rig = at_once();
        run(&mut rig, AT_AN_END);
        run(&mut rig, slots);
        rig.plan.thresholds.clear();
        rig.restart();
        rig.hear();
        rig.wait(MINUTE);
        let mut notified: Vec<_> = rig.notified();
        notified.sort();
        let mut expected: Vec<_> = reasons
            .iter()
            .map(|reason| {
                format!("{} mail {reason} -0", rig.now.before(MINUTE).since(rig.start).as_secs())
            })
            .collect();
        expected.sort();
        assert_eq!(notified, expected, "{slots}");
        is_over(&mut rig);
    }
}

#[test]
fn a_rule_that_counts_no_changes_any_more_settles_it() {
    let mut rig = at_once();
    run(&mut rig, AT_AN_END);
    run(&mut rig, "#");
    rig.plan.thresholds = vec![Threshold { flap: None, ..cpu() }];
    rig.restart();
    let mut notified = run(&mut rig, "#");
    notified.sort();
    assert_eq!(notified, ["480 mail repeat +0", "480 mail resolved -0"]);
    run(&mut rig, ".");
    is_over(&mut rig);
}

#[test]
fn what_is_muted_is_not_told_to_flap_until_nothing_else_stands_against_it() {
    let mut rig = at_once();
    let until = rig.start.after(MINUTE * 8);
    rig.silence(vec![silence("host=a", SilenceSpan::Between(rig.start, until))]);
    assert_eq!(run(&mut rig, AT_AN_END), [""; 0]);
    assert_eq!(run(&mut rig, "##"), [""; 0]);
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.notified(), ["480 mail flapping +0"]);
    run(&mut rig, ".");
    run(&mut rig, QUIET);
    is_over(&mut rig);
}

#[test]
fn a_sink_that_comes_while_it_flaps_is_told_so_and_one_without_ends_owes_none() {
    let mut rig = Rig::new(plan(vec![Route { resolved: false, ..prompt("chat") }]));
    run(&mut rig, AT_A_BEGINNING);
    let routes = vec![Route { resolved: false, ..prompt("chat") }, prompt("new")];
    rig.routes(routes);
    assert_eq!(rig.notified(), ["1020 new flapping +0"]);
    assert_eq!(run(&mut rig, ".#."), [""; 0]);
    let notified = run(&mut rig, QUIET);
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].ends_with("new resolved -0"), "{notified:?}");
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}

#[test]
fn it_is_explained_and_the_journal_says_what_ended_before_it_was_told() {
    let mut rig = at_once();
    run(&mut rig, AT_A_BEGINNING);
    let notified = rig.id(0);
    assert_eq!(rig.explain(0).notified.unwrap().1, haetae_plugin::Reason::Flapping);
    run(&mut rig, ".");
    // The end that waits.
    let end = rig.engine.explain(&notified, rig.now).remove(0);
    assert!(end.against.iter().any(|one| why(one) == "flapping"), "{end:?}");
    assert_eq!(end.next, None);
    run(&mut rig, "#");
    let one = rig.explain(0);
    assert_eq!(one.against.iter().map(why).collect::<Vec<_>>(), ["flapping"]);
    assert_eq!((one.notified, one.next), (None, None));
    let untold = rig.id(0);
    run(&mut rig, ".");
    assert!(rig.withheld.iter().all(|one| one.alarm == untold));
    assert_eq!(rig.held(), ["mail flapping", "mail ended"]);
}

#[test]
fn a_person_who_closes_it_while_it_flaps_ends_it_once() {
    for group_by in [GroupBy::Alarm, GroupBy::Labels(Vec::new())] {
        let mut rig = Rig::new(Plan { ..plan(vec![Route { group_by, ..prompt("mail") }]) });
        run(&mut rig, AT_A_BEGINNING);
        rig.wait(Duration::from_secs(1));
        rig.notified();
        rig.handle(0, super::mutes::closed());
        assert_eq!(rig.notified(), [""; 0]);
        let meanwhile = run(&mut rig, ".#.");
        assert_eq!(meanwhile, [""; 0]);
        let notified = run(&mut rig, &QUIET.repeat(2));
        assert!(notified.concat().ends_with(" -0"), "{notified:?}");
        is_over(&mut rig);
    }
}

#[test]
fn the_end_of_a_source_alarm_is_told_whatever_flaps() {
    let mut rig = at_once();
    run(&mut rig, AT_A_BEGINNING);
    rig.input(Input::SourceDown { source: "s".into(), reason: String::new() });
    rig.input(Input::SourceUp { source: "s".into() });
    assert_eq!(rig.notified(), ["1020 mail first +source-down", "1020 mail resolved -source-down"]);
}
