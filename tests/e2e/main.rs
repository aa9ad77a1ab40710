//! End to end: what needs the built program, a script and at most a light server is one binary, a file a subject.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests; an index into JSON that is missing reads as null; some print what they saw"
)]

#[path = "../kills/chance.rs"]
mod chance;
mod clock;
mod connections;
#[path = "../control.rs"]
mod control;
mod damaged;
#[path = "../../plugins/email/src/tests/decode.rs"]
mod decode;
mod delivery;
mod demo;
mod email;
mod explain;
mod faults;
mod health;
mod influx;
mod log_sink;
mod logs;
mod mailbox;
mod many;
mod outage;
mod own_log;
mod pauses;
mod people;
mod pipeline;
mod reload_faults;
mod restart;
mod rules;
mod scenarios;
#[path = "../servers.rs"]
mod servers;
#[path = "../clock/setting.rs"]
mod setting;
mod stages;
mod storm;
#[path = "../../plugins/demo/src/stream.rs"]
mod stream;
#[path = "../support.rs"]
mod support;
mod thresholds;
mod unit;
#[path = "../database/watch.rs"]
mod watch;
