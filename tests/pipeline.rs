//! The first slice end to end: the machine's own load raises an alarm and clears it.
#![expect(clippy::disallowed_methods, reason = "the test's own clock")]

mod support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use support::{Home, within};

const PIPELINE: &str = r#"
[sources.own]
plugin = "host"
interval = "1s"
processes = 0

[evaluators.cpu]
inputs = ["own"]
metric = "cpu_total_used_percent"
by = ["host"]
over = "3s"
critical = { above = 70, clear = 65, for = "1s" }
no_data = { then = "hold" }

[sinks.log]
plugin = "file"
inputs = ["cpu", "own"]
path = "PATH"
"#;

#[test]
fn load_fires_an_alarm_and_its_end_resolves_it() {
    let home = Home::with_plugins(&["host", "file"]);
    let path = home.path("out.jsonl");
    home.configure(&PIPELINE.replace("PATH", &path.display().to_string()));
    let daemon = home.start();
    let started = SystemTime::now();

    let busy = Busy::start();
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    };
    let find = |status: &str| {
        lines().into_iter().find(|line| line["type"] == "notification" && line["status"] == status)
    };
    let fired = within(Duration::from_mins(1), || find("firing")).expect("it fires under load");
    drop(busy);
    let resolved =
        within(Duration::from_secs(90), || find("resolved")).expect("it resolves after it");
    assert!(daemon.stop(), "it ends well");

    let alarm = &fired["alarms"][0];
    assert_eq!(alarm["evaluator"], "cpu");
    assert_eq!(alarm["severity"], "critical");
    assert_eq!(alarm["unit"], "percent");
    let value = alarm["value"].as_f64().expect("it has a value");
    assert!(value > 70.0 && value <= 100.0, "{value} raised it");
    let end = &resolved["alarms"][0];
    assert_eq!(end["id"], alarm["id"], "one alarm, not two");
    let value = end["value"].as_f64().expect("it has a value");
    assert!(value <= 65.0, "{value} cleared it");

    // The times are slots: whole seconds of this run, in order, and in the samples too.
    let since = alarm["since_ns"].as_i64().expect("nanoseconds");
    let ended = end["ended_ns"].as_i64().expect("nanoseconds");
    let begin = started.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
    assert!(i128::from(since) > i128::try_from(begin).expect("fits") && ended > since);
    let means = |slot: i64| {
        let samples = lines().into_iter().filter(|line| {
            let time = line["time_ns"].as_i64().unwrap_or(0);
            line["type"] == "sample"
                && line["name"] == "cpu_total_used_percent"
                && time > slot - 3_000_000_000
                && time <= slot
        });
        let values: Vec<f64> = samples.filter_map(|line| line["value"].as_f64()).collect();
        values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).expect("few"))
    };
    let judged = end["value"].as_f64().expect("it has a value");
    assert!((means(ended) - judged).abs() < 1e-9, "the sink has what was judged: {judged}");
}

/// Keeps every core busy until it is dropped, or for two minutes.
struct Busy(Arc<AtomicBool>, Vec<thread::JoinHandle<()>>);

impl Busy {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = thread::available_parallelism().map_or(2, Into::into);
        let work = |stop: Arc<AtomicBool>| {
            move || {
                let end = SystemTime::now() + Duration::from_mins(2);
                while !stop.load(Ordering::Relaxed) && SystemTime::now() < end {
                    std::hint::black_box((0..10_000_u64).sum::<u64>());
                }
            }
        };
        let threads = (0..cores).map(|_| thread::spawn(work(Arc::clone(&stop)))).collect();
        Self(stop, threads)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            // It does nothing that could panic.
            drop(thread.join());
        }
    }
}
