//! Each verb: its help, what it is used for, and what it says to those who use it wrongly.

use std::{fs, time::Duration};

use crate::{
    support::{BROKEN, Home, within},
    transcript::Transcript,
};

const LONG: Duration = Duration::from_mins(1);

/// Every verb there is, by the snapshot that its help is in.
const HELP: &[(&str, &[&str])] = &[
    ("help", &["", "run", "check", "test", "backtest", "explain", "status", "reload"]),
    (
        "help-alarm",
        &[
            "alarm",
            "alarm list",
            "alarm show",
            "alarm history",
            "alarm ack",
            "alarm assign",
            "alarm note",
            "alarm progress",
            "alarm close",
            "alarm reopen",
            "alarm seen",
            "alarm obligations",
        ],
    ),
    ("help-silence", &["silence", "silence add", "silence list", "silence end"]),
    (
        "help-threshold",
        &[
            "threshold",
            "threshold list",
            "threshold show",
            "threshold set",
            "threshold remove",
            "threshold history",
        ],
    ),
    ("help-outbox", &["outbox", "outbox list", "outbox show", "outbox redrive", "outbox drop"]),
    ("help-plugin", &["plugin", "plugin list", "plugin show", "plugin sample", "plugin doc"]),
    ("help-db", &["db", "db check", "db backup"]),
];

#[test]
fn every_verb_has_help_with_an_example() {
    let home = Home::with_plugins(&[]);
    for (name, verbs) in HELP {
        let mut typed = Transcript::of(&home);
        for verb in *verbs {
            typed.type_in(format!("{verb} --help").trim_start());
        }
        typed.is(name);
    }
}

/// A configuration of its own, HOME in it is the home.
fn home(text: &str) -> Home {
    let home = Home::with_plugins(&["lent", "file", "scripted", "faulty", "host"]);
    home.configure(&text.replace("HOME", &home.path("").display().to_string()));
    home
}

const RULES: &str = r#"
[sources.written]
plugin = "written"
path = "HOME/values"
interval = "1s"

[evaluators.load]
inputs = ["written"]
metric = "written_value"
by = ["id"]
summary = { en = "{{id}} is at {{value}}", ko = "{{id}} 부하 {{value}}" }
warning = { above = 50 }
critical = { above = 90 }

[[evaluators.load.test]]
name = "a peak is critical"
series = ['{id="a"} 95x2 10x2']
expect = ["critical@0s", "ok@2s"]

[[thresholds]]
evaluator = "load"
match = ['id="batch"']
critical = { above = 99 }
reason = "busy at night"

[sinks.told]
plugin = "file"
inputs = ["load", "system"]
match = ['problem!="clock-jumped"']    # as a busy machine may raise it
path = "HOME/told.jsonl"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
"#;

#[test]
fn what_needs_no_daemon() {
    let home = home(RULES);
    let mut typed = Transcript::of(&home);
    typed.type_in("check").type_in("check --language ko").type_in("-o json check");
    typed.type_in("check --language fr").type_in("check now").type_in("check -o xml");
    typed.is("check");

    let mut typed = Transcript::of(&home);
    typed.type_in("test").type_in("test --evaluator lod").type_in("test --evaluator load -o json");
    typed.type_in("test --scenario /nowhere.toml").type_in("test load");
    let text = fs::read_to_string(home.path("haetae.toml")).expect("it is there");
    let failing = text.replace("\"ok@2s\"", "\"ok@3s\"");
    fs::write(home.path("haetae.toml"), failing).expect("its own file");
    typed.type_in("test");
    typed.is("test");
    fs::write(home.path("haetae.toml"), text).expect("its own file");

    let mut typed = Transcript::of(&home);
    typed.type_in("plugin list").type_in("plugin show file").type_in("plugin sample file");
    typed.type_in("plugin doc file").type_in("plugin show fil").type_in("plugin doc");
    typed.type_in("plugin list --path /nowhere");
    typed.is("plugin");

    let mut typed = Transcript::of(&home);
    typed.type_in("db check").type_in("db backup /tmp/b.db").type_in("db backup").type_in("db");
    typed.is("db-none");

    let mut typed = Transcript::of(&home);
    typed.type_in("backtest --from 1d").type_in("backtest").type_in("backtest --from soon");
    typed
        .type_in("backtest --from 1d --set load=5")
        .type_in("backtest --from 1d --fail-if alarm>1");
    typed.is("backtest");

    let mut typed = Transcript::of(&home);
    typed.type_in("status").type_in("alarm list --socket /nowhere.sock").type_in("run --accept");
    typed.is("unreachable");
}

const WRONG: &str = r#"
[sources.written]
plugin = "writen"
path = "HOME/values"
interval = "1 sec."

[evaluators.load]
inputs = ["written"]
metric = "written_value"
summary = { ko = "{{id}} 서버의 부하가 {{value}} 입니다: 담당자에게 알려 주십시오", en = "x" }
warning = { above = 95 }
critical = { above = 90, for = "2m", of = [3, 5] }

[sinks.told]
plugin = "file"
inputs = ["laod"]
match = ['team="운영"', 'zone=~"서울(1|2"']
path = "HOME/told.jsonl"
"#;

#[test]
fn mistakes_are_told_in_both_languages() {
    let home = home(WRONG);
    let mut typed = Transcript::of(&home);
    typed.type_in("check").type_in("check --language ko").type_in("test").type_in("run");
    typed.is("check-mistakes");
}

/// Waits until what a verb says contains something.
fn says(home: &Home, verb: &[&str], wanted: &str) -> String {
    let ask = || String::from_utf8(home.output(verb).stdout).expect("UTF-8");
    let said = within(LONG, || Some(ask()).filter(|text| text.contains(wanted)));
    said.unwrap_or_else(|| panic!("`{wanted}` is not in\n{}", ask()))
}

const SINKS: &str = r#"
[sinks.rejects]
plugin = "faulty"
fault = "reject"
inputs = ["load"]
group_by = "alarm"
group_wait = "2s"

[sinks.patient]
plugin = "file"
path = "HOME/patient.jsonl"
inputs = ["load"]
group_wait = "1h"
"#;

#[test]
fn what_is_asked_of_a_daemon() {
    let home = home(&format!("{RULES}{BROKEN}{SINKS}"));
    home.write_values(&[("a", 60)]);
    let daemon = home.start();
    says(&home, &["alarm", "list"], "a is at 60");
    says(&home, &["alarm", "list"], "broken: cannot deliver");
    home.write_values(&[("a", 60), ("b", 95)]);
    let list = says(&home, &["alarm", "list"], "b is at 95");
    let id = |name: &str| {
        let row = list.lines().find(|line| line.contains(&format!("{name} is at")));
        row.expect("it is listed").split_whitespace().next().expect("an id").to_owned()
    };
    let (a, b) = (id("a"), id("b"));
    says(&home, &["outbox", "list", "--dead"], "b is at");
    says(&home, &["explain", &a, "--sink", "told"], "told at");
    says(&home, &["alarm", "list"], "gave up deliveries");
    let told = within(LONG, || {
        let all = home.json(&["alarm", "obligations"])?;
        (all["obligations"].as_array()?.len() == 4).then_some(())
    });
    assert!(told.is_some(), "{:#?}", home.json(&["alarm", "obligations"]));
    alarms(&home, &a, &b);
    silences(&home, &b);
    thresholds(&home);
    outbox(&home);
    let mut typed = Transcript::of(&home);
    says(&home, &["status"], "obligations: 3 open");
    typed.type_in("status").type_in("status now").type_in("status --socket");
    typed.without_counts().is("status");
    let copy = home.path("copy.db").display().to_string();
    let mut typed = Transcript::of(&home);
    typed.type_in("db check").type_in(&format!("db backup {copy}"));
    typed.type_in(&format!("db backup {copy}"));
    typed.without_counts().is("db");
    assert!(daemon.stop());
}

fn alarms(home: &Home, a: &str, b: &str) {
    let mut typed = Transcript::of(home);
    typed
        .type_in("alarm list --match problem!=clock-jumped")
        .type_in("alarm list --match severity=warning --match evaluator=load");
    typed.type_in(&format!("alarm show {a}"));
    typed.type_in(&format!("alarm ack {a} --for 2h --comment 'disk ordered'"));
    typed.type_in(&format!("alarm assign {a} --to lee"));
    typed.type_in(&format!("alarm note {a} --comment 'same as last week'"));
    typed.type_in(&format!("alarm progress {a} --comment restarting"));
    typed.type_in(&format!("alarm history {a}"));
    typed.type_in("alarm close --match evaluator=load --code noise --dry-run");
    typed
        .type_in(&format!("alarm close {a} --code noise"))
        .type_in(&format!("alarm close {a} --code noise"));
    typed.type_in(&format!("alarm reopen {a}")).type_in(&format!("alarm seen {a}"));
    typed
        .type_in("alarm obligations")
        .type_in("alarm list --match problem!=clock-jumped")
        .type_in("alarm list --unseen --match evaluator=load");
    typed.type_in("alarm list --match severity").type_in("alarm show nothing");
    typed.type_in("alarm ack").type_in("alarm ack --match id=z").type_in("alarm show 'a b'");
    typed.type_in(&format!("alarm close {a}")).type_in(&format!("alarm ack {a} --for soon"));
    typed.type_in(&format!("alarm ack {a} --until 2020-01-01")).type_in("alarm history");
    typed.is("alarm");
    let mut typed = Transcript::of(home);
    typed
        .type_in(&format!("explain {b}"))
        .type_in(&format!("explain {b} --language ko"))
        .type_in(&format!("explain {a} --sink patient"));
    typed.type_in(&format!("explain {a} --sink nobody")).type_in(&format!("explain {a} --at soon"));
    typed.type_in(&format!("explain {a} --at 2020-01-01 --sink told")).type_in("explain");
    typed.is("explain");
}

fn silences(home: &Home, b: &str) {
    let mut typed = Transcript::of(home);
    typed.type_in("silence list");
    typed.type_in("silence add --match id=b --for 2h --comment 'patching b' --dry-run");
    typed.type_in("silence add --match id=b --for 2h --comment 'patching b'");
    typed.type_in("silence add --match id=b --until-resolved --comment known");
    typed.type_in("silence add --match zone=z1 --every 'Mon-Sun 00:00-24:00' --zone Asia/Seoul --comment backup");
    typed
        .type_in("silence list")
        .type_in(&format!("explain {b} --sink told"))
        .type_in(&format!("explain {b} --sink told --language ko"));
    typed.type_in("silence end nothing").type_in("silence end 01").type_in("silence add");
    typed.type_in("silence add --match id=~.* --for 1h --comment all");
    typed.type_in("silence add --match id=b --for 1x --comment c");
    typed.type_in("silence add --match id=b --every 25:00-26:00 --zone Asia/Seoul --comment c");
    typed.type_in("silence add --match id=b --every 22:00-07:00 --zone Seoul --comment c");
    typed.is("silence");
    for silence in
        home.json(&["silence", "list"]).expect("JSON")["silences"].as_array().expect("all")
    {
        home.output(&["silence", "end", silence["id"].as_str().expect("an id")]);
    }
}

fn thresholds(home: &Home) {
    let mut typed = Transcript::of(home);
    typed.type_in("threshold list").type_in("threshold show haetae.toml:25");
    typed.type_in("threshold set --evaluator load --match id=b --critical above=97 --comment 'batch nights' --dry-run");
    typed.type_in(
        "threshold set --evaluator load --match id=b --critical above=97 --comment 'batch nights'",
    );
    typed
        .type_in("threshold list")
        .type_in("threshold show 01")
        .type_in("threshold set 01 --critical above=98");
    typed
        .type_in("threshold set 01 --critical above=99 --if-version 1")
        .type_in("threshold history 01");
    typed.type_in("threshold remove 01").type_in("threshold remove 01");
    typed.type_in("threshold set --evaluator laod --critical above=97");
    typed.type_in("threshold set --evaluator load --critical 97").type_in("threshold set");
    typed.type_in("threshold set --evaluator load --critical above=97,for=2x");
    typed.type_in("threshold remove haetae.toml:25").type_in("threshold show nothing");
    typed.is("threshold");
}

fn outbox(home: &Home) {
    let mut typed = Transcript::of(home);
    typed.type_in("outbox list --dead");
    let dead = home.json(&["outbox", "list", "--dead"]).expect("JSON");
    let id = dead["notifications"][0]["id"].as_str().expect("an id").to_owned();
    typed.type_in(&format!("outbox show {id}")).type_in(&format!("outbox drop {id}"));
    typed.type_in(&format!("outbox drop {id}")).type_in("outbox drop --all --sink rejects");
    typed.type_in("outbox redrive --all --sink rejects").type_in("outbox redrive");
    typed.type_in("outbox show nothing").type_in("outbox list --sink rejects --dead");
    typed.is("outbox");
}
