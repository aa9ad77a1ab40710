//! The configuration: text is read to a `File`, checked whole, and becomes a [`Plan`].

mod check;
mod environment;
mod file;
mod plan;
mod read;
pub mod secret;
mod text;

use std::path::PathBuf;

use haetae_plugin::{Metric, Records};
use serde_json::Value;

pub use self::{
    check::{
        kind::reserved,
        proposal::Misplaced,
        rule_test::{Expectation, RuleTest},
    },
    environment::{
        STATE, built_in_plugins, columns, faults, runtime_socket, state_home, wants_no_colour,
    },
    file::ThresholdText,
    plan::{
        Daemon, Http, Notify, Override, Plan, PluginOptions, Plugins, Queue, Retention, Server,
        Sink, Source, SourceLimits,
    },
    read::files::{Checked, Files, UnreadableFile},
    text::{
        notation::{SeriesWord, Spoken, Stand},
        problem::{Code, Finding, Problem, Severity},
        time::{moment, no_duration},
    },
};

/// The kinds that plugins offer, as far as a configuration is judged by them.
pub trait Kinds {
    /// The names of all kinds.
    fn names(&self) -> Vec<String>;

    /// What the kind of this name is, or why it can't be used.
    fn kind(&self, name: &str) -> Result<Facts, Unusable>;

    /// The metrics that a source of this kind yields with these options, or why it refuses them.
    fn metrics(&self, kind: &str, options: &Value) -> Result<Vec<Metric>, String>;

    /// The directories that were searched for plugins.
    fn searched(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// What is known of a kind.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The JSON schema (2020-12) of its options; null: it has none.
    pub schema: Value,
    /// What its source yields, if it has one.
    pub source: Option<Vec<Records>>,
    /// What its sink takes, if it has one.
    pub sink: Option<Vec<Records>>,
    /// Whether it has a reader.
    pub reader: bool,
}

/// Why a kind can't be used.
#[derive(Clone, Debug)]
pub enum Unusable {
    /// No plugin offers a kind of this name.
    Unknown,
    /// The library that should offer it can't be loaded.
    Broken {
        /// The library.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
        /// What to do.
        cure: String,
    },
}
