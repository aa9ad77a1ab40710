//! Properties that hold whatever comes.

use std::time::Duration;

use haetae_plugin::Samples;
use jiff::tz::TimeZone;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    plans::{Choice, choice, replaced, routes, world},
    rig::{Plan, Rig, acknowledged, cpu, series, silence},
};
use crate::engine::{
    Handling, Input,
    alarm::handling::{CloseCode, HandlingState},
    mute::{calendar::Recurring, silence::SilenceSpan},
    notify::{Quiet, Rate, Route},
    series::slot::Slots,
    tests::{harness::MINUTE, properties::config},
    threshold::rule::Threshold,
};

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Slot(String),
    Silence(bool, u32),
    /// All is silenced until this one has ended.
    Until(usize),
    /// The clock goes back.
    Back(u32),
    Acknowledge(usize, bool, Option<u32>),
    Close(usize),
    Reopen(usize),
    Down(bool),
    Restart,
    /// The rule is there, or not.
    Rule(bool),
    /// The configuration has other sinks, or other words for them.
    Routes(usize),
    /// A line of a host in the log.
    Log(bool),
    /// The plan is replaced.
    Reload(Choice),
    Wait(u32),
}

fn word() -> impl Strategy<Value = String> {
    vec(select(vec!['#', '~', '.', '.', ' ']), 3).prop_map(String::from_iter)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => word().prop_map(Event::Slot),
        1 => (any::<bool>(), 0_u32..9).prop_map(|(all, minutes)| Event::Silence(all, minutes)),
        1 => (0_usize..3).prop_map(Event::Until),
        1 => (1_u32..600).prop_map(Event::Back),
        1 => (0_usize..3, any::<bool>(), proptest::option::of(1_u32..5))
            .prop_map(|(index, sticky, until)| Event::Acknowledge(index, sticky, until)),
        1 => (0_usize..3).prop_map(Event::Close),
        1 => (0_usize..3).prop_map(Event::Reopen),
        1 => any::<bool>().prop_map(Event::Down),
        1 => Just(Event::Restart),
        1 => any::<bool>().prop_map(Event::Rule),
        1 => (0_usize..9).prop_map(Event::Routes),
        1 => any::<bool>().prop_map(Event::Log),
        2 => choice().prop_map(Event::Reload),
        2 => (1_u32..200).prop_map(Event::Wait),
    ]
}

fn apply(rig: &mut Rig, event: &Event) {
    let fires = |rig: &Rig, index: usize| {
        let name = index.to_string();
        let mut alarms = rig.engine.alarms().into_iter();
        alarms.any(|one| one.is_firing() && one.labels.get("id") == Some(&name))
    };
    match event {
        Event::Slot(word) => rig.slot(word),
        Event::Silence(_, 0) => rig.silence(Vec::new()),
        Event::Silence(all, minutes) => {
            let text = if *all { "evaluator!=none" } else { "host=a" };
            let until = rig.now.after(MINUTE * *minutes);
            rig.silence(vec![silence(text, SilenceSpan::Between(rig.now, until))]);
        }
        Event::Until(index) if fires(rig, *index) => {
            let (from, alarms) = (rig.now, vec![rig.id(*index)]);
            rig.silence(vec![silence(
                "evaluator!=none",
                SilenceSpan::UntilResolved { from, alarms },
            )]);
        }
        Event::Back(seconds) => {
            let back = rig.now.before(Duration::from_secs((*seconds).into()));
            rig.step(Input::Tick, back);
        }
        Event::Acknowledge(index, sticky, until) if fires(rig, *index) => {
            let until = until.map(|minutes| rig.now.after(MINUTE * minutes));
            rig.handle(*index, acknowledged(until, *sticky));
        }
        Event::Close(index) if fires(rig, *index) => {
            let state = HandlingState::Closed { by: "kim".into(), code: CloseCode::Real };
            rig.handle(*index, Handling { state, owner: None });
        }
        Event::Reopen(index) if fires(rig, *index) => rig.handle(*index, Handling::default()),
        Event::Down(true) => {
            rig.input(Input::SourceDown { source: "s".into(), reason: String::new() });
        }
        Event::Down(false) => rig.input(Input::SourceUp { source: "s".into() }),
        Event::Restart => rig.restart(),
        Event::Rule(is) => {
            rig.plan.thresholds = if *is { vec![cpu()] } else { Vec::new() };
            rig.restart();
        }
        Event::Routes(choice) => rig.routes(routes(*choice)),
        Event::Log(first) => rig.log(if *first { "a" } else { "b" }),
        Event::Reload(choice) => rig.reload(replaced(rig, *choice)),
        Event::Wait(seconds) => rig.wait(Duration::from_secs((*seconds).into())),
        _ => {}
    }
}

/// How much a sink was told of late, and what waits for that, is neither stored nor kept.
fn unlimited(routes: Vec<Route>) -> Vec<Route> {
    let rate = Rate { most: 0, per: MINUTE };
    routes.into_iter().map(|route| Route { rate, ..route }).collect()
}

proptest! {
    #![proptest_config(config())]

    /// The rig checks each flush: no notice is about an alarm without a state or of a group without
    /// a row, and no end is told of what nobody knows.
    #[test]
    fn no_notice_without_a_state_and_each_obligation_gets_exactly_one_closing(
        events in vec(event(), 1..40),
        reload in any::<bool>(),
    ) {
        let mut world = world();
        let hours = Recurring::parse("22:20-22:40", TimeZone::UTC).unwrap();
        world.routes[0].quiet = Some(Quiet { place: String::new(), hours, except: Vec::new() });
        let mut rig = Rig::new(world);
        for event in &events {
            apply(&mut rig, event);
        }
        rig.silence(Vec::new());
        rig.slot("...");
        let nothing = Plan { thresholds: Vec::new(), logs: Vec::new(), ..rig.plan.clone() };
        if reload {
            rig.reload(nothing);
        } else {
            rig.plan = nothing;
            rig.restart();
        }
        rig.input(Input::SourceUp { source: "s".into() });
        rig.wait(MINUTE * 60);
        prop_assert!(rig.known.is_empty(), "{:?}", rig.known);
        prop_assert!(rig.groups.is_empty(), "{:?}", rig.groups);
    }

    /// Where the sources speak at once after it; else what is due waits until they do.
    #[test]
    fn a_restart_anywhere_changes_nothing_of_what_is_told_and_when(
        events in vec((event(), any::<bool>()), 1..40),
    ) {
        let run = |restarts: bool| {
            let world = world();
            let mut rig = Rig::new(Plan { routes: unlimited(world.routes.clone()), ..world });
            for (event, restart) in &events {
                let others = matches!(event, Event::Rule(_) | Event::Routes(_) | Event::Reload(_));
                // What a log evaluator has read and not written yet is read again.
                if !others && !matches!(event, Event::Restart | Event::Log(_) | Event::Back(_)) {
                    apply(&mut rig, event);
                }
                // Not within a moment in which something else happens.
                rig.wait(Duration::from_secs(1));
                if *restart && restarts {
                    rig.restart();
                    rig.hear();
                }
                rig.wait(Duration::from_secs(1));
            }
            rig.wait(MINUTE * 10);
            // What is told in one moment has no order.
            let mut notified = rig.notified();
            notified.sort();
            notified
        };
        prop_assert_eq!(run(false), run(true));
    }

    /// Whatever the plan was before and becomes later.
    #[test]
    fn a_reload_of_the_same_plan_anywhere_changes_nothing_of_what_is_told_and_when(
        events in vec((event(), any::<bool>()), 1..40),
    ) {
        let run = |reloads: bool| {
            let world = world();
            let mut rig = Rig::new(Plan { routes: unlimited(world.routes.clone()), ..world });
            for (event, reload) in &events {
                match event {
                    Event::Routes(choice) => rig.routes(unlimited(routes(*choice))),
                    Event::Reload(choice) => {
                        let plan = replaced(&rig, *choice);
                        rig.reload(Plan { routes: unlimited(plan.routes.clone()), ..plan });
                    }
                    // What waits for a start, or since a clock ran ahead, is a second early or late;
                    // what is closed while its sink does not want it may be escalated again.
                    Event::Restart | Event::Back(_) | Event::Close(_) => {}
                    event => apply(&mut rig, event),
                }
                rig.wait(Duration::from_secs(1));
                if *reload && reloads {
                    rig.reload(rig.plan.clone());
                }
                rig.wait(Duration::from_secs(1));
            }
            rig.wait(MINUTE * 10);
            let mut notified = rig.notified();
            notified.sort();
            notified
        };
        prop_assert_eq!(run(false), run(true));
    }

    #[test]
    fn the_same_events_give_the_same_notices(events in vec(event(), 1..30)) {
        let run = || {
            let mut rig = Rig::new(world());
            for event in &events {
 apply(&mut rig, event);
}
            format!("{:?} {:?} {:?}", rig.flushes, rig.withheld, rig.groups)
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn the_order_within_a_moment_changes_nothing(
        slots in vec((word(), word(), any::<bool>(), 0_u32..100), 1..15),
        reloads in vec(proptest::option::weighted(0.3, choice()), 15),
    ) {
        let run = |swap: bool| {
            let mem = Threshold { name: "mem".into(), inputs: vec!["t".into()], ..cpu() };
            let world = world();
            // Those that wait for nothing do not wait for the moment to be over either.
            let routes = world.routes.iter().filter(|it| it.group_wait > Duration::ZERO).cloned();
            let routes = routes.map(|it| Route { inputs: vec!["cpu".into(), "mem".into()], ..it });
            let mut rig = Rig::new(Plan {
                sources: vec!["s", "t"],
                routes: routes.collect(),
                thresholds: vec![cpu(), mem],
                ..world
            });
            for ((one, two, first, wait), reload) in slots.iter().zip(&reloads) {
                if let Some(choice) = reload {
                    let plan = replaced(&rig, *choice);
                    let routes = plan.routes.into_iter().filter(|it| it.group_wait > Duration::ZERO);
                    let of = |(name, source): (&str, &str)| {
                        let (name, inputs) = (name.into(), vec![source.into()]);
                        let rule = plan.thresholds.first().cloned();
                        rule.map(|rule| Threshold { name, inputs, ..rule })
                    };
                    let thresholds = [("cpu", "s"), ("mem", "t")].into_iter().filter_map(of).collect();
                    rig.reload(Plan { routes: routes.collect(), thresholds, ..plan });
                }
                let slot = Slots::of("t", MINUTE).next(rig.now).max(Slots::of("s", MINUTE).next(rig.now));
                let mut said = vec![("s", one), ("t", two)];
                if *first && swap {
                    said.reverse();
                }
                for (source, word) in said {
                    let mut samples = Samples::at(slot);
                    for (index, value) in word.chars().enumerate() {
                        let value = match value { '#' => 95.0, '~' => 75.0, _ => 10.0 };
                        samples.push(&series(index), value);
                    }
                    rig.step(Input::Samples { source: source.into(), samples }, slot);
                }
                rig.wait(Duration::from_secs((*wait).into()));
            }
            format!("{:?} {:?}", rig.flushes, rig.groups)
        };
        prop_assert_eq!(run(false), run(true));
    }
}
