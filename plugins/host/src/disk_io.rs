//! Reads and writes by block device.

use std::{fs, path::Path, sync::Arc};

use haetae_plugin::{Error, Result, Samples};

use crate::{
    disk::Mounts,
    family::{Family, Machine, counter, value},
    options::Options,
    pattern::{Pattern, included},
    roster::Roster,
};

/// One block device: a whole disk, or a part of one that is mounted.
pub(crate) static DISK_IO: Family = Family {
    resource: "disk",
    labels: &["device", "mount"],
    measures: &[
        counter("disk_read_count", "1", "Reads that were completed."),
        counter("disk_write_count", "1", "Writes that were completed."),
        counter("disk_read_bytes", "bytes", "Bytes that were read."),
        counter("disk_written_bytes", "bytes", "Bytes that were written."),
        counter("disk_read_seconds", "seconds", "Time of all reads together."),
        counter("disk_write_seconds", "seconds", "Time of all writes together."),
        counter("disk_io_seconds", "seconds", "Time in which the device was busy."),
    ],
};

/// Measures the I/O of disks.
pub(crate) struct DiskIo {
    exclude: Vec<Pattern>,
    roster: Roster<[String; 2]>,
}

impl DiskIo {
    /// Measures nothing yet.
    pub(crate) fn open(machine: &Arc<Machine>, options: &Options) -> Self {
        Self { exclude: options.exclude_devices.clone(), roster: Roster::new(&DISK_IO, machine) }
    }

    /// Adds the I/O of whole disks and of mounted devices.
    pub(crate) fn collect(&mut self, samples: &mut Samples, mounts: &Mounts) -> Result<()> {
        let text = fs::read_to_string("/proc/diskstats");
        let text = text.map_err(|error| Error::from(error).context("/proc/diskstats"))?;
        for line in text.lines() {
            let Some(device) = Device::parse(line) else {
                continue;
            };
            let mount = mounts.get(&device.number).map_or("", String::as_str);
            let measured = included(device.name, &self.exclude);
            if measured && (!mount.is_empty() || whole(device.name)) {
                let key = [device.name.into(), mount.into()];
                let values = device.values.map(Some);
                self.roster.push(samples, key, &[device.name, mount], &values);
            }
        }
        self.roster.retire(samples);
        Ok(())
    }
}

/// A line of `/proc/diskstats`.
#[derive(Debug, PartialEq)]
struct Device<'a> {
    number: u64,
    name: &'a str,
    values: [f64; 7],
}

impl<'a> Device<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let major = fields.next()?.parse().ok()?;
        let minor = fields.next()?.parse().ok()?;
        let name = fields.next()?;
        let mut next = || fields.next()?.parse::<u64>().ok().map(value);
        let (reads, _merged, sectors_read, read_ms) = (next()?, next()?, next()?, next()?);
        let (writes, _merged, sectors_written, write_ms) = (next()?, next()?, next()?, next()?);
        let (_in_flight, busy_ms) = (next()?, next()?);
        // A sector is 512 bytes here whatever the device's are.
        let values = [
            reads,
            writes,
            512.0 * sectors_read,
            512.0 * sectors_written,
            read_ms / 1e3,
            write_ms / 1e3,
            busy_ms / 1e3,
        ];
        Some(Self { number: rustix::fs::makedev(major, minor), name, values })
    }
}

/// Whether it is a whole disk, not a part of one.
fn whole(device: &str) -> bool {
    Path::new("/sys/block").join(device.replace('/', "!")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_position() {
        let line = " 254 1 vda1 10 20 30 4000 50 60 70 8000 0 9000 17000 1 2 3 4";
        let device = Device::parse(line).unwrap();
        assert_eq!(device.name, "vda1");
        assert_eq!(device.number, 254 * 256 + 1);
        assert_eq!(format!("{:?}", device.values), "[10.0, 50.0, 15360.0, 35840.0, 4.0, 8.0, 9.0]");
        assert_eq!(Device::parse("254 1 vda1 10 20"), None);
        assert_eq!(Device::parse(""), None);
    }
}
