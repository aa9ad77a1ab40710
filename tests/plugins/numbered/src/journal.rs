//! The log: `open`, `yielded BATCH FIRST POINTS TIME`, `acked BATCH`, each ended by ` .`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use haetae_plugin::Timestamp;

/// The log of a source.
pub(crate) struct Journal {
    file: File,
    last: Yielded,
}

/// A batch: points with consecutive numbers, a nanosecond apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Yielded {
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) points: u32,
    pub(crate) time: Timestamp,
}

impl Journal {
    /// Goes on where it ended.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let last = text.lines().rev().find_map(parsed).unwrap_or_default();
        let mut journal = Self { file, last };
        // A line that a kill tore is nobody's.
        journal.line(if text.is_empty() || text.ends_with('\n') { "open" } else { "\nopen" })?;
        Ok(journal)
    }

    /// Writes down the next batch.
    pub(crate) fn begin(&mut self, now: Timestamp, points: u32) -> io::Result<Yielded> {
        let Yielded { number, first, points: before, time } = self.last;
        let after = Timestamp::from_nanos(time.nanos().saturating_add(before.into()));
        let (number, first) = (number + 1, first + u64::from(before));
        let batch = Yielded { number, first, points, time: now.max(after) };
        self.line(&format!("yielded {number} {first} {points} {}", batch.time.nanos()))?;
        self.last = batch;
        Ok(batch)
    }

    /// Writes down that a batch was acknowledged.
    pub(crate) fn acked(&mut self, batch: u64) -> io::Result<()> {
        self.line(&format!("acked {batch}"))
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(format!("{text} .\n").as_bytes())?;
        self.file.sync_data()
    }
}

fn parsed(line: &str) -> Option<Yielded> {
    let words: Vec<_> = line.split(' ').collect();
    let ["yielded", number, first, points, time, "."] = words[..] else { return None };
    Some(Yielded {
        number: number.parse().ok()?,
        first: first.parse().ok()?,
        points: points.parse().ok()?,
        time: Timestamp::from_nanos(time.parse().ok()?),
    })
}
