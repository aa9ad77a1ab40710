//! A long past: what a store with very many ended alarms costs the start, a scrape, the alarm path
//! and the pruning; beside it a daemon with an empty store, on the same work in the same minutes.
//!
//! `cargo bench -p haetae --bench history`; `ALARMS=1000 JOURNAL=10000` for a shorter past,
//! `RUNS=1` for one start and one storm, `STORE=FOLDER` to keep what was generated for the next
//! time, `PRUNE=1` to prune as well, for `MINUTES=30` at the most.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each benchmark uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark may fall over")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it prints and times")]
#![allow(clippy::indexing_slicing, clippy::cast_precision_loss, reason = "what it counts is small")]

#[path = "../../tests/control.rs"]
mod control;
#[path = "rig/generator.rs"]
mod generator;
#[path = "rig/past.rs"]
mod past;
#[path = "rig/path.rs"]
mod path;
#[path = "rig/process.rs"]
mod process;
#[path = "rig/started.rs"]
mod started;
#[path = "../../tests/support.rs"]
mod support;
#[path = "rig/webhook.rs"]
mod webhook;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use past::Past;
use path::AlarmPath;
use process::{cpu, disk, kilobytes, quantile};
use started::Started;
use support::Home;

/// Alarms one at a time.
const SINGLES: usize = 200;
const STORM: usize = 2_000;
const SCRAPES: usize = 50;
/// After each part, so that the next one pays for none of it.
const REST: Duration = Duration::from_secs(2);
const SINK: &str = "group_by = \"alarm\"\ngroup_interval = \"0s\"";
/// Of the past nearly all is older.
const RETENTION: &str =
    "[retention]\nalarms = \"1d\"\njournal = \"1d\"\nnotices = \"1d\"\ndead_letters = \"1d\"\n";
/// It is pruned when so small a part of it is left.
const LEFT: usize = 50;
const ALL: [usize; 3] = [usize::MAX >> 1; 3];
/// Between two looks at how much is left.
const LOOK: Duration = Duration::from_secs(5);

fn main() {
    let number = |name: &str, otherwise: usize| {
        env::var(name).map_or(otherwise, |number| number.parse().expect("a number"))
    };
    let (alarms, journal) = (number("ALARMS", 1_000_000), number("JOURNAL", 10_000_000));
    let runs = number("RUNS", 3);
    let sides = [Side::new(), Side::new()];
    println!("fdatasync of 4 kB: {:.2?}", disk(&sides[0].home.path("")));
    sides[1].remember(alarms, journal);

    let mut table = Table::default();
    let [empty, full] = each(&sides, |side| start(side, runs));
    table.row("start after kill -9, ms, the longest", empty, full, Limit::Milliseconds(3_000.0));
    let running = each(&sides, |side| side.run(99_999));
    let [empty, full] = each(&running, scrapes);
    table.row("scrape p90, ms", empty, full, Limit::Milliseconds(50.0));
    measure(&mut table, &running, runs);
    drop(running);
    if env::var("PRUNE").is_ok_and(|prune| prune == "1") {
        let limit = Duration::from_secs(60 * number("MINUTES", 30) as u64);
        prune(&mut table, &sides, [alarms, journal], limit);
    } else {
        println!("pruning: skipped, PRUNE=1 measures it (this takes a daemon with [retention])");
    }
    table.print(alarms, journal);
}

/// The alarm path of both, in turns, so that what else the machine does hurts both alike.
fn measure(table: &mut Table, running: &[Running<'_>; 2], runs: usize) {
    let [mut empty, mut full] = singles(running, 0..SINGLES, || true);
    for (name, of) in [("p50", 0.5), ("p90", 0.9)] {
        let limit = if of < 0.6 { Limit::Times(1.1) } else { Limit::None };
        let row = format!("one at a time {name}, ms");
        table.row(&row, quantile(empty.clone(), of), quantile(full.clone(), of), limit);
    }
    (empty, full) = (Vec::new(), Vec::new());
    let mut seconds = [0.0; 2];
    for run in 1..=runs {
        for (at, times) in [&mut empty, &mut full].into_iter().enumerate() {
            let one = &running[at];
            let before = cpu(one.daemon.id());
            times.push(one.side.path.storm(100_000 * run, STORM));
            thread::sleep(REST);
            seconds[at] += cpu(one.daemon.id()) - before;
        }
    }
    println!("{STORM} at once: empty {empty:.2?}, full {full:.2?}");
    let [empty, full] = [empty, full].map(|times| quantile(times, 0.5));
    table.row(&format!("{STORM} at once, ms"), empty, full, Limit::Times(1.1));
    let [empty, full] = seconds.map(|all| Duration::from_secs_f64(all / runs as f64));
    table.row(&format!("{STORM} at once, CPU ms"), empty, full, Limit::None);
    let [empty, full] = [0, 1].map(|at| kilobytes(running[at].daemon.id(), "VmHWM") / 1024.0);
    println!("peak RSS: empty {empty:.1} MB, full {full:.1} MB");
}

/// Alarms one at a time on both in turns, while they are wanted.
fn singles(
    running: &[Running<'_>; 2],
    numbers: impl Iterator<Item = usize>,
    mut wanted: impl FnMut() -> bool,
) -> [Vec<Duration>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for number in numbers {
        if !wanted() {
            break;
        }
        for (one, times) in running.iter().zip(&mut times) {
            times.push(one.side.path.one(number));
        }
    }
    times
}

fn prune(table: &mut Table, sides: &[Side; 2], past: [usize; 2], limit: Duration) {
    let store = sides[1].store();
    let [alarms, journal, _] = generator::count(&store, ALL);
    let newer = [alarms - past[0], journal - past[1]];
    sides[1].configure(RETENTION);
    let running = each(sides, |side| side.run(99_998));
    let (start, mut next, mut pruned) = (Instant::now(), Instant::now(), false);
    let mut seen = 0;
    let times = singles(&running, 200_000.., || {
        if next <= Instant::now() {
            // What is fired meanwhile has a row, and two in the journal.
            let most = [0, 1].map(|at| newer[at] + past[at] / LEFT + 2 * seen + 10);
            let [alarms, journal, _] = generator::count(&store, [most[0] + 1, most[1] + 1, 0]);
            pruned = alarms <= most[0] && journal <= most[1];
            next = Instant::now() + LOOK;
        }
        seen += 1;
        !pruned && start.elapsed() < limit
    });
    let (took, [alarms, journal, told]) = (start.elapsed(), generator::count(&store, ALL));
    println!(
        "pruning: {} after {took:.1?}; {alarms} alarms, {journal} rows of the journal and {told} of who was told are left, {newer:?} of them were no past",
        if pruned { "done" } else { "NOT DONE" }
    );
    let [empty, full] = times;
    println!("{} alarms one at a time while it is pruned", full.len());
    let limit = quantile(empty.clone(), 0.5).as_secs_f64() * 1e3 + 50.0;
    for (name, of) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        let limit = if of < 1.0 { Limit::None } else { Limit::Milliseconds(limit) };
        let row = format!("one at a time while pruned {name}, ms");
        table.row(&row, quantile(empty.clone(), of), quantile(full.clone(), of), limit);
    }
}

/// Starts that follow kill -9: the longest.
fn start(side: &Side, runs: usize) -> Duration {
    let once = |_| {
        let daemon = Started::new(&side.home);
        let ready = daemon.until(|status| status["ready"] == true);
        daemon.kill();
        ready
    };
    let times: Vec<Duration> = (0..runs).map(once).collect();
    println!("starts: {times:.2?}");
    quantile(times, 1.0)
}

fn scrapes(one: &Running<'_>) -> Duration {
    let times: Vec<Duration> = (0..SCRAPES).map(|_| one.daemon.scrape()).collect();
    let at = |of| quantile(times.clone(), of);
    println!("scrapes: p50 {:.2?}, p90 {:.2?}, longest {:.2?}", at(0.5), at(0.9), at(1.0));
    at(0.9)
}

fn each<'a, S, T>(sides: &'a [S; 2], of: impl Fn(&'a S) -> T) -> [T; 2] {
    [of(&sides[0]), of(&sides[1])]
}

/// A daemon's home and the two ends of its alarm path.
struct Side {
    home: Home,
    path: AlarmPath,
}

/// A daemon at work.
struct Running<'a> {
    side: &'a Side,
    daemon: Started,
}

impl Side {
    /// With a store in which nothing is: the daemon makes it, with whatever belongs to it.
    fn new() -> Self {
        let side = Self { home: Home::with_plugins(&["scripted"]), path: AlarmPath::start() };
        side.configure("");
        assert!(side.home.start().stop(), "it ends well");
        side
    }

    fn configure(&self, more: &str) {
        self.home.configure(&format!("{}{more}", self.path.configuration(SINK)));
    }

    fn store(&self) -> PathBuf {
        self.home.path("state/haetae.db")
    }

    /// Runs a daemon on it; the number is of an alarm that nothing else fires.
    fn run(&self, first: usize) -> Running<'_> {
        self.path.forget();
        let daemon = Started::new(&self.home);
        daemon.until(|status| status["ready"] == true);
        self.path.connected();
        // The first one pays for what is made when it is used first.
        self.path.one(first);
        Running { side: self, daemon }
    }

    /// Gives it a past: one that was generated before, or a new one.
    fn remember(&self, alarms: usize, journal: usize) {
        let kept = env::var_os("STORE").map(PathBuf::from);
        let state = self.home.path("state");
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
            copy(kept, &state);
            println!("the past is that in {}", kept.display());
        } else {
            let start = Instant::now();
            let past = Past::until(control::now(), alarms, journal);
            generator::write(&self.store(), past);
            println!("the past was written in {:.1?}", start.elapsed());
            if let Some(kept) = &kept {
                copy(&state, kept);
            }
        }
        let [alarms_there, journal_there, told] = generator::count(&self.store(), ALL);
        let size = fs::metadata(self.store()).expect("a store").len();
        println!(
            "{alarms_there} ended alarms, {journal_there} rows of the journal, {told} of who was told: {:.1} MB",
            size as f64 / 1e6
        );
        assert_eq!([alarms_there, journal_there], [alarms, journal], "the past is whole");
    }
}

/// Copies what a folder holds over what another one holds.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    let copied = Command::new("cp").arg("-a").args([&from.join("."), to]).status();
    assert!(copied.expect("cp").success(), "it is copied");
}

/// What a figure of the full store must keep.
enum Limit {
    /// So many times that of the empty one.
    Times(f64),
    Milliseconds(f64),
    None,
}

/// The figures side by side.
#[derive(Default)]
struct Table(Vec<(String, f64, f64, Limit)>);

impl Table {
    fn row(&mut self, name: &str, empty: Duration, full: Duration, limit: Limit) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        self.0.push((name.into(), milliseconds(empty), milliseconds(full), limit));
    }

    fn print(&self, alarms: usize, journal: usize) {
        println!("\n{alarms} ended alarms, {journal} rows of the journal");
        println!("{:<44} {:>10} {:>10}  ratio  limit", "", "empty", "full");
        for (name, empty, full, limit) in &self.0 {
            let (limit, kept) = match limit {
                Limit::Times(times) => (format!("{times:.2} x"), *full <= empty * times),
                Limit::Milliseconds(most) => (format!("{most:.0} ms"), full <= most),
                Limit::None => (String::new(), true),
            };
            let word = if kept { "" } else { "  MISSED" };
            println!("{name:<44} {empty:>10.2} {full:>10.2}  {:>5.2}  {limit}{word}", full / empty);
        }
    }
}
