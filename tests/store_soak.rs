//! The store of alarms through what a power failure leaves: the state is on an image that is copied
//! right after each kill and mounted again at the copy, so that only what was synced is there: no
//! alarm, no notice and no obligation is lost. As root. A daemon that does not sync must lose.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it says what it saw and when")]

mod chance;
#[path = "kills/checker.rs"]
mod checker;
#[path = "../plugins/email/src/tests/decode.rs"]
mod decode;
#[path = "records/disk.rs"]
mod disk;
#[path = "../plugins/email/src/identity.rs"]
mod identity;
#[path = "records/image.rs"]
mod image;
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

use std::fs;

use chance::{number, seed};
use disk::Disk;
use place::Place;
use rig::{Moment, Rig};
use support::Home;

const KILLS: u64 = 100;
/// Kills of the daemon that does not sync: each of them loses something as a rule.
const CONTROLS: usize = 3;

fn place(home: &Home) -> Place<'static> {
    Place::File(home.path("state/haetae.db"))
}

/// A kill at such a moment, and with it the power fails.
fn failure(rig: &mut Rig<'_>, disk: &mut Disk, moment: Moment) {
    rig.strike(moment);
    assert!(disk.fails(), "the copy is of the disk, not of what the kernel remembers");
}

#[test]
fn what_is_kept_in_the_store_outlives_power_failures() {
    let (kills, seed) = (number("HAETAE_TEST_KILLS").unwrap_or(KILLS), seed());
    println!("{kills} kills, HAETAE_TEST_SEED={seed}");
    let mut rig = Rig::new(seed, "", place);
    let mut disk = Disk::new(&rig.home);
    for _ in 0..kills {
        let moment = rig.moment();
        failure(&mut rig, &mut disk, moment);
        rig.note(moment);
    }
    let found = rig.finish();
    let faults = checker::faults(&rig.ledger, &found);
    assert!(faults.is_empty(), "HAETAE_TEST_SEED={seed}: {faults:#?}");
    summary::tell("store", &rig, &found);
}

/// The control: all is as above but for `synchronous`, and the checker must object. The daemon may
/// notice by itself that its log lost commits; then it refuses the store.
#[test]
fn a_store_that_is_not_synced_loses_and_that_is_noticed() {
    let control = std::env::var("HAETAE_TEST_CONTROL");
    let control = control.expect("HAETAE_TEST_CONTROL: `tests/soak store` builds that daemon");
    let seed = seed();
    println!("control: HAETAE_TEST_SEED={seed}");
    let mut rig = Rig::new(seed, "", place);
    fs::copy(control, rig.home.path("bin/haetae")).expect("the daemon that does not sync");
    let mut disk = Disk::new(&rig.home);
    // What it loses are to be alarms and notices, not the tables.
    assert!(rig.home.start().stop(), "it ends well");
    for kill in 1..=CONTROLS {
        failure(&mut rig, &mut disk, Moment::Sending);
        let output = rig.home.output(&["db", "check"]);
        if !output.status.success() {
            let says = String::from_utf8_lossy(&output.stderr);
            println!("control: refused after {kill} kills: {says}");
            assert!(says.contains("--accept-loss"), "for another reason: {says}");
            return;
        }
        rig.note(Moment::Sending);
    }
    let found = rig.finish();
    let faults = checker::faults(&rig.ledger, &found);
    let of_alarms = ["which the store does not know", "times, the store has"];
    let lost = |fault: &&String| of_alarms.iter().any(|part| fault.contains(part));
    let alarms = faults.iter().filter(lost).count();
    println!("control: {CONTROLS} kills, {} faults, {alarms} of them lost alarms", faults.len());
    assert!(alarms > 0, "nothing was lost: the kills above prove nothing; {faults:#?}");
}
