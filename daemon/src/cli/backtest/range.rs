//! Ranges of time as people give them.

use std::{fmt, time::Duration};

use haetae_plugin::{Timestamp, options};
use jiff::tz::TimeZone;

use crate::config;

/// A range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Range {
    /// Reads both ends.
    pub(super) fn parse(from: &str, to: &str, now: Timestamp) -> Result<Self, String> {
        let end = time(to, now).map_err(|text| format!("--to {text}"))?;
        // How long ago counts from the end.
        let start = time(from, end).map_err(|text| format!("--from {text}"))?;
        if end > now {
            return Err(format!("--to `{to}` is in the future: nobody knows it yet"));
        }
        if start >= end {
            return Err(format!("--from `{from}` is not before --to `{to}`"));
        }
        Ok(Self { from: start, to: end })
    }

    /// Refuses a range in which a source may not have spoken.
    pub(super) fn holds(self, interval: Duration) -> Result<(), String> {
        if self.to.since(self.from) >= interval {
            return Ok(());
        }
        let interval = options::Duration::from(interval);
        Err(format!("the range is shorter than {interval}, in which a source speaks once"))
    }

    /// How far `until` is, in percent.
    pub(super) fn percent(self, until: Timestamp) -> f64 {
        let whole = self.to.since(self.from).as_secs_f64();
        (100.0 * until.since(self.from).as_secs_f64() / whole.max(f64::MIN_POSITIVE)).min(100.0)
    }

    /// The same, in words.
    pub(super) fn share(self, until: Timestamp) -> String {
        format!("at {} ({:.0} %)", shown(until), self.percent(until).floor())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = Duration::from_secs(self.to.since(self.from).as_secs());
        let length = options::Duration::from(length);
        write!(f, "{} to {} ({length})", shown(self.from), shown(self.to))
    }
}

/// A time as people read it here.
pub(super) fn shown(time: Timestamp) -> String {
    let Ok(time) = jiff::Timestamp::from_nanosecond(time.nanos().into()) else {
        return time.nanos().to_string();
    };
    time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// A length of time before `end`, `now`, a date, or a time with or without an offset.
fn time(text: &str, end: Timestamp) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(end);
    }
    if let Ok(ago) = text.parse::<options::Duration>() {
        return Ok(end.before(*ago));
    }
    config::moment(text, &TimeZone::system()).ok_or_else(|| {
        format!("`{text}` is no time: write 7d, now, 2026-03-01, 2026-03-01T08:00 or 2026-03-01T08:00:00+09:00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_now_or_at_a_time_and_begins_before() {
        let now = Timestamp::from_seconds(1_772_600_000);
        let day = 86_400;
        for (from, to, expected) in [
            ("1d", "now", (1_772_600_000 - day, 1_772_600_000)),
            ("1d", "1d", (1_772_600_000 - 2 * day, 1_772_600_000 - day)),
            ("2026-03-01T00:00:00Z", "2026-03-01T09:00:00+08:00", (1_772_323_200, 1_772_326_800)),
        ] {
            let range = Range::parse(from, to, now).unwrap();
            assert_eq!((range.from.seconds(), range.to.seconds()), expected, "{from} {to}");
        }
        for (from, to, expected) in [
            ("soon", "now", "--from `soon` is no time"),
            ("1d", "2100-01-01", "in the future"),
            ("now", "1d", "is not before"),
            ("0s", "now", "is not before"),
        ] {
            let error = Range::parse(from, to, now).unwrap_err();
            assert!(error.contains(expected), "{from} {to}: {error}");
        }
        let range = Range::parse("20s", "now", now).unwrap();
        assert!(range.holds(Duration::from_secs(30)).is_err());
        assert!(range.holds(Duration::from_secs(20)).is_ok());
    }
}
