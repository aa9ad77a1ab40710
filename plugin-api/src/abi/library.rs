//! The daemon's half: a loaded library and the instances that it opens.

use std::{ffi::c_void, sync::Arc};

use abi_stable::{
    abi_stability::check_layout_compatibility,
    library::{AbiHeaderRef, LibraryError},
    std_types::RStr,
};

use super::{Lend, PluginModuleRef, RawBatch, RawReader, RawSink, RawSource, Reply, host};
use crate::{ABI_VERSION, Answer, Batch, Call, Error, Metric, Outcome, Question, Result};

/// A plugin library: loaded, checked, never unloaded.
#[derive(Clone, Copy)]
pub struct Library(PluginModuleRef);

/// Why a library can't be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The symbol is there, but it is no header of abi_stable 0.11.
    Foreign(String),
    /// Built for another major version of the boundary.
    Major {
        /// The plugin's version of the boundary.
        plugin: String,
        /// Ours.
        daemon: &'static str,
    },
    /// The same major version, but neither layout continues the other.
    Layout(String),
    /// It could not be initialised.
    Init(String),
}

impl Library {
    /// Checks the library whose root symbol is at `symbol` and initialises it.
    ///
    /// # Safety
    /// `symbol` is the address of [`super::ROOT_SYMBOL`] in a library that stays loaded for the
    /// life of the process.
    pub unsafe fn load(symbol: *const c_void) -> std::result::Result<Self, LoadError> {
        // SAFETY: an `AbiHeaderRef` is the address of such a symbol; `upgrade` checks its magic.
        let header = unsafe { std::mem::transmute::<*const c_void, AbiHeaderRef>(symbol) };
        let header = header.upgrade().map_err(|error| LoadError::Foreign(tail(&error)))?;
        let plugin = header.version_strings();
        if major(&plugin.version) != major(ABI_VERSION) {
            return Err(LoadError::Major {
                plugin: plugin.version.to_string(),
                daemon: ABI_VERSION,
            });
        }
        let theirs = header.layout().ok_or_else(|| LoadError::Foreign("no layout".into()))?;
        let ours = <PluginModuleRef as abi_stable::StableAbi>::LAYOUT;
        // History is linear, fields are only appended, so one of the two continues the other.
        let fits = check_layout_compatibility(ours, theirs).is_ok()
            || check_layout_compatibility(theirs, ours).is_ok();
        if !fits {
            let error = header.ensure_layout::<PluginModuleRef>().err();
            return Err(LoadError::Layout(error.as_ref().map_or_else(String::new, tail)));
        }
        // SAFETY: every field that both know has the same layout, as was just checked; one that
        // the plugin lacks reads as `None` through its accessor.
        unsafe { header.init_root_module_with_unchecked_layout() }
            .map(Self)
            .map_err(|error| LoadError::Init(tail(&error)))
    }

    /// What it exports, as JSON; `export::Description` reads it.
    pub fn describe(&self) -> String {
        self.0.describe()().into()
    }

    /// The metrics that a source of `kind` yields with these options (JSON).
    pub fn metrics(&self, kind: &str, options: &str) -> Result<Vec<Metric>> {
        let Some(metrics) = self.0.metrics() else { return Ok(Vec::new()) };
        let json = metrics(RStr::from(kind), RStr::from(options)).into_result()?;
        Ok(serde_json::from_str(&json)?)
    }

    /// Opens a source.
    pub fn open_source(
        &self,
        kind: &str,
        options: &str,
        lend: Arc<dyn Lend>,
    ) -> Result<SourceInstance> {
        let raw = self.0.open_source()(RStr::from(kind), RStr::from(options), host(lend));
        Ok(SourceInstance(Some(raw.into_result()?)))
    }

    /// Opens a sink.
    pub fn open_sink(
        &self,
        kind: &str,
        options: &str,
        lend: Arc<dyn Lend>,
    ) -> Result<SinkInstance> {
        let raw = self.0.open_sink()(RStr::from(kind), RStr::from(options), host(lend));
        Ok(SinkInstance(Some(raw.into_result()?)))
    }

    /// Opens a reader.
    pub fn open_reader(
        &self,
        kind: &str,
        options: &str,
        lend: Arc<dyn Lend>,
    ) -> Result<ReaderInstance> {
        let Some(open) = self.0.open_reader() else {
            return Err(Error::config(format!("`{kind}` is too old to have a reader")));
        };
        let raw = open(RStr::from(kind), RStr::from(options), host(lend));
        Ok(ReaderInstance(Some(raw.into_result()?)))
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// The last error of abi_stable's message, which may be 30 kB, and the field that it is about.
fn tail(error: &LibraryError) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = lines.iter().rposition(|line| line.starts_with("Error:")).unwrap_or(0);
    let (before, error) = lines.split_at(start);
    // What it expected and found are a line each; more lines are of types that hold this one.
    let error = error.iter().take(5).copied().collect::<Vec<_>>().join(" ");
    let field = before.iter().rposition(|line| line.starts_with("field_name:"));
    let Some((before, [field, ..])) = field.and_then(|at| before.split_at_checked(at)) else {
        return error;
    };
    let field = field.trim_start_matches("field_name:");
    let owner = before.iter().rev().find_map(|line| line.strip_prefix("type:"));
    format!("{}.{field}: {error}", owner.unwrap_or_default().trim_end())
}

macro_rules! instance {
    ($(#[$doc:meta])* $name:ident, $raw:ident) => {
        $(#[$doc])*
        ///
        /// Its calls are made by one thread at a time. Dropping it closes it.
        pub struct $name(Option<$raw>);

        impl $name {
            /// Drops the role and joins its threads; an error says that the drop panicked.
            pub fn close(mut self) -> Result<()> {
                self.shut()
            }

            fn shut(&mut self) -> Result<()> {
                let Some(raw) = self.0.take() else { return Ok(()) };
                // SAFETY: `data` stands beside its functions, and nothing uses it after this.
                let reply = unsafe { raw.functions.close()(raw.data) };
                Ok(reply.into_result()?)
            }

            fn raw(&self) -> Result<&$raw> {
                self.0.as_ref().ok_or_else(|| Error::failed("the instance is closed"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // The error was for whoever called `close`.
                drop(self.shut());
            }
        }
    };
}

instance!(
    /// An opened source.
    SourceInstance,
    RawSource
);
instance!(
    /// An opened sink.
    SinkInstance,
    RawSink
);
instance!(
    /// An opened reader.
    ReaderInstance,
    RawReader
);

impl SourceInstance {
    /// Collects one batch.
    pub fn collect(&mut self, call: Call) -> Result<Batch> {
        let raw = self.raw()?;
        // SAFETY: `data` stands beside its functions; `&mut self` makes it the only call.
        let reply = unsafe { raw.functions.collect()(raw.data, call.into()) };
        reply.into_result()?.try_into()
    }

    /// Tells it that its last batch needs it no longer.
    pub fn ack(&mut self) -> Result<()> {
        let raw = self.raw()?;
        let Some(ack) = raw.functions.ack() else { return Ok(()) };
        // SAFETY: as in `collect`.
        let reply: Reply<()> = unsafe { ack(raw.data) };
        Ok(reply.into_result()?)
    }

    /// Whether it listens.
    pub fn listens(&mut self) -> bool {
        let Ok(raw) = self.raw() else { return false };
        let Some(listens) = raw.functions.listens() else { return false };
        // SAFETY: as in `collect`.
        unsafe { listens(raw.data) }
    }
}

impl SinkInstance {
    /// Delivers one batch.
    pub fn deliver(&mut self, batch: Batch, call: Call) -> Result<Outcome> {
        let raw = self.raw()?;
        let batch = RawBatch::try_from(batch)?;
        // SAFETY: as in `SourceInstance::collect`.
        let reply = unsafe { raw.functions.deliver()(raw.data, batch, call.into()) };
        Ok(serde_json::from_str(&reply.into_result()?)?)
    }
}

impl ReaderInstance {
    /// Answers one question.
    pub fn query(&mut self, question: &Question, call: Call) -> Result<Answer> {
        let raw = self.raw()?;
        let question = serde_json::to_string(question)?;
        // SAFETY: as in `SourceInstance::collect`.
        let reply =
            unsafe { raw.functions.query()(raw.data, question.as_str().into(), call.into()) };
        Ok(serde_json::from_str(&reply.into_result()?)?)
    }
}
