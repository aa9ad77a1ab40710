//! Metrics of delivery: what became of notifications, and how long it took from the sample on.

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::families::Families;
use crate::deliver::{metrics::DeliveryMetrics, recipient::Recipients};

/// What each sink of notifications was sent.
#[derive(Debug)]
pub(super) struct Delivery(pub(super) Recipients);

impl Collector for Delivery {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        let sinks = || self.0.iter().map(|sink| (sink.plan.name.as_str(), &sink.metrics));
        let results = |(name, metrics): (_, &DeliveryMetrics)| {
            metrics
                .results()
                .map(|(result, count)| (vec![("sink", name), ("result", result)], count))
        };
        let help = "Tries to send a notification: delivered, to be retried, rejected, given up";
        families.counter("notifications", help, sinks().flat_map(results))?;
        let latency = sinks().map(|(name, metrics)| (vec![("sink", name)], metrics.latency()));
        let help = "Time from the sample that began or ended an alarm until a sink had the \
                    notification about it; group_wait and retries are part of it";
        families.histogram("notification_latency_seconds", help, latency)
    }
}
