//! `[[evaluators.NAME.test]]`.

use std::collections::BTreeMap;

use haetae_plugin::options::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// A rule test.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["series", "expect"]))]
pub(in crate::config) struct RuleTest {
    pub(in crate::config) name: Option<String>,
    /// What the source says, one value an interval.
    #[schemars(length(min = 1))]
    pub(in crate::config) series: Vec<String>,
    /// The source's interval.
    pub(in crate::config) interval: Option<Duration>,
    pub(in crate::config) unit: String,
    /// All that happens, and nothing else.
    pub(in crate::config) expect: Vec<ExpectEntry>,
}

/// An element of `expect`: `"critical@2m"`, or more exactly.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum ExpectEntry {
    Short(String),
    Long(Exact),
}

/// The longer form.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["is", "at"]))]
pub(in crate::config) struct Exact {
    pub(in crate::config) is: Stand,
    pub(in crate::config) at: Duration,
    pub(in crate::config) labels: BTreeMap<String, String>,
    pub(in crate::config) value: Option<f64>,
    pub(in crate::config) summary: Option<String>,
    pub(in crate::config) reason: Option<String>,
}

/// `is`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Stand {
    #[default]
    Ok,
    Pending,
    Warning,
    Critical,
    Recovering,
}
