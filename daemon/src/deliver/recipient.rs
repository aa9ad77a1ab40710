//! Recipients: the sinks that take notifications, and which alarms each of them wants.

use std::{collections::BTreeMap, sync::Arc};

use haetae_plugin::Records;

use super::{desk::Desk, render::Voice};
use crate::{
    config::Sink,
    engine::{AlarmView, Matcher, SYSTEM},
    plugin::sink::Outlet,
};

/// A sink as delivery sees it.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its part of the plan.
    pub plan: Sink,
    /// What it takes.
    pub takes: Vec<Records>,
    /// How it is spoken to.
    pub voice: Voice,
    /// Where its notifications go.
    pub outlet: Outlet,
    /// Where its dispatcher is handed what is written while it waits.
    pub desk: Arc<Desk>,
}

/// All sinks, by name.
#[derive(Clone, Debug)]
pub struct Recipients {
    by_name: BTreeMap<String, Recipient>,
    /// Whether some sink says itself that it takes system alarms; else every sink gets them.
    system_is_named: bool,
}

impl Recipients {
    /// These sinks.
    pub fn new(recipients: Vec<Recipient>) -> Self {
        let named = |sink: &Recipient| sink.plan.inputs.iter().any(|input| input == SYSTEM);
        let system_is_named = recipients.iter().any(named);
        let by_name = recipients.into_iter().map(|sink| (sink.plan.name.clone(), sink)).collect();
        Self { by_name, system_is_named }
    }

    /// The sink of this name.
    pub fn get(&self, name: &str) -> Option<&Recipient> {
        self.by_name.get(name)
    }

    /// All of them that take notifications.
    pub fn iter(&self) -> impl Iterator<Item = &Recipient> {
        let takes = |sink: &&Recipient| sink.takes.contains(&Records::Notifications);
        self.by_name.values().filter(takes)
    }

    /// Those who want to know of an alarm.
    pub fn wanting(&self, alarm: &AlarmView) -> impl Iterator<Item = &Recipient> {
        self.iter().filter(move |sink| sink.wants(alarm, self.system_is_named))
    }

    /// Whether this sink wants to know of an alarm.
    pub fn wants(&self, name: &str, alarm: &AlarmView) -> bool {
        self.get(name).is_some_and(|sink| sink.wants(alarm, self.system_is_named))
    }
}

impl Recipient {
    fn wants(&self, alarm: &AlarmView, system_is_named: bool) -> bool {
        let named = self.plan.inputs.contains(&alarm.evaluator);
        // An alarm about a sink is of no use to that sink.
        let own =
            alarm.evaluator == SYSTEM && alarm.labels.get("instance") == Some(&self.plan.name);
        let by_default = alarm.evaluator == SYSTEM && !system_is_named;
        (named || by_default)
            && !own
            && self.plan.matchers.iter().all(|matcher| fits(matcher, alarm))
    }
}

/// A matcher sees the alarm's labels and, as labels, its severity and evaluator.
fn fits(matcher: &Matcher, alarm: &AlarmView) -> bool {
    let value = match matcher.label() {
        "severity" => Some(alarm.severity.as_str()),
        "evaluator" => Some(alarm.evaluator.as_str()),
        label => alarm.labels.get(label).map(String::as_str),
    };
    matcher.matches(value)
}
