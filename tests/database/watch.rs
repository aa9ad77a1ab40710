//! Watch: what the daemon says on its admin socket, within a time that the one who asks gives.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::within;

/// The shortest time that a socket may be given.
const LEAST: Duration = Duration::from_millis(1);

/// Asks a daemon.
pub struct Watch(PathBuf);

impl Watch {
    pub fn of(socket: PathBuf) -> Self {
        Self(socket)
    }

    /// `GET /api/v1/status`, which is what `haetae status` shows.
    pub fn status(&self, within: Duration) -> Option<Value> {
        self.json("/api/v1/status", within)
    }

    /// The code of `GET /readyz`.
    pub fn readiness(&self, within: Duration) -> Option<u16> {
        self.get("/readyz", within).map(|(code, _)| code)
    }

    /// Waits until `status` says that the store fails: why, and when it said so. Else what it said
    /// last, if anything.
    pub fn failing(&self, end: Instant) -> Result<(String, Instant), Option<Value>> {
        let mut last = None;
        let failing = within(until(end), || {
            let store = self.status(until(end))?["store"].clone();
            let cause = store["failing"].as_str().map(str::to_owned);
            let since = !store["failing_since"].is_null();
            last = Some(store);
            cause.filter(|_| since).map(|cause| (cause, now()))
        });
        failing.ok_or(last)
    }

    /// Waits until `/readyz` is 503, and says when it was. Else what it was last.
    pub fn unready(&self, end: Instant) -> Result<Instant, Option<u16>> {
        let mut last = None;
        let unready = within(until(end), || {
            let code = self.readiness(until(end))?;
            last = Some(code);
            (code == 503).then(now)
        });
        unready.ok_or(last)
    }

    /// What a path answers, if it does well.
    pub fn json(&self, path: &str, within: Duration) -> Option<Value> {
        let (code, body) = self.get(path, within)?;
        (code == 200).then(|| serde_json::from_slice(&body).expect("JSON"))
    }

    fn get(&self, path: &str, within: Duration) -> Option<(u16, Vec<u8>)> {
        let mut stream = UnixStream::connect(&self.0).ok()?;
        stream.set_read_timeout(Some(within.max(LEAST))).expect("a time");
        let ask = format!("GET {path} HTTP/1.1\r\nhost: haetae\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let code = head.split(' ').nth(1)?.parse().ok()?;
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "read as it is: {head}");
        Some((code, answer[end + 4..].to_vec()))
    }
}

pub fn now() -> Instant {
    Instant::now()
}

fn until(end: Instant) -> Duration {
    end.saturating_duration_since(now())
}
