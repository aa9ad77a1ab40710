//! An element of `match`, as it stands in the file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::engine::mute::matcher;

/// An element of `match`.
#[derive(Clone, Debug)]
pub(in crate::config) struct Matcher(pub(in crate::config) matcher::Matcher);

impl Matcher {
    /// The name of the schema's format.
    pub(in crate::config) const FORMAT: &'static str = "haetae-matcher";
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        matcher::Matcher::parse(&text)
            .map(Self)
            .map_err(|error| de::Error::custom(format!("`{text}`: {error:?}")))
    }
}

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}
