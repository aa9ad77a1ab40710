//! Metrics of who is connected.

use std::sync::Arc;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use crate::http::{Connections, View};

/// The connections of both listeners.
#[derive(Debug)]
pub(super) struct Connected([Arc<Connections>; 2]);

type Count = fn(&Connections) -> u64;

const COUNTS: [(&str, &str, Count); 2] = [
    ("http_connections_refused", "Connections for which there was no room", Connections::refused),
    ("http_connections_closed", "Idle connections closed to make room", Connections::closed),
];

impl Connected {
    pub(super) fn of(view: &View) -> Self {
        Self([view.tcp(), view.socket()])
    }
}

impl Collector for Connected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (name, open) = ("http_connections", ConstGauge::new(0_i64));
        let mut family =
            encoder.encode_descriptor(name, "Open connections", None, open.metric_type())?;
        for connections in &self.0 {
            let open = i64::try_from(connections.open()).unwrap_or(i64::MAX);
            let labels = [("listener", connections.listener())];
            ConstGauge::new(open).encode(family.encode_family(&labels)?)?;
        }
        for (name, help, count) in COUNTS {
            let counter = ConstCounter::new(0_u64);
            let mut family = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            for connections in &self.0 {
                let labels = [("listener", connections.listener())];
                ConstCounter::new(count(connections)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
