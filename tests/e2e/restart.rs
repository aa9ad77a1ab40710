//! What changed while the daemon was down: a rule or a sink that is gone, a value that cleared, a
//! pending alarm that goes on.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use crate::decode::Decoded;
use crate::servers::smtp_sink::SmtpSink;
use crate::support::{
    Home, WRITTEN, evaluator, eventually, file_sink, mail_sink, nanos, sink, within,
};
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

/// Judges the written values under a name.
fn rule(name: &str, level: &str) -> String {
    let keys = format!("by = [\"id\"]\ncritical = {{ above = 90{level} }}");
    evaluator(name, "written", "written_value", &keys)
}

fn configure(home: &Home, parts: &[String]) {
    let text = format!("{WRITTEN}{}{}", parts.concat(), file_sink("aside", &["system"]));
    home.configure(&text);
}

fn home(parts: &[String]) -> Home {
    let home = Home::with_plugins(&["lent", "faulty", "file", "email"]);
    configure(&home, parts);
    home.write_values(&[("a", 95)]);
    home
}

fn reasons(home: &Home, sink: &str) -> Vec<String> {
    let notifications = home.notifications(&format!("{sink}.jsonl"));
    let reason = |line: &Value| line["reason"].as_str().expect("a reason").to_owned();
    notifications.iter().map(reason).collect()
}

fn reasons_become(home: &Home, sink: &str, wanted: &[&str]) {
    let same = eventually(LONG, || reasons(home, sink) == wanted);
    assert!(same, "{sink}: {:?}, not {wanted:?}", reasons(home, sink));
}

/// The state of each obligation, by sink; waits until as many are as wanted.
fn obligations_become(home: &Home, wanted: &[(&str, &str, &str)]) {
    let mut found = Vec::new();
    let same = within(LONG, || {
        let obligations = home.obligations(&["--all"])?;
        found = obligations
            .iter()
            .filter(|one| one["sink"] != "aside")
            .map(|one| {
                ["sink", "state", "reason"].map(|key| one[key].as_str().unwrap_or("").to_owned())
            })
            .collect();
        found.sort();
        let same = found.len() == wanted.len()
            && found.iter().zip(wanted).all(|([sink, state, reason], wanted)| {
                (sink.as_str(), state.as_str(), reason.as_str()) == *wanted
            });
        same.then_some(())
    });
    assert!(same.is_some(), "{found:#?}, not {wanted:#?}");
}

#[test]
fn an_alarm_without_its_rule_is_closed_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = SmtpSink::start(folder.path(), &[]);
    let home = home(&[
        rule("levels", ""),
        rule("others", ", for = \"1h\""),
        mail_sink(server.port(), &["levels"]),
        file_sink("log", &["levels"]),
    ]);
    let daemon = home.start();
    obligations_become(&home, &[("log", "open", ""), ("mail", "open", "")]);
    let id = home.alarm_of("levels").expect("it fires")["id"].as_str().expect("an id").to_owned();
    daemon.kill();

    // The sinks read other rules now; they are told of what they know all the same.
    let parts = [
        rule("others", ", for = \"1h\""),
        mail_sink(server.port(), &["others"]),
        file_sink("log", &["others"]),
    ];
    configure(&home, &parts);
    let daemon = home.start();
    obligations_become(&home, &[("log", "closed", "told"), ("mail", "closed", "told")]);
    assert!(home.alarm_of("levels").is_none(), "it is over");
    let shown = home.json(&["alarm", "show", &id]).expect("it is remembered");
    assert_eq!(shown["reason"], "rule removed", "{shown:#}");
    daemon.kill();
    // Once: another start tells nobody again.
    let daemon = home.start();
    let judged = within(LONG, || home.alarm_of("others"));
    assert_eq!(judged.expect("the other rule goes on")["condition"], "pending");
    assert!(daemon.stop(), "it ends well");

    assert_eq!(reasons(&home, "log"), ["first", "closed"]);
    let closing = &home.notifications("log.jsonl")[1];
    assert_eq!(
        (&closing["alarms"][0]["id"], &closing["status"]),
        (&Value::from(&*id), &"resolved".into())
    );
    assert!(closing["title"].as_str().is_some_and(|title| title.starts_with("[CLOSED] levels ")));
    assert!(closing["text"].as_str().is_some_and(|text| text.contains("\nwhy: rule removed\n")));
    let mails: Vec<_> = server.mails().iter().map(|mail| Decoded::read(mail)).collect();
    let [first, closed] = &mails[..] else { panic!("not two mails: {mails:#?}") };
    assert_eq!(closed.header("X-Haetae-Reason"), Some("closed"));
    assert_eq!(closed.header("In-Reply-To"), first.header("Message-ID"));
}

#[test]
fn what_cleared_meanwhile_is_notified_as_resolved() {
    let home = home(&[rule("levels", ""), file_sink("log", &["levels"])]);
    let daemon = home.start();
    reasons_become(&home, "log", &["first"]);
    daemon.kill();
    home.write_values(&[("a", 1)]);
    let daemon = home.start();
    obligations_become(&home, &[("log", "closed", "told")]);
    assert!(daemon.stop(), "it ends well");
    // The kill may have come before the first was recorded: then it is told again.
    let mut reasons = reasons(&home, "log");
    reasons.dedup();
    assert_eq!(reasons, ["first", "resolved"]);
}

#[test]
fn a_gone_sink_leaves_dead_letters_and_obligations() {
    let gone = sink("gone", "faulty", &["levels"], "fault = 'error'\ncured_by = 'HOME/cure'");
    let home = home(&[rule("levels", ""), gone, file_sink("log", &["levels"])]);
    fs::write(home.path("cure"), "").expect("the cure");
    let daemon = home.start();
    obligations_become(&home, &[("gone", "open", ""), ("log", "open", "")]);
    fs::remove_file(home.path("cure")).expect("the cure");
    home.write_values(&[("a", 95), ("b", 95)]);
    let row = within(LONG, || {
        home.outbox(&["--sink", "gone"])?.into_iter().find(|row| row["dead"] == false)
    });
    let row = row.expect("it waits");
    reasons_become(&home, "log", &["first", "first"]);
    daemon.kill();

    configure(&home, &[rule("levels", ""), file_sink("log", &["levels"])]);
    let daemon = home.start();
    let dead = home.json(&["outbox", "list", "--dead"]).expect("a list");
    let dead = dead["notifications"].as_array().expect("a list");
    let [letter] = &dead[..] else { panic!("not one dead letter: {dead:#?}") };
    assert_eq!((&letter["id"], &letter["sink"]), (&row["id"], &"gone".into()));
    assert_eq!(letter["reason"], "its sink was removed");
    let lost = ("gone", "unreachable", "its sink was removed");
    obligations_become(&home, &[lost, ("log", "open", ""), ("log", "open", "")]);
    home.write_values(&[("a", 1), ("b", 1)]);
    obligations_become(&home, &[lost, ("log", "closed", "told"), ("log", "closed", "told")]);
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn unjudged_time_does_not_count_for_pending_alarms() {
    const HELD: i64 = 12;
    const DOWN: i64 = 5;
    let home = home(&[rule("levels", ", for = \"12s\""), file_sink("log", &["levels"])]);
    let daemon = home.start();
    let pending = within(LONG, || {
        let alarm = home.alarm_of("levels")?;
        assert_eq!(alarm["condition"], "pending", "not yet");
        (seconds(&alarm["updated"]) - seconds(&alarm["since"]) >= 7).then_some(alarm)
    });
    let pending = pending.expect("it is pending for some time");
    daemon.kill();
    // Not to wait for anything: that is how long nobody judges.
    let up = SystemTime::now() + Duration::from_secs(DOWN.unsigned_abs());
    while let Ok(left) = up.duration_since(SystemTime::now()) {
        thread::park_timeout(left);
    }
    let up = up.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let daemon = home.start();
    let goes_on = within(LONG, || home.alarm_of("levels")).expect("it is restored");
    assert_eq!(goes_on["id"], pending["id"]);
    let found =
        within(LONG, || home.alarm_of("levels").filter(|alarm| alarm["condition"] == "firing"));
    let risen = found.expect("it fires");
    assert_eq!(risen["id"], pending["id"], "one alarm, not two");
    let (start, fired) = (seconds(&pending["since"]), seconds(&risen["since"]));
    assert!(
        fired - start >= HELD + DOWN - 1,
        "{fired}, of which {DOWN} s do not count since {start}"
    );
    let up = i64::try_from(up).expect("seconds");
    assert!(fired - up < HELD, "{fired}: what it was pending before {up} counts");
    reasons_become(&home, "log", &["first"]);
    assert!(daemon.stop(), "it ends well");
}

/// Seconds of a time in JSON.
fn seconds(time: &Value) -> i64 {
    nanos(time).expect("a time") / 1_000_000_000
}
