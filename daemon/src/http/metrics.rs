//! The daemon's own metrics, made anew from the status, but not at each request of a flood.

mod connections;
mod delivery;
mod evaluation;
mod families;
mod format;
mod process;
mod waiting;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    metrics::{MetricType, info::Info},
    registry::Registry,
};
use tokio::sync::Mutex;

use self::{
    connections::Connected,
    delivery::Delivery,
    evaluation::Evaluation,
    families::{Families, Labels},
    format::{Format, as_text},
    process::Process,
    waiting::Backlog,
};
use super::View;
use crate::{
    clock::monotonic,
    plugin::{
        lend::Cell,
        status::{InstanceCounts, InstanceState, InstanceStatus},
    },
    telemetry,
};

/// So long an answer is good for others who ask: a flood of them costs copies.
const GOOD_FOR: Duration = Duration::from_millis(50);

/// The last answer of each format, and when it was made.
#[derive(Default)]
pub(super) struct Scraped {
    text: Mutex<Option<(Instant, Bytes)>>,
    open_metrics: Mutex<Option<(Instant, Bytes)>>,
}

/// Answers `GET /metrics` in the format that is asked for.
pub async fn answer(view: View, headers: HeaderMap) -> Response {
    let format = Format::accepted(&headers);
    let last = match format {
        Format::Text => &view.scraped.text,
        Format::OpenMetrics => &view.scraped.open_metrics,
    };
    // Whoever asks meanwhile waits for the same answer.
    let mut last = last.lock().await;
    let made = match &*last {
        Some((at, made)) if at.elapsed() < GOOD_FOR => made.clone(),
        _ => {
            let Ok(made) = make(&view, format).await else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            let made = Bytes::from(made);
            *last = Some((monotonic(), made.clone()));
            made
        }
    };
    ([(CONTENT_TYPE, format.content_type())], made).into_response()
}

async fn make(view: &View, format: Format) -> Result<String, std::fmt::Error> {
    let snapshot = Snapshot {
        instances: view.instances(),
        cells: cells(view),
        ready: view.unready().is_empty(),
        restarts: view.parts().stages.restarts(),
    };
    let mut registry = Registry::default();
    let process = Process::now(view.parts().started);
    registry.sub_registry_with_prefix("process").register_collector(Box::new(process));
    let haetae = registry.sub_registry_with_prefix("haetae");
    haetae.register_collector(Box::new(snapshot));
    haetae.register_collector(Box::new(Evaluation::of(view).await));
    haetae.register_collector(Box::new(Delivery(view.shown().recipients.clone())));
    haetae.register_collector(Box::new(Backlog::of(view).await));
    haetae.register_collector(Box::new(Connected::of(view)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(if format == Format::Text { as_text(&text) } else { text })
}

fn cells(view: &View) -> Vec<(String, Vec<Cell>)> {
    let shown = view.shown();
    let instances = shown.instances.iter();
    instances.map(|(status, cells)| (status.snapshot().name, cells.snapshot())).collect()
}

#[derive(Debug)]
struct Snapshot {
    instances: Vec<InstanceStatus>,
    cells: Vec<(String, Vec<Cell>)>,
    ready: bool,
    restarts: u64,
}

type InstanceCount = fn(&InstanceCounts) -> u64;

const COUNTS: [(&str, &str, InstanceCount); 8] = [
    ("instance_calls", "Calls that returned", |counts| counts.calls),
    ("instance_records", "Records collected or delivered", |counts| counts.records),
    ("instance_dropped", "Records dropped", |counts| counts.dropped),
    ("instance_cut", "Log records cut to a limit", |counts| counts.cut),
    ("instance_errors", "Calls that failed", |counts| counts.errors),
    ("instance_panics", "Panics", |counts| counts.panics),
    ("instance_hangs", "Calls that passed their deadline", |counts| counts.hangs),
    ("instance_missed_slots", "Slots that were not collected", |counts| counts.missed),
];

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        families.family("build", "Its version", MetricType::Info, [(Vec::new(), version)])?;
        for (name, help, count) in COUNTS {
            families.counter(name, help, self.each(|status| count(&status.counts)))?;
        }
        let is_up = |status: &InstanceStatus| {
            matches!(status.state, InstanceState::Ok | InstanceState::Degraded)
        };
        let up = self.each(|status| u32::from(is_up(status)));
        families.gauge("instance_up", "Whether it works", up)?;
        let ready = [(Vec::new(), u32::from(self.ready))];
        families.gauge("ready", "Whether it judges and can write", ready)?;
        let restarts = [(Vec::new(), self.restarts)];
        let help = "Stages of the daemon that were started again";
        families.counter("stage_restarts", help, restarts)?;
        let dropped = [(Vec::new(), telemetry::dropped())];
        let help = "Lines of the daemon's own log that could not be written";
        families.counter("log_lines_dropped", help, dropped)?;
        self.encode_cells(families)
    }
}

impl Snapshot {
    /// A sample for each instance.
    fn each<V>(
        &self,
        value: impl Fn(&InstanceStatus) -> V,
    ) -> impl Iterator<Item = (Labels<'_>, V)> {
        self.instances.iter().map(move |status| {
            let labels = vec![("instance", status.name.as_str()), ("role", status.role.as_str())];
            (labels, value(status))
        })
    }

    /// The plugins' own metrics: instances that use one name share a family.
    fn encode_cells(&self, mut families: Families<'_>) -> Result<(), std::fmt::Error> {
        let names = |total: bool| {
            let cells = self.cells.iter().flat_map(|(_, cells)| cells);
            cells.filter(move |cell| cell.total == total).map(family).collect::<BTreeSet<_>>()
        };
        let samples = |name: &str, total: bool| {
            let mut samples = Vec::new();
            for (instance, cells) in &self.cells {
                let mut cells = cells.iter();
                let cell = cells.find(|cell| cell.total == total && family(cell) == name);
                samples
                    .extend(cell.map(|cell| (vec![("instance", instance.as_str())], cell.value)));
            }
            samples
        };
        let (counters, gauges) = (names(true), names(false));
        for name in &counters {
            families.counter(&format!("plugin_{name}"), "A plugin's own", samples(name, true))?;
        }
        for name in &gauges {
            // Two families of one name would spoil the whole answer.
            let suffix = if counters.contains(name) { "_value" } else { "" };
            let full = format!("plugin_{name}{suffix}");
            families.gauge(&full, "A plugin's own", samples(name, false))?;
        }
        Ok(())
    }
}

/// The family of a plugin's metric, without what formats add to the name.
fn family(cell: &Cell) -> &str {
    if cell.total { cell.name.strip_suffix("_total").unwrap_or(&cell.name) } else { &cell.name }
}
