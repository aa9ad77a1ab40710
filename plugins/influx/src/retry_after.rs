//! The header `Retry-After`.

use std::time::{Duration, UNIX_EPOCH};

use haetae_plugin::Timestamp;

/// What a peer can ask for at most: a wrong clock of its own must not silence us.
const LONGEST: Duration = Duration::from_hours(1);

/// How long to wait: the header is seconds or a date; anything else says nothing.
pub(crate) fn wait(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(header)?.since(now),
    };
    Some(wait.min(LONGEST))
}

/// A date in one of the three forms of RFC 9110.
fn date(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(i64::try_from(since.as_secs()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = Timestamp::from_seconds(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (header, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("86400", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 00:00:00 GMT", Some(3600)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun Nov  6 08:50:07 1994", Some(30)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(wait(header, now), expected.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // `date -u -d TEXT +%s`.
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
            ("Fri, 31 Dec 2027 12:00:00 GMT", 1_830_254_400),
        ] {
            assert_eq!(date(text), Some(Timestamp::from_seconds(seconds)), "{text}");
        }
    }
}
