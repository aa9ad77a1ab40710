//! kill -9 at random instants between firing and sending, and during sending: no alarm, no notice and
//! no obligation is lost, and what arrives twice is the same mail, sent again because of a kill.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it says what it saw and when")]

mod chance;
#[path = "kills/checker.rs"]
mod checker;
#[path = "kills/controls.rs"]
mod controls;
#[path = "../plugins/email/src/tests/decode.rs"]
mod decode;
#[path = "../plugins/email/src/identity.rs"]
mod identity;
#[path = "kills/ledger.rs"]
mod ledger;
#[path = "kills/place.rs"]
mod place;
#[path = "kills/rig.rs"]
mod rig;
mod servers;
#[path = "kills/summary.rs"]
mod summary;
mod support;

use std::thread;

use chance::{number, seed};
use place::Place;
use rig::{Moment, Rig};
use servers::postgres::Postgres;

/// How often the daemon is killed on each store; the soak says more.
fn rounds(gate: usize) -> usize {
    number("HAETAE_TEST_KILLS").map_or(gate, |count| usize::try_from(count).expect("not so many"))
}

#[test]
fn kills_lose_nothing_that_is_kept_in_sqlite() {
    let (rounds, seed) = (rounds(50), seed());
    // Two at once: most of a round is waiting for the next second.
    let halves = [(rounds.div_ceil(2), seed), (rounds / 2, seed.wrapping_add(1))];
    let run = |(rounds, seed)| {
        thread::spawn(move || {
            let place = |home: &support::Home| Place::File(home.path("state/haetae.db"));
            run("sqlite", rounds, seed, Rig::new(seed, "", place));
        })
    };
    for half in halves.map(run) {
        half.join().expect("no fault");
    }
}

#[test]
fn kills_lose_nothing_that_is_kept_in_postgresql() {
    let (rounds, seed) = (rounds(50), seed());
    let server = Postgres::start();
    let run = |rounds, seed, name| {
        let keys = format!("store = {{ url = \"{}\" }}", server.database(name));
        run("postgresql", rounds, seed, Rig::new(seed, &keys, |_| Place::Server(&server, name)));
    };
    thread::scope(|scope| {
        scope.spawn(|| run(rounds.div_ceil(2), seed, "kills"));
        scope.spawn(|| run(rounds / 2, seed.wrapping_add(1), "more_kills"));
    });
}

/// A control: with one row less in the outbox, all else as in the tests above, the checker must object.
#[test]
fn a_notice_removed_from_the_store_is_missed() {
    let mut rig = Rig::new(seed(), "", |home| Place::File(home.path("state/haetae.db")));
    rig.kill(Moment::Sending);
    assert!(rig.take_one_away(), "{:#?}", rig.kills);
    let found = rig.finish();
    let faults = checker::faults(&rig.ledger, &found);
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].ends_with("[\"first\"] is due, [] was told"), "{faults:#?}");
    assert!(faults[1].ends_with("its obligation is None, not open"), "{faults:#?}");
}

fn run(store: &str, rounds: usize, seed: u64, mut rig: Rig<'_>) {
    println!("{store}: {rounds} kills, HAETAE_TEST_SEED={seed}");
    for _ in 0..rounds {
        rig.round();
    }
    let found = rig.finish();
    let faults = checker::faults(&rig.ledger, &found);
    assert!(faults.is_empty(), "{store}, HAETAE_TEST_SEED={seed}: {faults:#?}");
    summary::tell(store, &rig, &found);
}
