//! The plugin's half: roles behind function tables, no panic passes.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use abi_stable::{
    library::{CheckTypeLayout, RootModuleResult},
    prefix_type::{PrefixTypeTrait, WithMetadata},
    staticref,
    std_types::{RResult, RStr, RString},
};

use super::{
    Data, Failure, LibHeader, PluginModule, PluginModuleRef, RawBatch, RawCall, RawHost, RawReader,
    RawSink, RawSource, ReaderFunctions, ReaderFunctionsRef, Reply, SinkFunctions,
    SinkFunctionsRef, SourceFunctions, SourceFunctionsRef,
};
use crate::{
    Batch, Call, Context, Error, Question, Reader, Result, Samples, Sink, Source, Window,
    context::Threads,
    export::{self, Exports},
    guard::guard,
};

/// An opened role and the threads that belong to it.
struct Instance<R> {
    role: R,
    threads: Arc<Threads>,
}

/// The header that the daemon finds under [`super::ROOT_SYMBOL`].
pub const fn header<E: Exports>() -> LibHeader {
    extern "C" fn module<E: Exports>() -> RootModuleResult {
        abi_stable::library::__call_root_module_loader(|| {
            PluginModule {
                describe: describe::<E>,
                open_source: source_of::<E>,
                open_sink: sink_of::<E>,
                open_reader: reader_of::<E>,
                metrics: metrics_of::<E>,
            }
            .leak_into_prefix()
        })
    }
    // SAFETY: `module` returns a `PluginModuleRef`, the type named here.
    unsafe { LibHeader::from_constructor::<PluginModuleRef>(module::<E>, CheckTypeLayout::Yes) }
}

extern "C" fn describe<E: Exports>() -> RString {
    crate::guard::install();
    guard(None, || Ok(RString::from(export::describe::<E>()))).unwrap_or_default()
}

extern "C" fn metrics_of<E: Exports>(kind: RStr<'_>, options: RStr<'_>) -> Reply<RString> {
    crate::guard::install();
    guard(None, || export::metrics::<E>(&kind, &options).map(RString::from))
}

extern "C" fn source_of<E: Exports>(
    kind: RStr<'_>,
    options: RStr<'_>,
    host: RawHost,
) -> Reply<RawSource> {
    let context = Context::lent(host);
    match export::kind::<E>(&kind).and_then(|kind| kind.source.as_ref()) {
        Some(role) => (role.open)(options.as_str(), context),
        None => absent(&kind, "source"),
    }
}

extern "C" fn sink_of<E: Exports>(
    kind: RStr<'_>,
    options: RStr<'_>,
    host: RawHost,
) -> Reply<RawSink> {
    let context = Context::lent(host);
    match export::kind::<E>(&kind).and_then(|kind| kind.sink.as_ref()) {
        Some(role) => (role.open)(options.as_str(), context),
        None => absent(&kind, "sink"),
    }
}

extern "C" fn reader_of<E: Exports>(
    kind: RStr<'_>,
    options: RStr<'_>,
    host: RawHost,
) -> Reply<RawReader> {
    let context = Context::lent(host);
    match export::kind::<E>(&kind).and_then(|kind| kind.reader.as_ref()) {
        Some(role) => (role.open)(options.as_str(), context),
        None => absent(&kind, "reader"),
    }
}

fn absent<T>(kind: &str, role: &str) -> Reply<T> {
    RResult::RErr(Error::config(format!("`{kind}` is no {role}")).into())
}

/// Opens a source; `export!` puts it into the plugin's table.
pub fn open_source<S: Source>(options: &str, context: Context) -> Reply<RawSource> {
    open(options, context, S::open)
        .map(|data| RawSource { data, functions: SourceTable::<S>::functions() })
}

/// Opens a sink.
pub fn open_sink<S: Sink>(options: &str, context: Context) -> Reply<RawSink> {
    open(options, context, S::open)
        .map(|data| RawSink { data, functions: SinkTable::<S>::functions() })
}

/// Opens a reader.
pub fn open_reader<R: Reader>(options: &str, context: Context) -> Reply<RawReader> {
    open(options, context, R::open)
        .map(|data| RawReader { data, functions: ReaderTable::<R>::functions() })
}

fn open<R, O: serde::de::DeserializeOwned>(
    options: &str,
    context: Context,
    open: fn(O, Context) -> Result<R>,
) -> Reply<Data> {
    crate::guard::install();
    let threads = context.threads();
    let opened = guard(None, || {
        let options = serde_json::from_str(options)
            .map_err(|error| Error::config(format!("options: {error}")))?;
        open(options, context)
    });
    match opened {
        RResult::ROk(role) => {
            RResult::ROk(Data(Box::into_raw(Box::new(Instance { role, threads })).cast()))
        }
        RResult::RErr(failure) => {
            threads.join();
            RResult::RErr(failure)
        }
    }
}

/// Calls a method, unless the instance is poisoned.
///
/// # Safety
/// `data` is an `Instance<R>` made by `open`, not closed, and no other call is under way.
unsafe fn call<R, T>(data: Data, method: impl FnOnce(&mut R) -> Result<T>) -> Reply<T> {
    // SAFETY: the caller's promise.
    let instance = unsafe { &mut *data.0.cast::<Instance<R>>() };
    let Instance { role, threads } = instance;
    guard(Some(threads), || method(role))
}

/// # Safety
/// As [`call`]; `data` is not used afterwards.
unsafe extern "C" fn close<R>(data: Data) -> Reply<()> {
    // SAFETY: the caller's promise; `open` made it with `Box::into_raw`.
    let Instance { role, threads } = *unsafe { Box::from_raw(data.0.cast::<Instance<R>>()) };
    let dropped = guard(None, || {
        drop(role);
        Ok(())
    });
    threads.join();
    dropped
}

struct SourceTable<S>(PhantomData<S>);

impl<S: Source> SourceTable<S> {
    staticref! {
        const FUNCTIONS: WithMetadata<SourceFunctions> = WithMetadata::new(SourceFunctions {
            close: close::<S>,
            collect: collect::<S>,
            ack: ack::<S>,
            listens: listens::<S>,
        });
    }

    fn functions() -> SourceFunctionsRef {
        SourceFunctionsRef(Self::FUNCTIONS.as_prefix())
    }
}

unsafe extern "C" fn collect<S: Source>(data: Data, raw: RawCall) -> Reply<RawBatch> {
    // SAFETY: the daemon calls it with the data that stands beside it in `RawSource`.
    unsafe { call::<S, _>(data, |source| source.collect(raw.into()).and_then(RawBatch::try_from)) }
}

unsafe extern "C" fn ack<S: Source>(data: Data) -> Reply<()> {
    // SAFETY: as in `collect`.
    unsafe { call::<S, _>(data, Source::ack) }
}

unsafe extern "C" fn listens<S: Source>(data: Data) -> bool {
    // SAFETY: as in `collect`.
    unsafe { call::<S, _>(data, |source| Ok(source.listens())) }.unwrap_or(false)
}

struct SinkTable<S>(PhantomData<S>);

impl<S: Sink> SinkTable<S> {
    staticref! {
        const FUNCTIONS: WithMetadata<SinkFunctions> =
            WithMetadata::new(SinkFunctions { close: close::<S>, deliver: deliver::<S> });
    }

    fn functions() -> SinkFunctionsRef {
        SinkFunctionsRef(Self::FUNCTIONS.as_prefix())
    }
}

unsafe extern "C" fn deliver<S: Sink>(data: Data, batch: RawBatch, raw: RawCall) -> Reply<RString> {
    let deliver = |sink: &mut S| {
        let outcome = sink.deliver(&Batch::try_from(batch)?, raw.into())?;
        Ok(serde_json::to_string(&outcome)?.into())
    };
    // SAFETY: as in `collect`.
    unsafe { call(data, deliver) }
}

struct ReaderTable<R>(PhantomData<R>);

impl<R: Reader> ReaderTable<R> {
    staticref! {
        const FUNCTIONS: WithMetadata<ReaderFunctions> =
            WithMetadata::new(ReaderFunctions { close: close::<R>, query: query::<R> });
    }

    fn functions() -> ReaderFunctionsRef {
        ReaderFunctionsRef(Self::FUNCTIONS.as_prefix())
    }
}

unsafe extern "C" fn query<R: Reader>(
    data: Data,
    question: RStr<'_>,
    raw: RawCall,
) -> Reply<RString> {
    let query = |reader: &mut R| {
        let question: Question = serde_json::from_str(&question)?;
        let answer = reader.query(&question, raw.into())?;
        Ok(serde_json::to_string(&answer)?.into())
    };
    // SAFETY: as in `collect`.
    unsafe { call(data, query) }
}

impl From<RawCall> for Call {
    fn from(raw: RawCall) -> Self {
        let window = Window { from: raw.from, to: raw.to };
        Self::within(Duration::from_nanos(raw.remaining_ns), window)
    }
}

impl From<Call> for RawCall {
    fn from(call: Call) -> Self {
        let remaining_ns = u64::try_from(call.remaining().as_nanos()).unwrap_or(u64::MAX);
        Self { remaining_ns, from: call.window.from, to: call.window.to, reserved: 0 }
    }
}

const SAMPLES: u32 = 1;
const LOGS: u32 = 2;
const NOTIFICATIONS: u32 = 3;

impl TryFrom<Batch> for RawBatch {
    type Error = Error;

    fn try_from(batch: Batch) -> Result<Self> {
        Ok(match batch {
            Batch::Samples(samples) => Self { records: SAMPLES, samples, ..Self::default() },
            Batch::Logs(logs) => Self { records: LOGS, logs, ..Self::default() },
            Batch::Notifications(notifications) => Self {
                records: NOTIFICATIONS,
                json: serde_json::to_string(&notifications)?.into(),
                ..Self::default()
            },
        })
    }
}

impl TryFrom<RawBatch> for Batch {
    type Error = Error;

    fn try_from(raw: RawBatch) -> Result<Self> {
        match raw.records {
            SAMPLES => Ok(Self::Samples(raw.samples)),
            LOGS => Ok(Self::Logs(raw.logs)),
            NOTIFICATIONS => Ok(Self::Notifications(serde_json::from_str(&raw.json)?)),
            0 => Ok(Self::Samples(Samples::default())),
            code => Err(Error::failed(format!("a batch of unknown records (code {code})"))),
        }
    }
}

impl From<Error> for Reply<()> {
    fn from(error: Error) -> Self {
        Self::RErr(Failure::from(error))
    }
}
