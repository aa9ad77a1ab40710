//! End to end: what needs the built program, a script and at most a light server is one binary, a file a subject.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, clippy::string_slice, reason = "what JSON lacks reads as null")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]
#![allow(clippy::format_push_string, reason = "a test")]

#[path = "../chance.rs"]
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
mod reader;
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
