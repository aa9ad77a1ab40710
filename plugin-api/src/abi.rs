//! The boundary: everything that crosses between the daemon and a plugin.
//!
//! Types here are never renamed, moved to another crate or reordered. Function tables grow at
//! their end: what stands behind `last_prefix_field` may be missing in an older peer. Plain
//! structs are frozen for 1.x. Authors of plugins need nothing of this module.
#![expect(
    unsafe_code,
    missing_docs,
    clippy::cast_ptr_alignment,
    clippy::expl_impl_clone_on_copy,
    reason = "the one place that crosses; abi_stable's macros expand to these"
)]

mod instance;
mod lend;
mod library;

use std::io;

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings,
    sabi_types::VersionStrings,
    std_types::{RResult, RSliceMut, RStr, RString, RVec, Tuple2},
};

pub use abi_stable::library::LibHeader;
pub use instance::{header, open_reader, open_sink, open_source};
pub use lend::{Exchanged, Lend, host};
pub use library::{Library, LoadError, ReaderInstance, SinkInstance, SourceInstance};

use crate::{Error, Fault, Logs, Samples, Timestamp};

/// The symbol that `export!` exports and the daemon looks up.
pub const ROOT_SYMBOL: &str = "_1as_0lib_1header_0root_bmodule_bloader";

/// A pointer to what its owner's functions know the type of.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct Data(*mut ());

// SAFETY: it is only handed to functions of its owner, which require no more than `Send + Sync`.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

/// A failed call.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct Failure {
    fault: u32,
    message: RString,
    /// `u64::MAX`: the peer named none.
    retry_after_ms: u64,
    reserved: u64,
}

pub type Reply<T> = RResult<T, Failure>;

#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct RawCall {
    remaining_ns: u64,
    from: Timestamp,
    to: Timestamp,
    reserved: u64,
}

/// A batch: the section that `records` names is filled, the others are empty.
#[repr(C)]
#[derive(StableAbi, Debug, Default)]
pub struct RawBatch {
    records: u32,
    samples: Samples,
    logs: Logs,
    json: RString,
    reserved: u64,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
pub struct PluginModule {
    pub describe: extern "C" fn() -> RString,
    pub open_source: extern "C" fn(RStr<'_>, RStr<'_>, RawHost) -> Reply<RawSource>,
    #[sabi(last_prefix_field)]
    pub open_sink: extern "C" fn(RStr<'_>, RStr<'_>, RawHost) -> Reply<RawSink>,
    pub open_reader: extern "C" fn(RStr<'_>, RStr<'_>, RawHost) -> Reply<RawReader>,
    pub metrics: extern "C" fn(RStr<'_>, RStr<'_>) -> Reply<RString>,
}

impl RootModule for PluginModuleRef {
    declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "haetae_plugin";
    const NAME: &'static str = "haetae plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

#[repr(C)]
#[derive(StableAbi)]
pub struct RawSource {
    data: Data,
    functions: SourceFunctionsRef,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = SourceFunctionsRef)))]
pub struct SourceFunctions {
    pub close: unsafe extern "C" fn(Data) -> Reply<()>,
    #[sabi(last_prefix_field)]
    pub collect: unsafe extern "C" fn(Data, RawCall) -> Reply<RawBatch>,
    pub ack: unsafe extern "C" fn(Data) -> Reply<()>,
    pub listens: unsafe extern "C" fn(Data) -> bool,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct RawSink {
    data: Data,
    functions: SinkFunctionsRef,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = SinkFunctionsRef)))]
pub struct SinkFunctions {
    pub close: unsafe extern "C" fn(Data) -> Reply<()>,
    #[sabi(last_prefix_field)]
    pub deliver: unsafe extern "C" fn(Data, RawBatch, RawCall) -> Reply<RString>,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct RawReader {
    data: Data,
    functions: ReaderFunctionsRef,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ReaderFunctionsRef)))]
pub struct ReaderFunctions {
    pub close: unsafe extern "C" fn(Data) -> Reply<()>,
    #[sabi(last_prefix_field)]
    pub query: unsafe extern "C" fn(Data, RStr<'_>, RawCall) -> Reply<RString>,
}

/// What the daemon lends to one instance. The plugin releases it once.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawHost {
    data: Data,
    functions: HostFunctionsRef,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostFunctionsRef)))]
pub struct HostFunctions {
    pub release: unsafe extern "C" fn(Data),
    pub log: unsafe extern "C" fn(Data, u32, RStr<'_>),
    pub now: unsafe extern "C" fn(Data) -> Timestamp,
    pub cancelled: unsafe extern "C" fn(Data) -> bool,
    pub secret: unsafe extern "C" fn(Data, RStr<'_>) -> Reply<RVec<u8>>,
    #[sabi(last_prefix_field)]
    pub exchange: unsafe extern "C" fn(Data, RawRequest) -> Reply<RawResponse>,
    pub cell: unsafe extern "C" fn(Data, RStr<'_>, u32) -> u32,
    pub record: unsafe extern "C" fn(Data, u32, f64),
    pub poisoned: unsafe extern "C" fn(Data, RStr<'_>),
    pub state_dir: unsafe extern "C" fn(Data) -> RString,
    pub guard_socket: unsafe extern "C" fn(Data, i32) -> u64,
    pub release_socket: unsafe extern "C" fn(Data, u64),
}

pub type RawHeaders = RVec<Tuple2<RString, RVec<u8>>>;

#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct RawRequest {
    method: RString,
    url: RString,
    headers: RawHeaders,
    body: RVec<u8>,
    /// JSON of `HttpOptions`.
    options: RString,
    timeout_ns: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct RawResponse {
    status: u32,
    headers: RawHeaders,
    body: Body,
    reserved: u64,
}

/// The body of an answer, read where the daemon holds it.
#[repr(C)]
#[derive(StableAbi)]
pub struct Body {
    data: Data,
    functions: BodyFunctionsRef,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = BodyFunctionsRef)))]
pub struct BodyFunctions {
    pub close: unsafe extern "C" fn(Data),
    #[sabi(last_prefix_field)]
    pub read: unsafe extern "C" fn(Data, RSliceMut<'_, u8>) -> Reply<u64>,
}

impl io::Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `data` was made for these functions and lives until `close`, in `drop`.
        let reply = unsafe { self.functions.read()(self.data, buffer.into()) };
        match reply.into_result() {
            Ok(length) => Ok(usize::try_from(length).unwrap_or(0).min(buffer.len())),
            Err(failure) => Err(io::Error::other(Error::from(failure).message())),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // SAFETY: `data` was made for these functions; nothing uses it after this.
        unsafe { self.functions.close()(self.data) };
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let fault = match error.fault() {
            Fault::Failed => 0,
            Fault::Config => 1,
            Fault::Deadline => 2,
            Fault::Panicked => 3,
        };
        let wait = error.wait().and_then(|wait| u64::try_from(wait.as_millis()).ok());
        Self {
            fault,
            message: error.message().into(),
            retry_after_ms: wait.unwrap_or(u64::MAX),
            reserved: 0,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let fault = match failure.fault {
            1 => Fault::Config,
            2 => Fault::Deadline,
            3 => Fault::Panicked,
            _ => Fault::Failed,
        };
        let error = Self::new(fault, failure.message);
        match failure.retry_after_ms {
            u64::MAX => error,
            wait => error.retry_after(std::time::Duration::from_millis(wait)),
        }
    }
}
