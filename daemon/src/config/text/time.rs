//! Moments and lengths of time as people write them: with an offset, with a time zone, or as a clock shows them.

use fluent_bundle::FluentArgs;
use haetae_plugin::Timestamp;
use jiff::{ZonedDateTime, civil::DateTime, tz::TimeZone};

use crate::language::{Catalogue, Language};

/// Reads `2026-03-01`, `2026-03-01T08:00` as the clocks of `zone` show it, `2026-03-01T08:00+09:00`
/// or `2026-03-01T08:00[Asia/Seoul]`.
pub fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let shown = || {
        // What says of which zone it is, and is wrong, is not of ours.
        let own = !text.contains('[');
        let shown = own.then(|| text.parse::<DateTime>().ok())??;
        zone.to_timestamp(shown).ok()
    };
    let exact = text.parse::<jiff::Timestamp>().ok();
    let zoned = || text.parse::<ZonedDateTime>().ok().map(|zoned| zoned.timestamp());
    let found = exact.or_else(zoned).or_else(shown)?;
    i64::try_from(found.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// What is said of a text that is no length of time, wherever it was given.
pub fn no_duration(text: &str, language: Language) -> String {
    let texts = language.texts(Catalogue::Configuration);
    let mut arguments = FluentArgs::new();
    arguments.set("given", format!("{text:?}"));
    let cure = texts.attribute("bad-duration", "cure", &arguments).unwrap_or_default();
    format!("{}: {cure}", texts.text("bad-duration", &arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_of_the_zone_that_it_names_or_else_of_ours() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let cases = [
            ("2026-03-01", Some("2026-02-28T23:00:00Z")),
            ("2026-03-01T08:00", Some("2026-03-01T07:00:00Z")),
            ("2026-07-01 08:00", Some("2026-07-01T06:00:00Z")),
            ("2026-03-01T08:00Z", Some("2026-03-01T08:00:00Z")),
            ("2026-03-01T08:00+09:00", Some("2026-02-28T23:00:00Z")),
            ("2026-03-01T08:00[Asia/Seoul]", Some("2026-02-28T23:00:00Z")),
            ("2026-03-01T08:00+09:00[Asia/Seoul]", Some("2026-02-28T23:00:00Z")),
            ("2026-03-01T08:00[Asia/Seol]", None),
            ("2026-03-01T08:00+29:00", None),
            ("2026-02-29", None),
            ("9999-01-01", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|expected| {
                let time: jiff::Timestamp = expected.parse().unwrap();
                Timestamp::from_seconds(time.as_second())
            });
            assert_eq!(moment(text, &berlin), expected, "{text}");
        }
    }
}
