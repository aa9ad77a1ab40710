//! `[evaluators.NAME]` of kind `log`, as the text has it.

use std::{borrow::Cow, collections::BTreeMap};

use haetae_plugin::options::Duration;
use regex::bytes::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{EvaluatorKind, Matcher, Summary};

/// `[evaluators.NAME]` with `kind = "log"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["inputs"]))]
pub(in crate::config) struct LogEvaluator {
    pub(in crate::config) kind: EvaluatorKind,
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(in crate::config) inputs: Vec<String>,
    #[serde(rename = "match")]
    pub(in crate::config) matchers: Vec<Matcher>,
    pub(in crate::config) pattern: Option<Pattern>,
    #[schemars(extend("uniqueItems" = true))]
    pub(in crate::config) by: Vec<String>,
    pub(in crate::config) labels: BTreeMap<String, String>,
    /// The label or named group whose new values are told.
    #[schemars(length(min = 1))]
    pub(in crate::config) new: Option<String>,
    /// An hour.
    pub(in crate::config) learn: Option<Duration>,
    /// Thirty days.
    pub(in crate::config) forget: Option<Duration>,
    pub(in crate::config) warning: Option<LogLevel>,
    pub(in crate::config) critical: Option<LogLevel>,
    /// A thousand.
    #[schemars(range(min = 1))]
    pub(in crate::config) limit: Option<usize>,
    pub(in crate::config) summary: Option<Summary>,
    pub(in crate::config) runbook: Option<String>,
}

/// `warning` and `critical` of a log evaluator.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct LogLevel {
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) at_least: Option<u32>,
    pub(in crate::config) within: Option<Duration>,
    pub(in crate::config) absent_for: Option<Duration>,
}

/// `pattern`: an expression that takes time linear in the text, on bytes.
#[derive(Clone, Debug)]
pub(in crate::config) struct Pattern(pub(in crate::config) Regex);

impl Pattern {
    /// The name of the schema's format.
    pub(in crate::config) const FORMAT: &'static str = "haetae-pattern";

    /// Reads an expression; the error says what is wrong with it.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, String> {
        let line = |error: regex::Error| {
            let text = error.to_string();
            let line = text.lines().last().unwrap_or_default();
            line.trim().trim_start_matches("error: ").to_owned()
        };
        Regex::new(text).map(Self).map_err(line)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}
