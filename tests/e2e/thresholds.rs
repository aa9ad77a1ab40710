//! Thresholds, through the command line and the API of a running daemon: set, foreseen, refused,
//! removed, and in force after a kill.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::support::{Home, load, user, within};
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

/// A threshold that stands in the file.
const BUSY: &str = r#"
[[thresholds]]
evaluator = "load"
match = ['id="b"']
warning = { above = 80 }
reason = "b is busy"
"#;

fn home() -> Home {
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(&format!("{}{BUSY}", load()));
    home
}

/// How a verb about thresholds ended, and what it said on stdout and on stderr.
fn say(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    home.said(&[&["threshold"], arguments].concat())
}

/// Which identities fire, and by which threshold, once it is as wanted.
fn fire(home: &Home, wanted: &[(&str, Option<&str>)]) {
    let mut seen = Vec::new();
    let found = within(LONG, || {
        seen = home.alarms(&[])?;
        let mut firing: Vec<_> = seen
            .iter()
            .filter(|one| one["condition"] == "firing")
            .map(|one| (one["labels"]["id"].as_str().unwrap(), one["threshold"].as_str()))
            .collect();
        firing.sort_unstable();
        (firing == wanted).then_some(())
    });
    assert!(found.is_some(), "{wanted:?}: {seen:#?}");
}

/// What the API answers over the admin socket: the status and the body.
fn ask(home: &Home, request: &str, body: &str) -> (u16, String) {
    let mut socket = UnixStream::connect(home.path("state/admin.sock")).expect("the admin socket");
    let head = "Host: haetae\r\nConnection: close\r\nContent-Type: application/json";
    let length = body.len();
    let text = format!("{request}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    // At once: what is refused by its head is answered before its body is read.
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn a_threshold_is_set_changed_and_removed() {
    let home = home();
    home.write_values(&[("a", 60), ("b", 60), ("c", 60)]);
    let daemon = home.start();
    fire(&home, &[("a", None), ("c", None)]);
    let own = home.thresholds()[0].clone();
    let place = own["id"].as_str().unwrap().to_owned();
    assert!(place.starts_with("haetae.toml:"), "{own:#}");
    assert_eq!(
        (&own["read_only"], &own["reason"]),
        (&Value::from(true), &Value::from("b is busy"))
    );

    // A dry run says what would be, and nothing is.
    let low = ["set", "--evaluator", "load", "--match", "id=~\"[ab]\"", "--warning", "above=40"];
    let (code, out, _) = say(&home, &[&low[..], &["--dry-run"]].concat());
    // b stays with the file's: = is more specific.
    assert_eq!(
        (code, out.contains("would apply to 1 thing that is watched now")),
        (0, true),
        "{out}"
    );
    let high =
        ["set", "--evaluator", "load", "--match", "id=\"a\"", "--warning", "above=70,for=0s"];
    let (code, out, _) = say(&home, &[&high[..], &["--dry-run"]].concat());
    assert!(code == 0 && out.contains("id=a") && out.contains("ok"), "{out}");
    assert_eq!(home.thresholds().len(), 1);

    let made = home.json(&[&["threshold"], &high[..], &["--reason", "batch"]].concat()).unwrap();
    let id = made["threshold"]["id"].as_str().unwrap().to_owned();
    fire(&home, &[("c", None)]);

    // Two people saw version 1: the second is shown what there is now.
    let first = ["set", &id, "--warning", "above=30", "--if-version", "1"];
    assert_eq!(say(&home, &first).0, 0);
    fire(&home, &[("a", Some(&id)), ("c", None)]);
    explained(&home, &id);
    let (code, _, said) = say(&home, &["set", &id, "--warning", "above=75", "--if-version", "1"]);
    assert_eq!((code, said.contains("made it version 2")), (5, true), "{said}");

    // It survives a kill, before anything is judged by other numbers.
    daemon.kill();
    let daemon = home.start();
    fire(&home, &[("a", Some(&id)), ("c", None)]);
    let notified = home.notifications("file.jsonl");
    let of_a = notified.iter().filter(|one| one["alarms"][0]["labels"]["id"] == "a").count();
    assert!(of_a <= 3, "fired, ended, fired: {notified:#?}");

    let (code, ..) = say(&home, &["remove", &id]);
    assert_eq!(code, 0);
    fire(&home, &[("a", None), ("c", None)]);
    assert_eq!(say(&home, &["show", &id]).0, 3);
    let history = home.json(&["threshold", "history", &id]).unwrap();
    let acts: Vec<_> = history["history"].as_array().unwrap().iter().collect();
    let user = std::process::Command::new("id").arg("-un").output().expect("id").stdout;
    let user = String::from_utf8_lossy(&user).trim().to_owned();
    let of = |at: usize, key: &str| acts[at][key].clone();
    assert_eq!((acts.len(), of(0, "act"), of(2, "act")), (3, "set".into(), "removed".into()));
    assert!((0..3).all(|at| of(at, "actor") == user.as_str()), "{history:#}");
    assert_eq!(of(0, "before"), Value::Null);
    assert_eq!((of(1, "before"), of(2, "after")), (of(0, "after"), Value::Null));
    assert_eq!(of(1, "after")["warning"]["above"], 30);
    assert_eq!(of(1, "after")["reason"], "batch", "what is not given stays");
    daemon.stop();
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let home = home();
    home.write_values(&[("a", 60)]);
    let daemon = home.start();
    fire(&home, &[("a", None)]);
    let refused = |arguments: &[&str], code: i32, why: &str| {
        let (found, _, said) = say(&home, arguments);
        assert_eq!((found, said.contains(why)), (code, true), "{arguments:?}: {said}");
    };
    refused(&["set", "--evaluator", "laod", "--warning", "above=1"], 2, "did you mean `load`?");
    refused(&["set", "--evaluator", "load", "--warning", "above=95"], 2, "beyond");
    refused(&["set", "--evaluator", "load", "--warning", "above"], 2, "no level");
    refused(&["set", "--evaluator", "load"], 2, "neither");
    refused(&["set", "01K9Z3Q4M8XJ0T5C2R7V6W1Y0B", "--warning", "above=1"], 3, "no such");
    let own = home.thresholds()[0]["id"].clone();
    let place = own.as_str().unwrap();
    refused(&["set", place, "--warning", "above=1"], 5, "configuration");
    refused(&["remove", place], 5, "configuration");

    unread(&home);
    let body = r#"{"evaluator":"load","match":["id=\"a\""],"warning":{"above":70}}"#;
    let (code, answer) = ask(&home, "POST /api/v1/thresholds HTTP/1.1", body);
    assert!(code == 201 && answer.contains("etag: \"1\""), "{answer}");
    let id = home.thresholds()[1]["id"].clone();
    let path = format!("/api/v1/thresholds/{}", id.as_str().unwrap());
    let (code, answer) = ask(&home, &format!("PUT {path} HTTP/1.1"), body);
    assert!(code == 428 && answer.contains("If-Match"), "{answer}");
    let stale = format!("DELETE {path} HTTP/1.1\r\nIf-Match: \"7\"");
    let (code, answer) = ask(&home, &stale, "");
    assert!(code == 412 && answer.contains("\"current\":{"), "{answer}");
    let right = format!("DELETE {path} HTTP/1.1\r\nIf-Match: \"1\"");
    assert_eq!(ask(&home, &right, "").0, 200);
    assert_eq!(home.thresholds().len(), 1);
    daemon.stop();
}

/// What nobody reads in a request is refused, with words that a program can read: a dry run that is
/// misspelt changes nothing.
fn unread(home: &Home) {
    let body = r#"{"evaluator":"load","warning":{"above":70}}"#;
    let cases = [
        ("POST /api/v1/thresholds?dryrun=true", body, "dryrun"),
        ("POST /api/v1/thresholds?dry_run=yes", body, "dry_run"),
        ("POST /api/v1/thresholds", "{\"evaluatr\":\"load\"}", "evaluatr"),
        ("POST /api/v1/outbox/drop", "{\"id\":\"x\"}", "id"),
        ("GET /api/v1/outbox?dead=maybe", "", "dead"),
        ("GET /api/v1/obligations?alll=true", "", "alll"),
        ("GET /api/v1/alarms?severity=critical", "", "severity"),
        ("GET /api/v1/alarms?unseen=maybe", "", "unseen"),
        ("GET /api/v1/silences?al=true", "", "al"),
        ("POST /api/v1/alarms/acts", "{\"act\":\"nod\",\"match\":[]}", "nod"),
    ];
    for (request, body, named) in cases {
        let (code, answer) = ask(home, &format!("{request} HTTP/1.1"), body);
        assert!(code == 400 && answer.contains("application/problem+json"), "{request}: {answer}");
        let why = answer.split("detail").nth(1).unwrap_or_default();
        assert!(why.contains(named), "{request}: {answer}");
    }
    assert_eq!(home.thresholds().len(), 1);
}

/// Explain names whose numbers an alarm is judged by: a person's, who says why.
fn explained(home: &Home, threshold: &str) {
    let alarms = home.alarms(&["--match", "id=a"]).unwrap();
    let alarm = alarms[0]["id"].as_str().unwrap();
    let by = format!("numbers of threshold {threshold} ({}: batch)", user());
    let output = home.output(&["explain", alarm]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&by), "{by} in\n{said}");
    let shown = String::from_utf8(home.output(&["alarm", "show", alarm]).stdout).unwrap();
    assert!(shown.contains(&format!("  threshold  {threshold}\n")), "{shown}");
}
