//! `haetae backtest` on a real InfluxDB: 7 days of 1 000 series, counted by it and by hand;
//! interrupted, killed and gone on with, it counts the same.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it says what it saw and when")]

#[path = "backtest/by_hand.rs"]
mod by_hand;
mod chance;
mod servers;
mod support;

use std::{
    fmt::Write,
    fs,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use by_hand::{Count, Notices, Pace, Rule};
use chance::Chance;
use serde_json::Value;
use servers::influx::Influx;
use support::{Home, evaluator, influx_query, influx_source, sink, within};

/// The end of the range, and how long it is; what lies before it fills windows.
const END: i64 = 1_700_000_100;
const DAYS: i64 = 7;
const BEFORE: i64 = 7200;
const HOSTS: usize = 1000;
/// Of so many hosts InfluxDB computes means.
const MEANS: usize = 100;

const SINKS: &str = r#"
[sinks.file]
plugin = "file"
path = "HOME/out.jsonl"
inputs = ["newest", "paas"]

[sinks.hosts]
plugin = "file"
path = "HOME/out.jsonl"
inputs = ["pushed-down"]
group_by = ["host"]
rate = { most = 0 }
"#;

fn configuration(influx: &Influx) -> String {
    let step = |times: i64| format!("{}s", times * step());
    let (one, hold, over, window) = (step(1), step(2), step(3), step(6));
    let newest = "SELECT value FROM load WHERE $window GROUP BY host";
    let mean = "SELECT mean(value) FROM load WHERE host =~ /^h00/ AND $window GROUP BY host";
    let critical = |keys: &str| format!("critical = {{ {keys} }}");
    let newest_by =
        critical(&format!("above = 90, clear = 80, for = '{hold}', clear_for = '{one}'"));
    let own_window = critical(&format!("above = 80, clear = 75, for = '{one}'"));
    let pushed_down = format!("warning = {{ above = 70, for = '{hold}' }}");
    [
        influx_source("paas", &influx.url(), "d", &one, "labels = { plane = 'paas' }"),
        influx_query("paas", "load", newest, ""),
        influx_query("paas", "load_mean", mean, &format!("window = '{window}'")),
        evaluator("newest", "paas", "load", &format!("by = ['host']\n{newest_by}")),
        evaluator("own-window", "paas", "load", &format!("over = '{over}'\n{own_window}")),
        evaluator(
            "pushed-down",
            "paas",
            "load_mean",
            &format!("match = ['plane=\"paas\"']\n{pushed_down}"),
        ),
        sink("each", "file", &["own-window"], "path = 'HOME/out.jsonl'\nrepeat = ['1h', '2h']"),
        SINKS.into(),
    ]
    .concat()
}

/// When they are told; what `configuration` does not say is the default.
const GROUPED: Pace = Pace { wait: 30, interval: 300, repeat: &[4 * 3600] };
const EACH: Pace = Pace { wait: 0, interval: 0, repeat: &[3600, 2 * 3600] };

/// How far apart points and slots are, in seconds: in `tests/soak` closer.
fn step() -> i64 {
    let step = std::env::var("HAETAE_TEST_STEP").ok().and_then(|step| step.parse().ok());
    step.unwrap_or(900)
}

/// Each host's values, `None` where it was silent: mostly low, now and then high for a while.
fn values(points: usize) -> Vec<Vec<Option<u32>>> {
    let mut chance = Chance::of(5);
    let host = |_| {
        let mut high = 0;
        let mut value = |_| {
            if high == 0 && chance.below(150) == 0 {
                high = 1 + chance.below(30);
            }
            let value = if high > 0 { 78 + chance.below(22) } else { 30 + chance.below(52) };
            high = u32::saturating_sub(high, 1);
            (chance.below(100) > 0).then_some(value)
        };
        (0..points).map(&mut value).collect()
    };
    (0..HOSTS).map(host).collect()
}

fn begin() -> i64 {
    END - DAYS * 86_400 - BEFORE
}

/// Writes all of them; how many there are.
fn write(influx: &Influx, values: &[Vec<Option<u32>>]) -> usize {
    influx.execute("CREATE DATABASE d");
    let (mut lines, mut written) = (String::new(), 0);
    let points = values[0].len();
    for at in 0..points {
        let time = begin() + step() * i64::try_from(at).expect("small");
        for (host, values) in values.iter().enumerate() {
            if let Some(value) = values[at] {
                writeln!(lines, "load,host=h{host:04} value={value} {time}000000000")
                    .expect("text");
                written += 1;
            }
        }
        if lines.len() > 8 << 20 || at + 1 == points {
            influx.write("d", &lines);
            lines.clear();
        }
    }
    written
}

fn home(influx: &Influx) -> Home {
    let home = Home::with_plugins(&["file", "host", "influx"]);
    home.configure(&configuration(influx));
    home
}

fn time(seconds: i64) -> String {
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"]).arg(format!("@{seconds}"));
    let output = date.output().expect("date");
    String::from_utf8(output.stdout).expect("text").trim().into()
}

fn backtest(home: &Home, more: &[&str]) -> Command {
    let [from, to] = [END - DAYS * 86_400, END].map(time);
    between(home, &[&["--from", &from, "--to", &to], more].concat())
}

fn between(home: &Home, more: &[&str]) -> Command {
    let mut command = home.command(&["-o", "json", "backtest"]);
    command.args(more).env("XDG_STATE_HOME", home.path("kept")).env_remove("HOME");
    command
}

/// Starts it, and waits until its recording has grown by this many bytes.
fn until(mut command: Command, home: &Home, grown: u64) -> Child {
    let size = || fs::metadata(home.path("run")).map_or(0, |file| file.len());
    let before = size();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let enough = within(Duration::from_mins(5), || {
        assert!(child.try_wait().expect("our own child").is_none(), "it is too quick");
        (size() >= before + grown).then_some(())
    });
    enough.expect("it records what it is answered");
    child
}

fn ended(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().expect("our own child");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

fn json(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {told}"))
}

fn counted(side: &Value, evaluator: &str) -> Count {
    let counts = &side["evaluators"][evaluator];
    let number = |key: &str| counts[key].as_u64().unwrap_or_else(|| panic!("{key}: {side:#}"));
    let seconds = |key: &str| number(key) / 1_000_000_000;
    Count {
        fired: number("fired"),
        resolved: number("resolved"),
        open: number("open"),
        in_alarm: seconds("in_alarm_ns"),
        longest: seconds("longest_ns"),
    }
}

fn notices(side: &Value, sink: &str) -> Notices {
    serde_json::from_value(side["sinks"][sink].clone()).unwrap_or_else(|_| panic!("{side:#}"))
}

#[test]
fn seven_days_count_as_by_hand_when_interrupted() {
    let points = usize::try_from((DAYS * 86_400 + BEFORE) / step() + 1).expect("small");
    let values = values(points);
    let influx = Influx::start();
    let clock = Instant::now();
    let written = write(&influx, &values);
    let stored = influx.rows("d", "SELECT count(value) FROM load");
    assert_eq!(stored[0][1].as_u64(), Some(written as u64));
    println!("{written} points written in {:?}", clock.elapsed());
    let home = home(&influx);
    let set = ["--set", "newest.critical.above=89", "--set", "pushed-down.warning.for=0s"];

    let clock = Instant::now();
    let whole = backtest(&home, &set).output().expect("it runs");
    let told = String::from_utf8_lossy(&whole.stderr).into_owned();
    println!("judged in {:?}, by both: {told}", clock.elapsed());
    assert!(told.contains(" %  ") && told.contains("points/s"), "it shows how far it is: {told}");
    let whole = json(&whole);
    assert_eq!(whole["series"], HOSTS + MEANS);
    let left = fs::read_dir(home.path("kept/haetae")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a finished run leaves nothing");

    // The same, counted in a few lines of the test's own.
    let (from, begin, step) = (END - DAYS * 86_400, begin(), step());
    let rule = Rule { from, to: END, begin, step, source: "paas" };
    let newest = |above| rule.newest(&values, above, 80, 2 * step, step);
    let own = rule.own_window(&values, 3, 80.0, 75.0, step);
    for (side, above, hold) in [("current", 90, 2 * step), ("proposed", 89, 0)] {
        let (newest, counts) = (newest(above), &whole[side]);
        let mean = rule.pushed_down(&values[..MEANS], 6, 70.0, hold);
        assert_eq!(counted(counts, "newest"), rule.count(&newest), "{side}");
        assert_eq!(counted(counts, "own-window"), rule.count(&own), "{side}");
        assert_eq!(counted(counts, "pushed-down"), rule.count(&mean), "{side}");
        // Who was told how often, and why.
        for (sink, expected) in [
            ("file", rule.notices(&newest, GROUPED, |_, _| "one")),
            ("each", rule.notices(&own, EACH, |alarm, _| alarm)),
            ("hosts", rule.notices(&mean, GROUPED, |_, alarm| alarm.host)),
        ] {
            assert_eq!(notices(counts, sink), expected, "{side} {sink}");
            println!("{side} {sink}: {expected:?}");
        }
        assert_eq!(notices(counts, "each")["first"], rule.count(&own).fired, "{side}");
    }
    // A control: by one off, or by a slot, it is not the same.
    let counted = |above, hold| rule.count(&rule.newest(&values, above, 80, hold, step));
    assert_ne!(counted(90, 2 * step), counted(91, 2 * step));
    assert_ne!(counted(90, 2 * step), counted(90, 3 * step));
    let ours = counted(90, 2 * step);
    assert!(ours.fired > 500 && ours.open > 0, "{ours:?}");

    // Interrupted, killed, gone on with.
    let state = home.path("run").display().to_string();
    let run = || backtest(&home, &[&set[..], &["--state", &state]].concat());
    let child = until(run(), &home, 1 << 20);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(asked.expect("kill").success());
    let (code, told) = ended(child);
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("the same command goes on from there"), "{told}");
    let mut child = until(run(), &home, 2 << 20);
    child.kill().expect("our own child");
    let (code, told) = ended(child);
    assert_eq!(code, None, "{told}");
    let resumed = run().output().expect("it runs");
    let told = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(told.contains("goes on with the unfinished run of"), "{told}");
    assert!(told.contains("recorded before"), "{told}");
    assert_eq!(json(&resumed), whole);
    assert!(!home.path("run").exists());
}

#[test]
fn what_can_not_be_judged_is_told() {
    let mut influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    influx.write("d", &format!("load,host=h0001 value=99 {}000000000", END - 5000));
    let home = home(&influx);
    let said = |more: &[&str]| {
        let output = backtest(&home, more).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let gate = ["--set", "newest.critical.for=0s", "--fail-if"];
    for (more, code, expected) in [
        (
            vec!["--evaluator", "newesst"],
            3,
            "no evaluator `newesst`; there are: newest, own-window",
        ),
        (vec!["--set", "newist.critical.above=1"], 2, "did you mean `newest`?"),
        (vec!["--set", "newest.critical.above=70"], 78, "clear"),
        (vec!["--proposed", "/nowhere.toml"], 78, "/nowhere.toml"),
        (vec!["--fail-if", "alarms>1"], 2, "add --proposed or --set"),
        ([&gate[..], &["alarms>+0"]].concat(), 1, "--fail-if alarms>+0: it does"),
        ([&gate[..], &["alarms>+1"]].concat(), 0, ""),
    ] {
        let (own, told) = said(&more);
        assert_eq!(own, Some(code), "{more:?}: {told}");
        assert!(told.contains(expected), "{more:?}: {told}");
    }
    for (more, expected) in [
        (["--from", "now", "--to", "1d"], "is not before"),
        (["--from", "soon", "--to", "1d"], "`soon` is no time"),
        (["--from", "1d", "--to", "2100-01-01"], "in the future"),
        (["--from", "10s", "--to", "now"], "shorter than"),
    ] {
        let output = between(&home, &more).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {told}");
        assert!(told.contains(expected), "{more:?}: {told}");
    }
    thresholds_count(&home);
    // Its server is down: which chunk is told, and that nothing is lost.
    influx.stop();
    let (code, told) = said(&[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("source `paas`, metric `load` from 2023-11-07T"), "{told}");
    assert!(told.contains("the same command goes on from there"), "{told}");
    // A source that has no reader has no past.
    home.configure(
        "[sources.own]\nplugin = \"host\"\n[evaluators.cpu]\ninputs = [\"own\"]\nmetric = \"cpu_used_percent\"\ncritical = { above = 90 }\n",
    );
    let (code, told) = said(&[]);
    assert!(code == Some(1) && told.contains("no source has a reader: cpu"), "{told}");
    let (code, told) = said(&["--evaluator", "cpu"]);
    assert!(
        code == Some(1) && told.contains("source `own` (plugin `host`) has no reader"),
        "{told}"
    );
}

/// What the configuration says of some alarms is what the daemon judges them by.
fn thresholds_count(home: &Home) {
    let fired = |proposed: &str| {
        fs::write(home.path("proposed.toml"), proposed).expect("it is written");
        let path = home.path("proposed.toml").display().to_string();
        let set = ["--set", "newest.critical.for=0s", "--proposed", &path];
        let answer = json(&backtest(home, &set).output().expect("it runs"));
        counted(&answer["proposed"], "newest").fired
    };
    let threshold = |host: &str| {
        format!(
            "[[thresholds]]\nevaluator = \"newest\"\nmatch = ['host=\"{host}\"']\ncritical = {{ above = 99.5 }}\n"
        )
    };
    assert_eq!((fired(&threshold("h0002")), fired(&threshold("h0001"))), (1, 0));
}
