//! The keys that say who is told when: of a sink, and of what nobody is to hear.

use std::time::Duration as Std;

use haetae_plugin::options::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Matcher;

/// `group_by`: a list of labels, or `"alarm"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum GroupBy {
    Word(GroupWord),
    #[schemars(extend("uniqueItems" = true))]
    Labels(Vec<String>),
}

/// What `group_by` may be but labels.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum GroupWord {
    Alarm,
}

/// `repeat`: a length of time, or several that grow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Repeat {
    Same(Duration),
    #[schemars(extend("minItems" = 1))]
    Growing(Vec<Duration>),
}

/// `rate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Rate {
    /// Zero: as many as there are.
    #[schemars(range(min = 0))]
    pub(in crate::config) most: u32,
    pub(in crate::config) per: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self { most: 20, per: Std::from_mins(1).into() }
    }
}

/// `quiet`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["hours"]))]
pub(in crate::config) struct Quiet {
    /// The sink's zone.
    pub(in crate::config) zone: Option<String>,
    pub(in crate::config) hours: String,
    pub(in crate::config) days: Option<String>,
    pub(in crate::config) except: Vec<Matcher>,
}

/// `escalate`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["after", "to"]))]
pub(in crate::config) struct Escalate {
    pub(in crate::config) after: Duration,
    pub(in crate::config) to: String,
    pub(in crate::config) unless: Option<Unless>,
}

/// `escalate.unless`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Unless {
    Acknowledged,
}

/// `[[inhibit]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["when", "mute"]))]
pub(in crate::config) struct Inhibit {
    #[schemars(length(min = 1))]
    pub(in crate::config) when: Vec<Matcher>,
    #[schemars(length(min = 1))]
    pub(in crate::config) mute: Vec<Matcher>,
    #[schemars(extend("uniqueItems" = true))]
    pub(in crate::config) equal: Vec<String>,
}

/// `[[maintenance]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "match"]))]
pub(in crate::config) struct Maintenance {
    #[schemars(length(min = 1))]
    pub(in crate::config) name: String,
    #[serde(rename = "match")]
    #[schemars(length(min = 1))]
    pub(in crate::config) matchers: Vec<Matcher>,
    /// The daemon's zone.
    pub(in crate::config) zone: Option<String>,
    pub(in crate::config) days: Option<String>,
    pub(in crate::config) hours: Option<String>,
    pub(in crate::config) from: Option<String>,
    pub(in crate::config) until: Option<String>,
    pub(in crate::config) reason: String,
}
