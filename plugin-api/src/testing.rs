//! For the tests of a plugin: a context with a scripted HTTP server and a clock that tests set.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use crate::{
    Context, Error, Level, Reference, Result, Timestamp,
    abi::{Exchanged, Lend},
    http::Request,
};

/// Stands in for the daemon: answers what the test scripted and keeps what the role did.
#[derive(Default)]
pub struct Script {
    now: AtomicI64,
    cancelled: AtomicBool,
    answers: Mutex<VecDeque<(u16, Vec<u8>)>>,
    requests: Mutex<Vec<Request>>,
    secrets: Mutex<HashMap<String, Vec<u8>>>,
    lines: Mutex<Vec<(Level, String)>>,
    cells: Mutex<Vec<(String, bool, f64)>>,
    state: Option<PathBuf>,
}

impl Script {
    /// A script with nothing in it; the clock stands at the epoch.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A script that lends `state` as the state directory.
    pub fn with_state(state: impl Into<PathBuf>) -> Arc<Self> {
        Arc::new(Self { state: Some(state.into()), ..Self::default() })
    }

    /// The context to open a role with.
    pub fn context(self: &Arc<Self>) -> Context {
        Context::on(Arc::<Self>::clone(self))
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.now.store(now.nanos(), Ordering::SeqCst);
    }

    /// Sets `cancelled`.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    /// The next request is answered with this; without an answer a request fails.
    pub fn answer(&self, status: u16, body: impl Into<Vec<u8>>) {
        locked(&self.answers).push_back((status, body.into()));
    }

    /// The environment secret `name` has this value.
    pub fn secret(&self, name: &str, value: impl Into<Vec<u8>>) {
        locked(&self.secrets).insert(name.into(), value.into());
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.requests).clone()
    }

    /// The log so far.
    pub fn lines(&self) -> Vec<(Level, String)> {
        locked(&self.lines).clone()
    }

    /// The value of a counter or gauge.
    pub fn cell_value(&self, name: &str) -> Option<f64> {
        locked(&self.cells).iter().find(|(known, ..)| known == name).map(|(.., value)| *value)
    }
}

impl Lend for Script {
    fn log(&self, level: Level, message: &str) {
        locked(&self.lines).push((level, message.into()));
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now.load(Ordering::SeqCst))
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn secret(&self, reference: &Reference) -> Result<Vec<u8>> {
        let (Reference::Env(name) | Reference::Credential(name)) = reference else {
            return Err(Error::config("the script has secrets by name only"));
        };
        let value = locked(&self.secrets).get(name).cloned();
        value.ok_or_else(|| Error::config(format!("no secret `{name}` in the script")))
    }

    fn exchange(&self, request: Request) -> Result<Exchanged> {
        locked(&self.requests).push(request);
        let answer = locked(&self.answers).pop_front();
        let (status, body) = answer.ok_or_else(|| Error::failed("connection refused (script)"))?;
        Ok((status, Vec::new(), Box::new(std::io::Cursor::new(body))))
    }

    fn cell(&self, name: &str, total: bool) -> u32 {
        let mut cells = locked(&self.cells);
        cells.push((name.into(), total, 0.0));
        u32::try_from(cells.len() - 1).unwrap_or(u32::MAX)
    }

    fn record(&self, cell: u32, value: f64) {
        let mut cells = locked(&self.cells);
        let index = usize::try_from(cell).unwrap_or(usize::MAX);
        if let Some((_, total, known)) = cells.get_mut(index) {
            *known = if *total { *known + value } else { value };
        }
    }

    fn poisoned(&self, message: &str) {
        self.log(Level::Error, message);
    }

    fn state_dir(&self) -> Result<PathBuf> {
        self.state.clone().ok_or_else(|| Error::failed("the script lends no state directory"))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
