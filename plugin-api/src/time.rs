//! Points in time, as they cross the boundary.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use abi_stable::StableAbi;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};

const NANOS: i64 = 1_000_000_000;

/// A point in time: nanoseconds since 1970-01-01 UTC.
#[repr(transparent)]
#[derive(
    StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
pub struct Timestamp(i64);

/// From nanoseconds, or from text such as `2026-11-25T03:12:00Z` where that can be told apart.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Either)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

struct Either;

impl Visitor<'_> for Either {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nanoseconds since 1970, or a time such as \"2026-11-25T03:12:00Z\"")
    }

    fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(nanos))
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Timestamp, E> {
        let wrong = || E::invalid_value(de::Unexpected::Unsigned(nanos), &self);
        i64::try_from(nanos).map(Timestamp).map_err(|_| wrong())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
        let time = humantime::parse_rfc3339(text).map_err(|_| wrong())?;
        let since = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
        i64::try_from(since.as_nanos()).map(Timestamp).map_err(|_| wrong())
    }
}

impl Timestamp {
    /// The time `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The time `seconds` seconds after the epoch; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS))
    }

    /// The time `millis` milliseconds after the epoch; saturates.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS)
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time between `earlier` and this one; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }

    /// This time plus `duration`; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// This time less `duration`; saturates.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

/// A range of time, `from` excluded and `to` included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its start: the end of the window that was acknowledged last.
    pub from: Timestamp,
    /// Its end: the slot. A source that measures now stamps its points with it.
    pub to: Timestamp,
}

fn nanos(duration: Duration) -> i64 {
    duration.as_nanos().try_into().unwrap_or(i64::MAX)
}
