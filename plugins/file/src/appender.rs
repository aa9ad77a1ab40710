//! A file that grows by whole batches of lines.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file that grows by whole batches of lines.
pub(crate) struct Appender {
    path: PathBuf,
    file: File,
}

/// How much of a batch is in memory.
const BUFFER: usize = 64 * 1024;

impl Appender {
    /// Opens the file, or creates it.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = opened(&path)?;
        Ok(Self { path, file })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends what `lines` writes and returns once it is on the disk. Failing, the file is as
    /// it was.
    pub(crate) fn append(
        &mut self,
        lines: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.rotated()? {
            self.file = opened(&self.path)?;
        }
        // Other instances may append to it: what is taken back must be our own.
        self.file.lock()?;
        let appended = self.append_locked(lines);
        let unlocked = self.file.unlock();
        appended.and(unlocked)
    }

    fn append_locked(
        &self,
        lines: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.file.metadata()?;
        let written = self.write(before.len(), lines);
        if !before.is_file() {
            return written; // A device or a pipe stores nothing.
        }
        let stored = written.and_then(|()| self.file.sync_data());
        if stored.is_err() {
            // If this fails too, the next batch ends the torn line.
            self.file.set_len(before.len())?;
        }
        stored
    }

    fn write(
        &self,
        length: u64,
        lines: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(BUFFER, &self.file);
        let torn = self.torn(length)?;
        let end = if torn { writer.write_all(b"\n") } else { Ok(()) };
        let written = end.and_then(|()| lines(&mut writer)).and_then(|()| writer.flush());
        // Dropped, the writer would try once more to write what failed.
        drop(writer.into_parts());
        written
    }

    /// Whether the last line lacks its end: a crash, or someone else's hand.
    fn torn(&self, length: u64) -> io::Result<bool> {
        let Some(last) = length.checked_sub(1) else {
            return Ok(false);
        };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        Ok(byte != *b"\n")
    }

    /// Whether the path leads to another file than the one that is open, or to none.
    fn rotated(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(theirs) => Ok((ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(0o640).open(path)?;
    if file.metadata()?.len() == 0
        && let Some(directory) = path.parent()
    {
        // A new file's name is durable once its directory is.
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}
