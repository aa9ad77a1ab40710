//! A running daemon, as those see it who ask it and who read its log.

use std::{fs, process::Command, time::Duration};

use serde_json::Value;

use crate::support::{Daemon, Home, WRITTEN, evaluator, eventually, file_sink, nanos, within};

const LONG: Duration = Duration::from_mins(1);

/// Values that the test writes, judged, and a sink that is told of each alarm at once.
fn levels(more: &str) -> Home {
    let home = Home::with_plugins(&["lent", "file", "scripted"]);
    let levels = "by = ['id']\ncritical = { above = 90 }";
    let text = [
        WRITTEN,
        &evaluator("levels", "written", "written_value", levels),
        &file_sink("told", &["levels", "system"]),
        more,
    ];
    home.configure(&text.concat());
    home
}

fn text(home: &Home, verb: &str) -> String {
    let output = home.output(&verb.split(' ').collect::<Vec<_>>());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Waits until what a verb says contains something.
fn says(home: &Home, verb: &str, wanted: &str) -> String {
    let said = within(LONG, || Some(text(home, verb)).filter(|text| text.contains(wanted)));
    said.unwrap_or_else(|| panic!("`{wanted}` is not in\n{}", text(home, verb)))
}

/// The lines of the log until one contains something.
fn logged(daemon: &Daemon, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let found = eventually(LONG, || {
        lines.extend(daemon.lines());
        lines.iter().any(|line| line.contains(wanted))
    });
    assert!(found, "`{wanted}` is not in {lines:#?}");
    lines
}

#[test]
fn muted_alarms_are_listed_with_what_mutes() {
    let home = levels(
        "[[inhibit]]\nwhen = ['id=\"boss\"']\nmute = ['id=\"child\"']\n[[maintenance]]\nname = \"m\"\nmatch = ['id=\"old\"']\nfrom = \"2020-01-01T00:00\"\nuntil = \"2100-01-01T00:00\"\n",
    );
    home.write_values(&[("boss", 95), ("child", 95), ("free", 95), ("old", 95), ("quiet", 95)]);
    let daemon = home.start();
    let listed = says(&home, "alarm list", "(id=quiet)");
    let row = |listed: &str, id: &str| {
        let row = listed.lines().find(|line| line.contains(&format!("(id={id})")));
        row.expect("it is listed").to_owned()
    };
    assert!(listed.lines().next().expect("a head").contains("MUTED BY"), "{listed}");
    let boss = row(&listed, "boss").split_whitespace().next().expect("an id").to_owned();
    assert!(row(&listed, "child").contains(&format!("alarm {boss}")), "{listed}");
    assert!(row(&listed, "old").contains("maintenance until 2100-01-01"), "{listed}");
    text(&home, "silence add --match id=quiet --for 2h --comment patching");
    let listed = says(&home, "alarm list", "silence of ");
    assert!(row(&listed, "quiet").contains(" until "), "{listed}");
    let json = home.json(&["alarm", "list"]).expect("JSON");
    let muted = |id: &str| {
        let alarms = json["alarms"].as_array().expect("alarms").iter();
        let found = alarms.into_iter().find(|one| one["labels"]["id"] == id);
        found.expect("it is listed")["muted"].clone()
    };
    assert_eq!(muted("free"), serde_json::json!([]));
    assert_eq!(muted("quiet")[0]["why"], "silenced");
    assert_eq!(muted("child")[0]["by"], boss.as_str());
    assert!(daemon.stop());
}

/// Integers as great as nanoseconds since 1970 are, by their places.
fn great(value: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Number(number) if number.as_f64().is_some_and(|it| it > 1e17) => vec![place.into()],
        Value::Array(all) => all.iter().flat_map(|one| great(one, &format!("{place}[]"))).collect(),
        Value::Object(all) => {
            all.iter().flat_map(|(key, one)| great(one, &format!("{place}.{key}"))).collect()
        }
        // JSON within a text would hide them.
        Value::String(text) if text.starts_with('{') => {
            great(&serde_json::from_str(text).unwrap_or_default(), place)
        }
        _ => Vec::new(),
    }
}

#[test]
fn json_has_times_as_text_and_filled_summaries() {
    let home = levels(
        "[sinks.broken]\nplugin = \"post\"\nurl = \"http://127.0.0.1:1/\"\ninputs = [\"levels\"]\ngroup_by = \"alarm\"\ngroup_wait = \"0s\"\n",
    );
    let head =
        "[sinks.written-too]\nplugin = \"file\"\ninputs = [\"written\"]\npath = \"HOME/samples\"\n";
    let path = home.path("haetae.toml");
    let own = fs::read_to_string(&path).expect("just written") + head;
    let summary = "summary = { en = \"{{id}} is at {{value}}\" }\n[sinks.told]";
    let own =
        own.replace("HOME", &home.path("").display().to_string()).replace("[sinks.told]", summary);
    fs::write(&path, own).expect("its own file");
    home.write_values(&[("a", 95)]);
    let daemon = home.start();
    says(&home, "alarm list", "a is at 95");
    says(&home, "outbox list", "broken");
    let alarm = home.json(&["alarm", "list"]).expect("JSON")["alarms"][0].clone();
    let id = alarm["id"].as_str().expect("an id").to_owned();
    assert_eq!(alarm["summaries"]["en"], "a is at 95");
    assert_eq!(alarm["summaries"]["ko"], "a is at 95", "the only text that there is");
    let since = nanos(&alarm["since"]).expect("a time");
    let now = nanos(&home.json(&["status"]).expect("JSON")["now"]).expect("a time");
    assert!((0..120_000_000_000).contains(&(now - since)), "{now} {since}");
    for verb in [
        format!("alarm ack {id} --for 2h"),
        "silence add --match id=a --for 2h --comment c".into(),
        "silence add --match id=a --every 00:00-24:00 --zone UTC --comment c".into(),
        "threshold set --evaluator levels --critical above=91 --match id=b".into(),
    ] {
        let answer = home.json(&verb.split(' ').collect::<Vec<_>>()).expect("JSON");
        assert!(great(&answer, "").is_empty(), "{verb}: {answer:#}");
    }
    let waiting = home.json(&["outbox", "list"]).expect("JSON")["notifications"][0]["id"].clone();
    for verb in [
        "status".into(),
        "alarm list --all".into(),
        format!("alarm show {id}"),
        format!("alarm history {id}"),
        format!("explain {id}"),
        "alarm obligations --all".into(),
        "silence list".into(),
        "threshold list".into(),
        "outbox list".into(),
        format!("outbox show {}", waiting.as_str().expect("an id")),
    ] {
        let answer = home.json(&verb.split(' ').collect::<Vec<_>>());
        let answer = answer.unwrap_or_else(|| panic!("{verb}: no JSON"));
        assert!(great(&answer, "").is_empty(), "{verb}: {:?} {answer:#}", great(&answer, ""));
    }
    // As other programs ask: the times of a request are texts too.
    let socket = home.path("state/admin.sock");
    let mut curl = Command::new("curl");
    curl.args(["-s", "--unix-socket"]).arg(socket).args(["http://haetae/api/v1/silences", "-d"]);
    let body = r#"{"match":["id=\"a\""],"reason":"r","until":"2099-01-01T00:00:00Z"}"#;
    let answer = curl.arg(body).args(["-H", "content-type: application/json"]).output();
    let answer: Value = serde_json::from_slice(&answer.expect("curl").stdout).expect("JSON");
    assert_eq!(answer["silence"]["span"]["until"], "2099-01-01T00:00:00Z", "{answer:#}");
    assert!(daemon.stop());
}

#[test]
fn the_log_has_transitions_and_faults_once() {
    let home = levels("");
    home.write_values(&[("a", 95), ("b\u{1b}\u{202e}", 10)]);
    let daemon = home.start();
    let lines = logged(&daemon, "fired: ");
    let fired = lines.iter().find(|line| line.contains("fired: ")).expect("it is there");
    for part in ["INFO fired: levels 95 (id=a) alarm=\"", "severity=\"critical\""] {
        assert!(fired.contains(part), "{part} is not in {fired}");
    }
    home.write_values(&[("a", 10)]);
    let lines = logged(&daemon, "resolved: levels 10 (id=a)");
    assert!(lines.iter().any(|line| line.contains("reason=\"cleared\"")), "{lines:#?}");
    // Nobody's label does anything to a terminal.
    home.write_values(&[("a", 10), ("b\u{1b}\u{202e}", 95)]);
    logged(&daemon, r"fired: levels 95 (id=b\u{1b}\u{202e}) alarm=");
    // The source fails again and again: that is one fault, and its end another line.
    fs::remove_file(home.path("values")).expect("its own file");
    logged(&daemon, "WARN ");
    let errors = |one: &Value| one["counts"]["errors"].as_u64().unwrap_or_default();
    home.instance_when("written", |one| errors(one) >= 3);
    let more = daemon.lines();
    assert!(!more.iter().any(|line| line.contains("WARN")), "{more:#?}");
    home.write_values(&[("a", 10)]);
    let lines = logged(&daemon, "works again");
    assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:#?}");
    assert!(daemon.stop());
}

#[test]
fn a_configured_kind_replaces_a_built_in_one() {
    let home = Home::with_plugins(&["host", "file"]);
    fs::create_dir(home.path("own")).expect("a folder");
    let (own, built_in) = (home.path("own/libhaetae_host.so"), home.path("bin/libhaetae_host.so"));
    fs::copy(&built_in, &own).expect("a copy");
    let out = home.path("out.jsonl");
    home.configure(&format!(
        "[plugins]\npath = [{:?}]\n[sources.it]\nplugin = \"host\"\n[sinks.out]\nplugin = \"file\"\ninputs = [\"it\"]\npath = {out:?}\n",
        home.path("own")
    ));
    let output = home.output(&["plugin", "list"]);
    let listed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{listed}");
    let said =
        format!("replaced    the built-in host of {}, by {}", built_in.display(), own.display());
    assert!(listed.contains(&said), "{listed}");
    assert_eq!(listed.matches("  source  ").count(), 1, "the other is not listed: {listed}");
    let shown = text(&home, "plugin show host");
    assert!(shown.contains(&own.display().to_string()), "{shown}");
    let json = home.json(&["plugin", "list"]).expect("JSON");
    assert_eq!(json["replaced"][0]["kind"], "host");
    let daemon = home.start();
    let lines = logged(&daemon, "replaces a built-in one");
    assert!(lines.iter().any(|line| line.contains(&own.display().to_string())), "{lines:#?}");
    home.instance_when("it", |found| found["state"] == "ok");
    assert!(daemon.stop());
    // Of two that are not built in neither is used, as before.
    fs::create_dir(home.path("other")).expect("a folder");
    fs::copy(&own, home.path("other/libhaetae_host.so")).expect("a copy");
    let config = fs::read_to_string(home.path("haetae.toml")).expect("it is there");
    let both = format!("path = [{:?}, ", home.path("other"));
    fs::write(home.path("haetae.toml"), config.replace("path = [", &both)).expect("its own file");
    let output = home.output(&["plugin", "list"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let home = levels(
        "[sinks.broken]\nplugin = \"post\"\nurl = \"http://127.0.0.1:1/\"\ninputs = [\"levels\"]\ngroup_by = \"alarm\"\ngroup_wait = \"0s\"\n",
    );
    let path = home.path("haetae.toml");
    let rule = "summary = { en = \"the load of {{id}} has risen to {{value}}: tell whoever sees to it\", ko = \"{{id}} 서버의 부하가 {{value}}까지 올라갔습니다: 담당자에게 알려 주십시오\" }\n[sinks.told]";
    let own = fs::read_to_string(&path).expect("just written").replace("[sinks.told]", rule);
    home.write_values(&[("운영-1", 95)]);
    fs::write(&path, own).expect("its own file");
    let daemon = home.start();
    says(&home, "alarm list", "운영-1");
    home.instance_when("broken", |one| one["state"] == "failing");
    let alarms = home.json(&["alarm", "list", "--match", "evaluator=levels"]).expect("JSON");
    let id = alarms["alarms"][0]["id"].as_str().expect("an id").to_owned();
    let asked = |language: &str| {
        let text = fs::read_to_string(&path).expect("it is there");
        let text = text.replace("language = \"en\"\n", "").replace("language = \"ko\"\n", "");
        let head = format!("[daemon]\nlanguage = \"{language}\"\n");
        fs::write(&path, text.replace("[daemon]\n", &head)).expect("its own file");
    };
    for (columns, language) in [("80", "en"), ("80", "ko"), ("120", "en"), ("120", "ko")] {
        asked(language);
        for verb in ["alarm list", "status", &format!("explain {id}")] {
            let mut command = home.command(&verb.split(' ').collect::<Vec<_>>());
            let output = command.env("COLUMNS", columns).output().expect("it runs");
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            let most: usize = columns.parse().expect("a number");
            for line in text.lines().filter(|line| line.trim().contains(' ')) {
                let width = unicode_width::UnicodeWidthStr::width(line);
                assert!(
                    width <= most,
                    "{verb} in {language}: {width} of {columns}: {line}\n{text}"
                );
            }
        }
    }
    assert!(daemon.stop());
}
