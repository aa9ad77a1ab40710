//! What became of a sink's notifications since the start, and how long it took.

use haetae_plugin::{Notification, Reason, Timestamp};
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::results::{DeliveryResult, RowResult};
use crate::store::Claimed;

/// Upper limits, in seconds: from a sink that is told at once to one that was down for an hour.
const LATENCIES: [f64; 12] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// How the tries of one sink ended.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    delivered: Counter,
    retried: Counter,
    rejected: Counter,
    given_up: Counter,
    latency: Histogram,
}

impl Default for DeliveryMetrics {
    fn default() -> Self {
        Self {
            delivered: Counter::default(),
            retried: Counter::default(),
            rejected: Counter::default(),
            given_up: Counter::default(),
            latency: Histogram::new(LATENCIES),
        }
    }
}

impl DeliveryMetrics {
    /// How many tries ended how.
    pub fn results(&self) -> [(&'static str, u64); 4] {
        [
            ("delivered", self.delivered.get()),
            ("retried", self.retried.get()),
            ("rejected", self.rejected.get()),
            ("given_up", self.given_up.get()),
        ]
    }

    /// From the sample that began or ended an alarm until the sink had the notification about it.
    pub fn latency(&self) -> Histogram {
        self.latency.clone()
    }

    /// Counts what became of a batch by `now`.
    pub(super) fn count(&self, batch: &[Claimed], results: &[RowResult], now: Timestamp) {
        for (row, RowResult { result, .. }) in batch.iter().zip(results) {
            match result {
                DeliveryResult::Delivered => {
                    self.delivered.inc();
                    if let Some(sampled) = sampled(&row.notification) {
                        self.latency.observe(now.since(sampled).as_secs_f64());
                    }
                }
                DeliveryResult::Retry { .. } if now < row.expires => drop(self.retried.inc()),
                DeliveryResult::Retry { .. } => drop(self.given_up.inc()),
                DeliveryResult::Dead { .. } => drop(self.rejected.inc()),
            }
        }
    }
}

/// The time of the sample that led to a notification: of the newest beginning or end of its alarms.
/// None where it is not a sample that led to it, or where the time of that is not told.
fn sampled(notification: &Notification) -> Option<Timestamp> {
    match notification.reason {
        Reason::First | Reason::NewAlarms | Reason::Resolved | Reason::SomeResolved => {
            notification.alarms.iter().map(|alarm| alarm.ended.unwrap_or(alarm.since)).max()
        }
        _ => None,
    }
}
