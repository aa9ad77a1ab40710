//! Pauses that a peer asks for: shown, kept, and not made longer.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Home, influx_query, influx_source, within};
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);
const ASKED: Duration = Duration::from_secs(3);

/// An InfluxDB that fails three times, then asks for a pause, then answers; and when it was asked.
fn busy() -> (u16, Arc<Mutex<Vec<Instant>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let noted = Arc::clone(&times);
    // Ends with the test's process.
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
            let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
            if head.count() == 0 {
                continue;
            }
            let mut times = noted.lock().expect("times");
            times.push(Instant::now());
            let (status, header, body) = match times.len() {
                1..=3 => ("500 Internal Server Error", "", r#"{"error":"broken"}"#),
                4 => ("429 Too Many Requests", "Retry-After: 3\r\n", r#"{"error":"busy"}"#),
                _ => ("200 OK", "", r#"{"results":[{"statement_id":0}]}"#),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            // Whoever has closed needs no answer.
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (port, times)
}

#[test]
fn a_requested_pause_is_shown_and_not_lengthened() {
    let (port, times) = busy();
    let home = Home::with_plugins(&["influx"]);
    let source = influx_source("busy", &format!("http://127.0.0.1:{port}"), "x", "1s", "");
    let query = influx_query("busy", "m", "SELECT v FROM m WHERE $window", "unit = '1'");
    home.configure(&(source + &query));
    let daemon = home.start();
    let refused = |found: &Value| {
        let cause = found["last_error"]["cause"].as_str().unwrap_or_default();
        cause.contains("429") && !found["paused_until"].is_null()
    };
    let found = home.instance_when("busy", refused);
    assert_eq!(found["state"], "failing");
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("429") && cause.contains("busy"), "{cause}");
    let said = home.output(&["status"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("  left alone until "), "{said}");
    let found = home.instance_when("busy", |found| found["state"] == "ok");
    assert!(found["paused_until"].is_null(), "{found:#}");
    assert!(daemon.stop());
    let times =
        within(LONG, || Some(times.lock().expect("times").clone()).filter(|all| all.len() > 4));
    let times = times.expect("it is asked again");
    let pause = times[4].duration_since(times[3]);
    // Its own pause would be eight seconds by now.
    assert!(pause >= ASKED && pause < ASKED + Duration::from_millis(2500), "{pause:?}");
}
