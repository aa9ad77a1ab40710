//! A disk that is full, and files that are damaged: what was acknowledged stays, and it is told.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]

#[path = "records/book.rs"]
mod book;
mod chance;
#[path = "records/image.rs"]
mod image;
#[path = "records/pipeline.rs"]
mod pipeline;
mod servers;
mod support;

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use book::stored;
use image::Mounted;
use pipeline::DATABASE;
use serde_json::Value;
use servers::influx::Influx;
use support::{Daemon, Home, LEVELS, SAMPLES, demo_source, evaluator, file_sink, within};

const LONG: Duration = Duration::from_mins(1);

/// Alarms that come and go all the time, told where there is room.
fn alarms() -> String {
    let memory = "by = ['application']\ncritical = { above = 90, clear = 85 }";
    [
        demo_source("paas", "4s"),
        evaluator("memory", "paas", "container_memory_used_percent", memory),
        file_sink("told", &["memory"]),
    ]
    .concat()
}

/// The plugins of it, which the daemon copies to its state, the reserve twice, and some more.
const MEBIBYTES: u64 = 192;

fn home(influx: &Influx) -> Home {
    let home = Home::with_plugins(&["numbered", "influx", "demo", "file"]);
    pipeline::configure(&home, influx, &alarms());
    home
}

/// The notifications about a problem of haetae itself.
fn about(home: &Home, instance: &str, problem: &str, status: &str) -> Vec<Value> {
    let is = |line: &Value| {
        let alarm = &line["alarms"][0];
        alarm["evaluator"] == "system"
            && alarm["labels"]["instance"] == instance
            && alarm["labels"]["problem"] == problem
            && line["status"] == status
    };
    home.notifications("told.jsonl").into_iter().filter(is).collect()
}

fn wait_for(home: &Home, instance: &str, problem: &str, status: &str) -> Value {
    let found = || about(home, instance, problem, status).pop();
    let found = within(LONG, found);
    found.unwrap_or_else(|| {
        panic!("{problem} of {instance} is not {status}: {:#?}", home.json(&["status"]))
    })
}

/// Waits until so many more batches are acknowledged.
fn goes_on(home: &Home, daemon: &Daemon, more: usize) {
    let before = pipeline::book(home).acked();
    let enough = || (pipeline::book(home).acked() >= before + more).then_some(());
    let enough = within(LONG, enough);
    assert!(enough.is_some(), "{:#?}\n{:#?}", home.json(&["status"]), daemon.lines());
}

/// Waits until an alarm of the platform that is yet to come is told.
fn alarms_go_on(home: &Home) {
    let fired = || {
        home.notifications("told.jsonl")
            .iter()
            .filter(|line| line["alarms"][0]["evaluator"] == "memory")
            .count()
    };
    let before = fired();
    let more = within(LONG, || (fired() > before + 1).then_some(()));
    assert!(more.is_some(), "no alarm is told any more: {:#?}", home.json(&["status"]));
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the filler");
    for block in [1 << 20, 4096, 1] {
        let block = vec![0_u8; block];
        while file.write_all(&block).is_ok() {}
    }
}

fn is_failing(home: &Home) -> Option<()> {
    home.json(&["status"])?["store"]["failing"].is_string().then_some(())
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let influx = Influx::start();
    let home = home(&influx);
    // Dropped after the daemon and before the home.
    let _mounted = Mounted::memory(MEBIBYTES, &home.path("state"));
    let (reserve, filler) = (home.path("state/reserve"), home.path("state/filler"));
    let mut daemon = home.start();
    goes_on(&home, &daemon, 20);
    alarms_go_on(&home);

    // The disk is full. What the reserve held lets it say so, and alarms go on; records wait.
    fill(&filler);
    wait_for(&home, "store", "disk-full", "firing");
    assert!(!reserve.exists(), "the reserve is given up");
    let before = pipeline::book(&home);
    alarms_go_on(&home);
    let after = pipeline::book(&home);
    assert_eq!((after.yielded(), after.acked()), (before.yielded(), before.acked()), "it waits");
    assert_eq!(about(&home, "store", "disk-full", "firing").len(), 1, "told once");

    // It is killed meanwhile, and starts with what the reserve left.
    drop(daemon);
    daemon = home.start();
    alarms_go_on(&home);
    assert!(about(&home, "store", "disk-full", "resolved").is_empty(), "it still is full");
    assert_eq!(pipeline::book(&home).acked(), before.acked(), "it waits");

    // That room goes too: nothing can be written, and still nothing is lost.
    fill(&filler);
    assert!(within(LONG, || is_failing(&home)).is_some(), "{:#?}", home.json(&["status"]));
    assert!(daemon.is_running());

    fs::remove_file(&filler).expect("it was there");
    wait_for(&home, "store", "disk-full", "resolved");
    assert_eq!(fs::metadata(&reserve).expect("it is back").len(), 32 << 20);
    goes_on(&home, &daemon, 20);
    alarms_go_on(&home);
    assert_eq!(about(&home, "store", "disk-full", "firing").len(), 1, "told once");

    // It fills up while nobody is there: the daemon starts all the same, and says so.
    assert!(daemon.stop(), "it ends well");
    fill(&filler);
    daemon = home.start();
    let again = || about(&home, "store", "disk-full", "firing").get(1).cloned();
    let seen = within(LONG, again).is_some();
    let alarms = || home.json(&["alarm", "list"]);
    assert!(
        seen,
        "{:#?}\n{:#?}\n{:#?}",
        home.notifications("told.jsonl"),
        alarms(),
        daemon.lines()
    );
    fs::remove_file(&filler).expect("it was there");
    let over = || about(&home, "store", "disk-full", "resolved").get(1).cloned();
    assert!(within(LONG, over).is_some(), "{:#?}", home.json(&["status"]));

    pipeline::quiet(&home, true);
    pipeline::empties(&home, &daemon);
    assert!(daemon.stop(), "it ends well");
    // At a stop that is asked for one batch may be in flight as well.
    let found = pipeline::book(&home).must_be(&stored(&influx, DATABASE), 2);
    println!("{found}");
}

#[test]
fn a_full_disk_does_not_stop_judging() {
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(&format!("{LEVELS}{SAMPLES}"));
    home.write_values(&[("a", 10)]);
    let _mounted = Mounted::memory(MEBIBYTES, &home.path("state"));
    let filler = home.path("state/filler");
    let daemon = home.start();
    let samples = || {
        let text = fs::read_to_string(home.path("samples.jsonl")).unwrap_or_default();
        text.lines().count()
    };
    let more = |before: usize| within(LONG, || (samples() > before).then_some(())).is_some();
    assert!(more(2), "{:#?}", daemon.lines());
    let comes_and_goes = |what: &str| {
        for (value, status) in [(95, "firing"), (10, "resolved")] {
            let seen = || {
                let is = |line: &&Value| {
                    line["alarms"][0]["evaluator"] == "levels" && line["status"] == status
                };
                home.notifications("told.jsonl").iter().filter(is).count()
            };
            let before = seen();
            home.write_values(&[("a", value)]);
            let found = within(LONG, || (seen() > before).then_some(()));
            assert!(found.is_some(), "{what}, {status}: {:#?}", home.json(&["status"]));
        }
    };
    comes_and_goes("with room");

    fill(&filler);
    wait_for(&home, "store", "disk-full", "firing");
    let before = samples();
    comes_and_goes("without room");
    comes_and_goes("without room, again");
    assert!(samples() <= before + 2, "a sink is given what is not durable");
    let cause = home.instance_when("written", |instance| instance["state"] == "degraded");
    let cause = cause["last_error"]["cause"].as_str().expect("a cause").to_owned();
    assert!(cause.contains("there is no room to keep its records"), "{cause}");

    fs::remove_file(&filler).expect("it was there");
    assert!(more(samples()), "{:#?}", home.json(&["status"]));
    home.instance_when("written", |instance| instance["state"] == "ok");
    comes_and_goes("with room again");
    assert!(daemon.stop(), "it ends well");
}

/// Writes rubbish over a part of a file; what it looks like then.
fn damage(path: &Path, at: u64) -> Vec<u8> {
    let file = OpenOptions::new().write(true).open(path).expect("it is there");
    file.write_all_at(&[0xa5; 4000], at).expect("written");
    fs::read(path).expect("it is there")
}

fn beside(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let files =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))
    };
    files.filter(is).collect()
}

#[test]
fn a_damaged_queue_is_set_aside_and_reported() {
    let influx = Influx::start();
    let home = home(&influx);
    let daemon = home.start();
    goes_on(&home, &daemon, 20);
    assert!(daemon.stop(), "it ends well");

    let queue = home.path("state/queues/numbers.db");
    let damaged = damage(&queue, 0);
    let daemon = home.start();
    let alarm = wait_for(&home, "numbers", "queue-damaged", "firing");
    let aside = beside(&home.path("state/queues"), "numbers.db.damaged-");
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read(&aside[0]).expect("it is there"), damaged, "nothing of it is lost");
    let name = aside[0].display().to_string();
    let reason = alarm["text"].as_str().expect("a text");
    assert!(reason.contains(&name) && reason.contains("not a database"), "{reason}");
    let log = daemon.lines();
    let says = log.iter().any(|line| line.contains(&name) && line.contains("numbers"));
    assert!(says, "{log:#?}");
    goes_on(&home, &daemon, 20);
    assert!(daemon.stop(), "it ends well");

    // The next start finds it whole.
    let daemon = home.start();
    wait_for(&home, "numbers", "queue-damaged", "resolved");
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_damaged_store_is_refused_with_the_cure() {
    let influx = Influx::start();
    let home = home(&influx);
    let daemon = home.start();
    alarms_go_on(&home);
    assert!(daemon.stop(), "it ends well");

    let store = home.path("state/haetae.db");
    let whole = fs::read(&store).expect("it is there");
    let name = store.display().to_string();
    // The head of the file, and pages behind it: the first table's, say.
    for at in [0, 4096] {
        File::create(&store).and_then(|mut file| file.write_all(&whole)).expect("as it was");
        let damaged = damage(&store, at);
        for verb in [&["run"][..], &["db", "check"]] {
            let output = home.output(verb);
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{verb:?} {says}");
            for part in ["damaged", name.as_str(), "haetae db backup", "put a backup in its place"]
            {
                assert!(says.contains(part), "{verb:?} at {at} does not say `{part}`: {says}");
            }
        }
        assert_eq!(fs::read(&store).expect("it is there"), damaged, "it is left as it is");
    }
    // A store that is gone is not made anew in silence; the cure is one.
    fs::remove_file(&store).expect("it is there");
    let output = home.output(&["run"]);
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(says.contains("the file is missing") && says.contains("--accept-loss"), "{says}");
    let daemon = home.start_with(|command| {
        command.arg("--accept-loss");
    });
    alarms_go_on(&home);
    assert!(daemon.stop(), "it ends well");
}
