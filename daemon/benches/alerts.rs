//! The alarm path: from a value that crosses, over a durable alarm, to a webhook; beside it
//! Alertmanager on the same work in the same minutes.
//!
//! Twice: with a group an alarm on both sides, and with forty groups on both sides.
//!
//! `cargo bench -p haetae --bench alerts`; `RUNS=1` for one run of each, `ALONE=1` without
//! Alertmanager, `ROWS=TEXT` for the groupings with a row that has the text in its name, and no
//! other rows; `INTERVAL=1s` for another interval of the forty groups on both sides.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each benchmark uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark may fall over")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it prints and times")]
#![allow(clippy::indexing_slicing, clippy::cast_precision_loss, reason = "what it counts is small")]

#[path = "rig/alertmanager.rs"]
mod alertmanager;
#[path = "../../tests/control.rs"]
mod control;
#[path = "rig/path.rs"]
mod path;
#[path = "rig/process.rs"]
mod process;
#[path = "../../tests/support.rs"]
mod support;
#[path = "rig/webhook.rs"]
mod webhook;

use std::{
    collections::HashMap,
    env, thread,
    time::{Duration, Instant},
};

use alertmanager::{Alertmanager, alert};
use path::{AlarmPath, GROUPS, LANES};
use process::{cpu, disk, kilobytes, median, quantile};
use support::Home;
use webhook::Webhook;

/// Alarms one at a time.
const SINGLES: usize = 200;
/// Alarms at once.
const STORMS: [usize; 2] = [2_000, 10_000];
/// Alertmanager takes them in so many requests' worth of alerts.
const A_POST: [usize; 2] = [1, 100];
const LIMIT: Duration = Duration::from_mins(1);
/// After each part: what is still written down then is its cost too, and a group that was told may
/// be told again.
const REST: Duration = Duration::from_secs(2);

/// How the receiver is told of alarms together, in the words of each side.
struct Grouping {
    name: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// How long a group waits after a notice: ours and theirs.
    intervals: [&'static str; 2],
    /// Whether alarms are measured one at a time as well.
    singles: bool,
}

/// The interval of the forty groups, on both sides.
const FORTY: &str = "300ms";

const GROUPINGS: [Grouping; 2] = [
    Grouping {
        name: "a group an alarm",
        ours: "group_by = \"alarm\"",
        theirs: "['...']",
        // No group is told twice, so that nobody waits for one. Alertmanager refuses 0s, and with a
        // short one it wakes each group again and again: this is what costs it least.
        intervals: ["0s", "5m"],
        singles: true,
    },
    Grouping {
        name: "in 40 groups",
        // Alertmanager limits no rate.
        ours: "group_by = [\"group\"]\nrate = { most = 0 }",
        theirs: "[group]",
        // With this one Alertmanager tells soonest, of 1 ms to 5 s: with 100 ms and less it is busy
        // telling whole groups again, with 1 s and more its groups wait for their turn.
        intervals: [FORTY, FORTY],
        singles: false,
    },
];

const ONE: [&str; 3] = ["one at a time p50, ms", "one at a time p90, ms", "one at a time, CPU s"];

impl Grouping {
    /// The names of its rows, as they are printed.
    fn rows(&self) -> Vec<String> {
        let storm = |count: &usize| ["alarms/s", "CPU s"].map(|what| self.row(*count, what));
        let ones = if self.singles { ONE.as_slice() } else { &[] };
        let ones = ones.iter().map(|name| (*name).to_owned());
        ones.chain(STORMS.iter().flat_map(storm)).chain([self.peak()]).collect()
    }

    fn row(&self, count: usize, what: &str) -> String {
        format!("{}: {count} at once, {what}", self.name)
    }

    fn peak(&self) -> String {
        format!("{}: peak RSS, MB", self.name)
    }

    fn intervals(&self) -> [String; 2] {
        let given = env::var("INTERVAL").ok().filter(|_| !self.singles);
        self.intervals.map(|own| given.clone().unwrap_or_else(|| own.into()))
    }
}

/// What one run of one of them measured, by the name of the row.
type Run = HashMap<String, f64>;

fn main() {
    let runs: usize = env::var("RUNS").map_or(3, |runs| runs.parse().expect("RUNS is a number"));
    let wanted = env::var("ROWS").unwrap_or_default();
    let path = AlarmPath::start();
    let directory = tempfile::tempdir().expect("a directory");
    let mut disks = Vec::new();
    let mut table = Vec::new();
    for grouping in &GROUPINGS {
        let mut rows = grouping.rows();
        rows.retain(|row| row.contains(&wanted));
        if rows.is_empty() {
            continue;
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            println!("{}, run {run} of {runs}", grouping.name);
            disks.push(disk(directory.path()).as_secs_f64() * 1e3);
            ours.push(haetae(grouping, &path));
            if env::var_os("ALONE").is_none() {
                theirs.push(alertmanager(grouping, &path.webhook));
            }
        }
        table.extend(rows.into_iter().map(|row| {
            let of = |runs: &[Run]| median(runs.iter().map(|run| run[&row]));
            let (our, their) = (of(&ours), if theirs.is_empty() { f64::NAN } else { of(&theirs) });
            (row, our, their)
        }));
    }
    assert!(!table.is_empty(), "no row has {wanted:?} in its name");
    println!("\nmedians of {runs} runs; fdatasync of 4 kB: {:.2} ms", median(disks));
    println!("{:<44} {:>10} {:>13}  ratio", "", "haetae", "alertmanager");
    for (row, our, their) in table {
        println!("{row:<44} {our:>10.2} {their:>13.2}  {:.2}", our / their);
    }
}

fn haetae(grouping: &Grouping, path: &AlarmPath) -> Run {
    let home = Home::with_plugins(&["scripted"]);
    let Grouping { ours, .. } = grouping;
    let [interval, _] = grouping.intervals();
    home.configure(&path.configuration(&format!("{ours}\ngroup_interval = \"{interval}\"")));
    path.forget();
    let daemon = home.start();
    path.connected();
    let id = daemon.id();
    let mut run = Run::new();
    // The first one pays for what is made when it is used first.
    path.one(0);
    if grouping.singles {
        let before = cpu(id);
        let times: Vec<Duration> = (1..=SINGLES).map(|number| path.one(number)).collect();
        singles(&mut run, times, cpu(id) - before);
    }
    thread::sleep(REST);
    for (count, first) in STORMS.into_iter().zip(firsts()) {
        let before = cpu(id);
        let time = path.storm(first, count);
        run.insert(grouping.row(count, "alarms/s"), count as f64 / time.as_secs_f64());
        thread::sleep(REST);
        run.insert(grouping.row(count, "CPU s"), cpu(id) - before);
        let (again, posts) = path.webhook.counts();
        println!("  haetae: {count} at once in {time:.2?}, {posts} posts, {again} named again");
        // A group may be told again with what was told before.
        assert!(again == 0 || !grouping.singles, "an alarm was told twice");
    }
    run.insert(grouping.peak(), kilobytes(id, "VmHWM") / 1024.0);
    assert!(daemon.stop(), "it ends well");
    run
}

/// The number of the first alarm of each storm.
fn firsts() -> impl Iterator<Item = usize> {
    (1..).map(|storm| 100_000 * storm)
}

fn alertmanager(grouping: &Grouping, webhook: &Webhook) -> Run {
    let [_, interval] = grouping.intervals();
    let mut peer = Alertmanager::start(&webhook.url(), grouping.theirs, &interval);
    let id = peer.id();
    let mut run = Run::new();
    let mut one = |index: usize| {
        webhook.only(index..index + 1);
        let start = Instant::now();
        peer.post(&[alert(&format!("lane-{}", index % LANES), index, GROUPS)]);
        webhook.heard(1, LIMIT).expect("it arrives") - start
    };
    one(0);
    if grouping.singles {
        let before = cpu(id);
        let times: Vec<Duration> = (1..=SINGLES).map(&mut one).collect();
        singles(&mut run, times, cpu(id) - before);
    }
    thread::sleep(REST);
    for ((count, a_post), first) in STORMS.into_iter().zip(A_POST).zip(firsts()) {
        webhook.only(first..first + count);
        let before = cpu(id);
        let all: Vec<_> = (first..first + count).map(|at| alert("storm", at, GROUPS)).collect();
        let start = Instant::now();
        all.chunks(a_post).for_each(|alerts| peer.post(alerts));
        let accepted = start.elapsed();
        let time = webhook.heard(count, LIMIT).expect("all arrive") - start;
        run.insert(grouping.row(count, "alarms/s"), count as f64 / time.as_secs_f64());
        thread::sleep(REST);
        run.insert(grouping.row(count, "CPU s"), cpu(id) - before);
        let (again, posts) = webhook.counts();
        println!(
            "  alertmanager: {count} accepted in {accepted:.2?}, told in {time:.2?}, {posts} posts, {again} named again"
        );
    }
    run.insert(grouping.peak(), kilobytes(id, "VmHWM") / 1024.0);
    run
}

fn singles(run: &mut Run, times: Vec<Duration>, seconds: f64) {
    let (p50, p90) = (quantile(times.clone(), 0.5), quantile(times, 0.9));
    println!("  one at a time: p50 {p50:.2?}, p90 {p90:.2?}");
    let values = [p50.as_secs_f64() * 1e3, p90.as_secs_f64() * 1e3, seconds];
    run.extend(ONE.into_iter().map(str::to_owned).zip(values));
}
