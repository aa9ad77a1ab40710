//! Evaluation: a thousand rules over ten thousand series every two seconds; beside it Prometheus on
//! the pages of the same exporter, in turn.
//!
//! `cargo bench -p haetae --bench rules`; `RUNS=1` for one run of each, `SECONDS=60` for longer ones.
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

/// What they do before it counts: each alert has fired and ended once.
const WARM_UP: Duration = Duration::from_secs(75);
/// Of ten thousand series about every twenty-second one is beyond its limit at any time.
const LEAST_FIRING: usize = METRICS * SERIES / 40;

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
    let exporter = Exporter::start();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        println!("run {run} of {runs}");
        ours.push(haetae(&exporter, seconds));
        if env::var_os("ALONE").is_none() {
            theirs.push(peer(&exporter, seconds));
        }
    }
    println!(
        "\nmedians of {runs} runs of {seconds:?}, {METRICS} rules, {} series",
        METRICS * SERIES
    );
    println!("{:<34} {:>10} {:>13}  ratio", "", "haetae", "prometheus");
    for row in [CPU, CORE, RSS, ANON, RATE, FIRING] {
        let of = |runs: &[Run]| (!runs.is_empty()).then(|| median(runs.iter().map(|run| run[row])));
        let (our, their) = (of(&ours).unwrap_or(f64::NAN), of(&theirs).unwrap_or(f64::NAN));
        println!("{row:<34} {our:>10.3} {their:>13.3}  {:.3}", our / their);
    }
}

fn haetae(exporter: &Exporter, seconds: Duration) -> Run {
    let home = Home::with_plugins(&["scripted", "file"]);
    home.configure(&configuration(exporter));
    let daemon = home.start();
    let judged = || {
        let status = home.json(&["status"]).expect("it answers");
        let evaluators = status["evaluators"].as_array().expect("evaluators");
        evaluators.iter().map(|one| one["judged"].as_f64().expect("n")).sum()
    };
    let firing = || home.json(&["status"]).expect("it answers")["firing"].as_u64().expect("n");
    let firing = || usize::try_from(firing()).expect("few");
    let run = measured(daemon.id(), seconds, exporter, judged, firing);
    assert!(daemon.stop(), "it ends well");
    run
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

fn peer(exporter: &Exporter, seconds: Duration) -> Run {
    let peer = Prometheus::start(exporter.address, METRICS);
    measured(peer.id(), seconds, exporter, || peer.judged(), || peer.firing())
}

/// What a process does while nobody asks it anything.
fn measured(
    id: u32,
    seconds: Duration,
    exporter: &Exporter,
    judged: impl Fn() -> f64,
    firing: impl Fn() -> usize,
) -> Run {
    thread::sleep(WARM_UP);
    let (evaluations, pages, before) = (judged(), exporter.pages(), cpu(id));
    thread::sleep(seconds);
    let spent = cpu(id) - before;
    let (pages, evaluations) = (exporter.pages() - pages, judged() - evaluations);
    let (rss, anon) = (kilobytes(id, "VmRSS") / 1024.0, kilobytes(id, "RssAnon") / 1024.0);
    let firing = firing();
    assert!(pages >= seconds.as_secs() / 2 - 2, "only {pages} pages were read");
    assert!(firing >= LEAST_FIRING, "only {firing} fire");
    println!("  {spent:.2} CPU s for {evaluations} evaluations, {rss:.1} MB, {firing} fire");
    Run::from([
        (CPU, spent * 1e3 / evaluations),
        (CORE, spent * 100.0 / seconds.as_secs_f64()),
        (RSS, rss),
        (ANON, anon),
        (RATE, evaluations / seconds.as_secs_f64()),
        (FIRING, firing as f64),
    ])
}
