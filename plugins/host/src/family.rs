//! Families: metrics that share their labels, documented where they are measured.

use haetae_plugin::{Kind, Metric, Series};

use crate::{cpu, disk, disk_io, memory, network, process};

/// Metrics of one kind of thing: a core, a mount, a process.
pub(crate) struct Family {
    /// The label `resource`.
    pub(crate) resource: &'static str,
    /// The names of the labels that tell one thing from another.
    pub(crate) labels: &'static [&'static str],
    /// The metrics, in the order in which their values are pushed.
    pub(crate) measures: &'static [Measure],
}

/// One metric of a family.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// The machine that is measured.
pub(crate) struct Machine {
    /// Its name.
    pub(crate) host: String,
    /// Its obvious address; empty if there is none.
    pub(crate) ip: String,
}

/// All that this plugin yields.
pub(crate) static FAMILIES: &[&Family] = &[
    &cpu::CORE,
    &cpu::TOTAL,
    &cpu::LOAD,
    &memory::MEMORY,
    &disk::DISK,
    &disk_io::DISK_IO,
    &network::NETWORK,
    &process::PROCESS,
];

impl Family {
    /// Its documentation.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = Metric> {
        let mut labels = vec!["plane", "host", "ip", "resource"];
        labels.extend(self.labels);
        self.measures.iter().map(move |measure| {
            Metric::new(measure.name, measure.unit, measure.kind, measure.help).labels(&labels)
        })
    }

    /// The series of the thing on `machine` whose labels have these `values`.
    pub(crate) fn series(&self, machine: &Machine, values: &[&str]) -> Box<[Series]> {
        let series = |measure: &Measure| {
            let series = match measure.kind {
                Kind::COUNTER => Series::counter(measure.name, measure.unit),
                _ => Series::gauge(measure.name, measure.unit),
            };
            let series = series
                .label("plane", "host")
                .label("host", &machine.host)
                .label("ip", &machine.ip)
                .label("resource", self.resource);
            let labels = self.labels.iter().zip(values);
            labels.fold(series, |series, (&name, &value)| series.label(name, value)).build()
        };
        self.measures.iter().map(series).collect()
    }
}

/// A gauge.
pub(crate) const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Measure {
    Measure { name, unit, kind: Kind::GAUGE, help }
}

/// A counter.
pub(crate) const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Measure {
    Measure { name, unit, kind: Kind::COUNTER, help }
}

/// A count as a value.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, that is 8 PiB")]
pub(crate) fn value(count: u64) -> f64 {
    count as f64
}

/// `part` of `whole` in percent; nothing of nothing is 0.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * value(part) / value(whole) }
}
