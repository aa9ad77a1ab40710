//! Reload: the whole configuration or nothing, while what did not change goes on.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]
#![allow(clippy::format_push_string, clippy::unnecessary_debug_formatting, reason = "a test")]

mod chance;
#[path = "reload/load.rs"]
mod load;
mod support;

use std::{fs, process::Command, time::Duration};

use serde_json::Value;
use support::{Daemon, Home, LEVELS, file_sink, sink, within};

const LONG: Duration = Duration::from_mins(1);

/// A home with the pipeline that judges written values.
fn home() -> Home {
    let home = Home::with_plugins(&["lent", "file", "numbered"]);
    home.configure(&levels(&home, ""));
    home
}

fn levels(home: &Home, more: &str) -> String {
    LEVELS.replace("HOME", &home.path("").display().to_string()) + more
}

/// Asks for a reload; its exit code and what it answers.
fn reload(home: &Home) -> (i32, Value) {
    let output = home.output(&["-o", "json", "reload"]);
    let answer = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), answer.unwrap_or_else(|_| panic!("{said}")))
}

/// Reloads, which must be taken.
fn reloaded(home: &Home, text: &str) {
    home.configure(text);
    let (code, answer) = reload(home);
    assert_eq!(code, 0, "{answer:#}");
}

/// Asks by a signal, and waits for what becomes of it.
fn hang_up(home: &Home, daemon: &Daemon) -> Value {
    let before = home.json(&["status"]).expect("it answers")["configuration"].clone();
    let sent = Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let after = within(LONG, || {
        let now = home.json(&["status"])?["configuration"].clone();
        let at = |one: &Value| (one["loaded"].clone(), one["failed"]["at"].clone());
        (at(&now) != at(&before)).then_some(now)
    });
    after.unwrap_or_else(|| panic!("nothing becomes of it: {:#?}", daemon.lines()))
}

fn alarm(home: &Home, label: &str, value: &str) -> Option<Value> {
    let list = home.json(&["alarm", "list", "--all"])?;
    let alarms = list["alarms"].as_array()?;
    alarms.iter().find(|alarm| alarm["labels"][label] == value).cloned()
}

fn is_told(home: &Home, label: &str, value: &str, said: &[&str]) {
    let told = within(LONG, || (home.notified(label, value) == said).then_some(()));
    assert!(told.is_some(), "{value}: {:?}", home.notified(label, value));
}

#[test]
fn a_hangup_applies_numbers_and_keeps_firing() {
    let home = home();
    home.write_values(&[("high", 95), ("low", 80)]);
    let mut daemon = home.start();
    is_told(&home, "id", "high", &["firing"]);
    let since = alarm(&home, "id", "high").expect("it fires")["since"].clone();
    home.configure(&levels(&home, "").replace("above = 90", "above = 70"));
    let now = hang_up(&home, &daemon);
    assert_eq!(now["failed"], Value::Null, "{now:#}");
    assert_eq!(
        (&now["sources"], &now["evaluators"], &now["sinks"]),
        (&1.into(), &1.into(), &1.into())
    );
    is_told(&home, "id", "low", &["firing"]);
    assert_eq!(home.notified("id", "high"), ["firing"], "it goes on untold");
    assert_eq!(alarm(&home, "id", "high").expect("it fires")["since"], since);
    let lines = daemon.lines();
    let said = |what: &str| lines.iter().find(|line| line.contains(what)).expect("a line");
    for line in [said("started"), said("reloaded")] {
        let file = home.path("haetae.toml");
        for part in [
            "version=",
            &format!("configuration={}", file.display()),
            "sources=1",
            "evaluators=1",
            "sinks=1",
        ] {
            let plain =
                line.replace("\u{1b}[3m", "").replace("\u{1b}[0m", "").replace("\u{1b}[2m", "");
            assert!(plain.contains(part), "{part} in {plain}");
        }
    }
    assert!(daemon.is_running());
    assert!(daemon.stop());
}

#[test]
fn what_waits_to_fire_goes_on_waiting() {
    let home = home();
    let slow = levels(&home, "").replace("above = 90 }", "above = 90, for = \"1h\" }");
    home.configure(&slow);
    home.write_values(&[("a", 95)]);
    let _daemon = home.start();
    let pending = || alarm(&home, "id", "a").filter(|alarm| alarm["condition"] == "pending");
    let before = within(LONG, pending).expect("it waits");
    reloaded(&home, &slow.replace("above = 90", "above = 91"));
    let after = pending().expect("it waits still");
    assert_eq!(after["since"], before["since"]);
    assert_eq!(after["id"], before["id"]);
}

#[test]
fn a_bad_file_changes_nothing_and_is_reported() {
    let home = home();
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    let good = fs::read_to_string(home.path("haetae.toml")).expect("it");
    fs::write(home.path("haetae.toml"), good.replace("critical =", "critcal =")).expect("its own");
    let output = home.output(&["reload"]);
    assert_eq!(output.status.code(), Some(78));
    let checked = home.output(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert_eq!(output.stdout, checked.stdout, "the same report");
    let (code, answer) = reload(&home);
    assert_eq!((code, &answer["ok"], &answer["result"]), (78, &false.into(), &"invalid".into()));
    let json = home.json(&["check"]).expect("JSON");
    assert_eq!(answer["problems"], json["problems"]);
    is_told(&home, "problem", "reload-failed", &["firing"]);
    let status = home.json(&["status"]).expect("it answers");
    let cause = status["configuration"]["failed"]["cause"].as_str().expect("why");
    assert!(cause.contains("haetae.toml:") && cause.contains("critcal"), "{cause}");
    let shown = String::from_utf8_lossy(&home.output(&["status"]).stdout).into_owned();
    assert!(shown.contains("not reloaded at "), "{shown}");
    let failed = hang_up(&home, &daemon);
    assert!(failed["failed"]["cause"].is_string());
    assert!(daemon.lines().iter().any(|line| line.contains("was not reloaded")));
    // What runs goes on.
    home.write_values(&[("a", 95), ("b", 95)]);
    is_told(&home, "id", "b", &["firing"]);
    fs::write(home.path("haetae.toml"), good).expect("its own");
    let (code, answer) = reload(&home);
    assert_eq!((code, &answer["ok"]), (0, &true.into()), "{answer:#}");
    is_told(&home, "problem", "reload-failed", &["firing", "resolved"]);
    assert_eq!(home.json(&["status"]).expect("it")["configuration"]["failed"], Value::Null);
    assert_eq!(home.notified("id", "a"), ["firing"]);
}

fn numbers(home: &Home, keys: &str) -> String {
    let log = home.path("numbers.log");
    format!("[sources.numbers]\nplugin = \"numbered\"\nlog = {log:?}\nevery = \"10ms\"\n{keys}\n")
}

/// How many lines a file has.
fn lines(home: &Home, file: &str) -> usize {
    fs::read_to_string(home.path(file)).unwrap_or_default().lines().count()
}

fn grows(home: &Home, file: &str) {
    let before = lines(home, file);
    assert!(within(LONG, || (lines(home, file) > before).then_some(())).is_some(), "{file}");
}

/// The numbers that a file has been given.
fn given(home: &Home, file: &str) -> std::collections::BTreeSet<u64> {
    let text = fs::read_to_string(home.path(file)).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let values = whole.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    let number = |value: Value| value["value"].as_f64().map(|value| value as u64);
    values.filter_map(number).collect()
}

/// The numbers that the source knows to be taken.
fn acked(home: &Home) -> Vec<u64> {
    let text = fs::read_to_string(home.path("numbers.log")).unwrap_or_default();
    let (mut numbers, mut last) = (Vec::new(), 0..0);
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["yielded", _, first, points, _, "."] => {
                let (first, points) = (first.parse::<u64>(), points.parse::<u64>());
                let first = first.expect("a number");
                last = first..first + points.expect("a number");
            }
            ["acked", _, "."] => numbers.extend(last.clone()),
            _ => {}
        }
    }
    numbers
}

/// Waits until a file has all that the source was acknowledged until now, from a number on.
fn has_all(home: &Home, file: &str, from: u64) {
    let wanted: Vec<_> = acked(home).into_iter().filter(|number| *number >= from).collect();
    assert!(!wanted.is_empty());
    let missing = || {
        let given = given(home, file);
        wanted.iter().filter(|number| !given.contains(number)).copied().collect::<Vec<_>>()
    };
    let all = within(LONG, || missing().is_empty().then_some(()));
    assert!(all.is_some(), "missing in {file}: {:?}", missing());
}

#[test]
fn sinks_come_and_go_others_miss_nothing() {
    let home = home();
    let base = levels(&home, "") + &numbers(&home, "");
    let kept = base + &file_sink("kept", &["numbers"]);
    home.configure(&kept);
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    grows(&home, "kept.jsonl");
    let calls = || home.instance("kept").expect("it runs")["counts"]["calls"].as_u64();
    let before = calls();
    // A new one gets what comes from now on, and is told of what fires.
    let two = kept.clone() + &file_sink("more", &["numbers"]) + &file_sink("also", &["levels"]);
    reloaded(&home, &two);
    grows(&home, "more.jsonl");
    let also = || (home.notifications("also.jsonl").len() == 1).then_some(());
    assert!(within(LONG, also).is_some(), "{:#?}", home.notifications("also.jsonl"));
    assert!(calls() >= before, "the one that did not change goes on");
    // One that changes goes on where it was.
    let from = *given(&home, "more.jsonl").first().expect("some");
    reloaded(&home, &two.replace("more.jsonl", "other.jsonl"));
    grows(&home, "other.jsonl");
    let moved = *given(&home, "other.jsonl").first().expect("some");
    let first = given(&home, "more.jsonl");
    let unmoved: Vec<_> =
        acked(&home).into_iter().filter(|it| (from..moved).contains(it)).collect();
    assert!(unmoved.iter().all(|number| first.contains(number)), "nothing is between the two");
    // One that is gone leaves the queue, and its alarms' ends are owed no more.
    reloaded(&home, &kept);
    let status = home.json(&["status"]).expect("it answers");
    let sinks = &status["queues"][0]["sinks"];
    assert_eq!(sinks.as_array().expect("sinks").len(), 1, "{sinks:#}");
    assert!(home.instance("also").is_none() && home.instance("more").is_none());
    assert_eq!(status["store"]["unreachable_obligations"], 1, "{:#}", status["store"]);
    home.write_values(&[("a", 10)]);
    is_told(&home, "id", "a", &["firing", "resolved"]);
    assert_eq!(home.notifications("also.jsonl").len(), 1);
    has_all(&home, "kept.jsonl", 0);
    assert!(daemon.stop());
}

#[test]
fn a_removed_sinks_notices_become_dead_letters() {
    let home = home();
    let base = levels(&home, "");
    let stuck = sink("stuck", "file", &["levels"], "path = 'HOME/nowhere/stuck.jsonl'");
    home.configure(&(base.clone() + &stuck));
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    let outbox = |dead: bool| {
        let list = home.json(&["outbox", "list"])?;
        let rows = list["notifications"].as_array()?.clone();
        let own = |row: &&Value| row["sink"] == "stuck" && row["dead"] == dead;
        rows.iter().find(own).map(|row| row["id"].clone())
    };
    let waiting = within(LONG, || outbox(false)).expect("it waits");
    reloaded(&home, &base);
    assert_eq!(outbox(true), Some(waiting));
    // What is said of the sink is over with it.
    assert!(
        within(LONG, || (home.notified("instance", "stuck").len() == 2).then_some(())).is_some()
    );
    assert_eq!(home.notified("id", "a"), ["firing"]);
    assert!(daemon.stop());
}

#[test]
fn many_who_ask_at_once_are_answered_all() {
    let home = home();
    home.write_values(&[]);
    let daemon = home.start();
    let asked: Vec<_> =
        (0..8).map(|_| home.command(&["reload"]).spawn().expect("it runs")).collect();
    for mut one in asked {
        assert!(one.wait().expect("it ends").success());
    }
    assert!(daemon.stop());
}

#[test]
fn sources_come_change_and_go() {
    let home = home();
    let base = levels(&home, "");
    home.configure(&base);
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    let with = base.clone() + &numbers(&home, "") + &file_sink("kept", &["numbers"]);
    reloaded(&home, &with);
    grows(&home, "kept.jsonl");
    // Another label, and another limit of its queue: it is opened anew and goes on.
    let changed = base.clone()
        + &numbers(
            &home,
            "labels = { plane = \"x\" }\nqueue = { max = \"5 MiB\", when_full = \"wait\" }",
        )
        + &file_sink("kept", &["numbers"]);
    reloaded(&home, &changed);
    let labelled = || {
        let text = fs::read_to_string(home.path("kept.jsonl")).ok()?;
        text.contains("\"plane\":\"x\"").then_some(())
    };
    assert!(within(LONG, labelled).is_some());
    let status = home.json(&["status"]).expect("it answers");
    assert_eq!(status["queues"][0]["max_bytes"], 5 << 20);
    has_all(&home, "kept.jsonl", 0);
    // One that does not answer has an alarm, which goes with it.
    let broken = base.clone() + "[sources.broken]\nplugin = \"written\"\npath = \"/nowhere\"\n";
    reloaded(&home, &broken);
    assert!(home.instance("numbers").is_none() && home.instance("kept").is_none());
    is_told(&home, "instance", "broken", &["firing"]);
    assert!(home.path("state/queues/numbers.db").exists(), "what waits in it stays");
    reloaded(&home, &base);
    is_told(&home, "instance", "broken", &["firing", "resolved"]);
    assert!(home.instance("broken").is_none());
    assert_eq!(home.notified("id", "a"), ["firing"]);
    // The way back is as a restart's.
    reloaded(&home, &with);
    grows(&home, "kept.jsonl");
    has_all(&home, "kept.jsonl", 0);
    assert!(daemon.stop());
}

#[test]
fn evaluators_come_change_and_go() {
    let home = home();
    let base = levels(&home, "");
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    let more = "[evaluators.more]\ninputs = [\"written\"]\nmetric = \"written_value\"\n\
        critical = { above = 50 }\n";
    let both = base.replace("\"levels\", \"system\"", "\"levels\", \"more\", \"system\"") + more;
    reloaded(&home, &both);
    is_told(&home, "id", "a", &["firing", "firing"]);
    // Told apart by other labels they are others, and so are those of one that is gone.
    reloaded(&home, &base);
    is_told(&home, "id", "a", &["firing", "firing", "resolved"]);
    reloaded(&home, &base.replace("by = [\"id\"]\n", ""));
    let told = || (home.notified("id", "a").len() == 5).then_some(());
    assert!(within(LONG, told).is_some(), "{:?}", home.notified("id", "a"));
    assert!(daemon.stop());
}

#[test]
fn log_evaluators_come_and_go_and_count_on() {
    let home = home();
    let path = home.path("lines");
    let source =
        format!("[sources.lines]\nplugin = \"lines\"\npath = {path:?}\ninterval = \"1s\"\n");
    let rule = |name: &str, word: &str, at_least: u32| {
        format!(
            "[evaluators.{name}]\nkind = \"log\"\ninputs = [\"lines\"]\npattern = '{word}'\n\
             by = [\"host\"]\ncritical = {{ at_least = {at_least}, within = \"1h\" }}\n"
        )
    };
    let told = levels(&home, "").replace("\"levels\"", "\"levels\", \"bad\"") + &source;
    fs::write(&path, "x bad 1\nx bad 2\n").expect("its own");
    home.write_values(&[]);
    home.configure(&(told.clone() + &rule("bad", "bad", 3)));
    let daemon = home.start();
    let counted = || {
        let status = home.json(&["status"])?;
        let evaluators = status["evaluators"].as_array()?.clone();
        evaluators.into_iter().find(|one| one["name"] == "bad" && !one["judged_slot"].is_null())
    };
    assert!(within(LONG, counted).is_some());
    // Two of three were counted before: with one more it fires. The other begins to count now.
    let both = told.replace("\"bad\"", "\"bad\", \"worse\"")
        + &rule("bad", "bad", 3)
        + &rule("worse", "bad", 2);
    reloaded(&home, &both);
    fs::write(&path, "x bad 1\nx bad 2\nx bad 3\n").expect("its own");
    is_told(&home, "host", "x", &["firing"]);
    fs::write(&path, "x bad 1\nx bad 2\nx bad 3\nx bad 4\n").expect("its own");
    is_told(&home, "host", "x", &["firing", "firing"]);
    reloaded(
        &home,
        &told.replace("\"bad\"", "\"levels\"").replace("\"levels\", \"levels\"", "\"levels\""),
    );
    let ended = alarm(&home, "host", "x").filter(|alarm| alarm["condition"] == "firing");
    assert_eq!(ended, None);
    assert!(daemon.stop());
}

#[test]
fn what_only_a_start_reads_is_refused() {
    let home = home();
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    let good = fs::read_to_string(home.path("haetae.toml")).expect("it");
    let place = home.path("elsewhere");
    let store = "store = { url = \"postgres://db/haetae\" }\n[http]";
    let cases = [
        ("[http] listen", good.replace("127.0.0.1:0", "127.0.0.1:1")),
        ("[daemon] store", good.replace("[http]", store)),
        ("[plugins] path", format!("{good}[plugins]\npath = [{place:?}]\n")),
        (
            "[daemon] state",
            good.replace(&format!("{:?}", home.path("state")), &format!("{place:?}")),
        ),
    ];
    fs::create_dir(&place).expect("its own");
    let socket = home.path("state/admin.sock");
    for (key, text) in cases {
        assert_ne!(text, good);
        // A number that would apply.
        fs::write(home.path("haetae.toml"), text.replace("above = 90", "above = 99"))
            .expect("its own");
        let output = home.output(&["--socket", &socket.display().to_string(), "reload"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{key}: {said}");
        assert!(said.contains(key) && said.contains("restart haetae"), "{said}");
    }
    is_told(&home, "problem", "reload-failed", &["firing"]);
    assert_eq!(home.notified("id", "a"), ["firing"], "nothing of it applies");
    fs::write(home.path("haetae.toml"), good).expect("its own");
    assert_eq!(reload(&home).0, 0);
    assert!(daemon.stop());
}
