//! The log stream: the lines of a simulated platform, a function of time and seed alone.
//!
//! Line `n` is of the time `n` periods after the epoch. Every cycle an application runs out of
//! memory, in every second one a new version is started, and in every third one the router falls
//! silent, that else says once a second that it lives.

use std::time::Duration;

use haetae_plugin::{Error, LogRecord, Logs, Result, Timestamp, Window};

/// The applications whose lines there are.
const APPLICATIONS: [&str; 6] = ["accounts", "billing", "gateway", "orders", "portal", "search"];
/// How often one that runs out of memory is killed.
const KILLS: i64 = 3;
/// The lines of one window at the most: of a longer one only the end is told.
const MOST: i64 = 1_000_000;

/// The stream of a seed.
pub(crate) struct Stream {
    period: i64,
    /// Lines of a second, and of a cycle.
    rate: i64,
    cycle: i64,
    seed: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    pub(crate) host: String,
    pub(crate) application: &'static str,
    pub(crate) severity: u32,
    pub(crate) message: String,
}

impl Stream {
    /// So many lines a second, in cycles of this length.
    pub(crate) fn new(rate: u32, cycle: Duration, seed: u64) -> Result<Self> {
        if !(1..=100_000).contains(&rate) {
            return Err(Error::config("rate: from 1 to 100000 lines a second"));
        }
        let rate = i64::from(rate);
        let seconds = i64::try_from(cycle.as_secs()).unwrap_or(i64::MAX);
        let lines = seconds.saturating_mul(rate);
        if lines < 16 || seconds > 86_400 {
            return Err(Error::config("cycle: at least 16 lines, at most a day"));
        }
        Ok(Self { period: 1_000_000_000 / rate, rate, cycle: lines, seed })
    }

    /// The lines in a window.
    pub(crate) fn lines(&self, window: Window) -> impl Iterator<Item = Line> {
        let last = window.to.nanos().div_euclid(self.period);
        let first = window.from.nanos().div_euclid(self.period).saturating_add(1);
        (first.max(last.saturating_sub(MOST))..=last).filter_map(|number| self.line(number))
    }

    /// The same as records, complete up to the window's end.
    pub(crate) fn logs(&self, window: Window) -> Logs {
        let mut logs = Logs::at(window.to);
        for line in self.lines(window) {
            let raw = line.raw();
            let message = raw.len().saturating_sub(line.message.len());
            logs.push(&LogRecord {
                time: line.time,
                received: line.time,
                raw: raw.as_bytes(),
                message: raw.as_bytes().get(message..).unwrap_or_default(),
                host: line.host.as_bytes(),
                application: line.application.as_bytes(),
                facility: 1,
                severity: line.severity,
                ..LogRecord::default()
            });
        }
        logs
    }

    fn line(&self, number: i64) -> Option<Line> {
        let (cycle, place) = (number.div_euclid(self.cycle), number.rem_euclid(self.cycle));
        let dice = mixed(self.seed ^ number.cast_unsigned());
        let (kill, start) = (place - self.cycle / 4, self.cycle * 3 / 4 + 1);
        let (application, severity, message) = if place % self.rate == 0 {
            // Silent for a whole cycle, the heartbeat is.
            let silent = cycle.rem_euclid(3) == 2;
            return (!silent).then(|| self.said(number, "router", 6, "heartbeat: alive".into()));
        } else if (1..=KILLS).contains(&kill) {
            let process = 1000 + dice % 30_000;
            let application = pick(cycle.cast_unsigned());
            (application, 2, format!("Out of memory: Killed process {process} ({application})"))
        } else if place == start && cycle.rem_euclid(2) == 1 {
            let application = pick(cycle.div_euclid(2).cast_unsigned());
            (application, 5, format!("started version=1.{cycle}"))
        } else {
            let (status, took) = (if dice.is_multiple_of(50) { 404 } else { 200 }, dice % 90 + 2);
            (
                pick(dice >> 8),
                6,
                format!("\"GET /items/{} HTTP/1.1\" {status} {took}ms", dice % 997),
            )
        };
        Some(self.said(number, application, severity, message))
    }

    fn said(&self, number: i64, application: &'static str, severity: u32, message: String) -> Line {
        let cell = mixed(application.len() as u64 ^ self.seed) % 12 + 1;
        let time = Timestamp::from_nanos(number.saturating_mul(self.period));
        Line { time, host: format!("cell-{cell:02}"), application, severity, message }
    }
}

impl Line {
    /// As a log router writes it (RFC 5424).
    pub(crate) fn raw(&self) -> String {
        let Self { time, host, application, severity, message } = self;
        format!("<{}>1 {} {host} {application} - - - {message}", 8 + severity, rfc3339(*time))
    }
}

fn pick(dice: u64) -> &'static str {
    let count = APPLICATIONS.len() as u64;
    usize::try_from(dice % count).ok().and_then(|at| APPLICATIONS.get(at)).copied().unwrap_or("")
}

/// Well mixed bits of `seed` (splitmix64).
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

/// A time in UTC, to the millisecond.
fn rfc3339(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.millis()).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) }
    }

    #[test]
    fn however_it_is_asked_the_lines_are_the_same() {
        let stream = Stream::new(7, Duration::from_secs(4), 3).unwrap();
        let whole: Vec<_> = stream.lines(window(100, 60_100)).collect();
        let mut parts = Vec::new();
        for (from, to) in [(100, 101), (101, 7_777), (7_777, 31_000), (31_000, 60_100)] {
            parts.extend(stream.lines(window(from, to)));
        }
        assert_eq!(whole, parts);
        assert!(whole.iter().all(|line| line.time > Timestamp::from_millis(100)));
        let with = |text: &str| whole.iter().filter(|line| line.message.contains(text)).count();
        assert_eq!(with("Out of memory"), 45, "three in each of 15 cycles");
        assert_eq!(with("started version=1."), 7, "one in every second cycle");
        assert_eq!(with("heartbeat"), 40, "one a second in two of three cycles");
    }

    #[test]
    fn a_line_is_written_as_a_router_does() {
        let line = Line {
            time: Timestamp::from_millis(1_709_210_096_789),
            host: "cell-01".into(),
            application: "orders",
            severity: 2,
            message: "m".into(),
        };
        assert_eq!(line.raw(), "<10>1 2024-02-29T12:34:56.789Z cell-01 orders - - - m");
        let logs = Stream::new(10, Duration::from_secs(4), 1).unwrap().logs(window(0, 2_000));
        assert_eq!(logs.complete_until(), Timestamp::from_seconds(2));
        let record = logs.iter().next().unwrap();
        assert!(record.raw.ends_with(record.message) && record.raw.len() > record.message.len());
    }

    #[test]
    fn a_stream_of_nothing_is_refused() {
        for (rate, seconds) in [(0, 20), (100_001, 20), (1, 15), (100, 86_401)] {
            assert!(Stream::new(rate, Duration::from_secs(seconds), 1).is_err());
        }
    }
}
