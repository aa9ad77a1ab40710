//! The largest processes.

use std::{sync::Arc, time::Duration};

use haetae_plugin::{Result, Samples, Timestamp};
use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::{
    cpu::{SECOND, SHORTEST, Ticks},
    family::{Family, Machine, gauge, value},
    options::Options,
    roster::Roster,
};

/// One process.
pub(crate) static PROCESS: Family = Family {
    resource: "process",
    labels: &["process", "pid"],
    measures: &[
        gauge("process_memory_bytes", "bytes", "Resident memory of a process among the largest."),
        gauge("process_cpu_percent", "percent", "CPU time of such a process; 100: one core."),
    ],
};

/// Measures processes.
pub(crate) struct Processes {
    system: System,
    top: usize,
    every: Duration,
    /// When the last reading was yielded.
    slot: Option<Timestamp>,
    /// The CPU's clock at the last reading.
    clock: Ticks,
    roster: Roster<(u32, String)>,
}

impl Processes {
    /// Takes the first reading, to which the next compares CPU times.
    pub(crate) fn open(machine: &Arc<Machine>, options: &Options, clock: Ticks) -> Result<Self> {
        let mut processes = Self {
            system: System::new()?,
            top: usize::try_from(options.processes).unwrap_or_default(),
            every: *options.processes_every,
            slot: None,
            clock,
            roster: Roster::new(&PROCESS, machine),
        };
        if processes.top > 0 {
            processes.read();
        }
        Ok(processes)
    }

    /// Adds the largest processes, if their time has come. `clock` is the CPU's.
    pub(crate) fn collect(&mut self, samples: &mut Samples, clock: Ticks) {
        let slot = samples.complete_until();
        let early = self.slot.is_some_and(|last| slot.since(last) < self.every);
        if self.top == 0 || early {
            return;
        }
        self.read();
        let passed = clock.saturating_sub(self.clock);
        (self.slot, self.clock) = (Some(slot), clock);
        for process in largest(&self.system, self.top) {
            let name = process.name().to_string_lossy();
            let pid = process.pid().as_u32();
            let cpu = comparable(process, passed).then(|| f64::from(process.cpu_usage()));
            let key = (pid, name.clone().into_owned());
            let values = [Some(value(process.memory())), cpu];
            self.roster.push(samples, key, &[&name, &pid.to_string()], &values);
        }
        self.roster.retire(samples);
    }

    fn read(&mut self) {
        let refresh = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, refresh);
    }
}

/// Whether the last reading, `passed` ago, saw the process and lies far enough back.
fn comparable(process: &Process, passed: Ticks) -> bool {
    passed >= SHORTEST && process.run_time().saturating_mul(SECOND) >= passed
}

/// The `count` processes with the most resident memory, in no order. Kernel threads have none.
fn largest(system: &System, count: usize) -> Vec<&Process> {
    let mut processes: Vec<_> =
        system.processes().values().filter(|process| process.memory() > 0).collect();
    if processes.len() > count {
        // Older processes first among equals, so that the choice is stable.
        processes.select_nth_unstable_by_key(count, |process| {
            (std::cmp::Reverse(process.memory()), process.pid())
        });
        processes.truncate(count);
    }
    processes
}
