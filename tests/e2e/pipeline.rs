//! The first slice end to end: load raises an alarm and clears it. It is the test's own load that is
//! judged: whatever else keeps the machine busy, it begins and ends.
#![expect(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use crate::servers::busy::Busy;
use crate::support::{Home, PROCESSES, file_sink, within};
use serde_json::Value;

const PIPELINE: &str = r#"
[evaluators.cpu]
inputs = ["own"]
metric = "process_cpu_percent"
match = ['pid="PID"']
by = ["host", "process"]
over = "3s"
critical = { above = 10, clear = 5, for = "1s" }
no_data = { then = "hold" }

[sinks.samples]
plugin = "file"
inputs = ["own"]
match = ['pid="PID"']
path = "HOME/samples.jsonl"
"#;

#[test]
fn load_fires_an_alarm_that_resolves() {
    let home = Home::with_plugins(&["host", "file"]);
    let own = std::process::id().to_string();
    home.configure(
        &[PROCESSES, &PIPELINE.replace("PID", &own), &file_sink("log", &["cpu"])].concat(),
    );
    let daemon = home.start();
    let started = SystemTime::now();

    let busy = Busy::start();
    let find = |status: &str| {
        home.notifications("log.jsonl").into_iter().find(|line| line["status"] == status)
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
    let cores = thread::available_parallelism().map_or(2, usize::from);
    // A reading of CPU time may be a tick late, and the next one has it.
    let most = 110.0 * f64::from(u32::try_from(cores).expect("few"));
    assert!(value > 10.0 && value <= most, "{value} raised it");
    let end = &resolved["alarms"][0];
    assert_eq!(end["id"], alarm["id"], "one alarm, not two");
    let value = end["value"].as_f64().expect("it has a value");
    assert!(value <= 5.0, "{value} cleared it");

    // The times are slots: whole seconds of this run, in order, and in the samples too.
    let since = alarm["since_ns"].as_i64().expect("nanoseconds");
    let ended = end["ended_ns"].as_i64().expect("nanoseconds");
    let begin = started.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
    assert!(i128::from(since) > i128::try_from(begin).expect("fits") && ended > since);
    let lines = |file: &str| -> Vec<Value> {
        let text = fs::read_to_string(home.path(file)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    };
    let means = |slot: i64| {
        let samples = lines("samples.jsonl").into_iter().filter(|line| {
            let time = line["time_ns"].as_i64().unwrap_or(0);
            line["type"] == "sample"
                && line["name"] == "process_cpu_percent"
                && line["labels"]["pid"] == own
                && time > slot - 3_000_000_000
                && time <= slot
        });
        let values: Vec<f64> = samples.filter_map(|line| line["value"].as_f64()).collect();
        values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).expect("few"))
    };
    let judged = end["value"].as_f64().expect("it has a value");
    assert!((means(ended) - judged).abs() < 1e-9, "the sink has what was judged: {judged}");
}
