//! Real servers of a test's own, load, and proxies that fail; each test uses some of them.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]

#[path = "servers/busy.rs"]
pub mod busy;
#[path = "servers/certificates.rs"]
pub mod certificates;
#[path = "servers/faulty_proxy.rs"]
pub mod faulty_proxy;
#[path = "servers/influx.rs"]
pub mod influx;
#[path = "servers/postfix.rs"]
pub mod postfix;
#[path = "servers/postgres.rs"]
pub mod postgres;
#[path = "servers/running.rs"]
pub mod running;
#[path = "servers/smtp_sink.rs"]
pub mod smtp_sink;
