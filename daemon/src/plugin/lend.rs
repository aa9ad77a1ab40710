//! What the daemon lends to an instance: log, time, secrets, HTTP, metrics, a directory.

use std::{
    io,
    os::fd::BorrowedFd,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use haetae_plugin::{
    Error, Level, Reference, Result, Timestamp,
    abi::{Exchanged, Lend},
    http::Request,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

pub use super::http::Pool;
use super::sockets::Sockets;
use crate::{
    clock::{self, Clock},
    config::secret,
    redact::Secrets,
};

/// Names of metrics that one instance may have.
const CELLS: usize = 64;
/// Lines that one instance may log in a [`LOG_PERIOD`]; further ones are counted.
const LOG_LINES: u32 = 100;
const LOG_PERIOD: Duration = Duration::from_secs(10);
/// Bytes of a log line that are kept.
const LOG_LINE: usize = 4096;

/// The metrics of an instance; they outlive its reopening.
#[derive(Clone, Debug, Default)]
pub struct Cells(Arc<Mutex<Vec<Cell>>>);

/// One metric of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name, as the plugin gave it.
    pub name: String,
    /// Whether it is a counter.
    pub total: bool,
    /// Its value.
    pub value: f64,
}

/// What all instances share.
#[derive(Clone)]
pub struct Shared {
    /// The daemon's clock.
    pub clock: Clock,
    /// The HTTP clients.
    pub http: Arc<Pool>,
    /// `<state>/instances`; none while nothing may be written.
    pub instances: Option<PathBuf>,
}

/// What one opened instance is lent.
pub struct Lent {
    name: String,
    shared: Shared,
    cells: Cells,
    cancelled: CancellationToken,
    poison: OnceLock<String>,
    lines: Mutex<Lines>,
    sockets: Sockets,
    secrets: Secrets,
}

/// How much was logged in this period.
struct Lines {
    since: Instant,
    written: u32,
    dropped: u64,
}

impl Lent {
    /// What the instance `name` is lent until `cancelled`.
    pub fn new(name: &str, shared: Shared, cells: Cells, cancelled: CancellationToken) -> Self {
        let lines = Lines { since: clock::monotonic(), written: 0, dropped: 0 };
        Self {
            name: name.into(),
            shared,
            cells,
            cancelled,
            poison: OnceLock::new(),
            lines: Mutex::new(lines),
            sockets: Sockets::default(),
            secrets: Secrets::default(),
        }
    }

    /// With what a thread of the instance panicked.
    pub fn poison(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// Says that the instance is being closed.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Shuts down the sockets that the instance has lent; whether there was any.
    pub fn shut_sockets(&self) -> bool {
        self.sockets.shut_down()
    }

    /// The credentials that the instance has asked for.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Counts a line; `None` if it is one too many, else how many were dropped before it.
    fn may_log(&self) -> Option<u64> {
        let mut lines = locked(&self.lines);
        if lines.since.elapsed() >= LOG_PERIOD {
            let dropped = lines.dropped;
            *lines = Lines { since: clock::monotonic(), written: 1, dropped: 0 };
            return Some(dropped);
        }
        lines.written += 1;
        if lines.written > LOG_LINES {
            lines.dropped += 1;
            return None;
        }
        Some(0)
    }
}

impl Cells {
    /// The metrics as they are now.
    pub fn snapshot(&self) -> Vec<Cell> {
        locked(&self.0).clone()
    }
}

impl Lend for Lent {
    fn log(&self, level: Level, message: &str) {
        let Some(dropped) = self.may_log() else { return };
        let instance = self.name.as_str();
        if dropped > 0 {
            warn!(instance, dropped, "log lines dropped: too many");
        }
        // Before it is cut: half a credential would not be found.
        let message = self.secrets.redact(message);
        let message = message.get(..message.floor_char_boundary(LOG_LINE)).unwrap_or_default();
        match level {
            Level::Error => error!(instance, "{}", message.escape_debug()),
            Level::Warn => warn!(instance, "{}", message.escape_debug()),
            Level::Info => info!(instance, "{}", message.escape_debug()),
            Level::Debug => debug!(instance, "{}", message.escape_debug()),
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    fn secret(&self, reference: &Reference) -> Result<Vec<u8>> {
        let value = secret::resolve(reference)?;
        self.secrets.learn(&value);
        Ok(value)
    }

    fn exchange(&self, request: Request) -> Result<Exchanged> {
        self.shared.http.exchange(request, &self.cancelled)
    }

    fn cell(&self, name: &str, total: bool) -> u32 {
        let mut cells = locked(&self.cells.0);
        let known = cells.iter().position(|cell| cell.name == name && cell.total == total);
        let index = known.unwrap_or_else(|| {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if cells.len() < CELLS && name.len() <= 64 && name.chars().all(word) {
                cells.push(Cell { name: name.into(), total, value: 0.0 });
                cells.len() - 1
            } else {
                usize::MAX
            }
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn record(&self, cell: u32, value: f64) {
        let index = usize::try_from(cell).unwrap_or(usize::MAX);
        if let Some(cell) = locked(&self.cells.0).get_mut(index) {
            cell.value = if cell.total { cell.value + value.max(0.0) } else { value };
        }
    }

    fn poisoned(&self, message: &str) {
        let message = self.secrets.redact(message);
        let message = message.get(..message.floor_char_boundary(LOG_LINE)).unwrap_or_default();
        // Of two panics the first is the cause.
        drop(self.poison.set(message.into()));
        warn!(instance = self.name, "{}", message.escape_debug());
    }

    fn state_dir(&self) -> Result<PathBuf> {
        let Some(instances) = &self.shared.instances else {
            return Err(Error::failed("nothing may be written now"));
        };
        let path = instances.join(&self.name);
        std::fs::create_dir_all(&path).map_err(|error: io::Error| Error::from(error))?;
        Ok(path)
    }

    fn guard_socket(&self, socket: BorrowedFd<'_>) -> u64 {
        self.sockets.guard(socket)
    }

    fn release_socket(&self, socket: u64) {
        self.sockets.release(socket);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
