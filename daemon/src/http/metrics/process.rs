//! Metrics of the process, under the names that every exporter has them.

use std::fs;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use rustix::param::{clock_ticks_per_second, page_size};

use super::families::Families;
use crate::descriptors;
use haetae_plugin::Timestamp;

/// What the system says of the process.
#[derive(Debug)]
pub(super) struct Process {
    started: Timestamp,
    stat: Option<Stat>,
    open: Option<usize>,
}

/// A part of `/proc/self/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// In user and in system mode.
    cpu_ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Process {
    /// Asks the system; `started` is when the daemon did.
    pub(super) fn now(started: Timestamp) -> Self {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.as_deref().and_then(Stat::parse);
        Self { started, stat, open: descriptors::open() }
    }
}

impl Stat {
    /// The name may have spaces and brackets in it: what counts comes after the last of them.
    fn parse(line: &str) -> Option<Self> {
        let (_, fields) = line.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // In proc(5) the first of these is number 3.
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        let cpu_ticks: u64 = field(14)? + field(15)?;
        Some(Self { cpu_ticks, threads: field(20)?, resident_pages: field(24)? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are more than a million years")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        let one = |value| [(Vec::new(), value)];
        if let Some(Stat { cpu_ticks, threads, resident_pages }) = self.stat {
            let help = "Time that it was on a CPU, in user and system mode";
            families.counter("cpu_seconds", help, [(Vec::new(), seconds(cpu_ticks))])?;
            let resident = resident_pages * page_size() as u64;
            families.gauge("resident_memory_bytes", "Memory that it has", one(resident))?;
            families.gauge("threads", "Its threads", one(threads))?;
        }
        if let Some(open) = self.open {
            families.gauge("open_fds", "Files that it has open", one(open as u64))?;
        }
        let limit = descriptors::limit();
        families.gauge("max_fds", "Files that it may have open", one(limit))?;
        let (help, started) = ("When it started, since 1970", self.started.seconds());
        families.gauge("start_time_seconds", help, [(Vec::new(), started)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_name_is() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 500 0 3 0 17 5 0 0 20 0 9 0 700 8000 321 \
                    18446744073709551615 1 1 0";
        let stat = Stat { cpu_ticks: 22, threads: 9, resident_pages: 321 };
        assert_eq!(Stat::parse(line), Some(stat));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_has_threads_memory_and_files() {
        let process = Process::now(Timestamp::default());
        let stat = process.stat.unwrap();
        assert!(stat.threads > 0 && stat.resident_pages > 100, "{stat:?}");
        assert!(process.open.unwrap() >= 3);
    }
}
