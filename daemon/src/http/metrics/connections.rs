//! Metrics of who is connected.

use std::sync::Arc;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::families::Families;
use crate::http::{Connections, View};

/// The connections of both listeners.
#[derive(Debug)]
pub(super) struct Connected([Arc<Connections>; 2]);

type ConnectionCount = fn(&Connections) -> u64;

const COUNTS: [(&str, &str, ConnectionCount); 2] = [
    ("http_connections_refused", "Connections for which there was no room", Connections::refused),
    ("http_connections_closed", "Idle connections closed to make room", Connections::closed),
];

impl Connected {
    pub(super) fn of(view: &View) -> Self {
        Self([view.tcp(), view.socket()])
    }
}

impl Collector for Connected {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        let samples = |count: &dyn Fn(&Connections) -> u64| {
            self.0.each_ref().map(|one| (vec![("listener", one.listener())], count(one)))
        };
        let open = samples(&|connections| connections.open() as u64);
        families.gauge("http_connections", "Open connections", open)?;
        for (name, help, count) in COUNTS {
            families.counter(name, help, samples(&count))?;
        }
        Ok(())
    }
}
