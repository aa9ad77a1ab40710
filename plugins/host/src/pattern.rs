//! Patterns for names, in which `*` stands for any text.

use std::{borrow::Cow, fmt};

use haetae_plugin::{
    schemars::{JsonSchema, Schema, SchemaGenerator},
    serde::{Deserialize, Deserializer},
};

/// A pattern for names, in which `*` stands for any text, also none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Whether the whole of `name` fits.
    pub(crate) fn fits(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(head) else {
            return false;
        };
        let mut parts = rest.split('*');
        let tail = parts.next_back().unwrap_or_default();
        for part in parts {
            // The leftmost place leaves the most for the parts that follow.
            let Some((_, after)) = name.split_once(part) else {
                return false;
            };
            name = after;
        }
        name.ends_with(tail)
    }
}

/// Whether `name` fits none of `patterns`.
pub(crate) fn included(name: &str, patterns: &[Pattern]) -> bool {
    !patterns.iter().any(|pattern| pattern.fits(name))
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, fits) in [
            ("lo", "lo", true),
            ("lo", "lo0", false),
            ("veth*", "veth12ab", true),
            ("veth*", "veth", true),
            ("veth*", "xveth", false),
            ("*p1", "nvme0n1p1", true),
            ("/var/*/docker*", "/var/lib/docker/x", true),
            ("/var/*/docker*", "/var/docker", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern::from(pattern).fits(name), fits, "{pattern} on {name}");
        }
    }
}
