//! What the daemon lends to an instance.

use std::{
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{
    Result, Secret, SecretValue, Timestamp,
    abi::{RawHost, host},
    guard::caught,
    http::{Http, HttpOptions, Request, Response},
};

/// What the daemon lends to an instance: a cheap handle, one for each thread that needs it.
#[derive(Clone, Debug)]
pub struct Context {
    host: Arc<RawHost>,
    threads: Arc<Threads>,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something is odd.
    Warn,
    /// Something happened.
    Info,
    /// For whoever debugs the plugin.
    Debug,
}

/// A total of the instance's own, in the daemon's metrics as `haetae_plugin_<name>_total`.
#[derive(Clone, Debug)]
pub struct Counter {
    host: Arc<RawHost>,
    cell: u32,
}

/// A value of the instance's own, in the daemon's metrics as `haetae_plugin_<name>`.
#[derive(Clone, Debug)]
pub struct Gauge {
    host: Arc<RawHost>,
    cell: u32,
}

/// A socket that the daemon shuts down when a call has passed its deadline; made by
/// [`Context::guard_socket`]. Drop it with the socket.
#[derive(Debug)]
pub struct SocketGuard {
    host: Arc<RawHost>,
    socket: u64,
}

impl Context {
    pub(crate) fn lent(host: RawHost) -> Self {
        let host = Arc::new(host);
        let threads = Threads::new(&host);
        Self { host, threads: Arc::new(threads) }
    }

    /// A context on something that lends; for tests, see [`crate::testing`].
    #[doc(hidden)]
    pub fn on(lend: Arc<dyn crate::abi::Lend>) -> Self {
        Self::lent(host(lend))
    }

    /// A client on the daemon's pool.
    pub fn http(&self, options: &HttpOptions) -> Http {
        Http::new(self.clone(), options.clone())
    }

    pub(crate) fn exchange(&self, request: Request) -> Result<Response> {
        self.host.exchange(request)
    }

    /// The value of a secret, fetched now. Keep it no longer than needed.
    pub fn secret(&self, secret: &Secret) -> Result<SecretValue> {
        self.host.secret(secret.reference())
    }

    /// Starts a thread of this instance; its panic poisons the instance, and it is joined at
    /// close: look at [`Context::cancelled`] at least every second.
    pub fn spawn(&self, name: &str, f: impl FnOnce() + Send + 'static) -> Result<()> {
        let threads = Arc::clone(&self.threads);
        let body = move || {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
                threads.poisoned(&caught(payload));
            }
        };
        let handle = thread::Builder::new().name(name.into()).spawn(body)?;
        self.threads.running().push(handle);
        Ok(())
    }

    /// Writes to the daemon's log, under the instance's name.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        self.host.log(level, message.as_ref());
    }

    /// A counter. Over 64 names of an instance, further ones count nowhere.
    pub fn counter(&self, name: &str) -> Counter {
        Counter { host: Arc::clone(&self.host), cell: self.host.cell(name, 1) }
    }

    /// A gauge. Over 64 names of an instance, further ones show nowhere.
    pub fn gauge(&self, name: &str) -> Gauge {
        Gauge { host: Arc::clone(&self.host), cell: self.host.cell(name, 0) }
    }

    /// The daemon's clock.
    pub fn now(&self) -> Timestamp {
        self.host.now()
    }

    /// Whether the instance is being closed: return soon.
    pub fn cancelled(&self) -> bool {
        self.threads.closing.load(Ordering::Relaxed) || self.host.cancelled()
    }

    /// A directory of the instance's own for checkpoints; it exists.
    pub fn state_dir(&self) -> Result<PathBuf> {
        self.host.state_dir()
    }

    /// Lends a socket to the daemon for as long as the guard lives. If a call of this instance
    /// passes its deadline meanwhile, the daemon shuts the socket down: a read or write that blocks
    /// on it fails, and the thread is not lost. An older daemon does nothing.
    pub fn guard_socket(&self, socket: &impl AsFd) -> SocketGuard {
        let host = Arc::clone(&self.host);
        let socket = host.guard_socket(socket.as_fd());
        SocketGuard { host, socket }
    }

    /// A current-thread tokio runtime, for client crates that need one. Own it in the role.
    #[cfg(feature = "runtime")]
    pub fn runtime(&self) -> Result<tokio::runtime::Runtime> {
        Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
    }

    pub(crate) fn threads(&self) -> Arc<Threads> {
        Arc::clone(&self.threads)
    }
}

impl Drop for SocketGuard {
    fn drop(&mut self) {
        self.host.release_socket(self.socket);
    }
}

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1.0);
    }

    /// Adds `amount`, which is not negative.
    pub fn add(&self, amount: f64) {
        self.host.record(self.cell, amount);
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.host.record(self.cell, value);
    }
}

/// The threads of an instance, and the panic that ended it.
#[derive(Debug)]
pub(crate) struct Threads {
    host: Arc<RawHost>,
    poison: OnceLock<String>,
    /// Set before the threads are joined: after a failed `open` the daemon has cancelled nothing.
    closing: AtomicBool,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    fn new(host: &Arc<RawHost>) -> Self {
        Self {
            host: Arc::clone(host),
            poison: OnceLock::new(),
            closing: AtomicBool::new(false),
            running: Mutex::default(),
        }
    }

    pub(crate) fn poison(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    pub(crate) fn poisoned(&self, message: &str) {
        if self.poison.set(message.into()).is_ok() {
            self.host.poisoned(message);
        }
    }

    /// Waits for the threads, which see `cancelled`; the daemon gives up on us at its deadline.
    pub(crate) fn join(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let running = std::mem::take(&mut *self.running());
        for thread in running {
            // A panic was caught inside and reported there.
            drop(thread.join());
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
