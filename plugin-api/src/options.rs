//! A plugin's options, and types for them.

use std::{borrow::Cow, fmt, ops::Deref, str::FromStr, time::Duration as Std};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned},
};

/// What the options of a role are: a struct with `#[haetae_plugin::options]` above it, which
/// implements this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the options of a plugin: write `#[haetae_plugin::options]` above it",
    label = "no `#[haetae_plugin::options]` stands above it"
)]
pub trait Options: DeserializeOwned + JsonSchema {}

/// A length of time as people write it: `"500ms"`, `"30s"`, `"5m"`, `"2h 30m"`, `"7d"`; at most a
/// hundred years, so that no sum of a few of them is beyond what a clock knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(Std);

impl Duration {
    /// The name of the schema's format.
    pub const FORMAT: &'static str = "haetae-duration";

    /// The longest that is taken.
    pub const MAX: Std = Std::from_hours(100 * 366 * 24);
}

impl Deref for Duration {
    type Target = Std;

    fn deref(&self) -> &Std {
        &self.0
    }
}

impl From<Std> for Duration {
    fn from(duration: Std) -> Self {
        Self(duration)
    }
}

impl FromStr for Duration {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = humantime::parse_duration(text)?;
        let is_too_long = duration > Self::MAX;
        if is_too_long { Err(humantime::DurationError::NumberOverflow) } else { Ok(Self(duration)) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("`{text}`: {error}")))
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}

/// A number of bytes as people write it: `"64 KiB"`, `"500 MB"`, `"2 GiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// Longer ones first: `MiB` ends like `B`.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl Size {
    /// The name of the schema's format.
    pub const FORMAT: &'static str = "haetae-size";

    /// That many bytes.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no whole number with a unit, such as 64 KiB or 2 GiB");
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let (number, bytes) = unit.ok_or_else(wrong)?;
        let number: u64 = number.trim_end().parse().map_err(|_| wrong())?;
        number.checked_mul(*bytes).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        let (unit, bytes) =
            UNITS.iter().filter(fits).max_by_key(|unit| unit.1).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / bytes)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_as_people_write_them() {
        let cases = [
            ("64 KiB", Some(64 << 10), "64 KiB"),
            ("2GiB", Some(2 << 30), "2 GiB"),
            ("500 MB", Some(500_000_000), "500 MB"),
            ("1024 B", Some(1024), "1 KiB"),
            ("0 B", Some(0), "0 B"),
            ("12", None, ""),
            ("1.5 GiB", None, ""),
            ("-1 B", None, ""),
            ("99999999 TiB", None, ""),
            ("", None, ""),
        ];
        for (text, bytes, shown) in cases {
            let size = text.parse::<Size>().ok();
            assert_eq!(size.map(Size::bytes), bytes, "{text}");
            if let Some(size) = size {
                assert_eq!(size.to_string(), shown);
            }
        }
    }
}
