//! Calendar: windows that come again by the clock on the wall of some place.
//!
//! A window is one uninterrupted stretch, from the first time that the clock shows its start to
//! the last time that it shows its end. Where a clock is put forward, a time that it leaves out is
//! the moment at which it is put forward; where it is put back, a start that comes twice is its
//! first and an end that comes twice its second. So a window that lies wholly in what is left
//! out is none, one that contains the change is an hour shorter or longer, and windows that touch
//! or overlap are one.

use std::fmt;

use haetae_plugin::Timestamp;
use jiff::{
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

const DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];
const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MINUTES: u16 = 24 * 60;
/// A window of a week may be none where a clock is put forward: three weeks hold one that is.
const SEARCHED: usize = 22;
/// What lasts longer than each day of the week does not end by the hours.
const LASTING: usize = 9;

/// Hours of some days of the week in a time zone. A window belongs to the day on which it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurring {
    days: Days,
    hours: Vec<Hours>,
    zone: TimeZone,
    first: Option<Date>,
    last: Option<Date>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

/// From one time of the day to another; past midnight if the end is not after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    start: u16,
    end: u16,
}

/// Why a text says no days or hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// It names no day of the week.
    #[error(
        "`{0}` is no day of the week: Mon, Tue, Wed, Thu, Fri, Sat, Sun, or a range such as Mon-Fri"
    )]
    Day(String),
    /// It lacks the form `22:00-07:00`.
    #[error("`{0}` is no span of hours: write it like 22:00-07:00; 24:00 ends a day")]
    Hours(String),
    /// It starts when it ends.
    #[error("`{0}` starts when it ends: write 00:00-24:00 for a whole day")]
    Empty(String),
    /// It has more than days and hours.
    #[error("`{0}` has too many words: write days and hours, like Mon-Fri 22:00-07:00")]
    Words(String),
}

impl Days {
    /// Each day of the week.
    pub const ALL: Self = Self([true; 7]);

    /// Reads `Mon-Fri`, `Sat,Sun`, `fri-mon,wed`; full names will do.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let mut days = [false; 7];
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (day(from)?, day(to)?);
            let length = (to + 7 - from) % 7;
            for (index, on) in days.iter_mut().enumerate() {
                *on |= (index + 7 - from) % 7 <= length;
            }
        }
        Ok(Self(days))
    }

    fn has(self, date: Date) -> bool {
        let days = DAYS.iter().zip(self.0);
        days.into_iter().any(|(day, on)| on && *day == date.weekday())
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            NAMES.iter().zip(self.0).filter(|(_, on)| *on).map(|(n, _)| *n).collect();
        f.write_str(&names.join(","))
    }
}

impl Hours {
    /// Reads `22:00-07:00`.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let wrong = || CalendarError::Hours(text.trim().into());
        let (start, end) = text.trim().split_once('-').ok_or_else(wrong)?;
        let (start, end) = (minutes(start).ok_or_else(wrong)?, minutes(end).ok_or_else(wrong)?);
        if start == MINUTES {
            return Err(wrong());
        }
        if start == end {
            return Err(CalendarError::Empty(text.trim().into()));
        }
        Ok(Self { start, end })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [start, end] = [self.start, self.end].map(|it| (it / 60, it % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", start.0, start.1, end.0, end.1)
    }
}

impl Recurring {
    /// Windows of these hours on these days; without hours whole days.
    pub fn new(days: Days, mut hours: Vec<Hours>, zone: TimeZone) -> Self {
        if hours.is_empty() {
            hours.push(Hours { start: 0, end: MINUTES });
        }
        Self { days, hours, zone, first: None, last: None, from: None, until: None }
    }

    /// Reads `Mon-Fri 22:00-07:00`, `12:00-13:00,18:00-19:00` or `Sat,Sun`.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, CalendarError> {
        let words: Vec<_> = text.split_whitespace().collect();
        let is_hours = |word: &str| word.contains(':');
        let (days, hours) = match words[..] {
            [hours] if is_hours(hours) => (Days::ALL, hours_of(hours)?),
            [days] => (Days::parse(days)?, Vec::new()),
            [days, hours] => (Days::parse(days)?, hours_of(hours)?),
            [] => return Err(CalendarError::Hours(String::new())),
            _ => return Err(CalendarError::Words(text.into())),
        };
        Ok(Self::new(days, hours, zone))
    }

    /// With windows that start on these dates only; both belong to it.
    #[must_use]
    pub fn on_dates(mut self, first: Option<Date>, last: Option<Date>) -> Self {
        (self.first, self.last) = (first, last);
        self
    }

    /// Cut to what lies between these times; the end is not part of it.
    #[must_use]
    pub fn between(mut self, from: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        (self.from, self.until) = (from, until);
        self
    }

    /// The time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// If a window is open: when it closes, `None` if it never does.
    pub fn holds(&self, at: Timestamp) -> Option<Option<Timestamp>> {
        if self.from.is_some_and(|from| at < from) || self.until.is_some_and(|until| at >= until) {
            return None;
        }
        let closes = self.open(nanos(at))?;
        let closes = closes.map(timestamp);
        Some(match (closes, self.until) {
            (Some(closes), Some(until)) => Some(closes.min(until)),
            (closes, until) => closes.or(until),
        })
    }

    /// When a window opens or closes next after `at`, if ever.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        if let Some(closes) = self.holds(at) {
            return closes;
        }
        let from = self.from.filter(|from| at < *from);
        let opens = match from {
            Some(from) if self.holds(from).is_some() => from,
            _ => timestamp(self.opens(nanos(from.unwrap_or(at)))?),
        };
        self.until.is_none_or(|until| opens < until).then_some(opens)
    }

    /// If a window is open at `at`: when it and those that touch it close.
    #[expect(clippy::option_option, reason = "not open, open for ever, and open until then differ")]
    fn open(&self, at: jiff::Timestamp) -> Option<Option<jiff::Timestamp>> {
        let begin = earlier(self.date(at), 2);
        // Mostly none is: then nothing more is looked at than the days that reach so far.
        let around = dates(begin, 4).flat_map(|date| self.windows(date));
        if !around.into_iter().any(|(opens, ends)| opens <= at && at < ends) {
            return None;
        }
        let windows: Vec<_> =
            dates(begin, LASTING + 6).flat_map(|date| self.windows(date)).collect();
        let mut closes = None;
        // Each round takes in what touches: as many rounds as windows are enough.
        for _ in 0..=windows.len() {
            let reach = closes.unwrap_or(at);
            let touching = windows.iter().filter(|(opens, ends)| {
                *ends > reach && if closes.is_some() { *opens <= reach } else { *opens <= at }
            });
            match touching.map(|(_, ends)| *ends).max() {
                Some(ends) => closes = Some(ends),
                None => break,
            }
        }
        let closes = closes?;
        let lasting = i64::try_from(LASTING).unwrap_or(i64::MAX) * 24 * 3600;
        if closes.as_second() - at.as_second() < lasting {
            return Some(Some(closes));
        }
        // All hours of all days: only the last date ends it.
        Some(self.last.and_then(|last| self.windows(last).map(|(_, ends)| ends).max()))
    }

    /// When a window opens after `at`, at which none is open.
    fn opens(&self, at: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let today = earlier(self.date(at), 2);
        let begin = self.first.map_or(today, |first| first.max(today));
        let windows = dates(begin, SEARCHED).flat_map(|date| self.windows(date));
        windows.map(|(opens, _)| opens).filter(|opens| *opens > at).min()
    }

    /// The windows that start on this date, if any do.
    fn windows(&self, date: Date) -> impl Iterator<Item = (jiff::Timestamp, jiff::Timestamp)> {
        let on = self.days.has(date)
            && self.first.is_none_or(|first| first <= date)
            && self.last.is_none_or(|last| date <= last);
        let windows = self.hours.iter().filter(move |_| on).filter_map(move |hours| {
            let later = if hours.end > hours.start { date } else { date.tomorrow().ok()? };
            let opens = self.moment(at_minute(date, hours.start)?, Twice::First)?;
            let closes = self.moment(at_minute(later, hours.end)?, Twice::Second)?;
            Some((opens, closes))
        });
        windows.filter(|(opens, closes)| opens < closes)
    }

    /// The moment at which the clock shows this.
    fn moment(&self, shown: DateTime, twice: Twice) -> Option<jiff::Timestamp> {
        let times = self.zone.to_ambiguous_timestamp(shown);
        let is_gap = matches!(times.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
        if is_gap {
            // Read by the later offset it lies before the change: that is the next one then.
            let before = times.earlier().ok()?;
            return self.zone.following(before).next().map(|change| change.timestamp());
        }
        match twice {
            Twice::First => times.earlier().ok(),
            Twice::Second => times.later().ok(),
        }
    }

    fn date(&self, at: jiff::Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }
}

impl fmt::Display for Recurring {
    /// What [`Recurring::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours: Vec<_> = self.hours.iter().map(Hours::to_string).collect();
        if self.days != Days::ALL {
            write!(f, "{} ", self.days)?;
        }
        f.write_str(&hours.join(","))
    }
}

/// Which one of two times at which a clock that is put back shows the same.
#[derive(Clone, Copy)]
enum Twice {
    First,
    Second,
}

fn day(text: &str) -> Result<usize, CalendarError> {
    let lower = text.trim().to_lowercase();
    let full = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let found = full.iter().position(|name| lower == *name || name.get(..3) == Some(&lower));
    found.ok_or_else(|| CalendarError::Day(text.trim().into()))
}

fn hours_of(text: &str) -> Result<Vec<Hours>, CalendarError> {
    text.split(',').map(Hours::parse).collect()
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= MINUTES).then_some(all)
}

fn at_minute(date: Date, minute: u16) -> Option<DateTime> {
    if minute == MINUTES {
        return Some(date.tomorrow().ok()?.to_datetime(Time::midnight()));
    }
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
}

fn dates(begin: Date, count: usize) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(begin), |date| date.tomorrow().ok()).take(count)
}

fn earlier(date: Date, days: usize) -> Date {
    (0..days).fold(date, |date, _| date.yesterday().unwrap_or(date))
}

fn nanos(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(at.nanos().into()).unwrap_or_default()
}

/// Saturates: windows of the year 2262 and later are told at its end.
fn timestamp(at: jiff::Timestamp) -> Timestamp {
    let nanos = at.as_nanosecond();
    let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
    Timestamp::from_nanos(nanos.try_into().unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        timestamp(text.parse().unwrap())
    }

    fn every(text: &str, zone: &str) -> Recurring {
        Recurring::parse(text, TimeZone::get(zone).unwrap()).unwrap()
    }

    /// (zone, windows, around this time, opens, closes), all in UTC; the window is the first that opens then or later.
    const WINDOWS: &[(&str, &str, &str, &str, &str)] = &[
        // Seoul has no summer time.
        (
            "Asia/Seoul",
            "22:00-07:00",
            "2026-11-24T00:00:00Z",
            "2026-11-24T13:00:00Z",
            "2026-11-24T22:00:00Z",
        ),
        (
            "Asia/Seoul",
            "Mon-Fri 22:00-07:00",
            "2026-11-28T00:00:00Z",
            "2026-11-30T13:00:00Z",
            "2026-11-30T22:00:00Z",
        ),
        // Friday's window belongs to Friday although it ends on Saturday.
        (
            "Asia/Seoul",
            "Fri 22:00-07:00",
            "2026-11-25T00:00:00Z",
            "2026-11-27T13:00:00Z",
            "2026-11-27T22:00:00Z",
        ),
        // But it had: 1988-05-08 02:00 -> 03:00, 1988-10-09 03:00 -> 02:00.
        (
            "Asia/Seoul",
            "01:30-03:30",
            "1988-05-07T16:00:00Z",
            "1988-05-07T16:30:00Z",
            "1988-05-07T17:30:00Z",
        ),
        (
            "Asia/Seoul",
            "01:30-03:30",
            "1988-10-08T14:00:00Z",
            "1988-10-08T15:30:00Z",
            "1988-10-08T18:30:00Z",
        ),
        // Berlin, spring: 2026-03-29 02:00 -> 03:00, at 01:00 UTC.
        (
            "Europe/Berlin",
            "01:30-03:30",
            "2026-03-28T12:00:00Z",
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "01:30-02:30",
            "2026-03-28T12:00:00Z",
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
        ),
        (
            "Europe/Berlin",
            "02:30-03:30",
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "02:00-03:30",
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "01:30-03:00",
            "2026-03-28T12:00:00Z",
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
        ),
        // Wholly left out: there is none on that day.
        (
            "Europe/Berlin",
            "02:15-02:45",
            "2026-03-28T12:00:00Z",
            "2026-03-30T00:15:00Z",
            "2026-03-30T00:45:00Z",
        ),
        (
            "Europe/Berlin",
            "Sun 02:00-03:00",
            "2026-03-28T12:00:00Z",
            "2026-04-05T00:00:00Z",
            "2026-04-05T01:00:00Z",
        ),
        (
            "Europe/Berlin",
            "22:00-07:00",
            "2026-03-28T12:00:00Z",
            "2026-03-28T21:00:00Z",
            "2026-03-29T05:00:00Z",
        ),
        (
            "Europe/Berlin",
            "22:00-02:30",
            "2026-03-28T12:00:00Z",
            "2026-03-28T21:00:00Z",
            "2026-03-29T01:00:00Z",
        ),
        (
            "Europe/Berlin",
            "Sun",
            "2026-03-28T12:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        ),
        // Berlin, autumn: 2026-10-25 03:00 -> 02:00, at 01:00 UTC.
        (
            "Europe/Berlin",
            "01:30-03:30",
            "2026-10-24T12:00:00Z",
            "2026-10-24T23:30:00Z",
            "2026-10-25T02:30:00Z",
        ),
        (
            "Europe/Berlin",
            "01:30-02:30",
            "2026-10-24T12:00:00Z",
            "2026-10-24T23:30:00Z",
            "2026-10-25T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "02:30-03:30",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T02:30:00Z",
        ),
        (
            "Europe/Berlin",
            "02:15-02:45",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:15:00Z",
            "2026-10-25T01:45:00Z",
        ),
        (
            "Europe/Berlin",
            "02:00-03:00",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:00:00Z",
            "2026-10-25T02:00:00Z",
        ),
        (
            "Europe/Berlin",
            "22:00-07:00",
            "2026-10-24T12:00:00Z",
            "2026-10-24T20:00:00Z",
            "2026-10-25T06:00:00Z",
        ),
        (
            "Europe/Berlin",
            "22:00-02:30",
            "2026-10-24T12:00:00Z",
            "2026-10-24T20:00:00Z",
            "2026-10-25T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "Sun",
            "2026-10-24T12:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        ),
        // New York, spring: 2026-03-08 02:00 -> 03:00, at 07:00 UTC.
        (
            "America/New_York",
            "01:30-03:30",
            "2026-03-08T00:00:00Z",
            "2026-03-08T06:30:00Z",
            "2026-03-08T07:30:00Z",
        ),
        (
            "America/New_York",
            "02:30-03:30",
            "2026-03-08T00:00:00Z",
            "2026-03-08T07:00:00Z",
            "2026-03-08T07:30:00Z",
        ),
        (
            "America/New_York",
            "01:30-02:30",
            "2026-03-08T00:00:00Z",
            "2026-03-08T06:30:00Z",
            "2026-03-08T07:00:00Z",
        ),
        (
            "America/New_York",
            "23:00-02:30",
            "2026-03-08T00:00:00Z",
            "2026-03-08T04:00:00Z",
            "2026-03-08T07:00:00Z",
        ),
        // New York, autumn: 2026-11-01 02:00 -> 01:00, at 06:00 UTC.
        (
            "America/New_York",
            "00:30-01:30",
            "2026-11-01T00:00:00Z",
            "2026-11-01T04:30:00Z",
            "2026-11-01T06:30:00Z",
        ),
        (
            "America/New_York",
            "01:30-02:30",
            "2026-11-01T00:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T07:30:00Z",
        ),
        (
            "America/New_York",
            "01:15-01:45",
            "2026-11-01T00:00:00Z",
            "2026-11-01T05:15:00Z",
            "2026-11-01T06:45:00Z",
        ),
        (
            "America/New_York",
            "23:00-01:30",
            "2026-10-31T20:00:00Z",
            "2026-11-01T03:00:00Z",
            "2026-11-01T06:30:00Z",
        ),
        // Unions: overlapping, touching, across midnight, over both changes.
        (
            "Asia/Seoul",
            "09:00-12:00,11:00-13:00",
            "2026-11-24T16:00:00Z",
            "2026-11-25T00:00:00Z",
            "2026-11-25T04:00:00Z",
        ),
        (
            "Asia/Seoul",
            "Mon,Tue",
            "2026-11-28T00:00:00Z",
            "2026-11-29T15:00:00Z",
            "2026-12-01T15:00:00Z",
        ),
        (
            "Asia/Seoul",
            "Mon-Tue 08:00-07:00,06:00-08:00",
            "2026-11-28T00:00:00Z",
            "2026-11-29T21:00:00Z",
            "2026-12-01T22:00:00Z",
        ),
        (
            "Europe/Berlin",
            "01:00-02:15,02:45-04:00",
            "2026-03-28T12:00:00Z",
            "2026-03-29T00:00:00Z",
            "2026-03-29T02:00:00Z",
        ),
        (
            "Europe/Berlin",
            "01:00-02:15,02:45-04:00",
            "2026-10-24T12:00:00Z",
            "2026-10-24T23:00:00Z",
            "2026-10-25T03:00:00Z",
        ),
        // A day that a place left out: Apia had no 2011-12-30, a Friday.
        (
            "Pacific/Apia",
            "Fri 10:00-11:00",
            "2011-12-25T00:00:00Z",
            "2012-01-05T20:00:00Z",
            "2012-01-05T21:00:00Z",
        ),
    ];

    #[test]
    fn windows_open_and_close_when_the_clock_says_so() {
        for (zone, text, around, opens, closes) in WINDOWS {
            let every = every(text, zone);
            let (around, opens, closes) = (at(around), at(opens), at(closes));
            let name = format!("{zone} {text} {around:?}");
            assert_eq!(every.holds(around), None, "{name}");
            assert_eq!(every.next_change(around), Some(opens), "{name}");
            assert_eq!(every.holds(opens), Some(Some(closes)), "{name}");
            assert_eq!(every.next_change(opens), Some(closes), "{name}");
            let (before, last) = (opens.nanos() - 1, closes.nanos() - 1);
            assert_eq!(every.holds(Timestamp::from_nanos(before)), None, "{name}");
            assert_eq!(every.holds(Timestamp::from_nanos(last)), Some(Some(closes)), "{name}");
            assert_eq!(every.holds(closes), None, "{name}");
        }
    }

    #[test]
    fn all_hours_of_all_days_have_no_end_but_the_last_date() {
        let (all, now) = (every("00:00-24:00", "Europe/Berlin"), at("2026-03-28T12:00:00Z"));
        assert_eq!(all.holds(now), Some(None));
        assert_eq!(all.next_change(now), None);
        let last = "2026-10-25".parse().unwrap();
        let dated = all.clone().on_dates(None, Some(last));
        assert_eq!(dated.holds(now), Some(Some(at("2026-10-25T23:00:00Z"))));
        let cut = all.between(Some(at("2026-04-01T00:00:00Z")), Some(at("2026-05-01T00:00:00Z")));
        assert_eq!(cut.holds(now), None);
        assert_eq!(cut.next_change(now), Some(at("2026-04-01T00:00:00Z")));
        assert_eq!(cut.next_change(at("2026-04-01T00:00:00Z")), Some(at("2026-05-01T00:00:00Z")));
        assert_eq!(cut.next_change(at("2026-05-01T00:00:00Z")), None);
    }

    #[test]
    fn dates_bound_the_days_on_which_windows_start() {
        let dates = [Some("2026-12-01".parse().unwrap()), Some("2026-12-02".parse().unwrap())];
        let every = every("22:00-07:00", "Asia/Seoul").on_dates(dates[0], dates[1]);
        assert_eq!(every.next_change(at("2026-06-01T00:00:00Z")), Some(at("2026-12-01T13:00:00Z")));
        assert_eq!(every.holds(at("2026-11-30T20:00:00Z")), None);
        let closes = at("2026-12-02T22:00:00Z");
        assert_eq!(every.holds(at("2026-12-02T21:00:00Z")), Some(Some(closes)));
        assert_eq!(every.next_change(closes), None);
    }

    /// `next_change` and `holds` agree with asking `holds` minute by minute.
    #[test]
    fn the_next_change_is_the_next_minute_at_which_the_answer_differs() {
        for (zone, from) in [
            ("Europe/Berlin", "2026-03-27T00:00:00Z"),
            ("Europe/Berlin", "2026-10-23T00:00:00Z"),
            ("America/New_York", "2026-10-30T00:00:00Z"),
        ] {
            for text in
                ["22:00-07:00", "Sun 01:30-02:30", "02:30-02:00", "Sat 23:30-03:00,02:45-05:00"]
            {
                let (every, from) = (every(text, zone), at(from));
                let time = |minute: i64| Timestamp::from_seconds(from.seconds() + minute * 60);
                let mut change = every.next_change(from);
                for minute in 1..3 * 24 * 60 {
                    let differs = every.holds(time(minute)).is_some()
                        != every.holds(time(minute - 1)).is_some();
                    assert_eq!(differs, change == Some(time(minute)), "{zone} {text} {minute}");
                    if differs {
                        change = every.next_change(time(minute));
                    }
                }
            }
        }
    }

    #[test]
    fn texts_are_read_shown_and_refused() {
        for (text, shown) in [
            ("Mon-Fri 22:00-07:00", "Mon,Tue,Wed,Thu,Fri 22:00-07:00"),
            ("fri-MON 00:00-24:00", "Mon,Fri,Sat,Sun 00:00-24:00"),
            ("Wednesday,sun", "Wed,Sun 00:00-24:00"),
            ("12:00-13:00,18:00-19:00", "12:00-13:00,18:00-19:00"),
        ] {
            let read = every(text, "Asia/Seoul");
            assert_eq!(read.to_string(), shown);
            assert_eq!(every(shown, "Asia/Seoul"), read);
        }
        let refused = |text: &str| Recurring::parse(text, TimeZone::UTC).unwrap_err();
        for text in ["Mo", "Mon-", "Mon;Tue", "월"] {
            assert!(matches!(refused(text), CalendarError::Day(_)), "{text}");
        }
        for text in
            ["", "22:00", "22:00-25:00", "22:60-07:00", "24:00-01:00", "2:00-03:00", "Mon 22-07"]
        {
            assert!(matches!(refused(text), CalendarError::Hours(_)), "{text}");
        }
        assert!(matches!(refused("Mon 07:00-07:00"), CalendarError::Empty(_)));
        assert!(matches!(refused("Mon Tue 07:00-08:00"), CalendarError::Words(_)));
    }
}
