//! `/metrics` as others read it: promtool, the parser of `prometheus_client`, a real Prometheus.
#![allow(dead_code, unreachable_pub, reason = "its servers are shared")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]
#![allow(clippy::cast_precision_loss, reason = "its numbers are small")]

#[path = "servers/prometheus.rs"]
mod prometheus;
#[path = "servers/running.rs"]
mod running;
mod support;

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus::Prometheus;
use support::{Daemon, Home, LEVELS, free_port, within};

const LONG: Duration = Duration::from_mins(1);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A daemon that answers over TCP, and where.
fn daemon() -> (Home, Daemon, String) {
    let home = Home::with_plugins(&["lent", "file"]);
    let address = format!("127.0.0.1:{}", free_port());
    let state = home.path("state").display().to_string();
    let head = format!("[daemon]\nstate = {state:?}\n[http]\nlisten = \"{address}\"\n");
    let own = "[sources.own]\nplugin = \"lent\"\nuses = \"metrics\"\ninterval = \"1s\"\n";
    let levels = LEVELS.replace("HOME", &home.path("").display().to_string());
    fs::write(home.path("haetae.toml"), head + &levels + own).expect("the configuration");
    home.write_values(&[("a", 1)]);
    let daemon = home.start();
    (home, daemon, address)
}

/// The head and the body of an answer to `GET /metrics`.
fn get(address: &str, accept: Option<&str>) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["-sSi", "--noproxy", "*", "-m", "30"]).arg(format!("http://{address}/metrics"));
    command.arg("-H").arg(format!("Accept: {}", accept.unwrap_or_default()));
    let output = command.output().expect("curl, which tests/setup installs");
    let answer = String::from_utf8(output.stdout).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// The value of a sample, named with its labels.
fn value(text: &str, sample: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    rest.map(|value| value.parse().expect("a number"))
}

/// What a program that reads a text says of it, and whether it takes it.
fn judged(mut command: Command, text: &str) -> (bool, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn promtool(text: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    judged(command, text)
}

/// Families with the number of their samples, by the parser of `prometheus_client`.
fn python(text: &str) -> (bool, String) {
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        for family in parse(sys.stdin.read()): print(family.name, family.type, len(family.samples))";
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", script]);
    judged(command, text)
}

#[test]
fn promtool_finds_nothing_in_the_text_and_python_nothing_in_open_metrics() {
    let (home, daemon, address) = daemon();
    home.instance_when("own", |own| own["counts"]["calls"].as_u64() > Some(1));
    let (head, text) = get(&address, None);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(promtool(&text), (true, String::new()), "{text}");
    let (head, open_metrics) = get(&address, Some(OPEN_METRICS));
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let (taken, families) = python(&open_metrics);
    assert!(taken, "{families}\n{open_metrics}");
    for family in [
        "haetae_build info 1",
        "haetae_plugin_lent_calls counter 1",
        "haetae_plugin_lent_bytes counter 1",
        "haetae_plugin_lent_calls_value gauge 1",
        "haetae_alarms_firing gauge 2",
        "haetae_evaluation_duration_seconds histogram 13",
    ] {
        assert!(families.lines().any(|line| line == family), "no `{family}`: {families}");
    }
    // Controls: each of them sees what is wrong.
    assert!(!promtool(&open_metrics).0, "a counter is not named `_total` there");
    assert!(!python(&text).0, "it has no end");
    assert!(daemon.stop());
}

#[test]
fn families_are_there_while_they_are_zero_and_count_afterwards() {
    let (home, daemon, address) = daemon();
    let (_, text) = get(&address, None);
    let told =
        |result: &str| format!("haetae_notifications_total{{sink=\"told\",result=\"{result}\"}}");
    for result in ["delivered", "retried", "rejected", "given_up"] {
        assert_eq!(value(&text, &told(result)), Some(0.0), "{result}: {text}");
    }
    for state in ["waiting", "dead"] {
        let sample = format!("haetae_outbox_notifications{{sink=\"told\",state=\"{state}\"}}");
        assert_eq!(value(&text, &sample), Some(0.0), "{text}");
    }
    let latency =
        |part: &str| format!("haetae_notification_latency_seconds_{part}{{sink=\"told\"}}");
    assert_eq!(value(&text, &latency("count")), Some(0.0), "{text}");
    let firing = "haetae_alarms_firing{severity=\"critical\"}";
    assert_eq!(value(&text, firing), Some(0.0), "{text}");
    let judged = "haetae_evaluations_total{evaluator=\"levels\"}";
    assert!(value(&text, judged).is_some(), "{text}");

    home.write_values(&[("a", 95)]);
    let text = within(LONG, || {
        let (_, text) = get(&address, None);
        (value(&text, &told("delivered")) == Some(1.0)).then_some(text)
    });
    let text = text.unwrap_or_else(|| panic!("{}", get(&address, None).1));
    assert_eq!(value(&text, firing), Some(1.0), "{text}");
    assert_eq!(value(&text, &latency("count")), Some(1.0), "{text}");
    let took = value(&text, &latency("sum")).expect("a sum");
    assert!(0.0 < took && took < 30.0, "it took {took} s");
    assert!(value(&text, judged) > Some(0.0), "{text}");
    assert!(value(&text, "haetae_evaluation_duration_seconds_count") > Some(0.0), "{text}");
    // An end is a sample too.
    home.write_values(&[("a", 1)]);
    let ended = within(LONG, || {
        let (_, text) = get(&address, None);
        (value(&text, &latency("count")) == Some(2.0)).then_some(())
    });
    assert!(ended.is_some(), "{}", get(&address, None).1);
    assert!(daemon.stop());
}

#[test]
fn the_process_is_described_as_the_system_does() {
    let (_home, daemon, address) = daemon();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let (_, text) = get(&address, None);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("haetae_build_info{{version=\"{version}\"}}");
    assert_eq!(value(&text, &build), Some(1.0), "{text}");
    let number = |name: &str| value(&text, name).unwrap_or_else(|| panic!("no {name}: {text}"));
    let started = number("process_start_time_seconds");
    assert!(before - 120.0 < started && started <= before, "{started}, now {before}");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number")
    };
    let resident = number("process_resident_memory_bytes") / 1024.0 / field("VmRSS:");
    assert!((0.5..2.0).contains(&resident), "{resident} of what the system says");
    let threads = number("process_threads") - field("Threads:");
    assert!(threads.abs() <= 10.0, "{threads} more than the system says");
    let files = fs::read_dir(format!("/proc/{}/fd", daemon.id())).expect("it runs").count();
    let open = number("process_open_fds");
    assert!((open - files as f64).abs() <= 10.0 && open > 5.0, "{open}, the system says {files}");
    assert!(open <= number("process_max_fds"));
    let cpu = number("process_cpu_seconds_total");
    let later = within(LONG, || {
        value(&get(&address, None).1, "process_cpu_seconds_total").filter(|later| *later > cpu)
    });
    assert!(later.is_some(), "it never takes any time");
    assert!(daemon.stop());
}

#[test]
fn a_prometheus_scrapes_open_metrics() {
    let (_home, daemon, address) = daemon();
    let prometheus = Prometheus::scraping(&address);
    let up = within(LONG, || {
        let target = prometheus.get("/api/v1/targets")["activeTargets"][0].clone();
        ["up", "down"].contains(&target["health"].as_str()?).then_some(target)
    });
    let target = up.expect("it scrapes");
    assert_eq!(target["lastError"], "", "{target}");
    assert_eq!(target["health"], "up", "{target}");
    let found = prometheus.get("/api/v1/query?query=haetae_build_info");
    assert_eq!(found["result"][0]["metric"]["version"], env!("CARGO_PKG_VERSION"), "{found}");
    // In the other format it would be a gauge.
    let kinds = prometheus.get("/api/v1/metadata?metric=haetae_build");
    assert_eq!(kinds["haetae_build"][0]["type"], "info", "{kinds}");
    assert!(daemon.stop());
}
