//! The file: it mirrors the text, and may be wrong.

pub(super) mod expect;
mod log;
mod matcher;
mod notify;
mod retention;
mod rule_test;
mod threshold;

use std::{collections::BTreeMap, path::PathBuf, time::Duration as Std};

use haetae_plugin::{
    Secret,
    options::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::threshold::ThresholdText;
pub(super) use self::{
    log::{LogEvaluator, LogLevel, Pattern},
    matcher::Matcher,
    notify::{Escalate, GroupBy, GroupWord, Inhibit, Maintenance, Quiet, Rate, Repeat},
    retention::{Keep, RetentionSection},
    rule_test::{ExpectEntry, RuleTest, Stand},
};
use crate::engine::threshold::rule;
use crate::language::Language;

/// `[daemon]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Daemon {
    pub(super) language: Language,
    pub(super) zone: Option<String>,
    pub(super) state: PathBuf,
    pub(super) store: Option<Store>,
    pub(super) socket_group: Option<String>,
}

/// `[daemon] store`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) url: String,
    pub(super) password: Option<Secret>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            language: Language::default(),
            zone: None,
            state: "/var/lib/haetae".into(),
            store: None,
            socket_group: None,
        }
    }
}

/// `[http]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpSection {
    pub(super) listen: String,
}

impl Default for HttpSection {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9870".into() }
    }
}

/// `[plugins]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Plugins {
    pub(super) path: Vec<PathBuf>,
    #[schemars(inner(regex(pattern = r"^[A-Za-z0-9_-]+@sha256:[0-9a-f]{64}$")))]
    pub(super) allow: Vec<String>,
}

/// `[sources.NAME]`, but for its plugin's own keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["plugin"]))]
pub(super) struct SourceSection {
    pub(super) plugin: String,
    pub(super) interval: Duration,
    /// As long as the interval, 20 s at most.
    pub(super) deadline: Option<Duration>,
    #[schemars(range(min = 1))]
    pub(super) max_series: usize,
    #[schemars(range(min = 1))]
    pub(super) max_labels: usize,
    #[schemars(range(min = 1))]
    pub(super) max_label_name: usize,
    #[schemars(range(min = 1))]
    pub(super) max_label_value: usize,
    pub(super) max_record: Size,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) queue: QueueSection,
}

/// `queue` of a source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueSection {
    pub(super) max: Size,
    /// Logs wait, samples drop the oldest.
    pub(super) when_full: Option<WhenFull>,
}

impl Default for QueueSection {
    fn default() -> Self {
        Self { max: Size::of_bytes(1 << 30), when_full: None }
    }
}

/// `queue.when_full`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenFull {
    Wait,
    DropOldest,
}

impl Default for SourceSection {
    fn default() -> Self {
        Self {
            plugin: String::new(),
            interval: Std::from_secs(30).into(),
            deadline: None,
            max_series: 100_000,
            max_labels: 64,
            max_label_name: 128,
            max_label_value: 1024,
            max_record: Size::of_bytes(64 << 10),
            labels: BTreeMap::new(),
            queue: QueueSection::default(),
        }
    }
}

/// `[evaluators.NAME]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["inputs", "metric"]))]
pub(super) struct Evaluator {
    pub(super) kind: EvaluatorKind,
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(super) inputs: Vec<String>,
    #[schemars(length(min = 1))]
    pub(super) metric: String,
    #[serde(rename = "match")]
    pub(super) matchers: Vec<Matcher>,
    #[schemars(extend("uniqueItems" = true))]
    pub(super) by: Option<Vec<String>>,
    pub(super) across: Across,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) warning: Option<LevelSection>,
    pub(super) critical: Option<LevelSection>,
    pub(super) no_data: NoData,
    pub(super) expect: Option<expect::Expect>,
    pub(super) over: Option<Duration>,
    /// A thousand.
    #[schemars(range(min = 1))]
    pub(super) limit: Option<usize>,
    pub(super) flap: Option<Flap>,
    pub(super) value: Value,
    pub(super) every: Option<Duration>,
    pub(super) summary: Option<Summary>,
    pub(super) runbook: Option<String>,
    #[serde(rename = "test")]
    pub(super) tests: Vec<RuleTest>,
}

/// The kinds of evaluators.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EvaluatorKind {
    #[default]
    Threshold,
    Log,
}

/// `warning` and `critical`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LevelSection {
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
    /// The number that raises.
    pub(super) clear: Option<f64>,
    #[serde(rename = "for")]
    pub(super) hold: Option<Duration>,
    pub(super) of: Option<(u32, u32)>,
    pub(super) clear_for: Duration,
}

/// `no_data`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NoData {
    /// Three intervals of the source.
    pub(super) after: Option<Duration>,
    pub(super) then: Then,
    /// A day; of what was learned.
    pub(super) forget: Option<Duration>,
}

/// `flap`: numbers, or none of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Flap {
    Switch(bool),
    Score(Score),
}

/// The numbers of `flap`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Score {
    #[schemars(range(min = 0, max = 100))]
    pub(super) start: f64,
    #[schemars(range(min = 0, max = 100))]
    pub(super) stop: f64,
    /// Twenty slots.
    pub(super) decay: Option<Duration>,
}

impl Default for Score {
    fn default() -> Self {
        let rule::Flap { start, stop, .. } = rule::Flap::default();
        Self { start, stop, decay: None }
    }
}

/// `across`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Across {
    #[default]
    Worst,
    Mean,
    Sum,
    Max,
    Min,
    Count,
}

/// `value`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Value {
    #[default]
    Mean,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Rate,
    Delta,
    P95,
}

/// `no_data.then`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    #[default]
    Hold,
    Alarm,
    Ok,
}

/// `summary`: one text for all languages, or one for each.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Summary {
    Same(String),
    Each(Each),
}

/// A text in each language.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Each {
    pub(super) en: Option<String>,
    pub(super) ko: Option<String>,
}

/// `[sinks.NAME]`, but for its plugin's own keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["plugin"]))]
pub(super) struct SinkSection {
    pub(super) plugin: String,
    #[schemars(extend("uniqueItems" = true))]
    pub(super) inputs: Vec<String>,
    #[serde(rename = "match")]
    pub(super) matchers: Vec<Matcher>,
    pub(super) resolved: bool,
    pub(super) deadline: Duration,
    pub(super) language: Option<Language>,
    pub(super) zone: Option<String>,
    pub(super) fallback: Option<String>,
    pub(super) give_up: Duration,
    pub(super) group_by: GroupBy,
    pub(super) group_wait: Duration,
    pub(super) group_interval: Duration,
    pub(super) repeat: Repeat,
    /// Without it as many as there are, if each alarm is told alone.
    pub(super) rate: Option<Rate>,
    pub(super) quiet: Option<Quiet>,
    pub(super) escalate: Option<Escalate>,
}

impl Default for SinkSection {
    fn default() -> Self {
        Self {
            plugin: String::new(),
            inputs: Vec::new(),
            matchers: Vec::new(),
            resolved: true,
            deadline: Std::from_secs(20).into(),
            language: None,
            zone: None,
            fallback: None,
            give_up: Std::from_hours(24).into(),
            group_by: GroupBy::Labels(vec!["evaluator".into()]),
            group_wait: Std::from_secs(30).into(),
            group_interval: Std::from_mins(5).into(),
            repeat: Repeat::Same(Std::from_hours(4).into()),
            rate: None,
            quiet: None,
            escalate: None,
        }
    }
}

impl From<Across> for rule::Across {
    fn from(across: Across) -> Self {
        match across {
            Across::Worst => Self::Worst,
            Across::Mean => Self::Mean,
            Across::Sum => Self::Sum,
            Across::Max => Self::Max,
            Across::Min => Self::Min,
            Across::Count => Self::Count,
        }
    }
}

impl From<Value> for rule::Aggregation {
    fn from(value: Value) -> Self {
        match value {
            Value::Mean => Self::Mean,
            Value::Min => Self::Min,
            Value::Max => Self::Max,
            Value::Sum => Self::Sum,
            Value::Count => Self::Count,
            Value::Last => Self::Last,
            Value::Rate => Self::Rate,
            Value::Delta => Self::Delta,
            Value::P95 => Self::P95,
        }
    }
}

impl From<Then> for rule::Then {
    fn from(then: Then) -> Self {
        match then {
            Then::Hold => Self::Hold,
            Then::Alarm => Self::Alarm,
            Then::Ok => Self::Ok,
        }
    }
}
