//! Reloads: the plan is replaced while groups, mutes and alarms go on.

use std::time::Duration;

use super::{
    plans::logs,
    rig::{Plan, Rig, matcher, plan, prompt, route},
};
use crate::engine::{
    Input,
    log::{Count, Levels, LogCondition, LogRule},
    notify::{Inhibit, Route},
    tests::harness::MINUTE,
};

/// A sink of the log evaluator too.
fn of_logs(route: Route) -> Route {
    Route { inputs: ["cpu", "kills"].map(String::from).into(), ..route }
}

#[test]
fn a_label_of_a_rule_that_changes_changes_whom_its_alarm_mutes() {
    let inhibit = Inhibit {
        place: String::new(),
        when: matcher("evaluator=kills"),
        mute: matcher("evaluator=cpu"),
        equal: vec!["team".into()],
    };
    // Of a log evaluator, told apart by host: without labels, with the label `team`.
    let count = Count { at_least: 1, within: MINUTE * 4 };
    let watch = LogCondition::Count(Levels { warning: Some(count), critical: None });
    let [alike, apart] = [logs(4), logs(1)]
        .map(|rules| rules.into_iter().map(|rule| LogRule { watch: watch.clone(), ..rule }))
        .map(Vec::from_iter);
    let world = plan(vec![of_logs(prompt("mail"))]);
    let world = Plan { inhibits: vec![inhibit], logs: alike.clone(), ..world };
    for restart in [false, true] {
        let mut rig = Rig::new(world.clone());
        let replace = |rig: &mut Rig, logs| {
            let plan = Plan { logs, ..rig.plan.clone() };
            if restart {
                rig.plan = plan;
                rig.restart();
                rig.hear();
            } else {
                rig.reload(plan);
            }
            rig.wait(Duration::from_secs(1));
        };
        rig.log("a");
        rig.slot("~..");
        assert_eq!(rig.notified(), ["0 mail first +a"]);
        replace(&mut rig, apart.clone());
        assert_eq!(rig.notified().concat(), "60 mail first +0", "{restart}");
        replace(&mut rig, alike.clone());
        rig.slot("~~.");
        assert_eq!(rig.notified(), [""; 0], "{restart}");
        // Once it is over nothing is left of it.
        rig.wait(MINUTE * 2);
        rig.slot("~~~");
        rig.wait(Duration::from_secs(1));
        let mut notified = rig.notified();
        notified.sort();
        assert_eq!(notified, ["300 mail first +1", "300 mail first +2", "300 mail resolved -a"]);
    }
}

#[test]
fn a_group_that_is_left_and_joined_in_one_moment_goes_on_whatever_came_first() {
    let team = |name: &str| {
        let labels = [("team".to_owned(), "x".to_owned())].into();
        let inputs = vec![if name == "mem" { "t" } else { "s" }.to_owned()];
        let name = name.into();
        crate::engine::threshold::rule::Threshold { name, inputs, labels, ..super::rig::cpu() }
    };
    let group_by = crate::engine::notify::GroupBy::Labels(vec!["team".into()]);
    let run = |swap: bool| {
        let mut rig = Rig::new(Plan {
            sources: vec!["s", "t"],
            thresholds: vec![team("cpu"), team("mem")],
            ..plan(vec![Route {
                group_by: group_by.clone(),
                group_wait: MINUTE * 5,
                ..route("mail")
            }])
        });
        let mut slots = vec![("s", 95.0), ("t", 10.0), ("s", 10.0), ("t", 95.0)];
        if swap {
            slots.swap(2, 3);
        }
        for (at, (source, value)) in slots.into_iter().enumerate() {
            let now = rig.start.after(MINUTE * (1 + u32::try_from(at / 2).unwrap()));
            let samples = haetae_plugin::Samples::at(now).with(&super::rig::series(0), value);
            rig.step(Input::Samples { source: source.into(), samples }, now);
        }
        rig.wait(MINUTE * 10);
        (rig.notified(), rig.groups)
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_group_that_is_over_before_anybody_is_told_after_a_start_is_not_joined() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~..");
    rig.restart();
    let by = Some(vec!["host".into()]);
    let other = crate::engine::threshold::rule::Threshold { by, ..super::rig::cpu() };
    rig.reload(Plan { thresholds: vec![other], ..rig.plan.clone() });
    rig.slot("~..");
    rig.wait(MINUTE);
    // Not at 120, which is when the group of before would have been told.
    assert_eq!(rig.notified(), ["150 mail first +a"]);
}

#[test]
fn a_group_that_is_left_and_joined_in_one_moment_keeps_its_interval() {
    let mut rig = Rig::new(plan(vec![Route { resolved: false, ..route("mail") }]));
    rig.slot("~..");
    rig.wait(MINUTE);
    rig.slot(".~.");
    rig.wait(MINUTE * 6);
    assert_eq!(rig.notified(), ["90 mail first +0", "390 mail first +1"]);
}

#[test]
fn an_end_that_is_taken_back_is_not_told_whatever_group_the_alarm_would_join_now() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~..");
    rig.wait(MINUTE);
    rig.handle(0, super::mutes::closed());
    rig.routes(vec![Route { group_by: crate::engine::notify::GroupBy::Alarm, ..route("mail") }]);
    rig.restart();
    rig.hear();
    rig.handle(0, crate::engine::Handling::default());
    rig.wait(MINUTE * 6);
    rig.slot("...");
    rig.wait(MINUTE * 6);
    let notified = rig.notified();
    assert_eq!(notified.len(), 2, "{notified:?}");
    assert!(
        notified[0].ends_with("mail first +0") && notified[1].ends_with("mail resolved -0"),
        "{notified:?}"
    );
    assert!(rig.known.is_empty() && rig.groups.is_empty(), "{:?}", rig.groups);
}
