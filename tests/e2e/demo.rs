//! `haetae run --demo`, as a newcomer sees it: on the terminal and by the printed curl line.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::support::{Home, within};
use serde_json::Value;

#[test]
fn the_demo_fires_and_resolves_and_leaves_nothing_behind() {
    let home = Home::with_plugins(&["host", "demo"]);
    fs::create_dir(home.path("tmp")).expect("a directory");
    let mut child = home
        .command(&["run", "--demo"])
        .env("TMPDIR", home.path("tmp"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = lines_of(child.stdout.take().expect("piped"));
    let talk = lines_of(child.stderr.take().expect("piped"));

    let curl = next(&talk, |line| line.contains("curl ")).expect("it prints a curl line");
    let curl = curl.split_once("curl").map(|(_, rest)| format!("curl{rest}")).expect("the command");

    let fired = next(&lines, |line| line.contains("container memory") && line.contains("critical"));
    let fired = fired.expect("an application's alarm fires");
    let words: Vec<&str> = fired.split_whitespace().collect();
    let name = words.iter().skip_while(|word| **word != "application").nth(1).expect("its name");
    assert!(words[0].matches(':').count() == 2, "the line begins with a time: {fired}");
    assert!(fired.contains(" % ") && fired.contains("since"), "it shows value and since: {fired}");
    assert!(!fired.contains('\x1b'), "no colour in a pipe: {fired:?}");

    let answer = Command::new("sh").args(["-c", &curl]).output().expect("curl runs");
    let answer: Value = serde_json::from_slice(&answer.stdout).expect("it answers JSON");
    let seen = answer["alarms"].as_array().expect("a list").iter().any(|alarm| {
        alarm["labels"]["application"] == name.trim_end_matches(':')
            && alarm["condition"] == "firing"
            && alarm["severity"] == "critical"
    });
    assert!(seen, "{name} is at the shown URL: {answer:#}");
    let without =
        curl.split_once("-H ").and_then(|(_, rest)| rest.rsplit_once(' ')).expect("a URL");
    let refused = Command::new("curl").args(["-s", without.1]).output().expect("curl runs");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("401"), "without the token: refused");

    let resolved = next(&lines, |line| line.contains(name) && line.contains("resolved"));
    assert!(resolved.is_some(), "{name} resolves");
    let killed = next(&lines, |line| line.contains("out of memory, process "));
    assert!(killed.is_some_and(|line| line.contains("critical")), "log lines raise alarms too");

    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.expect("kill").success());
    let ended = within(Duration::from_secs(30), || child.try_wait().expect("its own child"));
    assert!(ended.expect("Ctrl-C ends it").success());
    let left: Vec<_> = fs::read_dir(home.path("tmp")).expect("the directory").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_demo_whose_terminal_is_closed_leaves_nothing_behind() {
    let home = Home::with_plugins(&["host", "demo"]);
    fs::create_dir(home.path("tmp")).expect("a directory");
    let mut command = home.command(&["run", "--demo"]);
    command.env("TMPDIR", home.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let lines = lines_of(child.stdout.take().expect("piped"));
    let talk = lines_of(child.stderr.take().expect("piped"));
    assert!(next(&talk, |line| line.contains("curl ")).is_some(), "it runs");
    // What is left of a terminal that is closed: a signal, and nobody who reads.
    drop((lines, talk));
    // The kernel sends one to whoever is in front, and the shell one to its jobs.
    let id = child.id().to_string();
    let ended = within(Duration::from_secs(30), || {
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.expect("kill").success());
        child.try_wait().expect("its own child")
    });
    assert!(ended.expect("it ends").success());
    let left: Vec<_> = fs::read_dir(home.path("tmp")).expect("the directory").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The next line that is wanted, within a minute each.
fn next(lines: &mpsc::Receiver<String>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    loop {
        let line = lines.recv_timeout(Duration::from_mins(1)).ok()?;
        if wanted(&line) {
            return Some(line);
        }
    }
}
