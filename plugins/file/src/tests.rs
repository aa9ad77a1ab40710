//! On real files.

use std::{
    env, fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

use haetae_plugin::{
    Alarm, Batch, Call, Fault as Means, Logs, Notification, Outcome, Point, Reason, Samples,
    Series, Severity, Sink, Timestamp, Verdict, Window, testing::Script,
};
use serde_json::{Value, json};

use super::{Fault, FileSink, Options, fault};

fn sink(path: &Path) -> FileSink {
    FileSink::open(Options { path: path.into() }, Script::new().context()).unwrap()
}

fn deliver(sink: &mut FileSink, batch: &Batch) -> Outcome {
    sink.deliver(batch, Call::within(Duration::from_secs(20), Window::default())).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn sample(value: f64) -> Batch {
    let series = Series::gauge("cpu", "percent").label("host", "a\"b\n").build();
    Samples::at(Timestamp::from_nanos(1_000_000_001)).with(&series, value).into()
}

#[test]
fn a_point_is_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    let mut sink = sink(&path);
    for value in [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(deliver(&mut sink, &sample(value)), Outcome::delivered());
    }
    let expected = |value: Value, text: Option<&str>| {
        let mut line = json!({
            "type": "sample", "name": "cpu", "labels": {"host": "a\"b\n"}, "unit": "percent",
            "value": value, "time": "1970-01-01T00:00:01.000000001Z", "time_ns": 1_000_000_001,
        });
        if let Some(text) = text {
            line["text"] = text.into();
        }
        line
    };
    let expected = [
        expected(json!(1.5), None),
        expected(Value::Null, Some("NaN")),
        expected(Value::Null, Some("+Inf")),
        expected(Value::Null, Some("-Inf")),
    ];
    assert_eq!(lines(&path), expected);
}

#[test]
fn flags_show() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    let series = Series::gauge("cpu", "percent").build();
    let mut samples = Samples::at(Timestamp::from_seconds(1));
    samples.end(&series, Timestamp::from_seconds(1));
    samples.push_flagged(&series, 1.0, Timestamp::from_seconds(1), Point::DELAYED);
    deliver(&mut sink(&path), &samples.into());
    let lines = lines(&path);
    assert_eq!((&lines[0]["ended"], &lines[0]["delayed"]), (&json!(true), &Value::Null));
    assert_eq!((&lines[1]["ended"], &lines[1]["delayed"]), (&Value::Null, &json!(true)));
}

#[test]
fn a_notification_is_a_line_with_all_its_fields() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notifications");
    let since = Timestamp::from_seconds(60);
    let mut alarm = Alarm::firing("a1".into(), "vm-cpu".into(), Severity::Critical, since);
    alarm.summary = "CPU 95 %\nof vm1".into();
    let sent = Notification::of(alarm, Reason::First, Timestamp::from_seconds(120));
    let mut sink = sink(&path);
    assert_eq!(
        deliver(&mut sink, &Batch::Notifications(vec![sent.clone(), sent])),
        Outcome::delivered()
    );
    let lines = lines(&path);
    assert_eq!(lines.len(), 2);
    let line = &lines[0];
    for (pointer, expected) in [
        ("/type", json!("notification")),
        ("/title", json!("CPU 95 %\nof vm1")),
        ("/severity", json!("critical")),
        ("/reason", json!("first")),
        ("/time", json!("1970-01-01T00:02:00.000000000Z")),
        ("/time_ns", json!(120_000_000_000_i64)),
        ("/alarms/0/since", json!("1970-01-01T00:01:00.000000000Z")),
        ("/alarms/0/since_ns", json!(60_000_000_000_i64)),
        ("/alarms/0/ended", Value::Null),
        ("/alarms/0/evaluator", json!("vm-cpu")),
    ] {
        assert_eq!(line.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn a_torn_line_is_ended_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("torn");
    fs::write(&path, "{\"type\":\"sam").unwrap();
    deliver(&mut sink(&path), &sample(1.0));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("{\"type\":\"sam"));
    assert!(serde_json::from_str::<Value>(lines.next().unwrap()).is_ok());
    assert_eq!(lines.next(), None);
}

#[test]
fn a_rotated_file_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
    let mut sink = sink(&path);
    deliver(&mut sink, &sample(1.0));
    fs::rename(&path, &old).unwrap();
    deliver(&mut sink, &sample(2.0));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    deliver(&mut sink, &sample(3.0));
    assert_eq!(lines(&old)[0]["value"], json!(1.0));
    assert_eq!(lines(&path).len(), 1, "what was removed is gone, what came after is here");
    assert_eq!(lines(&path)[0]["value"], json!(3.0));
}

#[test]
fn others_may_not_read_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    drop(sink(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn an_empty_batch_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    assert_eq!(deliver(&mut sink(&path), &Batch::empty()), Outcome::delivered());
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn logs_are_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = deliver(&mut sink(&directory.path().join("log")), &Logs::default().into());
    let Verdict::Rejected { reason } = outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!(reason, "a file takes samples and notifications only");
}

#[test]
fn a_full_disk_is_tried_again() {
    let outcome = deliver(&mut sink(Path::new("/dev/full")), &sample(1.0));
    let Verdict::Retry { reason, .. } = outcome.verdict else { panic!("{outcome:?}") };
    assert!(reason.starts_with("/dev/full: No space left on device"), "{reason}");
}

#[test]
fn a_wrong_path_is_a_fault_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    for (path, expected) in [
        (directory.path().to_path_buf(), "Is a directory"),
        (directory.path().join("absent/log"), "No such file or directory"),
        ("log".into(), "it must be absolute"),
    ] {
        let opened = FileSink::open(Options { path }, Script::new().context());
        let error = opened.err().unwrap();
        assert_eq!(error.fault(), Means::Config);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[test]
fn faults_are_classed_by_who_ends_them() {
    for (number, expected) in [
        (13, Fault::Config),   // EACCES
        (1, Fault::Config),    // EPERM
        (30, Fault::Config),   // EROFS
        (28, Fault::Passing),  // ENOSPC
        (122, Fault::Passing), // EDQUOT
        (27, Fault::Passing),  // EFBIG
        (5, Fault::Passing),   // EIO
        (24, Fault::Passing),  // EMFILE
    ] {
        let error = io::Error::from_raw_os_error(number);
        assert_eq!(fault(&error), expected, "{error}");
    }
}

const LIMITED: &str = "HAETAE_TEST_LIMITED_FILE";

/// The kernel writes up to the limit on a file's size, then fails: a partial write, as on a full disk.
#[test]
fn a_partial_write_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("limited");
    deliver(&mut sink(&path), &sample(1.0));
    let whole = fs::read(&path).unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" --exact tests::limited"])
        .arg(env::current_exe().unwrap())
        .env(LIMITED, &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
    assert_eq!(fs::read(&path).unwrap(), whole, "no half line remains");
}

/// Run by `a_partial_write_is_taken_back`, under a limit; without it, it has nothing to say.
#[test]
fn limited() {
    let Some(path) = env::var_os(LIMITED) else { return };
    let series = Series::gauge("cpu", "percent").build();
    let mut samples = Samples::at(Timestamp::from_seconds(1));
    for _ in 0..5000 {
        samples.push(&series, 1.0);
    }
    let outcome = deliver(&mut sink(Path::new(&path)), &samples.into());
    let Verdict::Retry { reason, .. } = outcome.verdict else { panic!("{outcome:?}") };
    assert!(reason.contains("File too large"), "{reason}");
}
