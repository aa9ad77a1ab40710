//! `[retention]`, as it stands in the file.

use std::{borrow::Cow, str::FromStr, time::Duration as Std};

use haetae_plugin::options::Duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// `[retention]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RetentionSection {
    pub(in crate::config) alarms: Keep,
    pub(in crate::config) journal: Keep,
    pub(in crate::config) notices: Keep,
    pub(in crate::config) dead_letters: Keep,
}

impl Default for RetentionSection {
    fn default() -> Self {
        let days = |days: u64| Keep::For(Std::from_hours(24 * days));
        Self { alarms: days(400), journal: days(400), notices: days(90), dead_letters: days(90) }
    }
}

/// How long something is kept: a length of time, or `"forever"`.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Keep {
    For(Std),
    Forever,
}

impl Keep {
    /// The name of the schema's format.
    pub(in crate::config) const FORMAT: &'static str = "haetae-keep";
}

impl FromStr for Keep {
    type Err = <Duration as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        text.parse::<Duration>().map(|length| Self::For(*length))
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("`{text}`: {error}")))
    }
}

impl JsonSchema for Keep {
    fn schema_name() -> Cow<'static, str> {
        "Keep".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}
