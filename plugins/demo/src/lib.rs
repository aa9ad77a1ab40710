//! The kind `demo`: a simulated platform of 2 zones, 12 cells and 140 containers. The kind
//! `demo-log`: the lines that its log router sends.
//!
//! Values are functions of time and seed alone: two instances agree, and a test knows what comes.
//! In every cycle the containers of one application breach their memory, for the middle half of
//! the cycle, and recover; the next cycle it is the next application. In every third cycle the
//! CPU of a cell does so too. All other values stay under 80 percent.

mod platform;
mod schedule;
mod stream;

use std::time::Duration as Std;

use haetae_plugin::{
    Batch, Call, Context, Kind, Metric, Records, Result, Samples, Source, options::Duration,
};

use crate::{platform::Platform, schedule::Schedule, stream::Stream};

haetae_plugin::export! {
    kind "demo" { source: Demo, sample: include_str!("../sample.toml") }
    kind "demo-log" { source: DemoLog, sample: include_str!("../sample-log.toml") }
}

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

/// The options of the kind `demo-log`.
#[haetae_plugin::options]
#[serde(default)]
struct LogOptions {
    /// Lines a second.
    per_second: u32,
    /// In each cycle an application runs out of memory; in every third one no heartbeat comes.
    cycle: Duration,
    /// Another seed is another stream.
    seed: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { per_second: 20, cycle: Std::from_secs(20).into(), seed: 1 }
    }
}

/// The lines since the window that was acknowledged last, at the times that they are of: after a
/// kill the same ones come again.
struct DemoLog(Stream);

impl Source for DemoLog {
    const YIELDS: &'static [Records] = &[Records::Logs];
    type Options = LogOptions;

    fn open(options: LogOptions, _: Context) -> Result<Self> {
        Stream::new(options.per_second, *options.cycle, options.seed).map(Self)
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        Ok(self.0.logs(call.window).into())
    }
}

#[cfg(test)]
mod tests;
