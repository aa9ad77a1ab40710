//! Restore: 100 000 firing alarms, killed, started again: until all of them are judged again, and
//! what each costs in memory.
//!
//! `cargo bench -p haetae --bench restore`; `ALARMS=1000` for fewer.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each benchmark uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark may fall over")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it prints and times")]
#![allow(clippy::indexing_slicing, clippy::cast_precision_loss, reason = "what it counts is small")]

#[path = "../../tests/control.rs"]
mod control;
#[path = "rig/process.rs"]
mod process;
#[path = "rig/started.rs"]
mod started;
#[path = "../../tests/support.rs"]
mod support;
#[path = "rig/webhook.rs"]
mod webhook;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use control::{Control, await_slot, last_slot};
use process::{cpu, disk, kilobytes, median};
use serde_json::Value;
use started::Started;
use support::{Home, evaluator, scripted_source, sink};
use webhook::Webhook;

const LANE: &str = "storm";
const LIMIT: Duration = Duration::from_mins(3);

fn main() {
    let alarms: usize = env::var("ALARMS").map_or(100_000, |n| n.parse().expect("a number"));
    let runs: usize = env::var("RUNS").map_or(3, |runs| runs.parse().expect("RUNS is a number"));
    let webhook = Webhook::start();
    let control = Control::start();
    let home = Home::with_plugins(&["scripted", "file"]);
    home.configure(&configuration(&webhook, &control));
    println!("fdatasync of 4 kB: {:.2?}", disk(&home.path("")));

    let none = Started::new(&home);
    none.until(|status| status["ready"] == true);
    thread::sleep(Duration::from_secs(3));
    let idle = kilobytes(none.id(), "VmRSS");
    println!("with 0 alarms: {:.1} MB", idle / 1024.0);
    let quiet = Speaking::start(&control, alarms, 10.0);
    none.until(|status| status["evaluators"][0]["series"] == alarms && has_judged(status));
    thread::sleep(Duration::from_secs(3));
    let silent = kilobytes(none.id(), "VmRSS");
    println!("with {alarms} series, none of which fires: {:.1} MB", silent / 1024.0);
    drop(quiet);
    fire(&webhook, &control, alarms);
    println!(
        "after firing {alarms}: {:.1} MB, peak {:.1} MB",
        kilobytes(none.id(), "VmRSS") / 1024.0,
        kilobytes(none.id(), "VmHWM") / 1024.0
    );
    // One that can't be read now says nothing of what waits.
    none.until(|status| {
        let store = &status["store"];
        store["failing"].is_null() && store["outbox"].as_array().is_some_and(Vec::is_empty)
    });
    none.kill();

    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        control.forget();
        webhook.clear();
        let speaking = Speaking::start(&control, alarms, 99.0);
        let started = Started::new(&home);
        let answered = started.until(|_| true);
        let ready = started.until(|status| status["ready"] == true);
        let firing = started.until(|status| fires(status, alarms));
        let judged = started.until(|status| fires(status, alarms) && has_judged(status));
        let seconds = cpu(started.id());
        // What is written and told after the start, and the allocator's slack, count.
        thread::sleep(Duration::from_secs(3));
        let resident = kilobytes(started.id(), "VmRSS");
        let each = (resident - idle) * 1024.0 / alarms as f64;
        println!(
            "run {run}: answers {answered:.2?}, ready {ready:.2?}, restored {firing:.2?}, judged {judged:.2?}; {seconds:.2} CPU s; {:.1} MB, peak {:.1} MB, {each:.0} bytes an alarm with its series, {:.0} more than the series alone",
            resident / 1024.0,
            kilobytes(started.id(), "VmHWM") / 1024.0,
            (resident - silent) * 1024.0 / alarms as f64,
        );
        assert_eq!(webhook.counts().1, 0, "nobody is told again");
        times.push(judged.as_secs_f64());
        bytes.push(each);
        started.kill();
        drop(speaking);
    }
    println!(
        "median: {:.2} s until all are judged, {:.0} bytes an alarm",
        median(times),
        median(bytes)
    );
}

fn configuration(webhook: &Webhook, control: &Control) -> String {
    let keys = r#"every = "1s"
limit = 200_000
critical = { above = 90 }
summary = "{{host}}: {{value}}""#;
    [
        scripted_source(control.address) + "max_series = 200_000\n",
        evaluator(LANE, "scripted", "scripted", keys),
        sink("post", "post", &[LANE], &format!("url = \"{}\"", webhook.url())),
        "[sinks.daemon]\nplugin = 'file'\npath = 'HOME/system.jsonl'\ninputs = ['system']\n".into(),
    ]
    .concat()
}

fn fire(webhook: &Webhook, control: &Control, alarms: usize) {
    control.connected();
    webhook.clear();
    let (_, slot) = await_slot(&[LANE.into()]);
    let start = Instant::now();
    assert!(control.say(slot, LANE, 0, alarms, 99.0), "the source is gone");
    let end = webhook.heard(alarms, LIMIT).expect("all arrive");
    let (again, posts) = webhook.counts();
    println!("{alarms} told in {:.2?}, {posts} posts, {again} twice", end - start);
}

/// Whether so many alarms fire; there may be one about the daemon beside them.
fn fires(status: &Value, alarms: usize) -> bool {
    status["firing"].as_u64().is_some_and(|firing| firing >= alarms as u64)
}

/// Whether the evaluator has judged a slot since the start.
fn has_judged(status: &Value) -> bool {
    status["evaluators"][0]["judged"].as_u64().is_some_and(|judged| judged > 0)
}

/// The series speak at each slot, as they did before the kill.
struct Speaking(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Speaking {
    fn start(control: &Control, alarms: usize, value: f64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, control) = (Arc::clone(&stop), control.clone());
        let thread = thread::spawn(move || {
            control.connected();
            let mut slot = last_slot(LANE);
            // Four minutes at the most.
            for _ in 0..240 {
                control.say(slot, LANE, 0, alarms, value);
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                (_, slot) = await_slot(&[LANE.into()]);
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        drop(self.1.take().map(thread::JoinHandle::join));
    }
}
