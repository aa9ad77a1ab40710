//! Metrics of what waits: the outbox, obligations, queues; and of history, which goes.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use crate::{
    http::{
        View,
        api::{QueueAnswer, StoreAnswer, queues, store},
    },
    store::Pruned,
};

/// What waits, as `status` shows it.
#[derive(Debug)]
pub(super) struct Waiting {
    store: StoreAnswer,
    queues: Vec<QueueAnswer>,
    pruned: Pruned,
}

/// A value with its labels.
type Sample = (Vec<(&'static str, String)>, u64);

impl Waiting {
    pub(super) async fn of(view: &View) -> Self {
        let pruned = view.parts().store.pruned();
        Self { store: store(view).await, queues: queues(view), pruned }
    }

    fn outbox(&self) -> Vec<Sample> {
        let rows = self.store.outbox.iter().map(|count| {
            let state = if count.dead { "dead" } else { "waiting" };
            let labels = vec![("sink", count.sink.clone()), ("state", state.into())];
            (labels, u64::try_from(count.count).unwrap_or(0))
        });
        rows.collect()
    }

    fn obligations(&self) -> Vec<Sample> {
        let counts = [
            ("open", self.store.open_obligations),
            ("unreachable", self.store.unreachable_obligations),
        ];
        let sample = |(state, count): (&str, i64)| {
            (vec![("state", state.into())], u64::try_from(count).unwrap_or(0))
        };
        counts.map(sample).into()
    }

    fn pruned(&self) -> Vec<Sample> {
        let Pruned { alarms, journal, notices, dead_letters } = self.pruned;
        let kinds = [
            ("alarms", alarms),
            ("journal", journal),
            ("notices", notices),
            ("dead_letters", dead_letters),
        ];
        kinds.map(|(kind, count)| (vec![("kind", kind.into())], count)).into()
    }

    fn queues(&self, value: impl Fn(&QueueAnswer) -> u64) -> Vec<Sample> {
        let labels = |queue: &QueueAnswer| vec![("source", queue.source.clone())];
        self.queues.iter().map(|queue| (labels(queue), value(queue))).collect()
    }

    fn sinks(&self, value: impl Fn(&crate::http::api::ConsumerAnswer) -> u64) -> Vec<Sample> {
        let rows = self.queues.iter().flat_map(|queue| {
            let labels = |sink: &str| vec![("source", queue.source.clone()), ("sink", sink.into())];
            queue.sinks.iter().map(move |sink| (labels(&sink.sink), sink)).collect::<Vec<_>>()
        });
        rows.map(|(labels, sink)| (labels, value(sink))).collect()
    }
}

impl Collector for Waiting {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let up = u64::from(self.store.failing.is_none());
        let gauges = [
            ("store_up", "Whether the store can be written", vec![(Vec::new(), up)]),
            ("outbox_notifications", "Notifications that wait, and dead letters", self.outbox()),
            ("obligations", "Sinks that are still to be told of an end", self.obligations()),
            ("queue_bytes", "What a queue holds", self.queues(|queue| queue.bytes)),
            ("queue_max_bytes", "What a queue may hold", self.queues(|queue| queue.max_bytes)),
            ("queue_dead_records", "Rejected records", self.queues(|queue| queue.dead)),
            ("queue_waiting_records", "Records before a sink", self.sinks(|sink| sink.waiting)),
        ];
        for (name, help, samples) in gauges {
            let kind = ConstGauge::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in samples {
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        let missed = "Records that a sink missed because the queue was full";
        let counters = [
            ("queue_dropped_records", missed, self.sinks(|sink| sink.dropped)),
            ("history_pruned", "Rows of history that were old enough to go", self.pruned()),
        ];
        for (name, help, samples) in counters {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in samples {
                ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
