//! Exporting a plugin: what `export!` expands to, and what the daemon reads of it.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Context, Error, Metric, Reader, Records, Result, Sink, Source,
    abi::{self, RawReader, RawSink, RawSource, Reply},
};

/// Exports the kinds of a plugin library.
///
/// ```ignore
/// haetae_plugin::export! {
///     kind "file" { sink: FileSink, sample: include_str!("../sample.toml") }
///     kind "other" { source: Other, reader: OtherReader }
/// }
/// ```
///
/// The roles of one kind share their options. `sample` is a block of configuration that
/// `haetae plugin sample` prints.
#[macro_export]
macro_rules! export {
    ($(kind $kind:literal { $($roles:tt)+ })+) => {
        #[cfg(panic = "abort")]
        compile_error!("a haetae plugin must be built with panic = \"unwind\": with \"abort\" its panics would end the daemon");

        #[doc(hidden)]
        const _: () = {
            struct Exported;

            impl $crate::export::Exports for Exported {
                const PLUGIN: (&'static str, &'static str) =
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
                const KINDS: &'static [$crate::export::Kind] = &[$(
                    $crate::__kind!($crate::export::Typed::new($kind), $($roles)+).kind(),
                )+];
                const MANIFEST: &'static [u8] = &MANIFEST;
            }

            const PARTS: &[&str] = &[
                "{\"plugin\":\"", env!("CARGO_PKG_NAME"),
                "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
                "\",\"abi\":\"", $crate::ABI_VERSION,
                "\",\"rustc\":\"", $crate::RUSTC,
                "\",\"panic\":\"unwind\",\"kinds\":{\"\":[]",
                $(",\"", $kind, "\":[\"\"", $crate::__roles!([] $($roles)+), "]",)+
                "}}",
            ];

            #[allow(unsafe_code, reason = "the section that `haetae plugin list` reads")]
            #[used]
            #[unsafe(link_section = ".haetae")]
            static MANIFEST: [u8; $crate::export::length(PARTS)] = $crate::export::join(PARTS);

            #[allow(unsafe_code, reason = "the symbol that the daemon looks up")]
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static ROOT: $crate::abi::LibHeader = $crate::abi::header::<Exported>();
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kind {
    ($kind:expr, source: $role:ty $(, $($rest:tt)*)?) => { $crate::__kind!($kind.source::<$role>(), $($($rest)*)?) };
    ($kind:expr, sink: $role:ty $(, $($rest:tt)*)?) => { $crate::__kind!($kind.sink::<$role>(), $($($rest)*)?) };
    ($kind:expr, reader: $role:ty $(, $($rest:tt)*)?) => { $crate::__kind!($kind.reader::<$role>(), $($($rest)*)?) };
    ($kind:expr, sample: $sample:expr $(, $($rest:tt)*)?) => { $crate::__kind!($kind.sample($sample), $($($rest)*)?) };
    ($kind:expr,) => { $kind };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __roles {
    ([$($done:literal)*] source: $role:ty $(, $($rest:tt)*)?) => { $crate::__roles!([$($done)* ",\"source\""] $($($rest)*)?) };
    ([$($done:literal)*] sink: $role:ty $(, $($rest:tt)*)?) => { $crate::__roles!([$($done)* ",\"sink\""] $($($rest)*)?) };
    ([$($done:literal)*] reader: $role:ty $(, $($rest:tt)*)?) => { $crate::__roles!([$($done)* ",\"reader\""] $($($rest)*)?) };
    ([$($done:literal)*] sample: $sample:expr $(, $($rest:tt)*)?) => { $crate::__roles!([$($done)*] $($($rest)*)?) };
    ([$($done:literal)*]) => { concat!($($done),*) };
}

/// What a library exports; `export!` implements it.
pub trait Exports: 'static {
    /// Its name and version.
    const PLUGIN: (&'static str, &'static str);
    /// Its kinds.
    const KINDS: &'static [Kind];
    /// The bytes of its section: named here so that the linker keeps them.
    const MANIFEST: &'static [u8];
}

type Metrics = fn(&str) -> Result<Vec<Metric>>;

/// One kind: a name in `plugin = "…"`, and its roles.
pub struct Kind {
    name: &'static str,
    sample: &'static str,
    schema: Option<fn() -> Value>,
    metrics: Option<Metrics>,
    pub(crate) source: Option<Role<RawSource>>,
    pub(crate) sink: Option<Role<RawSink>>,
    pub(crate) reader: Option<Role<RawReader>>,
}

pub(crate) struct Role<T> {
    records: &'static [Records],
    pub(crate) open: fn(&str, Context) -> Reply<T>,
}

/// A kind in the making; `O` are the options that its roles share.
pub struct Typed<O>(Kind, PhantomData<fn() -> O>);

impl<O> Typed<O> {
    /// A kind without roles.
    pub const fn new(name: &'static str) -> Self {
        let kind = Kind {
            name,
            sample: "",
            schema: None,
            metrics: None,
            source: None,
            sink: None,
            reader: None,
        };
        Self(kind, PhantomData)
    }

    /// Adds the source.
    #[must_use]
    pub const fn source<S: Source<Options = O>>(mut self) -> Self {
        self.0.schema = Some(schema_of_source::<S>);
        self.0.source = Some(Role { records: S::YIELDS, open: abi::open_source::<S> });
        self.0.metrics = Some(metrics_with::<S>);
        self
    }

    /// Adds the sink.
    #[must_use]
    pub const fn sink<S: Sink<Options = O>>(mut self) -> Self {
        self.0.schema = Some(schema_of_sink::<S>);
        self.0.sink = Some(Role { records: S::TAKES, open: abi::open_sink::<S> });
        self
    }

    /// Adds the reader.
    #[must_use]
    pub const fn reader<R: Reader<Options = O>>(mut self) -> Self {
        self.0.schema = Some(schema_of_reader::<R>);
        self.0.reader = Some(Role { records: &[], open: abi::open_reader::<R> });
        self
    }

    /// Adds the sample.
    #[must_use]
    pub const fn sample(mut self, sample: &'static str) -> Self {
        self.0.sample = sample;
        self
    }

    /// The finished kind.
    pub const fn kind(self) -> Kind {
        self.0
    }
}

// One a role: that options have a schema follows from the role, so whoever forgets it is told once.
fn schema_of_source<S: Source>() -> Value {
    schema::<S::Options>()
}

fn schema_of_sink<S: Sink>() -> Value {
    schema::<S::Options>()
}

fn schema_of_reader<R: Reader>() -> Value {
    schema::<R::Options>()
}

fn schema<O: JsonSchema>() -> Value {
    schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<O>()
        .to_value()
}

fn metrics_with<S: Source>(options: &str) -> Result<Vec<Metric>> {
    let options = serde_json::from_str(options)
        .map_err(|error| Error::config(format!("options: {error}")))?;
    Ok(S::metrics(&options))
}

/// What the section `.haetae` of a library says, without loading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The crate's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The boundary's version that it was built with.
    pub abi: String,
    /// The compiler that built it.
    pub rustc: String,
    /// `unwind`, or it can't be loaded.
    pub panic: String,
    /// Kinds and their roles.
    pub kinds: std::collections::BTreeMap<String, Vec<String>>,
}

impl Manifest {
    /// Reads the section's bytes.
    pub fn read(section: &[u8]) -> Result<Self> {
        let mut manifest: Self = serde_json::from_slice(section)?;
        // The list's empty heads spare the macro its commas.
        manifest.kinds.remove("");
        for roles in manifest.kinds.values_mut() {
            roles.retain(|role| !role.is_empty());
        }
        Ok(manifest)
    }
}

/// What a loaded library says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// The crate's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Its kinds.
    pub kinds: Vec<KindDescription>,
}

/// What a loaded library says of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KindDescription {
    /// The name in `plugin = "…"`.
    pub kind: String,
    /// A block of configuration.
    pub sample: String,
    /// JSON schema (2020-12) of the options.
    pub schema: Value,
    /// What its source yields, if it has one.
    pub source: Option<Vec<Records>>,
    /// What its sink takes, if it has one.
    pub sink: Option<Vec<Records>>,
    /// Whether it has a reader.
    pub reader: bool,
}

pub(crate) fn describe<E: Exports>() -> String {
    let (plugin, version) = E::PLUGIN;
    std::hint::black_box(E::MANIFEST);
    let kinds = E::KINDS.iter().map(|kind| KindDescription {
        kind: kind.name.into(),
        sample: kind.sample.into(),
        schema: kind.schema.map_or(Value::Null, |schema| schema()),
        source: kind.source.as_ref().map(|role| role.records.to_vec()),
        sink: kind.sink.as_ref().map(|role| role.records.to_vec()),
        reader: kind.reader.is_some(),
    });
    let description =
        Description { plugin: plugin.into(), version: version.into(), kinds: kinds.collect() };
    serde_json::to_string(&description).unwrap_or_default()
}

pub(crate) fn kind<E: Exports>(name: &str) -> Option<&'static Kind> {
    E::KINDS.iter().find(|kind| kind.name == name)
}

pub(crate) fn metrics<E: Exports>(name: &str, options: &str) -> Result<String> {
    let metrics = kind::<E>(name).and_then(|kind| kind.metrics);
    let metrics = metrics.map_or(Ok(Vec::new()), |metrics| metrics(options))?;
    Ok(serde_json::to_string(&metrics)?)
}

/// The length of `parts` joined.
#[expect(clippy::indexing_slicing, reason = "evaluated at build time, where a panic is an error")]
pub const fn length(parts: &[&str]) -> usize {
    let (mut total, mut part) = (0, 0);
    while part < parts.len() {
        total += parts[part].len();
        part += 1;
    }
    total
}

/// `parts` joined.
#[expect(clippy::indexing_slicing, reason = "evaluated at build time, where a panic is an error")]
pub const fn join<const LENGTH: usize>(parts: &[&str]) -> [u8; LENGTH] {
    let mut joined = [0; LENGTH];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut byte = 0;
        while byte < bytes.len() {
            joined[at] = bytes[byte];
            at += 1;
            byte += 1;
        }
        part += 1;
    }
    joined
}
