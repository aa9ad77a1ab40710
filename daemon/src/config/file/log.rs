//! `[evaluators.NAME]` of kind `log`, as the text has it.

use std::{borrow::Cow, collections::BTreeMap};

use haetae_plugin::options::Duration;
use regex::bytes::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{Kind, Matcher, Summary};

/// `[evaluators.NAME]` with `kind = "log"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["inputs"]))]
pub(in super::super) struct LogEvaluator {
    pub(in super::super) kind: Kind,
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(in super::super) inputs: Vec<String>,
    #[serde(rename = "match")]
    pub(in super::super) matchers: Vec<Matcher>,
    pub(in super::super) pattern: Option<Pattern>,
    #[schemars(extend("uniqueItems" = true))]
    pub(in super::super) by: Vec<String>,
    pub(in super::super) labels: BTreeMap<String, String>,
    /// The label or named group whose new values are told.
    #[schemars(length(min = 1))]
    pub(in super::super) new: Option<String>,
    /// An hour.
    pub(in super::super) learn: Option<Duration>,
    /// Thirty days.
    pub(in super::super) forget: Option<Duration>,
    pub(in super::super) warning: Option<LogLevel>,
    pub(in super::super) critical: Option<LogLevel>,
    pub(in super::super) summary: Option<Summary>,
    pub(in super::super) runbook: Option<String>,
}

/// `warning` and `critical` of a log evaluator.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in super::super) struct LogLevel {
    #[schemars(range(min = 1, max = 1000))]
    pub(in super::super) at_least: Option<u32>,
    pub(in super::super) within: Option<Duration>,
    pub(in super::super) absent_for: Option<Duration>,
}

/// `pattern`: an expression that takes time linear in the text, on bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct Pattern(pub(in super::super) Regex);

impl Pattern {
    /// The name of the schema's format.
    pub(in super::super) const FORMAT: &'static str = "haetae-pattern";

    /// Reads an expression; the error says what is wrong with it.
    pub(in super::super) fn parse(text: &str) -> Result<Self, String> {
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
