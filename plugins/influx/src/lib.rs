//! The kind `influx`: reads InfluxDB 1.x by InfluxQL and writes it by line protocol.
//!
//! # Source
//!
//! Each table of `query` is a metric and one statement that begins with SELECT or SHOW; `$window`
//! stands for the time that it is asked for. With `window` that is `slot - window ≤ time < slot`,
//! and the one value that each series has then is of the slot. Without, it is the time since the
//! last slot, `from < time ≤ slot`, and each point keeps its own time. Points may reach InfluxDB
//! late: with points as they are, without a call or a subquery, the time before that is asked again,
//! by `delay` or an interval, and what was yielded already is passed over; slots wait as long, an
//! interval at the most, so alarms of such a query come later by that. Points that come later still
//! are yielded if they are the newest, and `status` says that they came too late. A value without a
//! time, or with the epoch that InfluxDB gives it where only a subquery names the range, is of the slot.
//!
//! Labels are the tags that the answer is grouped by; the measurement is none. One column of
//! values is the metric; of several each is a series with the label `field`. NULL is no point. A
//! column that holds anything but numbers is an error.
//!
//! Answers are read as a stream of at most 256 MiB and a million values. An error in a good
//! status, a cut-off stream and one that ends as `partial` (`max-row-limit`) are errors. A wrong
//! statement, database, retention policy or login is a fault of the configuration; the rest may
//! pass, after what `Retry-After` says.
//!
//! A GET executes whatever it is given, so a statement is refused if it might write: see
//! `statement`. A login that may only read is still the better guard.
//!
//! # Reader
//!
//! A metric's name yields what its query would have yielded in `from ≤ time < to`, for one with a
//! `window` a value at the end of each window. Any other SELECT with `$window` is asked as it is;
//! its series are called after their measurements. Asked for slots, a query with a `window` yields
//! exactly what the source would have yielded at each, over `slot - window ≤ time < slot`: plain
//! aggregates by `GROUP BY time`, as many questions as windows overlap; any other statement by a
//! question a slot.
//!
//! # Sink
//!
//! A point is the line `NAME,LABEL=…,… value=1.5 TIME`, its time in nanoseconds, its field always a
//! float. Units are not written. A point without a value (NaN, infinities, the end of a series)
//! counts as delivered: there is nothing of it that InfluxDB could have. A series that line
//! protocol can't say is rejected: a line end, a backslash at the end or in a name before a
//! separator, a name that begins with `#`.
//!
//! | answer | what becomes of the lines |
//! |---|---|
//! | 204, hinted handoff | delivered |
//! | 400 that quotes lines | those are rejected, the rest is delivered |
//! | 400 `partial write`, otherwise | sent again by halves until only bad lines are rejected |
//! | 400 of another text of InfluxDB | rejected |
//! | 413 | sent again by halves |
//! | 401, 403, 404, no such database or retention policy (a 500), other 3xx and 4xx, a proxy's 400 | wrong options |
//! | 408, 429, 5xx, no answer, no time left | try again, after what `Retry-After` says |
//!
//! Sending again is safe: series and time are a line's identity. With `udp` lines go to
//! InfluxDB's UDP listener, as PaaS-TA's agents send theirs: no answer, no login, no database (the
//! listener has its own), and what is lost is lost unseen. The listener's precision must be
//! nanoseconds, its default.

mod answer;
mod basic;
mod datagram;
mod grouped;
mod line;
mod lines;
mod options;
mod overlap;
mod post;
mod query;
mod reader;
mod retry_after;
mod server;
mod sink;
mod slots;
mod source;
mod statement;
mod verdicts;
mod writing;

use reader::InfluxReader;
use sink::InfluxSink;
use source::InfluxSource;

haetae_plugin::export! {
    kind "influx" {
        source: InfluxSource,
        sink: InfluxSink,
        reader: InfluxReader,
        sample: include_str!("../sample.toml")
    }
}

#[cfg(test)]
mod tests;
