//! The daemon's own log: lines on stderr, written by a thread of their own.
//!
//! Nobody waits for the log and nobody fails because of it: where stderr takes nothing (a full
//! disk, a reader that has gone or does not read), lines are dropped and counted.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    panic,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for stderr. Full: those that come are dropped.
const LINES: usize = 1024;
/// How long the end of the process waits for what was logged before.
const FLUSH: Duration = Duration::from_secs(2);

static LINES_OUT: OnceLock<SyncSender<LogLine>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum LogLine {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

/// Starts logging at `info`, one level more for each `verbose`; `quiet` leaves warnings.
pub fn start(verbose: u8, quiet: bool, coloured: bool) {
    let level = match (quiet, verbose) {
        (true, _) => Level::WARN,
        (false, 0) => Level::INFO,
        (false, 1) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() else { return };
    let (sender, entries) = mpsc::sync_channel(LINES);
    let written = thread::Builder::new().name("log".into());
    let written = written.spawn(move || write_all(entries, &mut File::from(stderr)));
    // A second start, in a test, keeps the first.
    if written.is_err() || LINES_OUT.set(sender).is_err() {
        return;
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(coloured)
        .log_internal_errors(false)
        .with_writer(Lines)
        .finish();
    drop(tracing::subscriber::set_global_default(subscriber));
    // The hook of the standard library waits for stderr.
    panic::set_hook(Box::new(|info| {
        let trace = std::backtrace::Backtrace::capture();
        let thread = thread::current();
        let name = thread.name().unwrap_or("?");
        enter(format!("thread '{name}' {info}\n{trace}\n").into_bytes());
    }));
}

/// Waits until all that was logged is written, but not for long.
pub fn flush() {
    let Some(lines) = LINES_OUT.get() else { return };
    let (done, written) = mpsc::sync_channel(1);
    // Where it is full nobody reads.
    if lines.try_send(LogLine::Flush(done)).is_ok() {
        written.recv_timeout(FLUSH).ok();
    }
}

/// How many lines could not be written.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn enter(line: Vec<u8>) {
    let Some(lines) = LINES_OUT.get() else { return };
    if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
        lines.try_send(LogLine::Line(line))
    {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes lines for as long as the process runs; after some were dropped it says how many.
fn write_all(entries: impl IntoIterator<Item = LogLine>, stderr: &mut impl Write) {
    let mut reported = 0;
    for entry in entries {
        let line = match entry {
            LogLine::Line(line) => line,
            LogLine::Flush(done) => {
                // Whoever waited may have gone.
                done.send(()).ok();
                continue;
            }
        };
        if stderr.write_all(&line).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let dropped = dropped();
        if dropped > reported {
            let more = dropped - reported;
            let said = writeln!(stderr, "{more} lines of the log were dropped before this one");
            reported = if said.is_ok() { dropped } else { reported };
        }
    }
}

/// Makes a writer for each line.
struct Lines;

/// One line, entered when it is whole.
struct LineWriter(Vec<u8>);

impl MakeWriter<'_> for Lines {
    type Writer = LineWriter;

    fn make_writer(&self) -> LineWriter {
        LineWriter(Vec::new())
    }
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        enter(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing for a while.
    struct Full {
        for_lines: u32,
        written: Vec<u8>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.for_lines > 0 {
                self.for_lines -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_afterwards() {
        let mut full = Full { for_lines: 2, written: Vec::new() };
        let lines = ["a\n", "b\n", "c\n", "d\n"].map(|line| LogLine::Line(line.into()));
        write_all(lines, &mut full);
        let text = String::from_utf8(full.written).unwrap();
        assert_eq!(text, "c\n2 lines of the log were dropped before this one\nd\n");
        assert_eq!(dropped(), 2);
    }
}
