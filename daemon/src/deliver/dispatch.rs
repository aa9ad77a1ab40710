//! Dispatch: each transition goes straight to its sinks; until there is an outbox, once.

use std::collections::BTreeMap;

use haetae_plugin::{Batch, Records};
use tokio::sync::{broadcast, mpsc};
use tracing::warn;

use super::render::Voice;
use crate::{
    clock::Clock,
    config::Sink,
    engine::{AlarmView, Matcher, SYSTEM, Transition},
    plugin::status::Status,
};

/// A sink as the dispatcher sees it.
pub struct Recipient {
    /// Its part of the plan.
    pub plan: Sink,
    /// What it takes.
    pub takes: Vec<Records>,
    /// How it is spoken to.
    pub voice: Voice,
    /// Where its notifications go. Full: the notification goes to the fallback.
    pub inbox: mpsc::Sender<Batch>,
    /// Where what is lost is counted.
    pub status: Status,
}

/// Chooses sinks and hands them their notifications.
pub struct Dispatch {
    recipients: BTreeMap<String, Recipient>,
    clock: Clock,
    /// Shows transitions as they happen; a watcher that is too slow skips some.
    watchers: broadcast::Sender<Transition>,
}

impl Dispatch {
    /// A dispatcher to these sinks.
    pub fn new(
        recipients: Vec<Recipient>,
        clock: Clock,
        watchers: broadcast::Sender<Transition>,
    ) -> Self {
        let recipients = recipients.into_iter().map(|sink| (sink.plan.name.clone(), sink));
        Self { recipients: recipients.collect(), clock, watchers }
    }

    /// Runs until neither transitions nor failed deliveries can come any more.
    pub async fn run(
        self,
        mut transitions: mpsc::Receiver<Transition>,
        mut undelivered: mpsc::Receiver<(String, Batch, String)>,
    ) {
        loop {
            tokio::select! {
                Some(transition) = transitions.recv() => self.transition(transition),
                Some((sink, batch, reason)) = undelivered.recv() => self.fall_back(&sink, batch, &reason),
                else => return,
            }
        }
    }

    fn transition(&self, transition: Transition) {
        for recipient in self.recipients.values() {
            if recipient.wants(&transition, self.is_system_named()) {
                let notification = recipient.voice.notification(&transition, self.clock.now());
                let batch = Batch::Notifications(vec![notification]);
                if let Err(error) = recipient.inbox.try_send(batch) {
                    self.fall_back(
                        &recipient.plan.name,
                        error.into_inner(),
                        "too many wait for it",
                    );
                }
            }
        }
        // Nobody may be watching.
        drop(self.watchers.send(transition));
    }

    /// Hands what a sink did not take to its fallback; without one it is lost, and said so.
    fn fall_back(&self, sink: &str, batch: Batch, reason: &str) {
        let Some(recipient) = self.recipients.get(sink) else { return };
        if !matches!(batch, Batch::Notifications(_)) {
            warn!(sink, reason, records = batch.len(), "records were not delivered and are lost");
            return;
        }
        let fallback = recipient.plan.fallback.as_ref().and_then(|name| self.recipients.get(name));
        match fallback.map(|fallback| (fallback, fallback.inbox.try_send(batch))) {
            Some((fallback, Ok(()))) => {
                warn!(
                    sink,
                    reason,
                    fallback = fallback.plan.name,
                    "not delivered, goes to the fallback"
                );
            }
            Some((_, Err(_))) | None => {
                recipient.status.count(|counts| counts.dropped += 1);
                warn!(sink, reason, "a notification was not delivered and is lost");
            }
        }
    }

    /// Whether some sink says itself that it takes system alarms; else every sink gets them.
    fn is_system_named(&self) -> bool {
        self.recipients.values().any(|sink| sink.plan.inputs.iter().any(|input| input == SYSTEM))
    }
}

impl Recipient {
    fn wants(&self, transition: &Transition, system_is_named: bool) -> bool {
        let alarm = &transition.alarm;
        let named = self.plan.inputs.contains(&alarm.evaluator);
        let by_default = alarm.evaluator == SYSTEM
            && !system_is_named
            // An alarm about a sink is of no use to that sink.
            && alarm.labels.get("instance") != Some(&self.plan.name);
        self.takes.contains(&Records::Notifications)
            && (named || by_default)
            && (self.plan.resolved || !transition.change.is_end())
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
