//! Records through what a power failure leaves: the state is on an image that is copied right after
//! each kill and mounted again at the copy, so that only what was synced is there. As root.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]

#[path = "records/book.rs"]
mod book;
mod chance;
#[path = "records/disk.rs"]
mod disk;
#[path = "records/image.rs"]
mod image;
#[path = "records/pipeline.rs"]
mod pipeline;
mod servers;
mod support;
#[path = "records/unrest.rs"]
mod unrest;
#[path = "records/wal.rs"]
mod wal;

use std::{fs, time::Duration};

use book::stored;
use chance::Chance;
use disk::Disk;
use pipeline::DATABASE;
use servers::influx::Influx;
use support::{Home, within};
use unrest::Unrest;

const ROUNDS: usize = 100;
/// Commits that the control loses.
const TORN: usize = 5;

#[test]
fn what_was_acknowledged_outlives_power_failures_and_a_torn_queue_is_noticed() {
    let mut chance = Chance::new();
    let rounds = chance::rounds(ROUNDS);
    let home = Home::with_plugins(&["numbered", "influx"]);
    let mut disk = Disk::new(&home);
    let influx = Influx::start();
    pipeline::configure(&home, &influx, "");
    let (mut unrest, mut stops) = (Unrest::begin(influx, chance.fork()), 0);
    let mut noticed = 0;
    for round in 0..rounds {
        pipeline::killed(&home, &mut chance);
        assert!(disk.fails(), "the copy is of the disk, not of what the kernel remembers");
        if (round + 1) % 25 == 0 || round + 1 == rounds {
            let (mut influx, more) = unrest.end();
            stops += more;
            pipeline::emptied(&home);
            let book = pipeline::book(&home);
            let found = book.must_be(&stored(&influx, DATABASE), round + 1 + noticed);
            control(&home, &mut disk, &mut influx);
            noticed += 1;
            println!("after {} kills: InfluxDB stopped {stops} times; {book}; {found}", round + 1);
            unrest = Unrest::begin(influx, chance.fork());
        }
    }
    unrest.end();
    println!("controls that lost, and were noticed: {noticed}");
    assert!(noticed > 0);
}

/// The control: of a copy whose queue lost its last commits the comparison must say so. Nothing of
/// it is in InfluxDB yet, and the true state is there again afterwards.
fn control(home: &Home, disk: &mut Disk, influx: &mut Influx) {
    influx.stop();
    let before = pipeline::book(home).acked();
    let daemon = home.start();
    let enough = || (pipeline::book(home).acked() >= before + 4 * TORN).then_some(());
    let enough = within(Duration::from_mins(1), enough);
    drop(daemon);
    assert!(enough.is_some(), "batches are acknowledged without InfluxDB");
    assert!(disk.fails());
    let torn = home.path("torn.img");
    disk.copy(&torn);
    influx.start_again();
    disk.instead(&torn, || {
        let commits = wal::tear(&home.path("state/queues/numbers.db-wal"), TORN);
        assert!(commits > TORN, "{commits} commits are in the log");
        pipeline::emptied(home);
        let found = pipeline::book(home).compare(&stored(influx, DATABASE));
        println!(
            "control, {TORN} of {commits} commits torn off: {} batches lost",
            found.lost.len()
        );
        // One of the commits may have been of a batch that was not acknowledged any more.
        assert!((TORN - 1..=TORN).contains(&found.lost.len()), "{found}");
    });
    fs::remove_file(torn).expect("our own");
    // The true one has them.
    pipeline::emptied(home);
    let found = pipeline::book(home).compare(&stored(influx, DATABASE));
    assert_eq!(found.lost, [0; 0]);
}
