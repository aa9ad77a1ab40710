//! Random faults of every peer with kill -9 between them, before real servers: a ledger that knows nothing
//! of the daemon finds no breach missed, none that was not, and every one that was told answered.
//!
//! `HAETAE_TEST_MINUTES` is how long; `make soak` takes an hour.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it says what it saw and when")]

#[path = "chaos/answers.rs"]
mod answers;
mod chance;
#[path = "chaos/controls.rs"]
mod controls;
#[path = "matrix/daemon.rs"]
mod daemon;
#[path = "../plugins/email/src/tests/decode.rs"]
mod decode;
#[path = "chaos/events.rs"]
mod events;
#[path = "chaos/ledger.rs"]
mod ledger;
#[path = "chaos/mails.rs"]
mod mails;
#[path = "chaos/peers.rs"]
mod peers;
#[path = "chaos/rig.rs"]
mod rig;
mod servers;
#[path = "chaos/story.rs"]
mod story;
#[path = "chaos/summary.rs"]
mod summary;
mod support;
#[path = "matrix/words.rs"]
mod words;

use std::time::Duration;

use chance::{number, seed};
use events::Times;
use rig::Rig;

#[test]
fn faults_and_kills_miss_and_invent_nothing() {
    let seed = seed();
    let (length, times) = match number("HAETAE_TEST_MINUTES") {
        Some(minutes) => (Duration::from_mins(minutes), Times::LONG),
        None => (Duration::from_secs(45), Times::SHORT),
    };
    println!("chaos: {length:?}, HAETAE_TEST_SEED={seed}");
    let mut rig = Rig::start(seed, times);
    rig.rages(length);
    rig.settles();
    rig.finish();
}
