//! Properties that hold whatever comes.

use std::time::Duration;

use haetae_plugin::Samples;
use jiff::tz::TimeZone;
use proptest::{collection::vec, prelude::*, sample::select};

use super::rig::{Plan, Rig, acknowledged, cpu, matcher, plan, prompt, route, series, silence};
use crate::engine::{
    Handling, Input,
    calendar::Recurring,
    handling::{CloseCode, HandlingState},
    notify::{Escalate, GroupBy, Inhibit, Quiet, Rate, Route},
    properties::config,
    silence::Span,
    slot::Slots,
    threshold::Threshold,
    trial::MINUTE,
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
        1 => (0_usize..5).prop_map(Event::Routes),
        2 => (1_u32..200).prop_map(Event::Wait),
    ]
}

fn world() -> Plan {
    let escalate = Escalate {
        place: String::new(),
        after: MINUTE * 2,
        to: "boss".into(),
        unless_acknowledged: true,
    };
    let (most, per) = (2, MINUTE);
    let inhibit = Inhibit {
        place: String::new(),
        when: matcher("severity=critical"),
        mute: matcher("severity=warning"),
        equal: vec!["host".into()],
    };
    let routes = vec![
        Route { group_interval: MINUTE, repeat: vec![MINUTE * 3], ..route("mail") },
        Route { rate: Rate { most, per }, ..prompt("chat") },
        Route {
            escalate: Some(escalate),
            matchers: matcher("severity=critical"),
            ..prompt("page")
        },
        Route { inputs: Vec::new(), rate: Rate { most, per }, ..route("boss") },
    ];
    Plan { inhibits: vec![inhibit], ..plan(routes) }
}

/// What a reload may make of the sinks.
fn routes(choice: usize) -> Vec<Route> {
    let mut routes = world().routes;
    let [mail, chat, page, _] = routes.as_mut_slice() else { panic!("four sinks") };
    match choice {
        1 => {
            mail.group_by = GroupBy::Alarm;
            chat.group_by = GroupBy::Labels(vec!["host".into()]);
        }
        2 => {
            mail.inputs.clear();
            page.matchers = matcher("host=b");
        }
        3 => {
            (chat.group_wait, chat.group_interval) = (MINUTE, MINUTE * 2);
            page.escalate = None;
        }
        4 => {
            routes.remove(1);
        }
        _ => {}
    }
    routes
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
            rig.silence(vec![silence(text, Span::Between(rig.now, until))]);
        }
        Event::Until(index) if fires(rig, *index) => {
            let (from, alarms) = (rig.now, vec![rig.id(*index)]);
            rig.silence(vec![silence("evaluator!=none", Span::UntilResolved { from, alarms })]);
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
        Event::Wait(seconds) => rig.wait(Duration::from_secs((*seconds).into())),
        _ => {}
    }
}

proptest! {
    #![proptest_config(config())]

    /// The rig checks each flush: no notice is about an alarm without a state or of a group without
    /// a row, and no end is told of what nobody knows.
    #[test]
    fn no_notice_without_a_state_and_each_obligation_gets_exactly_one_closing(events in vec(event(), 1..40)) {
        let mut world = world();
        let hours = Recurring::parse("22:20-22:40", TimeZone::UTC).unwrap();
        world.routes[0].quiet = Some(Quiet { place: String::new(), hours, except: Vec::new() });
        let mut rig = Rig::new(world);
        for event in &events {
            apply(&mut rig, event);
        }
        rig.silence(Vec::new());
        rig.slot("...");
        rig.plan.thresholds.clear();
        rig.restart();
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
            // How much a sink was told of late is not stored.
            let free = Rate { most: 0, per: MINUTE };
            let routes = world.routes.iter().cloned();
            let routes = routes.map(|route| Route { rate: free, ..route }).collect();
            let mut rig = Rig::new(Plan { routes, ..world });
            for (event, restart) in &events {
                let other = matches!(event, Event::Restart | Event::Rule(_) | Event::Routes(_));
                if !other && !matches!(event, Event::Back(_)) {
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
            let mut told = rig.told();
            told.sort();
            told
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
            for (one, two, first, wait) in &slots {
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
