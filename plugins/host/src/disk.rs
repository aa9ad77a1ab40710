//! Space and inodes by mount.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use haetae_plugin::{Result, Samples};
use sysinfo::{Disk, DiskRefreshKind};

use crate::{
    family::{Family, Machine, gauge, percent, value},
    options::Options,
    pattern::{Pattern, included},
    roster::Roster,
};

/// One mounted file system.
pub(crate) static DISK: Family = Family {
    resource: "disk",
    labels: &["mount", "device", "file_system"],
    measures: &[
        gauge("disk_total_bytes", "bytes", "Size of a mounted file system."),
        gauge("disk_used_bytes", "bytes", "Space that files use."),
        gauge(
            "disk_available_bytes",
            "bytes",
            "Space that is left to programs without privileges.",
        ),
        gauge(
            "disk_used_percent",
            "percent",
            "Used space, of used and available, as `df` shows it.",
        ),
        gauge("disk_inodes_total", "1", "Number of files that the file system can hold."),
        gauge("disk_inodes_used_percent", "percent", "Inodes that are used, of the total."),
    ],
};

/// Measures the space of disks.
pub(crate) struct Disks {
    mounted: sysinfo::Disks,
    exclude_file_systems: Vec<Pattern>,
    exclude_mounts: Vec<Pattern>,
    roster: Roster<[String; 3]>,
}

/// Mount points by device number: the shortest of each device.
pub(crate) type Mounts = BTreeMap<u64, String>;

impl Disks {
    /// Measures nothing yet.
    pub(crate) fn open(machine: &Arc<Machine>, options: &Options) -> Result<Self> {
        Ok(Self {
            mounted: sysinfo::Disks::new()?,
            exclude_file_systems: options.exclude_file_systems.clone(),
            exclude_mounts: options.exclude_mounts.clone(),
            roster: Roster::new(&DISK, machine),
        })
    }

    /// Adds the space of each mount, and names the mounts.
    pub(crate) fn collect(&mut self, samples: &mut Samples) -> Mounts {
        self.mounted.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
        let mut mounts = Mounts::new();
        for disk in &self.mounted {
            let mount = disk.mount_point().to_string_lossy();
            let file_system = disk.file_system().to_string_lossy();
            if !included(&mount, &self.exclude_mounts)
                || !included(&file_system, &self.exclude_file_systems)
                || disk.total_space() == 0
            {
                continue;
            }
            let device = disk.name().to_string_lossy();
            let key = [&mount, &device, &file_system].map(|part| part.clone().into_owned());
            self.roster.push(samples, key, &[&mount, &device, &file_system], &space(disk));
            if let Some(number) = disk.id() {
                let known = mounts.entry(number).or_insert_with(|| mount.clone().into_owned());
                if mount.len() < known.len() {
                    *known = mount.into_owned();
                }
            }
        }
        self.roster.retire(samples);
        mounts
    }
}

fn space(disk: &Disk) -> [Option<f64>; 6] {
    let (total, available) = (disk.total_space(), disk.available_space());
    let rest = Rest::of(disk.mount_point());
    let used = rest.as_ref().map(|rest| total.saturating_sub(rest.free_bytes));
    // File systems that make inodes as needed say 0.
    let inodes = rest.filter(|rest| rest.inodes > 0);
    [
        Some(value(total)),
        used.map(value),
        Some(value(available)),
        used.map(|used| percent(used, used.saturating_add(available))),
        inodes.as_ref().map(|rest| value(rest.inodes)),
        inodes.map(|rest| percent(rest.inodes.saturating_sub(rest.free_inodes), rest.inodes)),
    ]
}

/// What `sysinfo` doesn't say of a mount.
struct Rest {
    free_bytes: u64,
    inodes: u64,
    free_inodes: u64,
}

impl Rest {
    fn of(mount: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(mount).ok()?;
        Some(Self {
            free_bytes: stat.f_bfree.saturating_mul(stat.f_frsize),
            inodes: stat.f_files,
            free_inodes: stat.f_ffree,
        })
    }
}
