//! Evaluation: a thousand rules over ten thousand series every two seconds; beside it Prometheus on
//! the pages of the same exporter. Some nine hundred alerts fire at any time and change each half
//! minute; ours are durable, and a sink takes notices of them, grouped as by default.
//!
//! Both run at once, for a quarter of an hour before it counts: what either takes grows at first,
//! and a daemon runs for months. `cargo bench -p haetae --bench rules`; `AGE=75` to measure when each
//! alert has just fired and ended once, `RUNS=1` for one measurement, `SECONDS=20` for short ones,
//! `ALONE=1` without Prometheus.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each benchmark uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark may fall over")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it prints and times")]
#![allow(clippy::indexing_slicing, clippy::cast_precision_loss, reason = "what it counts is small")]
#![allow(clippy::format_push_string, reason = "a benchmark")]

#[path = "rig/exporter.rs"]
mod exporter;
#[path = "rig/process.rs"]
mod process;
#[path = "rig/prometheus.rs"]
mod prometheus;
#[path = "../../tests/support.rs"]
mod support;

use std::{collections::HashMap, env, thread, time::Duration};

use exporter::{Exporter, METRICS, SERIES};
use process::{cpu, kilobytes, median};
use prometheus::Prometheus;
use support::Home;

/// How long they run before it counts, in seconds.
const AGE: u64 = 15 * 60;
/// Of ten thousand series about every eleventh one is beyond its limit at any time.
const LEAST_FIRING: usize = METRICS * SERIES / 13;

/// What one run of one of them measured, by name.
type Run = HashMap<&'static str, f64>;

const CPU: &str = "CPU ms an evaluation";
const CORE: &str = "CPU, % of a core";
const RSS: &str = "RSS, MB";
const ANON: &str = "of it not of files, MB";
const RATE: &str = "evaluations/s";
const FIRING: &str = "firing at the end";

fn main() {
    let number =
        |name, default: u64| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (runs, seconds) = (number("RUNS", 3), Duration::from_secs(number("SECONDS", 60)));
    let age = number("AGE", AGE);
    let exporter = Exporter::start();
    let home = Home::with_plugins(&["scripted", "file"]);
    home.configure(&configuration(&exporter));
    let daemon = home.start();
    let peer = env::var_os("ALONE").is_none().then(|| Prometheus::start(exporter.address, METRICS));
    let ours = haetae(&home, daemon.id());
    let theirs = peer.as_ref().map(prometheus);
    let both: Vec<&Side<'_>> = [Some(&ours), theirs.as_ref()].into_iter().flatten().collect();
    grow(&both, age);
    let mut measured = vec![Vec::new(); both.len()];
    for run in 1..=runs {
        println!("run {run} of {runs}");
        let before: Vec<_> = both.iter().map(|side| side.now()).collect();
        let pages = exporter.pages();
        thread::sleep(seconds);
        let pages = exporter.pages() - pages;
        let least = both.len() as u64 * (seconds.as_secs() / 2 - 2);
        assert!(pages >= least, "only {pages} pages were read");
        for ((side, before), measured) in both.iter().zip(before).zip(&mut measured) {
            measured.push(side.since(before, seconds));
        }
    }
    println!(
        "\nafter {age} s, medians of {runs} runs of {seconds:?}, {METRICS} rules, {} series",
        METRICS * SERIES
    );
    println!("{:<34} {:>10} {:>13}  ratio", "", "haetae", "prometheus");
    for row in [CPU, CORE, RSS, ANON, RATE, FIRING] {
        let of = |runs: Option<&Vec<Run>>| {
            runs.map_or(f64::NAN, |runs| median(runs.iter().map(|run| run[row])))
        };
        let (our, their) = (of(measured.first()), of(measured.get(1)));
        println!("{row:<34} {our:>10.3} {their:>13.3}  {:.3}", our / their);
    }
    drop((ours, theirs));
    assert!(daemon.stop(), "it ends well");
}

/// Lets both run, and says now and then how much they hold.
fn grow(both: &[&Side<'_>], age: u64) {
    for second in 1..=age {
        thread::sleep(Duration::from_secs(1));
        if second.is_multiple_of(60) {
            let held =
                |side: &&Side<'_>| format!("{} {:.1} MB", side.name, side.megabytes("VmRSS"));
            let held: Vec<_> = both.iter().map(held).collect();
            println!("after {second} s: {}", held.join(", "));
        }
    }
}

/// One of the two.
struct Side<'a> {
    name: &'static str,
    id: u32,
    judged: Box<dyn Fn() -> f64 + 'a>,
    firing: Box<dyn Fn() -> usize + 'a>,
}

impl Side<'_> {
    /// Evaluations and CPU seconds so far.
    fn now(&self) -> (f64, f64) {
        ((self.judged)(), cpu(self.id))
    }

    fn megabytes(&self, name: &str) -> f64 {
        kilobytes(self.id, name) / 1024.0
    }

    /// What it did since, while nobody asked it anything.
    fn since(&self, before: (f64, f64), time: Duration) -> Run {
        let spent = cpu(self.id) - before.1;
        let (rss, anon) = (self.megabytes("VmRSS"), self.megabytes("RssAnon"));
        let (evaluations, firing) = ((self.judged)() - before.0, (self.firing)());
        assert!(firing >= LEAST_FIRING, "only {firing} fire");
        println!(
            "  {}: {spent:.2} CPU s for {evaluations} evaluations, {rss:.1} MB, {firing} fire",
            self.name
        );
        Run::from([
            (CPU, spent * 1e3 / evaluations),
            (CORE, spent * 100.0 / time.as_secs_f64()),
            (RSS, rss),
            (ANON, anon),
            (RATE, evaluations / time.as_secs_f64()),
            (FIRING, firing as f64),
        ])
    }
}

fn haetae(home: &Home, id: u32) -> Side<'_> {
    let status = || home.json(&["status"]).expect("it answers");
    let judged = move || {
        let status = status();
        let evaluators = status["evaluators"].as_array().expect("evaluators");
        evaluators.iter().map(|one| one["judged"].as_f64().expect("n")).sum()
    };
    let firing = move || usize::try_from(status()["firing"].as_u64().expect("n")).expect("few");
    Side { name: "haetae", id, judged: Box::new(judged), firing: Box::new(firing) }
}

fn prometheus(peer: &Prometheus) -> Side<'_> {
    let (judged, firing) = (|| peer.judged(), || peer.firing());
    Side { name: "prometheus", id: peer.id(), judged: Box::new(judged), firing: Box::new(firing) }
}

fn configuration(exporter: &Exporter) -> String {
    let address = exporter.address;
    let mut text = format!(
        "[sources.bench]\nplugin = \"scraped\"\ninterval = \"2s\"\nurl = \"http://{address}/metrics\"\n"
    );
    let mut names = Vec::new();
    for metric in 0..METRICS {
        text += &format!(
            "[evaluators.bench-{metric}]\ninputs = [\"bench\"]\nmetric = \"bench_{metric}\"\ncritical = {{ above = 90 }}\nsummary = \"{{{{host}}}}: {{{{value}}}}\"\n"
        );
        names.push(format!("bench-{metric}"));
    }
    text + &format!("[sinks.file]\nplugin = \"file\"\npath = \"/dev/null\"\ninputs = {names:?}\n")
}
