//! The pipeline that is killed: the source `numbers` to InfluxDB by the sink `history`.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]

use std::{fs, path::PathBuf, process::Stdio, thread, time::Duration};

use crate::{
    book::Book,
    chance::Chance,
    servers::influx::Influx,
    support::{Daemon, Home, influx_sink, within},
};

/// What the sink may take to empty the queue when all is well; its longest pause is a minute.
const EMPTIES: Duration = Duration::from_mins(3);

/// The database.
pub const DATABASE: &str = "history";

/// The source's log, beside the state.
pub fn log(home: &Home) -> PathBuf {
    home.path("numbers.log")
}

/// A configuration with the source, the sink and `more`.
pub fn configure(home: &Home, influx: &Influx, more: &str) {
    influx.execute("CREATE DATABASE history");
    let numbers = format!(
        "[sources.numbers]\nplugin = \"numbered\"\nlog = \"{}\"\nevery = \"10ms\"\n",
        log(home).display()
    );
    let history = influx_sink("history", &influx.url(), DATABASE, "numbers");
    home.configure(&[&numbers, &history, more].concat());
}

/// Starts the daemon and kills it at a random instant: one time in four while it still starts.
pub fn killed(home: &Home, chance: &mut Chance) {
    if chance.once_in(4) {
        let mut command = home.command(&["run"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("it starts");
        thread::park_timeout(chance.millis(0, 1500));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
    } else {
        let daemon = home.start();
        thread::park_timeout(chance.millis(0, 3000));
        // That is SIGKILL.
        drop(daemon);
    }
}

/// The source yields nothing any more, or goes on.
pub fn quiet(home: &Home, is: bool) {
    let mut file = log(home).into_os_string();
    file.push(".quiet");
    if is {
        fs::write(file, "").expect("written");
    } else {
        fs::remove_file(file).expect("it was quiet");
    }
}

/// Starts the daemon with a source that is quiet, lets the sink take all, and ends it well.
pub fn emptied(home: &Home) {
    quiet(home, true);
    let daemon = home.start();
    empties(home, &daemon);
    assert!(daemon.stop(), "it ends well");
    quiet(home, false);
}

/// Waits until the queue is empty.
pub fn empties(home: &Home, daemon: &Daemon) {
    let empty = || (waiting(home)? == 0).then_some(());
    let emptied = within(EMPTIES, empty);
    assert!(emptied.is_some(), "{:#?}\n{:#?}", home.json(&["status"]), daemon.lines());
}

/// How many records the sink has not taken.
pub fn waiting(home: &Home) -> Option<u64> {
    let status = home.json(&["status"])?;
    let queue = status["queues"].as_array()?.iter().find(|one| one["source"] == "numbers")?;
    queue["sinks"][0]["waiting"].as_u64()
}

/// What the source wrote down.
pub fn book(home: &Home) -> Book {
    Book::read(&log(home))
}
