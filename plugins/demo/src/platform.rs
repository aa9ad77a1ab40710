//! The platform: what there is, and what it usually measures.

use std::f64::consts::TAU;

use haetae_plugin::{Series, SeriesBuilder, Timestamp};

use crate::schedule::Breaks;

/// The applications; each has as many containers as the others.
pub(crate) const APPLICATIONS: [&str; 20] = [
    "accounts",
    "basket",
    "billing",
    "calendar",
    "catalogue",
    "chat",
    "documents",
    "exchange",
    "gateway",
    "identity",
    "library",
    "mail",
    "maps",
    "orders",
    "payments",
    "portal",
    "reports",
    "search",
    "tickets",
    "weather",
];
/// How many cells there are.
pub(crate) const CELLS: usize = 12;
/// How many series there are.
pub(crate) const SERIES: usize = 2 * CELLS + 2 * CONTAINERS + APPLICATIONS.len();

const ZONES: usize = 2;
const CONTAINERS: usize = 140;
const INSTANCES: usize = CONTAINERS / APPLICATIONS.len();

/// All series of the simulation, built once.
pub(crate) struct Platform {
    gauges: Vec<Gauge>,
    instances: Vec<(Series, f64)>,
}

/// A series that wanders about its own mean.
pub(crate) struct Gauge {
    pub(crate) series: Series,
    pub(crate) breaks: Breaks,
    seed: u64,
}

impl Platform {
    /// The platform of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut platform = Self { gauges: Vec::with_capacity(SERIES), instances: Vec::new() };
        for cell in 0..CELLS {
            let at = on_cell(cell);
            platform.add(seed, at("cell_cpu_used_percent", "cpu"), Breaks::Cell(cell));
            platform.add(seed, at("cell_memory_used_percent", "memory"), Breaks::Never);
        }
        for container in 0..CONTAINERS {
            let (application, instance) = (container / INSTANCES, container % INSTANCES);
            let name = APPLICATIONS.get(application).copied().unwrap_or_default();
            let id = format!("{:012x}", mixed(seed ^ wide(container)) >> 16);
            let labelled = |series: SeriesBuilder| {
                series
                    .label("application", name)
                    .label("instance", instance.to_string())
                    .label("container", &id)
            };
            // Neighbours lie on different cells.
            let at = on_cell((application + 5 * instance) % CELLS);
            let cpu = labelled(at("container_cpu_used_percent", "cpu"));
            platform.add(seed, cpu, Breaks::Never);
            let memory = labelled(at("container_memory_used_percent", "memory"));
            platform.add(seed, memory, Breaks::Application(application));
        }
        platform.instances = APPLICATIONS.iter().map(|name| instances(name)).collect();
        platform
    }

    /// What has a usual value and may breach.
    pub(crate) fn gauges(&self) -> &[Gauge] {
        &self.gauges
    }

    /// The number of containers of each application.
    pub(crate) fn instances(&self) -> &[(Series, f64)] {
        &self.instances
    }

    fn add(&mut self, seed: u64, series: SeriesBuilder, breaks: Breaks) {
        let seed = mixed(seed.wrapping_add(wide(self.gauges.len())));
        self.gauges.push(Gauge { series: series.build(), breaks, seed });
    }
}

impl Gauge {
    /// The value of quiet times: 15 to 75, slowly wandering.
    pub(crate) fn usual(&self, now: Timestamp) -> f64 {
        let mean = 25.0 + 40.0 * fraction(self.seed);
        let period = 60_000 + 1000 * i64::from(self.seed.to_le_bytes()[0]); // 1 to 5 minutes
        let turn = share(now.millis().rem_euclid(period), period) + fraction(mixed(self.seed));
        mean + 8.0 * (TAU * turn).sin() + 2.0 * self.noise(now)
    }

    /// The value of a breach: 95 to 97.
    pub(crate) fn breach(&self, now: Timestamp) -> f64 {
        96.0 + self.noise(now)
    }

    /// From -1 to 1, another each time.
    fn noise(&self, now: Timestamp) -> f64 {
        2.0 * fraction(mixed(self.seed ^ now.nanos().cast_unsigned())) - 1.0
    }
}

/// Starts gauges of one cell.
fn on_cell(cell: usize) -> impl Fn(&str, &str) -> SeriesBuilder {
    move |name, resource| {
        let host = format!("cell-{:02}", cell + 1);
        Series::gauge(name, "percent")
            .label("plane", "paas")
            .label("resource", resource)
            .label("zone", format!("z{}", cell % ZONES + 1))
            .label("cell", &host)
            .label("host", host)
    }
}

#[expect(clippy::cast_precision_loss, reason = "seven")]
fn instances(application: &str) -> (Series, f64) {
    let series = Series::gauge("container_instances", "1")
        .label("plane", "paas")
        .label("resource", "container")
        .label("application", application);
    (series.build(), INSTANCES as f64)
}

fn wide(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

/// Well mixed bits of `seed` (splitmix64).
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

/// `bits` as a number from 0 to below 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[expect(clippy::cast_precision_loss, reason = "some hundred thousand at most")]
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}
