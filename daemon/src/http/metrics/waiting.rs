//! Metrics of what waits: the outbox, obligations, queues; and of history, which goes.

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::families::{Families, Labels};
use crate::{
    http::{
        View,
        api::{ConsumerAnswer, QueueAnswer, StoreAnswer, queues, store},
    },
    store::{Pruned, SinkBacklog},
};

/// What waits, as `status` shows it.
#[derive(Debug)]
pub(super) struct Backlog {
    store: StoreAnswer,
    /// The sinks that take notifications: what waits for them is none, if the store does not say so.
    sinks: Vec<String>,
    queues: Vec<QueueAnswer>,
    pruned: Pruned,
}

/// A value with its labels.
type Sample<'a> = (Labels<'a>, u64);

impl Backlog {
    pub(super) async fn of(view: &View) -> Self {
        let parts = view.parts();
        let sinks = view.shown().recipients.iter().map(|sink| sink.plan.name.clone()).collect();
        let (store, queues) = (store(view).await, queues(view));
        Self { store, sinks, queues, pruned: parts.store.pruned() }
    }

    fn outbox(&self) -> Vec<Sample<'_>> {
        let mut samples = Vec::new();
        for sink in &self.sinks {
            for (state, dead) in [("waiting", false), ("dead", true)] {
                let is = |count: &&SinkBacklog| count.sink == *sink && count.dead == dead;
                let count = self.store.outbox.iter().find(is).map_or(0, |count| count.count);
                let labels = vec![("sink", sink.as_str()), ("state", state)];
                samples.push((labels, u64::try_from(count).unwrap_or(0)));
            }
        }
        samples
    }

    fn obligations(&self) -> [Sample<'_>; 2] {
        let counts = [
            ("open", self.store.open_obligations),
            ("unreachable", self.store.unreachable_obligations),
        ];
        counts.map(|(state, count)| (vec![("state", state)], u64::try_from(count).unwrap_or(0)))
    }

    fn pruned(&self) -> [Sample<'_>; 4] {
        let Pruned { alarms, journal, notices, dead_letters } = self.pruned;
        let kinds = [
            ("alarms", alarms),
            ("journal", journal),
            ("notices", notices),
            ("dead_letters", dead_letters),
        ];
        kinds.map(|(kind, count)| (vec![("kind", kind)], count))
    }

    fn queues(&self, value: impl Fn(&QueueAnswer) -> u64) -> Vec<Sample<'_>> {
        let queues = self.queues.iter();
        queues.map(|queue| (vec![("source", queue.source.as_str())], value(queue))).collect()
    }

    fn sinks(&self, value: impl Fn(&ConsumerAnswer) -> u64) -> Vec<Sample<'_>> {
        let mut samples = Vec::new();
        for queue in &self.queues {
            for sink in &queue.sinks {
                let labels = vec![("source", queue.source.as_str()), ("sink", sink.sink.as_str())];
                samples.push((labels, value(sink)));
            }
        }
        samples
    }
}

impl Collector for Backlog {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        let up = [(Vec::new(), u32::from(self.store.failing.is_none()))];
        families.gauge("store_up", "Whether the store can be written", up)?;
        let help = "Notifications that wait, and dead letters";
        families.gauge("outbox_notifications", help, self.outbox())?;
        let help = "Sinks that are still to be told of an end";
        families.gauge("obligations", help, self.obligations())?;
        families.gauge("queue_bytes", "What a queue holds", self.queues(|queue| queue.bytes))?;
        let most = self.queues(|queue| queue.max_bytes);
        families.gauge("queue_max_bytes", "What a queue may hold", most)?;
        let dead = self.queues(|queue| queue.dead);
        families.gauge("queue_dead_records", "Rejected records", dead)?;
        let waiting = self.sinks(|sink| sink.waiting);
        families.gauge("queue_waiting_records", "Records before a sink", waiting)?;
        let dropped = self.sinks(|sink| sink.dropped);
        let help = "Records that a sink missed because the queue was full";
        families.counter("queue_dropped_records", help, dropped)?;
        let help = "Rows of history that were old enough to go";
        families.counter("history_pruned", help, self.pruned())
    }
}
