//! CPU usage by core and in all, load, uptime.

use std::{fs, sync::Arc};

use haetae_plugin::{Error, Result, Samples};
use sysinfo::System;

use crate::{
    family::{Family, Machine, gauge, percent, value},
    roster::Roster,
};

/// One core.
pub(crate) static CORE: Family = Family {
    resource: "cpu",
    labels: &["core"],
    measures: &[gauge(
        "cpu_used_percent",
        "percent",
        "Time that a core was not idle since the last reading.",
    )],
};

/// All cores together.
pub(crate) static TOTAL: Family = Family {
    resource: "cpu",
    labels: &[],
    measures: &[
        gauge(
            "cpu_total_used_percent",
            "percent",
            "Time that all cores were not idle; 100: all busy.",
        ),
        gauge("cpu_total_user_percent", "percent", "Time in programs, also niced ones and guests."),
        gauge("cpu_total_system_percent", "percent", "Time in the kernel, also in interrupts."),
        gauge("cpu_total_iowait_percent", "percent", "Idle time while I/O was awaited."),
        gauge("cpu_total_steal_percent", "percent", "Time that the hypervisor gave to others."),
    ],
};

/// What `uptime` shows.
pub(crate) static LOAD: Family = Family {
    resource: "cpu",
    labels: &[],
    measures: &[
        gauge("load_1m", "1", "Mean of runnable and blocked tasks over 1 minute."),
        gauge("load_5m", "1", "Mean of runnable and blocked tasks over 5 minutes."),
        gauge("load_15m", "1", "Mean of runnable and blocked tasks over 15 minutes."),
        gauge("cpu_cores", "1", "Number of cores that are online."),
        gauge("uptime_seconds", "seconds", "Time since the machine started."),
    ],
};

/// Measures the CPU.
pub(crate) struct Cpu {
    last: Stat,
    clock: Ticks,
    cores: Roster<String>,
    total: Roster<()>,
    load: Roster<()>,
}

/// Time in units of the kernel's clock, 1/100 s.
pub(crate) type Ticks = u64;

/// A second of them.
pub(crate) const SECOND: Ticks = 100;

/// A shorter time is too coarse for a percentage.
pub(crate) const SHORTEST: Ticks = 20;

impl Cpu {
    /// Takes the first reading, to which the next is compared.
    pub(crate) fn open(machine: &Arc<Machine>) -> Result<Self> {
        let last = Stat::read()?;
        Ok(Self {
            clock: last.clock(),
            last,
            cores: Roster::new(&CORE, machine),
            total: Roster::new(&TOTAL, machine),
            load: Roster::new(&LOAD, machine),
        })
    }

    /// Adds usage, if enough time has passed since the last reading, load and uptime.
    pub(crate) fn collect(&mut self, samples: &mut Samples) -> Result<()> {
        let stat = Stat::read()?;
        self.clock = stat.clock();
        let cores = u64::try_from(stat.cores.len()).unwrap_or_default();
        self.usage(samples, stat);
        let load = System::load_average()?;
        let values = [load.one, load.five, load.fifteen, value(cores), value(System::uptime()?)];
        self.load.push(samples, (), &[], &values.map(Some));
        Ok(())
    }

    /// The time that a core spent in all modes up to the last reading: a clock that only grows.
    pub(crate) fn clock(&self) -> Ticks {
        self.clock
    }

    fn usage(&mut self, samples: &mut Samples, stat: Stat) {
        let Some(total) = usage(stat.total, self.last.total, SHORTEST * stat.width()) else {
            return; // The last reading stays: the next one is compared to it.
        };
        self.total.push(samples, (), &[], &total.map(Some));
        for (core, times) in &stat.cores {
            let before = self.last.cores.iter().find(|(known, _)| known == core);
            let usage = before.and_then(|(_, before)| usage(*times, *before, SHORTEST / 2));
            self.cores.push(samples, core.clone(), &[core], &[usage.map(|[used, ..]| used)]);
        }
        self.cores.retire(samples);
        self.last = stat;
    }
}

/// The CPU lines of `/proc/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    total: Times,
    cores: Vec<(String, Times)>,
}

/// Time by mode since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Times {
    user: Ticks,
    system: Ticks,
    idle: Ticks,
    iowait: Ticks,
    steal: Ticks,
}

impl Stat {
    fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat");
        let text = text.map_err(|error| Error::from(error).context("/proc/stat"))?;
        Self::parse(&text).ok_or_else(|| Error::failed("/proc/stat has no line `cpu`"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map_while(|line| {
            let mut fields = line.strip_prefix("cpu")?.splitn(2, ' ');
            let core = fields.next()?;
            Some((core.to_owned(), Times::parse(fields.next()?)?))
        });
        let (_, total) = lines.next().filter(|(core, _)| core.is_empty())?;
        Some(Self { total, cores: lines.collect() })
    }

    fn width(&self) -> u64 {
        u64::try_from(self.cores.len()).unwrap_or_default().max(1)
    }

    fn clock(&self) -> Ticks {
        self.total.sum() / self.width()
    }
}

impl Times {
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<Ticks>().ok());
        let mut next = || fields.next().flatten();
        let (user, nice, system, idle) = (next()?, next()?, next()?, next()?);
        let [iowait, irq, softirq, steal] = [(); 4].map(|()| next().unwrap_or_default());
        // Guests' time is part of user and nice.
        Some(Self { user: user + nice, system: system + irq + softirq, idle, iowait, steal })
    }

    fn sum(self) -> Ticks {
        self.user + self.system + self.idle + self.iowait + self.steal
    }
}

/// Used, user, system, iowait and steal in percent of the time between two readings.
fn usage(now: Times, before: Times, shortest: Ticks) -> Option<[f64; 5]> {
    let passed = Times {
        user: now.user.saturating_sub(before.user),
        system: now.system.saturating_sub(before.system),
        idle: now.idle.saturating_sub(before.idle),
        iowait: now.iowait.saturating_sub(before.iowait), // known to run backwards
        steal: now.steal.saturating_sub(before.steal),
    };
    let all = passed.sum();
    let used = passed.user + passed.system + passed.steal;
    let parts = [used, passed.user, passed.system, passed.iowait, passed.steal];
    (all >= shortest).then(|| parts.map(|part| percent(part, all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cpu  100 10 50 800 20 5 5 10 7 0\n\
                        cpu0 60 5 25 400 5 2 3 0 7 0\n\
                        cpu11 40 5 25 400 15 3 2 10 0 0\n\
                        intr 1 2 3\ncpufoo 1 2 3 4\n";

    #[test]
    fn cores_are_read_up_to_the_first_other_line() {
        let stat = Stat::parse(TEXT).unwrap();
        assert_eq!(stat.total, Times { user: 110, system: 60, idle: 800, iowait: 20, steal: 10 });
        assert_eq!(
            stat.cores.iter().map(|(core, _)| core.as_str()).collect::<Vec<_>>(),
            ["0", "11"]
        );
        assert_eq!(stat.clock(), 500);
    }

    #[test]
    fn text_without_the_total_is_no_reading() {
        for text in ["", "cpu", "cpu  1 2", "cpu0 1 2 3 4\n", "cpu  a b c d\n"] {
            assert_eq!(Stat::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn usage_is_the_share_of_the_time_that_passed() {
        let before = Times { user: 100, system: 100, idle: 100, iowait: 100, steal: 100 };
        let now = Times { user: 130, system: 120, idle: 130, iowait: 110, steal: 110 };
        assert_eq!(usage(now, before, 100), Some([60.0, 30.0, 20.0, 10.0, 10.0]));
        assert_eq!(usage(now, before, 101), None, "too little time has passed");
        assert_eq!(usage(before, before, 1), None, "no time has passed");
    }

    #[test]
    fn a_mode_that_runs_backwards_counts_nothing() {
        let before = Times { iowait: 50, ..Times::default() };
        let now = Times { user: 25, idle: 75, iowait: 40, ..Times::default() };
        assert_eq!(usage(now, before, 1), Some([25.0, 25.0, 0.0, 0.0, 0.0]));
    }
}
