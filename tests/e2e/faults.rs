//! Faulty plugins and files that are none: the daemon goes on and names each, its cause and cure.

use std::{fs, path::Path, time::Duration};

use crate::reader;
use crate::support::{Home, built, evaluator, file_sink, sink, within};
use haetae::plugin::{
    instance::CallResult,
    order::{Order, Reply},
};
use haetae_plugin::{Fault, Question, Timestamp};
use serde_json::Value;

/// A fault of a source, the states that it may lead to, a part of the cause that is shown, and the
/// system alarm's problem.
const SOURCES: &[(&str, &[&str], &str, &str)] = &[
    ("panic_open", &["failing"], "panicked:", "plugin-panicked"),
    ("panic_collect", &["failing"], "panicked:", "plugin-panicked"),
    ("panic_ack", &["failing"], "panicked:", "plugin-panicked"),
    ("panic_listens", &["failing"], "panicked:", "plugin-panicked"),
    ("panic_thread", &["failing"], "panicked", "plugin-panicked"),
    ("panic_payload_drop", &["failing"], "panicked:", "plugin-panicked"),
    ("sleep_open", &["hung", "failing"], "open did not return within its deadline of 1s", "hung"),
    (
        "sleep_collect",
        &["hung", "failing"],
        "collect did not return within its deadline of 1s",
        "hung",
    ),
    ("error", &["failing"], "collect failed:", "source-down"),
    ("config_error", &["failing"], "", "source-down"),
    ("flood_series", &["degraded"], "new series over max_series = 1000", "limit-exceeded"),
    ("flood_points", &["degraded"], "points over 1000000 in one batch", "limit-exceeded"),
    (
        "rubbish_indices",
        &["degraded"],
        "points name a series that is not in their batch",
        "limit-exceeded",
    ),
    ("ten_thousand_labels", &["degraded"], "labels, over 64", "limit-exceeded"),
    ("future_time", &["degraded"], "over an hour in the future", "limit-exceeded"),
];

#[test]
fn each_source_fault_is_named_others_go_on() {
    let home = Home::with_plugins(&["faulty", "file"]);
    let mut text = String::from("[sources.well]\nplugin = \"faulty-two\"\ninterval = \"1s\"\n");
    for (fault, ..) in SOURCES {
        // Only what sleeps is to pass its deadline, on however busy a machine.
        let time = if fault.starts_with("sleep") { "1s" } else { "15s" };
        text += &format!(
            "[sources.{fault}]\nplugin = \"faulty\"\nfault = \"{fault}\"\ninterval = \"{time}\"\ndeadline = \"{time}\"\nmax_series = 1000\n"
        );
    }
    home.configure(&text);
    let mut daemon = home.start();
    for (fault, states, cause, problem) in SOURCES {
        let found = home.instance_when(fault, |found| {
            states.iter().any(|state| found["state"] == **state)
                && found["last_error"]["cause"].as_str().is_some_and(|told| told.contains(cause))
        });
        assert!(
            found["last_error"]["cure"].as_str().is_some_and(|cure| !cure.is_empty()),
            "{fault}"
        );
        let alarm = within(Duration::from_secs(20), || {
            let alarms = home.json(&["alarm", "list"])?;
            alarms["alarms"].as_array()?.iter().find(|alarm| {
                alarm["evaluator"] == "system"
                    && alarm["labels"]["instance"] == **fault
                    && alarm["labels"]["problem"] == **problem
            })?;
            Some(())
        });
        assert!(alarm.is_some(), "no system alarm {problem} of {fault}");
    }
    // All of them are faulty now; the one that is well is still collected.
    let records = |found: &Value| found["counts"]["records"].as_u64().unwrap_or(0);
    let before = records(&home.instance_when("well", |found| found["state"] == "ok"));
    home.instance_when("well", |found| records(found) > before + 2);
    let hung = home.instance_when("sleep_collect", |found| {
        found["counts"]["abandoned"].as_u64() == Some(3) && found["state"] == "failing"
    });
    assert_eq!(
        hung["last_error"]["cure"],
        "restart the daemon; report the hang to the plugin's author"
    );
    let text = home.output(&["status"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("sleep_collect: collect did not return"), "{text}");
    assert!(daemon.is_running());
    let (threads, megabytes) =
        (of_process(daemon.id(), "Threads:"), of_process(daemon.id(), "VmRSS:") / 1024);
    assert!(threads < 80, "{threads} threads");
    assert!(megabytes < 900, "{megabytes} MB");
    assert!(daemon.stop(), "it ends well although threads hang");
}

#[test]
fn five_panics_open_the_circuit_breaker() {
    let home = Home::with_plugins(&["faulty"]);
    home.configure(
        "[sources.x]\nplugin = \"faulty\"\nfault = \"panic_collect\"\ninterval = \"1s\"\n",
    );
    let daemon = home.start();
    // The panic is counted first, and said once the instance is closed.
    let found = home.instance_when("x", |found| {
        let cause = found["last_error"]["cause"].as_str().unwrap_or_default();
        cause.starts_with("5 panics in 10 minutes, the last: panicked:")
    });
    assert_eq!(found["counts"]["panics"], 5);
    assert!(daemon.stop());
}

#[test]
fn a_fault_in_drop_or_value_harms_nobody() {
    let home = Home::with_plugins(&["faulty"]);
    home.configure(
        r#"
        [sources.dropping]
        plugin = "faulty"
        fault = "panic_drop"
        interval = "1s"
        [sources.sleeping]
        plugin = "faulty"
        fault = "sleep_drop"
        interval = "1s"
        [sources.odd]
        plugin = "faulty"
        fault = "non_finite"
        interval = "1s"
        [sources.chatty]
        plugin = "faulty"
        fault = "log_flood"
        interval = "1s"
        [sources.counting]
        plugin = "faulty"
        fault = "metric_flood"
        interval = "1s"
        [sources.flooding]
        plugin = "faulty"
        fault = "flood_listener"
        interval = "1s"
        max_series = 1000
        [evaluators.positive]
        inputs = ["odd"]
        metric = "faulty_value"
        critical = { above = 0 }
        "#,
    );
    let daemon = home.start();
    for name in ["dropping", "sleeping", "odd", "chatty", "counting"] {
        home.instance_when(name, |found| {
            found["state"] == "ok" && found["counts"]["calls"].as_u64() > Some(3)
        });
    }
    home.instance_when("flooding", |found| found["counts"]["records"].as_u64() > Some(10_000));
    let evaluated = within(Duration::from_secs(30), || {
        let status = home.json(&["status"])?;
        let odd =
            status["evaluators"].as_array()?.iter().find(|found| found["name"] == "positive")?;
        (odd["errors"].as_u64() > Some(2)).then_some(())
    });
    assert!(evaluated.is_some(), "a value that is no number is an evaluation error");
    let raised = home.alarms(&[]).expect("a list");
    assert!(
        !raised.iter().any(|alarm| alarm["evaluator"] == "positive"),
        "and never an alarm: {raised:#?}"
    );
    assert!(daemon.lines().len() < 1000, "a flood of log lines is cut");
    assert!(daemon.stop(), "it ends well although a drop panics and another sleeps");
}

#[test]
fn a_faulty_sink_gives_up_to_its_fallback() {
    let home = Home::with_plugins(&["faulty", "file"]);
    let well = "[sources.well]\nplugin = 'faulty-two'\ninterval = '1s'\n";
    let mut text =
        well.to_owned() + &evaluator("two", "well", "faulty_two", "critical = { above = 1 }");
    let faults = ["panic_deliver", "sleep_deliver", "error", "panic_open"];
    for fault in faults {
        let keys =
            format!("fault = '{fault}'\ndeadline = '1s'\ngive_up = '3s'\nfallback = 'log-{fault}'");
        text += &sink(fault, "faulty", &["two"], &keys);
        text += &file_sink(&format!("log-{fault}"), &[]);
    }
    // Nothing was given up yet of this one: it keeps what waits, and its fallback hears nothing.
    text += &sink("keeping", "faulty", &["two"], "fault = 'error'\nfallback = 'log-keeping'");
    text += &file_sink("log-keeping", &[]);
    home.configure(&text);
    let daemon = home.start();
    for fault in faults {
        let file = home.path(&format!("log-{fault}.jsonl"));
        let line = within(Duration::from_secs(40), || {
            let text = fs::read_to_string(&file).ok()?;
            text.lines().find(|line| line.contains("\"evaluator\":\"two\"")).map(str::to_owned)
        });
        assert!(line.is_some(), "the fallback of {fault} was not notified");
        let sink = home
            .instance_when(fault, |found| found["state"] != "ok" && found["state"] != "starting");
        assert!(sink["last_error"]["cause"].is_string(), "{sink:#}");
        let reason = of_outbox(&home, fault, true)["reason"].as_str().map(str::to_owned);
        let reason = reason.expect("a dead letter");
        assert!(reason.starts_with("given up after 3s: "), "{fault}: {reason}");
    }
    let waits = within(Duration::from_secs(40), || {
        let row = of_outbox(&home, "keeping", false);
        (row["attempts"].as_i64() > Some(1)).then_some(row)
    });
    let waits = waits.expect("it is tried again");
    assert_eq!(waits["reason"], "fault = \"error\"", "{waits:#}");
    let notified = fs::read_to_string(home.path("log-keeping.jsonl")).unwrap_or_default();
    assert!(!notified.contains("\"evaluator\":\"two\""), "{notified}");
    assert!(daemon.stop());
}

#[test]
fn a_panic_in_metrics_is_a_configuration_problem() {
    let home = Home::with_plugins(&["faulty"]);
    home.configure("[sources.x]\nplugin = \"faulty\"\nfault = \"panic_metrics\"\n");
    let checked = home.output(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("panicked"), "{text}");
    assert!(checked.status.code().is_some(), "it was not killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_reader_is_poisoned_another_one_answers() {
    let home = Home::with_plugins(&["faulty"]);
    let limit = Duration::from_secs(5);
    let question = || {
        let at = Timestamp::from_seconds(1);
        Order::Query(Question::Series { query: "x".into(), from: at, to: at })
    };
    for (fault, well) in [("none", true), ("panic_query", false)] {
        let options = serde_json::json!({ "fault": fault });
        let mut reader = reader::open(&home, "faulty", options, limit).await;
        for _ in 0..2 {
            match reader.call(question(), limit).await {
                CallResult::Returned(Ok(Reply::Answer(_))) => assert!(well),
                CallResult::Returned(Err(error)) => {
                    assert!(!well && error.fault() == Fault::Panicked, "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(reader.close(limit).await, CallResult::Returned(Ok(()))));
    }
}

#[test]
fn a_file_that_is_no_plugin_is_named() {
    let home = Home::with_plugins(&["faulty"]);
    let directory = home.path("odd");
    fs::create_dir(&directory).expect("a directory");
    let good = fs::read(built().join("libhaetae_host.so")).expect("it was built");
    let write = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).expect("written");
    for percent in [1, 10, 50, 99] {
        write(&format!("cut{percent}.so"), good.get(..good.len() * percent / 100).expect("less"));
    }
    write("text.so", b"this is text\n");
    write("empty.so", b"");
    write("foreign.so", &foreign());
    write("open.so", &good);
    write("aborting.so", &replaced(&good, b"\"panic\":\"unwind\"", b"\"panic\":\"abort!\""));
    write(
        "machine.so",
        &[good.get(..18).expect("a header"), &[0xf3, 0], good.get(20..).expect("more")].concat(),
    );
    fs::create_dir(directory.join("folder.so")).expect("a directory");
    writable_by_all(&directory.join("open.so"));
    let mut wanted = vec![
        ("text.so", "HT0405", "is not an ELF library"),
        ("empty.so", "HT0405", "is empty"),
        ("foreign.so", "HT0407", "without the section .haetae"),
        ("open.so", "HT0404", "is writable by all users"),
        ("aborting.so", "HT0409", "panic = \"abort\""),
        ("machine.so", "HT0405", "another processor"),
        ("folder.so", "HT0402", "is not a regular file"),
        ("cut1.so", "HT0406", "is cut off"),
        ("cut10.so", "HT0406", "is cut off"),
        ("cut50.so", "HT0406", "is cut off"),
        ("cut99.so", "HT0406", "is cut off"),
    ];
    write("twice-a.so", &good);
    write("twice-b.so", &[&good, &b"\0"[..]].concat());
    wanted.push(("twice-a.so", "HT0411", "twice-b.so"));
    wanted.push(("twice-b.so", "HT0411", "twice-a.so"));
    if owned_by_another(&directory, &good) {
        wanted.push(("foreign-owner.so", "HT0403", "belongs to user 65534"));
    }

    home.configure(&format!(
        "[plugins]\npath = [\"{}\"]\n[sources.well]\nplugin = \"faulty-two\"\ninterval = \"1s\"\n",
        directory.display()
    ));
    let listed = home.output(&["plugin", "list"]);
    assert_eq!(listed.status.code(), Some(1), "something was found");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let daemon = home.start();
    let listed = home.json(&["plugin", "list"]).expect("JSON");
    let status = home.json(&["status"]).expect("JSON");
    for (name, code, cause) in wanted {
        for refused in [&listed["refused"], &status["refused"]] {
            let found = refused.as_array().expect("a list").iter().find(|one| {
                one["file"].as_str().is_some_and(|file| file.ends_with(&format!("/{name}")))
            });
            let found = found.unwrap_or_else(|| panic!("{name} is not named in {refused:#}"));
            assert_eq!(found["code"], code, "{found:#}");
            assert!(found["cause"].as_str().is_some_and(|told| told.contains(cause)), "{found:#}");
            assert!(found["cure"].as_str().is_some_and(|cure| !cure.is_empty()), "{found:#}");
        }
        assert!(text.contains(&format!("{code} {}/{name}", directory.display())), "{text}");
    }
    home.instance_when("well", |found| found["state"] == "ok");
    assert!(daemon.stop());
}

/// The notification about `two` that waits for a sink, or is dead.
fn of_outbox(home: &Home, sink: &str, dead: bool) -> Value {
    let listed = home.json(&["outbox", "list", "--sink", sink]).expect("a list");
    let mut rows = listed["notifications"].as_array().expect("a list").iter();
    let is = |row: &&Value| {
        row["dead"] == dead && row["notification"]["alarms"][0]["evaluator"] == "two"
    };
    rows.rfind(is).cloned().unwrap_or_default()
}

/// A number in `/proc/PID/status`.
fn of_process(id: u32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("it lives");
    let line = text.lines().find(|line| line.starts_with(key)).expect("Linux says so");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
}

/// A library of the system that is no plugin: the one that every program here is linked with.
fn foreign() -> Vec<u8> {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let libc = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.contains("libc"));
    fs::read(libc.expect("a C library")).expect("it can be read")
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    let mut changed = bytes.to_vec();
    changed.splice(at..at + from.len(), to.iter().copied());
    changed
}

fn writable_by_all(path: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(path, mode).expect("its own file");
}

/// Makes a file of another user's, as only root can.
fn owned_by_another(directory: &Path, bytes: &[u8]) -> bool {
    let path = directory.join("foreign-owner.so");
    fs::write(&path, bytes).expect("written");
    if std::os::unix::fs::chown(&path, Some(65534), None).is_ok() {
        return true;
    }
    println!("not root: the owner of a plugin file is not tested");
    fs::remove_file(path).expect("its own file");
    false
}
