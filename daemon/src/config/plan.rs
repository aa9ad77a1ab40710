//! The plan: a configuration that was checked whole, ready to run.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use haetae_plugin::Secret;
use serde_json::Value;

use super::{check::rule_test::RuleTest, file::ThresholdText};
use crate::engine::{
    self, SYSTEM, SourceTiming,
    log::LogRule,
    mute::{matcher::Matcher, silence::Silence},
    notify::{Escalate, GroupBy, Inhibit, Quiet, Rate, Route},
    threshold::rule::Threshold,
};
use crate::language::Language;

/// All that runs: names are resolved, options fit their plugins, numbers make sense.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[http]`.
    pub http: Http,
    /// `[plugins]`.
    pub plugins: Plugins,
    /// `[retention]`.
    pub retention: Retention,
    /// `[sources.*]`, by name.
    pub sources: Vec<Source>,
    /// `[evaluators.*]` of kind `threshold`, by name.
    pub thresholds: Vec<Arc<Threshold>>,
    /// `[[thresholds]]`, in their order.
    pub overrides: Vec<Override>,
    /// `[evaluators.*]` of kind `log`, by name.
    pub logs: Vec<LogRule>,
    /// `[[evaluators.*.test]]`.
    pub tests: Vec<RuleTest>,
    /// `[sinks.*]`, by name.
    pub sinks: Vec<Sink>,
    /// `[[inhibit]]`, in the order of the text.
    pub inhibits: Vec<Inhibit>,
    /// `[[maintenance]]`, in the order of the text.
    pub maintenance: Vec<Silence>,
    /// Where each source, evaluator and sink stands in the text: `haetae.toml:12`.
    pub places: BTreeMap<String, String>,
}

/// A threshold that the configuration sets for a scope.
#[derive(Clone, Debug)]
pub struct Override {
    /// Its numbers; its id is its place: `haetae.toml:12`.
    pub numbers: engine::Override,
    /// As it was written.
    pub text: ThresholdText,
}

/// The daemon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The language of what it sends.
    pub language: Language,
    /// The time zone of what it sends; `None`: the machine's.
    pub zone: Option<String>,
    /// The directory of all that it keeps.
    pub state: PathBuf,
    /// The PostgreSQL server that holds the store; `None`: a file in the state directory does.
    pub store: Option<Server>,
    /// The group whose members may use the admin socket; `None`: the daemon's user alone.
    pub socket_group: Option<String>,
}

/// A PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its URL, without a password.
    pub url: String,
    /// The password.
    pub password: Option<Secret>,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The address that it listens on.
    pub listen: SocketAddr,
}

/// Where plugins come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins {
    /// Directories that are searched before the built-in one.
    pub path: Vec<PathBuf>,
    /// `name@sha256:…` of those that may be loaded; empty: all.
    pub allow: Vec<String>,
}

/// How long history is kept; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Alarms that have ended, with how they were handled.
    pub alarms: Option<Duration>,
    /// What happened, and who did it.
    pub journal: Option<Duration>,
    /// Who was told of what has ended.
    pub notices: Option<Duration>,
    /// Notifications that were given up or rejected.
    pub dead_letters: Option<Duration>,
}

/// The plugin's own keys. Their values are shown to nobody: a URL may have a password.
#[derive(Clone, PartialEq)]
pub struct PluginOptions(pub Value);

impl fmt::Debug for PluginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.as_object().into_iter().flat_map(|options| options.keys());
        f.debug_set().entries(keys).finish()
    }
}

/// A source to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its kind, as in `plugin = "…"`.
    pub kind: String,
    /// The plugin's own keys.
    pub options: PluginOptions,
    /// How often it is asked.
    pub interval: Duration,
    /// How long one call may take.
    pub deadline: Duration,
    /// What is too much.
    pub limits: SourceLimits,
    /// Labels added to all that it yields.
    pub labels: BTreeMap<String, String>,
    /// The queue before its sinks.
    pub queue: Queue,
}

impl Source {
    /// What the engine needs of it.
    pub fn timing(&self) -> SourceTiming {
        SourceTiming {
            name: self.name.clone(),
            interval: self.interval,
            deadline: self.deadline,
            max_series: self.limits.max_series,
        }
    }
}

/// The queue of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many bytes it may hold.
    pub max: u64,
    /// Whether its source waits when it is full; else the oldest batches are dropped.
    pub wait: bool,
}

/// What a source may yield at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Series.
    pub max_series: usize,
    /// Labels of a series.
    pub max_labels: usize,
    /// Bytes of a label's name.
    pub max_label_name: usize,
    /// Bytes of a label's value.
    pub max_label_value: usize,
    /// Bytes of a log record's line.
    pub max_record: usize,
}

/// A sink to run.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// Where the configuration has it: `haetae.toml:12`.
    pub place: String,
    /// Its kind, as in `plugin = "…"`.
    pub kind: String,
    /// The plugin's own keys.
    pub options: PluginOptions,
    /// Whether it takes notifications.
    pub notifies: bool,
    /// The sources and evaluators that it reads, and `system`; empty: a fallback only.
    pub inputs: Vec<String>,
    /// What of them it takes; all must match.
    pub matchers: Vec<Matcher>,
    /// Whether it is told when an alarm is resolved.
    pub resolved: bool,
    /// How long one delivery may take.
    pub deadline: Duration,
    /// Its language; `None`: the daemon's.
    pub language: Option<Language>,
    /// Its time zone; `None`: the daemon's.
    pub zone: Option<String>,
    /// The sink that gets what this one gave up.
    pub fallback: Option<String>,
    /// For how long a notification is tried.
    pub give_up: Duration,
    /// What it is told together, and when.
    pub notify: Notify,
}

/// What a sink is told together, and when.
#[derive(Clone, Debug)]
pub struct Notify {
    /// What makes a group.
    pub group_by: GroupBy,
    /// How long a new group waits for more.
    pub group_wait: Duration,
    /// The least time between two notices of a group, but for repeats.
    pub group_interval: Duration,
    /// How long after a notice the same is told again: the first time, the second …; the last one
    /// goes on. Empty: never.
    pub repeat: Vec<Duration>,
    /// The most notices in a while; what is more becomes a digest.
    pub rate: Rate,
    /// When nobody is to be woken.
    pub quiet: Option<Quiet>,
    /// Who is told if nobody takes it up.
    pub escalate: Option<Escalate>,
}

impl Plan {
    /// What `[[thresholds]]` says, as the engine takes it.
    pub fn numbers(&self) -> Vec<engine::Override> {
        self.overrides.iter().map(|one| one.numbers.clone()).collect()
    }

    /// The sinks that are told of alarms, as the engine sees them.
    pub fn routes(&self) -> Vec<Route> {
        let named = |sink: &Sink| sink.inputs.iter().any(|input| input == SYSTEM);
        let system_is_named = self.sinks.iter().any(named);
        let notified = self.sinks.iter().filter(|sink| sink.notifies);
        let route = |sink: &Sink| {
            let Notify { group_by, group_wait, group_interval, repeat, rate, quiet, escalate } =
                sink.notify.clone();
            Route {
                sink: sink.name.clone(),
                place: sink.place.clone(),
                inputs: sink.inputs.clone(),
                system: named(sink) || !system_is_named,
                matchers: sink.matchers.clone(),
                group_by,
                group_wait,
                group_interval,
                repeat,
                resolved: sink.resolved,
                quiet,
                escalate,
                rate,
            }
        };
        notified.map(route).collect()
    }
}
