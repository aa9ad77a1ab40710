//! A fault is built into each stage of the daemon: it is named at once, and either the stage is started
//! again and nothing is missing, or the process ends so that it is started again.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{Daemon, Home, LEVELS, SAMPLES, within};
use crate::watch::Watch;
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

fn home() -> Home {
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(&format!("{LEVELS}{SAMPLES}"));
    home.write_values(&[("a", 1)]);
    home
}

fn start(home: &Home) -> Daemon {
    home.start_with(|command| {
        command.env_remove("RUST_BACKTRACE");
        command.env("HAETAE_TEST_FAULTS", home.path("faults"));
    })
}

/// Has a stage panic where it is next.
fn fail(home: &Home, stage: &str) {
    fs::write(home.path("faults.new"), stage).expect("its own file");
    fs::rename(home.path("faults.new"), home.path("faults")).expect("its own file");
}

/// The values of a host that the sink of samples was given.
fn sampled(home: &Home, id: &str) -> usize {
    let text = fs::read_to_string(home.path("samples.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["type"] == "sample" && line["labels"]["id"] == id).count()
}

#[test]
fn a_stage_that_panics_is_named_started_again_and_nothing_is_missing() {
    let home = home();
    let daemon = start(&home);
    let watch = Watch::of(home.path("state/admin.sock"));
    for (number, (stage, name)) in [
        ("source written", "source written"),
        ("feed written", "feed written"),
        ("pump written", "pump written to samples"),
        ("sink told", "sink told"),
        ("sink samples", "sink samples"),
        ("dispatcher told", "dispatcher told"),
        ("listener socket", "admin socket"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("host{number}");
        fail(&home, stage);
        home.write_values(&[("a", 1), (&id, 95)]);
        let named = within(LONG, || {
            let status = home.json(&["status"])?;
            let stages = status["stages"].as_array()?.clone();
            stages.into_iter().find(|one| one["name"] == name)
        });
        let named = named.unwrap_or_else(|| panic!("{stage} is not named: {:#?}", daemon.lines()));
        let why = named["failure"].as_str().expect("why");
        assert!(why.contains("panicked: a test asked"), "{why}");
        let said = |line: &String| line.contains("a stage panicked") && line.contains(name);
        let line = within(LONG, || daemon.lines().into_iter().find(said));
        assert!(line.is_some(), "the log names {name}");
        let fires = within(LONG, || home.notified("id", &id).first().cloned());
        assert_eq!(fires.as_deref(), Some("firing"), "{stage}: {id} is told");
        assert!(within(LONG, || (sampled(&home, &id) > 0).then_some(())).is_some(), "{stage}");
        let alarm = within(LONG, || {
            let alarms = home.json(&["alarm", "list"])?["alarms"].as_array()?.clone();
            let is = |one: &Value| one["labels"]["problem"] == "stage-failed";
            let why = alarms.into_iter().find(is)?["reason"].as_str()?.to_owned();
            why.contains(name).then_some(())
        });
        assert!(alarm.is_some(), "{stage}: a system alarm names it");
        println!("{stage} is started again");
    }
    let ended = within(LONG, || {
        let told = home.notified("problem", "stage-failed");
        (told.last()? == "resolved").then_some(())
    });
    assert!(ended.is_some(), "{:?}", home.notified("problem", "stage-failed"));
    assert_eq!(watch.readiness(LONG), Some(200));
    assert_eq!(home.json(&["status"]).expect("a status")["stages"], Value::Array(Vec::new()));
    for number in 0..7 {
        assert_eq!(
            home.notified("id", &format!("host{number}")).first().map(String::as_str),
            Some("firing")
        );
    }
    assert!(daemon.stop());
}

#[test]
fn the_end_of_the_engine_or_of_the_stores_writer_ends_the_process_and_nothing_is_missing() {
    for stage in ["engine", "store writer"] {
        let home = home();
        let mut daemon = start(&home);
        home.write_values(&[("a", 95)]);
        let fires = within(LONG, || home.notified("id", "a").first().cloned());
        assert_eq!(fires.as_deref(), Some("firing"));
        let since = Instant::now();
        fail(&home, stage);
        home.write_values(&[("a", 95), ("b", 95)]);
        let ended = within(LONG, || daemon.ended()).expect("it ends");
        println!("{stage}: it ends within {:?}", since.elapsed());
        assert_eq!(ended.code(), Some(70), "{:#?}", daemon.lines());
        let name = format!("the stage `{stage}`");
        let mut lines = Vec::new();
        let named = within(LONG, || {
            lines.extend(daemon.lines());
            let named = |line: &&String| line.contains(&name) && line.contains("haetae ends");
            lines.iter().find(named).cloned()
        });
        assert!(named.is_some(), "{stage} is named: {lines:#?}");
        let daemon = start(&home);
        let fires = within(LONG, || home.notified("id", "b").first().cloned());
        assert_eq!(fires.as_deref(), Some("firing"), "{stage}: what began meanwhile is told");
        home.write_values(&[("a", 1), ("b", 1)]);
        for id in ["a", "b"] {
            let over = within(LONG, || (home.notified("id", id).len() > 1).then_some(()));
            assert!(over.is_some(), "{stage}: the end of {id} is told");
            assert_eq!(home.notified("id", id), ["firing", "resolved"], "{stage}: {id}");
        }
        assert!(daemon.stop());
    }
}
