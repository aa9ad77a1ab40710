//! The alarm path: from a value that crosses, over a durable alarm, to a webhook; beside it
//! Alertmanager on the same work in the same minutes.
//!
//! `cargo bench -p haetae --bench alerts`; `RUNS=1` for one run of each.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::format_push_string,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a benchmark: it prints, may fall over and measures time"
)]

#[path = "rig/alertmanager.rs"]
mod alertmanager;
#[path = "../../tests/control.rs"]
mod control;
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
use control::{Control, await_slot};
use process::{cpu, disk, kilobytes, median, quantile};
use support::Home;
use webhook::Webhook;

/// Alarms one at a time.
const SINGLES: usize = 200;
/// Evaluators that judge each second, each at a time of its own.
const LANES: usize = 10;
/// Alarms at once.
const STORMS: [usize; 2] = [2_000, 10_000];
/// Alertmanager takes them in so many requests' worth of alerts.
const A_POST: [usize; 2] = [1, 100];
const GROUPS: usize = 20;
const LIMIT: Duration = Duration::from_mins(1);

/// What one run of one of them measured, by name.
type Run = HashMap<&'static str, f64>;

fn main() {
    let runs: usize = env::var("RUNS").map_or(3, |runs| runs.parse().expect("RUNS is a number"));
    let webhook = Webhook::start();
    let control = Control::start();
    let directory = tempfile::tempdir().expect("a directory");
    let (mut ours, mut theirs, mut disks) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        println!("run {run} of {runs}");
        disks.push(disk(directory.path()).as_secs_f64() * 1e3);
        ours.push(haetae(&webhook, &control));
        if env::var_os("ALONE").is_none() {
            theirs.push(alertmanager(&webhook));
        }
    }
    println!("\nmedians of {runs} runs; fdatasync of 4 kB: {:.2} ms", median(disks));
    println!("{:<34} {:>10} {:>13}  ratio", "", "haetae", "alertmanager");
    let rows = [
        "one at a time p50, ms",
        "one at a time p90, ms",
        "one at a time, CPU s",
        "2 000 at once, alarms/s",
        "2 000 at once, CPU s",
        "10 000 at once, alarms/s",
        "10 000 at once, CPU s",
        "peak RSS, MB",
    ];
    for row in rows {
        let of = |runs: &[Run]| (!runs.is_empty()).then(|| median(runs.iter().map(|run| run[row])));
        let (our, their) = (of(&ours).unwrap_or(f64::NAN), of(&theirs).unwrap_or(f64::NAN));
        println!("{row:<34} {our:>10.2} {their:>13.2}  {:.2}", our / their);
    }
}

const NAMES: [[&str; 2]; 2] = [
    ["2 000 at once, alarms/s", "2 000 at once, CPU s"],
    ["10 000 at once, alarms/s", "10 000 at once, CPU s"],
];

fn haetae(webhook: &Webhook, control: &Control) -> Run {
    let home = Home::with_plugins(&["scripted"]);
    let lanes: Vec<String> = (0..LANES).map(|lane| format!("lane-{lane}")).collect();
    home.configure(&configuration(webhook, control, &lanes));
    control.forget();
    let daemon = home.start();
    control.connected();
    let id = daemon.id();
    let mut run = Run::new();
    let fire = |names: &[String], first: usize, count: usize| {
        webhook.clear();
        let (lane, slot) = await_slot(names);
        let start = Instant::now();
        assert!(control.say(slot, &names[lane], first, count, 99.0), "the source is gone");
        webhook.heard(count, LIMIT).expect("all arrive") - start
    };
    // The first one pays for what is made when it is used first.
    fire(&lanes, 0, 1);
    let before = cpu(id);
    let times: Vec<Duration> = (1..=SINGLES).map(|index| fire(&lanes, index, 1)).collect();
    singles(&mut run, times, cpu(id) - before);
    for (index, (count, [rate, seconds])) in STORMS.into_iter().zip(NAMES).enumerate() {
        let before = cpu(id);
        let time = fire(&["storm".into()], 100_000 * (index + 1), count);
        println!("  haetae: {count} at once in {time:.2?}, {} posts", webhook.counts().1);
        run.insert(rate, count as f64 / time.as_secs_f64());
        // What it still writes down is its cost too.
        thread::sleep(Duration::from_secs(2));
        run.insert(seconds, cpu(id) - before);
        assert_eq!(webhook.counts().0, 0, "an alarm was told twice");
    }
    run.insert("peak RSS, MB", kilobytes(id, "VmHWM") / 1024.0);
    assert!(daemon.stop(), "it ends well");
    run
}

fn configuration(webhook: &Webhook, control: &Control, lanes: &[String]) -> String {
    let url = webhook.url();
    let address = control.address;
    let mut text = format!(
        "[sources.scripted]\nplugin = \"scripted\"\ninterval = \"1s\"\ncontrol = \"{address}\"\n"
    );
    let storm = "storm".to_owned();
    let names: Vec<&String> = lanes.iter().chain([&storm]).collect();
    for name in &names {
        text += &format!(
            "[evaluators.{name}]\ninputs = [\"scripted\"]\nmetric = \"scripted\"\nevery = \"1s\"\nlimit = 200_000\nmatch = ['lane=\"{name}\"']\ncritical = {{ above = 90 }}\nsummary = \"{{{{host}}}}: {{{{value}}}}\"\n"
        );
    }
    text + &format!(
        "[sinks.post]\nplugin = \"post\"\ngroup_by = \"alarm\"\ngroup_wait = \"0s\"\ngroup_interval = \"0s\"\ninputs = {names:?}\nurl = \"{url}\"\n"
    )
}

fn alertmanager(webhook: &Webhook) -> Run {
    let mut peer = Alertmanager::start(&webhook.url());
    let id = peer.id();
    let mut run = Run::new();
    let mut one = |index: usize| {
        webhook.clear();
        let start = Instant::now();
        peer.post(&[alert(&format!("single-{index}"), index)]);
        let host = format!("host-{index}.example.com");
        webhook.heard_of(&host, LIMIT).expect("it arrives") - start
    };
    one(0);
    let before = cpu(id);
    let times: Vec<Duration> = (1..=SINGLES).map(&mut one).collect();
    singles(&mut run, times, cpu(id) - before);
    for ((count, a_post), [rate, seconds]) in STORMS.into_iter().zip(A_POST).zip(NAMES) {
        webhook.clear();
        let before = cpu(id);
        let all: Vec<_> =
            (0..count).map(|at| alert(&format!("storm-{count}-{}", at % GROUPS), at)).collect();
        let start = Instant::now();
        all.chunks(a_post).for_each(|alerts| peer.post(alerts));
        let accepted = start.elapsed();
        let time = webhook.heard(count, LIMIT).expect("all arrive") - start;
        let posts = webhook.counts().1;
        println!(
            "  alertmanager: {count} accepted in {accepted:.2?}, told in {time:.2?}, {posts} posts"
        );
        run.insert(rate, count as f64 / time.as_secs_f64());
        thread::sleep(Duration::from_secs(2));
        run.insert(seconds, cpu(id) - before);
    }
    run.insert("peak RSS, MB", kilobytes(id, "VmHWM") / 1024.0);
    run
}

fn singles(run: &mut Run, times: Vec<Duration>, seconds: f64) {
    let (p50, p90) = (quantile(times.clone(), 0.5), quantile(times, 0.9));
    println!("  one at a time: p50 {p50:.2?}, p90 {p90:.2?}");
    run.insert("one at a time p50, ms", p50.as_secs_f64() * 1e3);
    run.insert("one at a time p90, ms", p90.as_secs_f64() * 1e3);
    run.insert("one at a time, CPU s", seconds);
}
