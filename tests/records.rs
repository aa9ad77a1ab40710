//! Records through kill -9: what a source's batches were acknowledged for is in InfluxDB.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]

#[path = "records/book.rs"]
mod book;
mod chance;
#[path = "records/pipeline.rs"]
mod pipeline;
mod servers;
mod support;
#[path = "records/unrest.rs"]
mod unrest;

use book::stored;
use chance::Chance;
use pipeline::DATABASE;
use servers::influx::Influx;
use support::Home;
use unrest::Unrest;

/// Of the gate; `HAETAE_TEST_ROUNDS` says another number.
const ROUNDS: usize = 10;

#[test]
fn after_kills_nothing_acknowledged_is_missing() {
    let mut chance = Chance::new();
    let rounds = chance::rounds(ROUNDS);
    let home = Home::with_plugins(&["numbered", "influx"]);
    let influx = Influx::start();
    pipeline::configure(&home, &influx, "");
    let unrest = Unrest::begin(influx, chance.fork());
    for _ in 0..rounds {
        pipeline::killed(&home, &mut chance);
    }
    let (influx, stops) = unrest.end();
    pipeline::emptied(&home);
    let book = pipeline::book(&home);
    let found = book.must_be(&stored(&influx, DATABASE), rounds);
    println!("{rounds} kills, InfluxDB stopped {stops} times; {book}; {found}");
    assert!(stops > 0, "InfluxDB was stopped too");
}
