//! Times as RFC 3339 text.

use haetae_plugin::Timestamp;

/// `time` in UTC with nine digits of a second. Reaches from 1677 to 2262, as [`Timestamp`] does.
pub(crate) fn text(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(time.nanos().into()).unwrap_or_default();
    format!("{time:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_read_as_the_calendar_says() {
        // `date -u -d @SECONDS +%FT%T`.
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (951_868_799_000_000_001, "2000-02-29T23:59:59.000000001Z"),
            (1_709_251_199_123_456_789, "2024-02-29T23:59:59.123456789Z"),
            (1_709_251_200_000_000_000, "2024-03-01T00:00:00.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(text(Timestamp::from_nanos(nanos)), expected);
        }
    }
}
