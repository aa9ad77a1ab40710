//! What the daemon lends: a trait on its side, a function table on the plugin's.

use std::{
    io::Read,
    os::fd::{AsRawFd, BorrowedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use abi_stable::{
    prefix_type::WithMetadata,
    staticref,
    std_types::{RResult, RSliceMut, RStr, RString, RVec, Tuple2},
};

use super::{
    Body, BodyFunctions, BodyFunctionsRef, Data, HostFunctions, HostFunctionsRef, RawHeaders,
    RawHost, RawRequest, RawResponse, Reply,
};
use crate::{
    Error, Level, Reference, Result, SecretValue, Timestamp,
    http::{Request, Response},
};

/// Status, headers and body of an answer.
pub type Exchanged = (u16, Vec<(String, Vec<u8>)>, Box<dyn Read + Send>);

/// What the daemon (or a test) lends to an instance.
pub trait Lend: Send + Sync + 'static {
    /// Writes a log line.
    fn log(&self, level: Level, message: &str);
    /// The time.
    fn now(&self) -> Timestamp;
    /// Whether the instance is being closed.
    fn cancelled(&self) -> bool;
    /// The value of a secret.
    fn secret(&self, reference: &Reference) -> Result<Vec<u8>>;
    /// One HTTP exchange: status, headers and a body to read.
    fn exchange(&self, request: Request) -> Result<Exchanged>;
    /// A cell for a metric of the instance: a counter if `total`.
    fn cell(&self, name: &str, total: bool) -> u32;
    /// Adds to a counter's cell or sets a gauge's.
    fn record(&self, cell: u32, value: f64);
    /// A thread of the instance panicked.
    fn poisoned(&self, message: &str);
    /// A directory of the instance's own.
    fn state_dir(&self) -> Result<PathBuf>;
    /// Keeps a copy of a socket, to shut it down when a call has passed its deadline; how it is
    /// named to [`Lend::release_socket`].
    fn guard_socket(&self, _socket: BorrowedFd<'_>) -> u64 {
        0
    }
    /// The socket is not used any more.
    fn release_socket(&self, _socket: u64) {}
}

type Lent = Arc<dyn Lend>;

/// Makes the function table for one instance; the plugin releases it.
pub fn host(lend: Lent) -> RawHost {
    RawHost {
        data: Data(Box::into_raw(Box::new(lend)).cast()),
        functions: HostFunctionsRef(Tables::FUNCTIONS.as_prefix()),
    }
}

struct Tables;

impl Tables {
    staticref! {
        const FUNCTIONS: WithMetadata<HostFunctions> = WithMetadata::new(HostFunctions {
            release,
            log,
            now,
            cancelled,
            secret,
            exchange,
            cell,
            record,
            poisoned,
            state_dir,
            guard_socket,
            release_socket,
        });
        const BODY: WithMetadata<BodyFunctions> = WithMetadata::new(BodyFunctions { close, read });
    }
}

/// Runs the daemon's side of a call; a panic of ours must not end the process either.
///
/// # Safety
/// `data` was made by [`host`] and is not released.
unsafe fn on<T>(data: Data, otherwise: T, f: impl FnOnce(&dyn Lend) -> T) -> T {
    // SAFETY: the caller's promise.
    let lend = unsafe { &*data.0.cast::<Lent>() };
    catch_unwind(AssertUnwindSafe(|| f(&**lend))).unwrap_or(otherwise)
}

fn broken<T>() -> Reply<T> {
    RResult::RErr(Error::failed("the daemon's side of the call panicked").into())
}

unsafe extern "C" fn release(data: Data) {
    // SAFETY: made by `host`; the plugin releases it once, last.
    let lent = unsafe { Box::from_raw(data.0.cast::<Lent>()) };
    drop(catch_unwind(AssertUnwindSafe(|| drop(lent))));
}

unsafe extern "C" fn log(data: Data, level: u32, message: RStr<'_>) {
    let level = match level {
        0 => Level::Error,
        1 => Level::Warn,
        2 => Level::Info,
        _ => Level::Debug,
    };
    // SAFETY: the plugin hands back what it was lent.
    unsafe { on(data, (), |lend| lend.log(level, message.as_str())) }
}

unsafe extern "C" fn now(data: Data) -> Timestamp {
    // SAFETY: as in `log`.
    unsafe { on(data, Timestamp::default(), Lend::now) }
}

unsafe extern "C" fn cancelled(data: Data) -> bool {
    // SAFETY: as in `log`.
    unsafe { on(data, true, Lend::cancelled) }
}

unsafe extern "C" fn secret(data: Data, reference: RStr<'_>) -> Reply<RVec<u8>> {
    let fetch = |lend: &dyn Lend| {
        let value = serde_json::from_str(&reference)
            .map_err(Error::from)
            .and_then(|reference| lend.secret(&reference));
        value.map(RVec::from).map_err(Into::into).into()
    };
    // SAFETY: as in `log`.
    unsafe { on(data, broken(), fetch) }
}

unsafe extern "C" fn exchange(data: Data, raw: RawRequest) -> Reply<RawResponse> {
    let exchange = |lend: &dyn Lend| {
        let answer = Request::try_from(raw).and_then(|request| lend.exchange(request));
        answer.map(RawResponse::from).map_err(Into::into).into()
    };
    // SAFETY: as in `log`.
    unsafe { on(data, broken(), exchange) }
}

unsafe extern "C" fn cell(data: Data, name: RStr<'_>, total: u32) -> u32 {
    // SAFETY: as in `log`.
    unsafe { on(data, u32::MAX, |lend| lend.cell(name.as_str(), total == 1)) }
}

unsafe extern "C" fn record(data: Data, cell: u32, value: f64) {
    // SAFETY: as in `log`.
    unsafe { on(data, (), |lend| lend.record(cell, value)) }
}

unsafe extern "C" fn poisoned(data: Data, message: RStr<'_>) {
    // SAFETY: as in `log`.
    unsafe { on(data, (), |lend| lend.poisoned(message.as_str())) }
}

unsafe extern "C" fn state_dir(data: Data) -> RString {
    let path = |lend: &dyn Lend| {
        let path = lend.state_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        path.unwrap_or_default().into()
    };
    // SAFETY: as in `log`.
    unsafe { on(data, RString::new(), path) }
}

unsafe extern "C" fn guard_socket(data: Data, socket: i32) -> u64 {
    if socket < 0 {
        return 0;
    }
    // SAFETY: the plugin's half has it from a socket that is open while it calls us.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    // SAFETY: as in `log`.
    unsafe { on(data, 0, |lend| lend.guard_socket(socket)) }
}

unsafe extern "C" fn release_socket(data: Data, socket: u64) {
    // SAFETY: as in `log`.
    unsafe { on(data, (), |lend| lend.release_socket(socket)) }
}

type Stream = Box<dyn Read + Send>;

unsafe extern "C" fn read(data: Data, mut buffer: RSliceMut<'_, u8>) -> Reply<u64> {
    // SAFETY: made in `From<…> for RawResponse`; `Body` calls it until it is closed.
    let stream = unsafe { &mut *data.0.cast::<Stream>() };
    let read = catch_unwind(AssertUnwindSafe(|| stream.read(buffer.as_mut_slice())));
    match read {
        Ok(length) => length.map(|n| n as u64).map_err(|error| Error::from(error).into()).into(),
        Err(_) => broken(),
    }
}

unsafe extern "C" fn close(data: Data) {
    // SAFETY: as in `read`; `Body` calls it once, last.
    let stream = unsafe { Box::from_raw(data.0.cast::<Stream>()) };
    drop(catch_unwind(AssertUnwindSafe(|| drop(stream))));
}

impl From<(u16, Vec<(String, Vec<u8>)>, Stream)> for RawResponse {
    fn from((status, headers, body): (u16, Vec<(String, Vec<u8>)>, Stream)) -> Self {
        let data = Data(Box::into_raw(Box::new(body)).cast());
        Self {
            status: status.into(),
            headers: raw_headers(headers),
            body: Body { data, functions: BodyFunctionsRef(Tables::BODY.as_prefix()) },
            reserved: 0,
        }
    }
}

impl TryFrom<RawRequest> for Request {
    type Error = Error;

    fn try_from(raw: RawRequest) -> Result<Self> {
        Ok(Self {
            method: raw.method.into(),
            url: raw.url.into(),
            headers: raw.headers.into_iter().map(|Tuple2(n, v)| (n.into(), v.into())).collect(),
            body: raw.body.into(),
            options: serde_json::from_str(&raw.options)?,
            timeout: Duration::from_nanos(raw.timeout_ns),
        })
    }
}

fn raw_headers(headers: Vec<(String, Vec<u8>)>) -> RawHeaders {
    headers.into_iter().map(|(name, value)| Tuple2(name.into(), value.into())).collect()
}

/// The plugin's half. A function that the daemon is too old to have does nothing.
impl RawHost {
    pub(crate) fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Error => 0,
            Level::Warn => 1,
            Level::Info => 2,
            Level::Debug => 3,
        };
        // SAFETY: `data` stands beside the functions that it was made for; released in `drop` of
        // the one `Arc` that holds us.
        unsafe { self.functions.log()(self.data, level, message.into()) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        // SAFETY: as in `log`.
        unsafe { self.functions.now()(self.data) }
    }

    pub(crate) fn cancelled(&self) -> bool {
        // SAFETY: as in `log`.
        unsafe { self.functions.cancelled()(self.data) }
    }

    pub(crate) fn secret(&self, reference: &Reference) -> Result<SecretValue> {
        let reference = serde_json::to_string(reference)?;
        // SAFETY: as in `log`.
        let reply = unsafe { self.functions.secret()(self.data, reference.as_str().into()) };
        let mut lent = reply.into_result()?;
        let value = SecretValue::new(lent.as_slice().to_vec());
        // The daemon frees its copy, and doesn't know what it held.
        lent.as_mut_slice().fill(0);
        std::hint::black_box(&lent);
        Ok(value)
    }

    pub(crate) fn exchange(&self, request: Request) -> Result<Response> {
        let raw = RawRequest {
            method: request.method.into(),
            url: request.url.into(),
            headers: raw_headers(request.headers),
            body: request.body.into(),
            options: serde_json::to_string(&request.options)?.into(),
            timeout_ns: u64::try_from(request.timeout.as_nanos()).unwrap_or(u64::MAX),
            reserved: 0,
        };
        // SAFETY: as in `log`.
        let reply = unsafe { self.functions.exchange()(self.data, raw) };
        let RawResponse { status, headers, body, .. } = reply.into_result()?;
        let headers = headers.into_iter().map(|Tuple2(n, v)| (n.into(), v.into())).collect();
        Ok(Response::new(u16::try_from(status).unwrap_or(0), headers, body))
    }

    pub(crate) fn cell(&self, name: &str, total: u32) -> u32 {
        let Some(cell) = self.functions.cell() else { return u32::MAX };
        // SAFETY: as in `log`.
        unsafe { cell(self.data, name.into(), total) }
    }

    pub(crate) fn record(&self, cell: u32, value: f64) {
        let Some(record) = self.functions.record() else { return };
        // SAFETY: as in `log`.
        unsafe { record(self.data, cell, value) }
    }

    pub(crate) fn poisoned(&self, message: &str) {
        let Some(poisoned) = self.functions.poisoned() else { return };
        // SAFETY: as in `log`.
        unsafe { poisoned(self.data, message.into()) }
    }

    pub(crate) fn state_dir(&self) -> Result<PathBuf> {
        let Some(state_dir) = self.functions.state_dir() else {
            return Err(Error::failed("the daemon is too old to lend a state directory"));
        };
        // SAFETY: as in `log`.
        let path = String::from(unsafe { state_dir(self.data) });
        if path.is_empty() {
            Err(Error::failed("no state directory could be made"))
        } else {
            Ok(path.into())
        }
    }

    pub(crate) fn guard_socket(&self, socket: BorrowedFd<'_>) -> u64 {
        let Some(guard) = self.functions.guard_socket() else { return 0 };
        // SAFETY: as in `log`; the socket is open while it is borrowed.
        unsafe { guard(self.data, socket.as_raw_fd()) }
    }

    pub(crate) fn release_socket(&self, socket: u64) {
        let Some(release) = self.functions.release_socket() else { return };
        // SAFETY: as in `log`.
        unsafe { release(self.data, socket) }
    }
}

impl Drop for RawHost {
    fn drop(&mut self) {
        // SAFETY: as in `log`; nothing uses it after this.
        unsafe { self.functions.release()(self.data) }
    }
}

impl std::fmt::Debug for RawHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawHost")
    }
}
