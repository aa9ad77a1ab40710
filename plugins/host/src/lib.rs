//! The kind `host`: CPU, load, memory, disks, network and the largest processes of this machine.
//!
//! Every series carries `plane="host"`, `host`, `resource` and, if one address of the machine is
//! the obvious one, `ip`. A thing that vanished ends its series. Values come from `sysinfo`, and
//! from `/proc` where `sysinfo` lacks them: CPU times by mode and core (it can't tell a first or
//! too early reading from an idle machine, and misses cores that come and go), buffers and
//! caches, counts and times of disk I/O, dropped packets. Measuring takes a few milliseconds.

mod cpu;
mod disk;
mod disk_io;
mod family;
mod memory;
mod network;
mod options;
mod pattern;
mod process;
mod roster;

use std::sync::Arc;

use haetae_plugin::{Batch, Call, Context, Metric, Records, Result, Samples, Source};

use crate::{
    cpu::Cpu,
    disk::Disks,
    disk_io::DiskIo,
    family::{FAMILIES, Machine},
    memory::Memory,
    network::Network,
    options::Options,
    process::Processes,
};

haetae_plugin::export! { kind "host" { source: Host, sample: include_str!("../sample.toml") } }

/// Measures the machine that it runs on.
struct Host {
    cpu: Cpu,
    memory: Memory,
    disks: Disks,
    disk_io: DiskIo,
    network: Network,
    processes: Processes,
    /// How many points the last batch had: room for the next.
    points: usize,
}

impl Source for Host {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(options: &Options) -> Vec<Metric> {
        let yielded =
            FAMILIES.iter().filter(|family| options.processes > 0 || family.resource != "process");
        yielded.flat_map(|family| family.metrics()).collect()
    }

    fn open(options: Options, _: Context) -> Result<Self> {
        options.check()?;
        let interfaces = sysinfo::Networks::new_with_refreshed_list()?;
        let machine = Arc::new(Machine {
            host: sysinfo::System::host_name()?,
            ip: network::obvious_address(&interfaces, &options.exclude_interfaces),
        });
        let cpu = Cpu::open(&machine)?;
        Ok(Self {
            memory: Memory::open(&machine)?,
            disks: Disks::open(&machine, &options)?,
            disk_io: DiskIo::open(&machine, &options),
            network: Network::open(&machine, interfaces, &options),
            processes: Processes::open(&machine, &options, cpu.clock())?,
            cpu,
            points: 0,
        })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let mut samples = Samples::with_capacity(call.window.to, self.points);
        self.cpu.collect(&mut samples)?;
        self.memory.collect(&mut samples)?;
        let mounts = self.disks.collect(&mut samples);
        self.disk_io.collect(&mut samples, &mounts)?;
        self.network.collect(&mut samples)?;
        self.processes.collect(&mut samples, self.cpu.clock());
        self.points = samples.points().len();
        Ok(samples.into())
    }
}

#[cfg(test)]
mod tests;
