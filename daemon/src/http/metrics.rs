//! The daemon's own metrics, in OpenMetrics' text: made anew from the status at each request.

mod connections;
mod waiting;

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use haetae_plugin::Severity;
use prometheus_client::{
    collector::Collector,
    encoding::text::encode,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use self::{connections::Connected, waiting::Waiting};
use super::View;
use crate::{
    plugin::{
        lend::Cell,
        status::{Counts, InstanceStatus, State},
    },
    telemetry,
};

/// Answers `GET /metrics`.
pub async fn answer(view: View) -> Response {
    let snapshot = Snapshot {
        instances: view.instances(),
        cells: cells(&view),
        alarms: alarms(&view).await,
        ready: view.unready().is_empty(),
        restarts: view.parts().stages.restarts(),
    };
    let mut registry = Registry::with_prefix("haetae");
    registry.register_collector(Box::new(snapshot));
    registry.register_collector(Box::new(Waiting::of(&view).await));
    registry.register_collector(Box::new(Connected::of(&view)));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}

/// Firing alarms by severity.
async fn alarms(view: &View) -> Vec<(Severity, i64)> {
    let firing = view.counts().await.map(|counts| counts.firing);
    firing
        .into_iter()
        .flatten()
        .map(|(severity, count)| (severity, i64::try_from(count).unwrap_or(i64::MAX)))
        .collect()
}

fn cells(view: &View) -> Vec<(String, Vec<Cell>)> {
    let instances = view.parts().instances.iter();
    instances.map(|(status, cells)| (status.snapshot().name, cells.snapshot())).collect()
}

#[derive(Debug)]
struct Snapshot {
    instances: Vec<InstanceStatus>,
    cells: Vec<(String, Vec<Cell>)>,
    alarms: Vec<(Severity, i64)>,
    ready: bool,
    restarts: u64,
}

type Count = fn(&Counts) -> u64;

const COUNTS: [(&str, &str, Count); 8] = [
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
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, count) in COUNTS {
            let counter = ConstCounter::new(0_u64);
            let mut family = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            for status in &self.instances {
                let labels = [("instance", status.name.as_str()), ("role", status.role.as_str())];
                let counter = ConstCounter::new(count(&status.counts));
                counter.encode(family.encode_family(&labels)?)?;
            }
        }
        let up = ConstGauge::new(0_i64);
        let mut family =
            encoder.encode_descriptor("instance_up", "Whether it works", None, up.metric_type())?;
        for status in &self.instances {
            let labels = [("instance", status.name.as_str()), ("role", status.role.as_str())];
            let up = matches!(status.state, State::Ok | State::Degraded);
            ConstGauge::new(i64::from(up)).encode(family.encode_family(&labels)?)?;
        }
        let ready = ConstGauge::new(i64::from(self.ready));
        let help = "Whether it judges and can write";
        ready.encode(encoder.encode_descriptor("ready", help, None, ready.metric_type())?)?;
        let restarts = ConstCounter::new(self.restarts);
        let help = "Stages of the daemon that were started again";
        let kind = restarts.metric_type();
        restarts.encode(encoder.encode_descriptor("stage_restarts", help, None, kind)?)?;
        let dropped = ConstCounter::new(telemetry::dropped());
        let help = "Lines of the daemon's own log that could not be written";
        let family =
            encoder.encode_descriptor("log_lines_dropped", help, None, dropped.metric_type())?;
        dropped.encode(family)?;
        let firing: Family<[(&str, &str); 1], Gauge> = Family::default();
        for (severity, count) in &self.alarms {
            firing.get_or_create(&[("severity", severity.as_str())]).set(*count);
        }
        let family = encoder.encode_descriptor(
            "alarms_firing",
            "Firing alarms",
            None,
            firing.metric_type(),
        )?;
        firing.encode(family)?;
        self.encode_cells(encoder)
    }
}

impl Snapshot {
    /// The plugins' own metrics: instances that use one name share a family.
    fn encode_cells(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut names: Vec<(&str, bool)> = Vec::new();
        for cell in self.cells.iter().flat_map(|(_, cells)| cells) {
            if !names.contains(&(cell.name.as_str(), cell.total)) {
                names.push((&cell.name, cell.total));
            }
        }
        for (name, total) in names {
            let full = format!("plugin_{name}");
            let kind = if total {
                ConstCounter::new(0.0).metric_type()
            } else {
                ConstGauge::new(0.0).metric_type()
            };
            let mut family = encoder.encode_descriptor(&full, "A plugin's own", None, kind)?;
            for (instance, cells) in &self.cells {
                for cell in cells.iter().filter(|cell| cell.name == name && cell.total == total) {
                    let labels = [("instance", instance.as_str())];
                    let metric = family.encode_family(&labels)?;
                    if total {
                        ConstCounter::new(cell.value).encode(metric)?;
                    } else {
                        ConstGauge::new(cell.value).encode(metric)?;
                    }
                }
            }
        }
        Ok(())
    }
}
