//! Plans: what a reload may make of rules, sinks and mutes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rig::{Plan, Rig, cpu, matcher, plan, prompt, route, silence};
use crate::engine::{
    Summaries,
    log::{Count, Levels, LogCondition, LogRule},
    mute::silence::SilenceSpan,
    notify::{Escalate, GroupBy, Inhibit, Rate, Route},
    tests::harness::MINUTE,
    threshold::rule::Threshold,
};

/// What the plan is replaced by: a number for each of its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    rules: usize,
    logs: usize,
    routes: usize,
    inhibits: usize,
    maintenance: bool,
}

pub(super) fn choice() -> impl Strategy<Value = Choice> {
    (0_usize..9, 0_usize..5, 0_usize..9, 0_usize..4, proptest::bool::weighted(0.2)).prop_map(
        |(rules, logs, routes, inhibits, maintenance)| Choice {
            rules,
            logs,
            routes,
            inhibits,
            maintenance,
        },
    )
}

pub(super) fn world() -> Plan {
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
    let route = |sink: &str| {
        let route = route(sink);
        Route { inputs: [&route.inputs[..], &["kills".into()]].concat(), ..route }
    };
    let prompt = |sink: &str| Route { inputs: route(sink).inputs, ..prompt(sink) };
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
    Plan { inhibits: vec![inhibit], logs: logs(4), ..plan(routes) }
}

/// What a reload may make of the sinks.
pub(super) fn routes(choice: usize) -> Vec<Route> {
    let mut routes = world().routes;
    let [mail, chat, page, boss] = routes.as_mut_slice() else { panic!("four sinks") };
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
        5 => (mail.resolved, chat.resolved) = (false, false),
        6 => {
            boss.inputs.push("cpu".into());
            (chat.rate, boss.rate) = (Rate { most: 1, per: MINUTE }, mail.rate);
        }
        7 => {
            routes.pop();
            routes.reverse();
        }
        8 => {
            mail.group_by = GroupBy::Labels(vec!["team".into()]);
            chat.matchers = matcher("team=x");
        }
        _ => {}
    }
    routes
}

/// What a reload may make of the rules.
fn rules(choice: usize) -> Vec<Threshold> {
    let labels = [("team".to_owned(), "x".to_owned())].into();
    vec![match choice {
        0 => return Vec::new(),
        1 => Threshold { labels, ..cpu() },
        2 => Threshold { warning: None, ..cpu() },
        3 => Threshold { critical: None, ..cpu() },
        4 => Threshold { by: Some(vec!["host".into()]), ..cpu() },
        5 => Threshold { flap: None, limit: 1, ..cpu() },
        6 => Threshold { name: "mem".into(), ..cpu() },
        7 => Threshold { matchers: matcher("host=a"), ..cpu() },
        _ => cpu(),
    }]
}

/// A line a minute of any host is an alarm; what a reload may make of that.
pub(super) fn logs(choice: usize) -> Vec<LogRule> {
    let count = Count { at_least: 1, within: MINUTE };
    let count = LogCondition::Count(Levels { warning: Some(count), critical: None });
    let absence =
        LogCondition::Absence(Levels { warning: Some(MINUTE), critical: Some(MINUTE * 3) });
    let rule = LogRule {
        name: "kills".into(),
        inputs: vec!["s".into()],
        matchers: Vec::new(),
        pattern: None,
        by: vec!["host".into()],
        labels: BTreeMap::new(),
        watch: count,
        limit: 1_000,
        summary: Summaries::default(),
        runbook: None,
    };
    let labels = [("team".to_owned(), "x".to_owned())].into();
    vec![match choice {
        0 => return Vec::new(),
        1 => LogRule { labels, ..rule },
        2 => LogRule { by: Vec::new(), ..rule },
        3 => LogRule { watch: absence, ..rule },
        _ => rule,
    }]
}

/// What a reload may make of who mutes whom.
fn inhibits(choice: usize) -> Vec<Inhibit> {
    let [inhibit] = world().inhibits.try_into().expect("one");
    match choice {
        0 => Vec::new(),
        1 => vec![Inhibit { equal: vec!["team".into(), "severity".into()], ..inhibit }],
        2 => vec![Inhibit {
            when: matcher("evaluator=kills"),
            mute: matcher("evaluator=cpu"),
            equal: vec!["team".into()],
            ..inhibit
        }],
        _ => vec![inhibit],
    }
}

pub(super) fn replaced(rig: &Rig, choice: Choice) -> Plan {
    let until = rig.start.after(MINUTE * 15);
    let maintenance = vec![silence("host=b", SilenceSpan::Between(rig.start, until))];
    Plan {
        thresholds: rules(choice.rules),
        logs: logs(choice.logs),
        routes: routes(choice.routes),
        inhibits: inhibits(choice.inhibits),
        maintenance: if choice.maintenance { maintenance } else { Vec::new() },
        ..rig.plan.clone()
    }
}
