//! Records through what a power failure leaves: the state is on an image that is copied right after
//! each kill and mounted again at the copy, so that only what was synced is there. As root.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test; its figures are printed"
)]

#[path = "records/book.rs"]
mod book;
#[path = "records/chance.rs"]
mod chance;
#[path = "records/image.rs"]
mod image;
#[path = "records/pipeline.rs"]
mod pipeline;
#[path = "servers/influx.rs"]
mod server;
mod support;
#[path = "records/unrest.rs"]
mod unrest;
#[path = "records/wal.rs"]
mod wal;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use book::stored;
use chance::Chance;
use image::{Mounted, copied, made};
use pipeline::DATABASE;
use server::Influx;
use support::{Home, within};
use unrest::Unrest;

const ROUNDS: usize = 100;
/// The state with its reserve, queue, store and copies of plugins.
const MEBIBYTES: u64 = 256;
/// Commits that the control loses.
const TORN: usize = 5;

/// The image that the state is on.
struct Disk {
    folder: PathBuf,
    state: PathBuf,
    number: usize,
    mounted: Option<Mounted>,
}

impl Disk {
    fn new(home: &Home) -> Self {
        let mut disk =
            Self { folder: home.path(""), state: home.path("state"), number: 0, mounted: None };
        made(&disk.file(), MEBIBYTES);
        disk.mounted = Some(Mounted::image(&disk.file(), &disk.state));
        disk
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.img", self.number))
    }

    /// What a power failure now would leave; the state is that from here on. Whether what was
    /// written last and not synced is gone, as it must be.
    fn fails(&mut self) -> bool {
        fs::write(self.state.join("unsynced"), self.number.to_string()).expect("there is room");
        let before = self.file();
        self.number += 1;
        copied(&before, &self.file());
        self.mounted = None;
        self.mounted = Some(Mounted::image(&self.file(), &self.state));
        fs::remove_file(before).expect("our own");
        !self.state.join("unsynced").exists()
    }

    /// Runs with another image in place of the state.
    fn instead(&mut self, image: &Path, run: impl FnOnce()) {
        self.mounted = None;
        let other = Mounted::image(image, &self.state);
        run();
        other.unmount();
        self.mounted = Some(Mounted::image(&self.file(), &self.state));
    }
}

#[test]
fn what_was_acknowledged_outlives_power_failures_and_a_torn_queue_is_noticed() {
    let mut chance = Chance::new();
    let rounds = std::env::var("HAETAE_TEST_ROUNDS").ok();
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a number"));
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
            noticed += usize::from(control(&home, &mut disk, &mut influx));
            pipeline::emptied(&home);
            let book = pipeline::book(&home);
            let found = book.must_be(&stored(&influx, DATABASE), round + 1 + noticed);
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
fn control(home: &Home, disk: &mut Disk, influx: &mut Influx) -> bool {
    pipeline::emptied(home);
    influx.stop();
    let before = pipeline::book(home).acked();
    let daemon = home.start();
    let enough = || (pipeline::book(home).acked() >= before + 4 * TORN).then_some(());
    let enough = within(Duration::from_mins(1), enough);
    drop(daemon);
    assert!(enough.is_some(), "batches are acknowledged without InfluxDB");
    assert!(disk.fails());
    let torn = home.path("torn.img");
    disk.mounted = None;
    copied(&disk.file(), &torn);
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
    true
}
