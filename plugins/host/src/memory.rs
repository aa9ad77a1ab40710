//! Memory and swap.

use std::{fs, sync::Arc};

use haetae_plugin::{Error, Result, Samples};
use sysinfo::System;

use crate::{
    family::{Family, Machine, gauge, percent, value},
    roster::Roster,
};

/// Memory and swap of the machine.
pub(crate) static MEMORY: Family = Family {
    resource: "memory",
    labels: &[],
    measures: &[
        gauge("memory_total_bytes", "bytes", "Memory that the kernel manages."),
        gauge("memory_free_bytes", "bytes", "Memory that nobody uses."),
        gauge("memory_available_bytes", "bytes", "Memory that programs can have without swapping."),
        gauge("memory_used_bytes", "bytes", "Memory that is not available."),
        gauge("memory_used_percent", "percent", "Memory that is not available, of the total."),
        gauge("memory_buffers_bytes", "bytes", "Buffers of raw block devices."),
        gauge("memory_cached_bytes", "bytes", "Page cache, without what is in swap."),
        gauge("memory_swap_cached_bytes", "bytes", "Memory that is in swap and in memory."),
        gauge("swap_total_bytes", "bytes", "Swap space."),
        gauge("swap_free_bytes", "bytes", "Swap space that is free."),
        gauge("swap_used_bytes", "bytes", "Swap space that is used."),
        gauge(
            "swap_used_percent",
            "percent",
            "Swap space that is used, of the total; 0 without swap.",
        ),
    ],
};

/// Measures memory.
pub(crate) struct Memory {
    system: System,
    roster: Roster<()>,
}

impl Memory {
    /// Measures nothing yet.
    pub(crate) fn open(machine: &Arc<Machine>) -> Result<Self> {
        Ok(Self { system: System::new()?, roster: Roster::new(&MEMORY, machine) })
    }

    /// Adds memory and swap.
    pub(crate) fn collect(&mut self, samples: &mut Samples) -> Result<()> {
        self.system.refresh_memory();
        let text = fs::read_to_string("/proc/meminfo");
        let text = text.map_err(|error| Error::from(error).context("/proc/meminfo"))?;
        let known = |bytes: u64| Some(value(bytes));
        let system = &self.system;
        let used = system.total_memory().saturating_sub(system.available_memory());
        let values = [
            known(system.total_memory()),
            known(system.free_memory()),
            known(system.available_memory()),
            known(used),
            Some(percent(used, system.total_memory())),
            bytes(&text, "Buffers").map(value),
            bytes(&text, "Cached").map(value),
            bytes(&text, "SwapCached").map(value),
            known(system.total_swap()),
            known(system.free_swap()),
            known(system.used_swap()),
            Some(percent(system.used_swap(), system.total_swap())),
        ];
        self.roster.push(samples, (), &[], &values);
        self.roster.retire(samples);
        Ok(())
    }
}

/// A field of `/proc/meminfo`, which counts in KiB.
pub(crate) fn bytes(text: &str, field: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "MemTotal:  8 kB\nSwapCached:  2 kB\nCached:  3 kB\nHugePages_Total: 4\n";
        assert_eq!(bytes(text, "Cached"), Some(3072));
        assert_eq!(bytes(text, "SwapCached"), Some(2048));
        assert_eq!(bytes(text, "HugePages_Total"), None, "not in KiB");
        assert_eq!(bytes(text, "Mem"), None);
    }
}
