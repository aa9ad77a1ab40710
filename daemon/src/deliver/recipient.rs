//! Recipients: the sinks that take notifications.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::{Records, Timestamp};
use tokio::sync::Notify;

use super::{handoff::Handoff, metrics::DeliveryMetrics, render::Voice};
use crate::{config::Sink, plugin::sink::Outlet};

/// What a lease is longer than the deadline of its delivery.
const GRACE: Duration = Duration::from_secs(10);

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
    pub handoff: Arc<Handoff>,
    /// What became of its notifications.
    pub metrics: DeliveryMetrics,
    /// Wakes its dispatcher.
    pub wake: Arc<Notify>,
}

/// All sinks, by name, as they are at one time: a reload makes others.
#[derive(Clone, Debug, Default)]
pub struct Recipients(Arc<BTreeMap<String, Recipient>>);

impl Recipient {
    /// Until when rows that are claimed for it now are this daemon's.
    pub(super) fn lease(&self, now: Timestamp) -> Timestamp {
        now.after(self.plan.deadline + GRACE)
    }
}

impl Recipients {
    /// These sinks.
    pub fn new(recipients: Vec<Recipient>) -> Self {
        Self(Arc::new(recipients.into_iter().map(|sink| (sink.plan.name.clone(), sink)).collect()))
    }

    /// The sink of this name.
    pub fn get(&self, name: &str) -> Option<&Recipient> {
        self.0.get(name)
    }

    /// All of them, also those that take no notifications.
    pub fn all(&self) -> impl Iterator<Item = &Recipient> {
        self.0.values()
    }

    /// All of them that take notifications.
    pub fn iter(&self) -> impl Iterator<Item = &Recipient> {
        self.0.values().filter(|sink| sink.takes.contains(&Records::Notifications))
    }

    /// Wakes the dispatchers of all of them.
    pub fn wake_all(&self) {
        for sink in self.iter() {
            sink.wake.notify_one();
        }
    }
}
