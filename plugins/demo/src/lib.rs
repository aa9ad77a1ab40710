//! The kind `demo`: a simulated platform of 2 zones, 12 cells and 140 containers.
//!
//! Values are functions of time and seed alone: two instances agree, and a test knows what comes.
//! In every cycle the containers of one application breach their memory, for the middle half of
//! the cycle, and recover; the next cycle it is the next application. In every third cycle the
//! CPU of a cell does so too. All other values stay under 80 percent.

mod platform;
mod schedule;

use std::time::Duration as Std;

use haetae_plugin::{
    Batch, Call, Context, Kind, Metric, Records, Result, Samples, Source, options::Duration,
};

use crate::{platform::Platform, schedule::Schedule};

haetae_plugin::export! { kind "demo" { source: Demo, sample: include_str!("../sample.toml") } }

/// The options of the kind `demo`.
#[haetae_plugin::options]
#[serde(default)]
struct Options {
    /// The time in which one application breaches and recovers.
    cycle: Duration,
    /// Another seed is another platform: other values, another order.
    seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cycle: Std::from_secs(20).into(), seed: 1 }
    }
}

struct Demo {
    platform: Platform,
    schedule: Schedule,
}

impl Source for Demo {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(_: &Options) -> Vec<Metric> {
        let cell = ["plane", "resource", "host", "zone", "cell"];
        let container =
            ["plane", "resource", "host", "zone", "cell", "application", "instance", "container"];
        let gauge = |name, unit, help| Metric::new(name, unit, Kind::GAUGE, help);
        vec![
            gauge("cell_cpu_used_percent", "percent", "CPU of a cell.").labels(&cell),
            gauge("cell_memory_used_percent", "percent", "Memory of a cell.").labels(&cell),
            gauge("container_cpu_used_percent", "percent", "CPU of a container, of its share.")
                .labels(&container),
            gauge(
                "container_memory_used_percent",
                "percent",
                "Memory of a container, of its limit.",
            )
            .labels(&container),
            gauge("container_instances", "1", "Running containers of an application.").labels(&[
                "plane",
                "resource",
                "application",
            ]),
        ]
    }

    fn open(options: Options, _: Context) -> Result<Self> {
        let schedule = Schedule::new(*options.cycle, options.seed)?;
        Ok(Self { platform: Platform::new(options.seed), schedule })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let now = call.window.to;
        let mut samples = Samples::with_capacity(now, platform::SERIES);
        let breaches = self.schedule.at(now);
        for gauge in self.platform.gauges() {
            let value =
                if breaches.hit(gauge.breaks) { gauge.breach(now) } else { gauge.usual(now) };
            samples.push(&gauge.series, value);
        }
        for (series, instances) in self.platform.instances() {
            samples.push(series, *instances);
        }
        Ok(samples.into())
    }
}

#[cfg(test)]
mod tests;
