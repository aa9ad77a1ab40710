//! The command line as its user sees it: what each verb says, and with which code it ends.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]

#[path = "cli/running.rs"]
mod running;
#[path = "cli/snapshots.rs"]
mod snapshots;
mod support;
#[path = "cli/transcript.rs"]
mod transcript;

use std::{fs, os::unix::process::CommandExt, process::Command};

use support::Home;

/// Every verb that reads a configuration, with what else it needs.
const VERBS: &[&[&str]] = &[
    &["run"],
    &["run", "--demo"],
    &["check"],
    &["test"],
    &["backtest", "--from", "1d"],
    &["plugin", "list"],
    &["plugin", "doc", "host"],
    &["alarm", "list"],
    &["silence", "list"],
    &["threshold", "list"],
    &["outbox", "list"],
    &["explain", "3f9c2a"],
    &["reload"],
    &["status"],
    &["reload"],
    &["db", "check"],
];

/// Runs a verb and says how it ended and what it said on stderr.
fn ended(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it was not killed"), said)
}

#[test]
fn a_named_configuration_that_is_missing_is_an_error_everywhere() {
    let home = Home::with_plugins(&[]);
    fs::remove_file(home.path("haetae.toml")).expect("its own file");
    let missing = format!("cannot read {}: ", home.path("haetae.toml").display());
    for verb in VERBS {
        let (code, said) = ended(&mut home.command(verb));
        assert_eq!(code, 78, "{verb:?}: {said}");
        assert!(said.starts_with(&missing) && said.contains("--config FILE"), "{verb:?}: {said}");
    }
    // Whoever names the socket too, likewise.
    let (code, said) = ended(&mut home.command(&["status", "--socket", "/nowhere"]));
    assert!(code == 78 && said.starts_with(&missing), "{said}");
}

#[test]
fn the_same_fault_ends_with_the_same_code() {
    let home = Home::with_plugins(&["host"]);
    home.configure("[sources.own]\nplugin = \"host\"\ninterval = \"5x\"\n");
    // Mistakes in the configuration; they are what `check` looks for.
    for (verb, expected) in [("run", 78), ("test", 78), ("backtest --from 1d", 78), ("check", 1)] {
        let verb: Vec<_> = verb.split(' ').collect();
        let output = home.output(&verb);
        assert_eq!(output.status.code(), Some(expected), "{verb:?}");
    }
    home.configure("[sources.own]\nplugin = \"host\"\n");
    // Nobody answers.
    for verb in ["alarm list", "silence list", "threshold list", "outbox list", "status"] {
        let (code, said) = ended(&mut home.command(&verb.split(' ').collect::<Vec<_>>()));
        assert!(code == 4 && said.contains("does not answer"), "{verb}: {code} {said}");
    }
    // There is nothing of that name.
    for verb in
        ["test --evaluator x", "plugin show x", "backtest --from 1d --evaluator x", "db check"]
    {
        let (code, said) = ended(&mut home.command(&verb.split(' ').collect::<Vec<_>>()));
        assert_eq!(code, 3, "{verb}: {said}");
    }
    // What makes no sense.
    for verb in ["alarm ack a --for 5x", "silence add", "alarm ack a --until soon", "nothing"] {
        let (code, said) = ended(&mut home.command(&verb.split(' ').collect::<Vec<_>>()));
        assert_eq!(code, 2, "{verb}: {said}");
    }
    fs::write(home.path("there"), "").expect("a file");
    fs::create_dir_all(home.path("state")).expect("a folder");
    fs::write(home.path("state/haetae.db"), "").expect("a file");
    let there = home.path("there").display().to_string();
    assert_eq!(ended(&mut home.command(&["db", "backup", &there])).0, 5);
}

#[test]
fn a_length_of_time_is_refused_as_in_the_configuration() {
    let home = Home::with_plugins(&["host"]);
    home.configure("[sources.own]\nplugin = \"host\"\ninterval = \"5x\"\n");
    let checked = home.json(&["check"]).expect("JSON");
    let problems = checked["problems"].as_array().expect("problems");
    let wrong = problems.iter().find(|one| one["code"] == "HT0105").expect("the length of time");
    let text = |key: &str| wrong[key].as_str().expect("a text").to_owned();
    let (sentence, cure) = (text("message"), text("cure"));
    let said = ["alarm ack a --for 5x", "silence add --match a=b --comment c --for 5x"];
    for verb in said {
        let (_, said) = ended(&mut home.command(&verb.split(' ').collect::<Vec<_>>()));
        assert!(said.contains(&format!("{sentence}: {cure}")), "{said}\n{sentence}: {cure}");
    }
}

#[test]
fn colours_are_left_out_where_they_are_unwanted() {
    let home = Home::with_plugins(&["host"]);
    home.configure("[sources.own]\nplugin = \"host\"\n[evaluators.e]\ninputs = [\"own\"]\nmetric = \"cpu_used_percent\"\ncritical = { above = 90 }\n[[evaluators.e.test]]\nseries = ['{} 1x2']\nexpect = []\n");
    // On a terminal, as `script` makes one.
    let coloured = |environment: &[(&str, &str)], more: &str| {
        let line = format!(
            "{} -c {} {more} test",
            home.path("bin/haetae").display(),
            home.path("haetae.toml").display()
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
        let output = command.envs(environment.iter().copied()).output().expect("script");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("1 passed"), "{text}");
        text.contains('\u{1b}')
    };
    assert!(coloured(&[], ""));
    assert!(coloured(&[("NO_COLOR", "")], ""), "an empty one says nothing");
    assert!(!coloured(&[("NO_COLOR", "1")], ""));
    assert!(!coloured(&[("TERM", "dumb")], ""));
    assert!(coloured(&[("NO_COLOR", "1")], "--color always"), "who asks for them has them");
    assert!(!coloured(&[], "--color never"));
}

#[test]
fn whoever_may_not_ask_is_told_who_may_and_how() {
    let home = Home::with_plugins(&["host"]);
    let nobody = |home: &Home| {
        let mut command = home.command(&["status"]);
        command.uid(65534).gid(65534);
        ended(&mut command)
    };
    let root = rustix_is_root();
    assert!(root, "this test needs another user: run it as root");
    Command::new("chmod").arg("755").arg(home.path("")).status().expect("chmod");
    home.configure("[sources.own]\nplugin = \"host\"\n");
    let daemon = home.start();
    let (code, said) = nobody(&home);
    assert_eq!(code, 5, "{said}");
    let folder =
        format!("the folder {} is for user root alone (mode 0700)", home.path("state").display());
    for part in
        ["permission denied at ", &folder, "socket_group = \"haetae\"", "sudo -u root haetae"]
    {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(daemon.stop());
    // Its group is named: a member asks, and another is told how to become one.
    home.configure_daemon("socket_group = \"daemon\"", "[sources.own]\nplugin = \"host\"\n");
    let daemon = home.start();
    let (code, said) = nobody(&home);
    assert!(code == 5 && said.contains("sudo usermod -aG daemon nobody"), "{said}");
    let mut member = home.command(&["status"]);
    member.uid(65534).gid(1);
    assert_eq!(ended(&mut member).0, 0);
    let mode = fs::metadata(home.path("state/admin.sock")).expect("it is there");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o660);
    assert!(daemon.stop());
    home.configure_daemon("socket_group = \"nosuch\"", "[sources.own]\nplugin = \"host\"\n");
    let (code, said) = ended(&mut home.command(&["run"]));
    assert!(
        code == 1 && said.contains("there is no group `nosuch`: make it with `groupadd"),
        "{said}"
    );
}

fn rustix_is_root() -> bool {
    support::user() == "root"
}
