//! What people do, through the command line of a running daemon: acknowledge, silence, many at
//! once, and what the journal says of it after a restart.

use std::{os::unix::fs::MetadataExt, time::Duration};

use crate::support::{Home, load, user, within};
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

fn home() -> Home {
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(&load());
    home
}

fn listed(home: &Home, arguments: &[&str]) -> Vec<Value> {
    home.alarms(arguments).unwrap_or_default()
}

/// Ids of the alarms that are listed, once there are as many as wanted.
fn ids(home: &Home, arguments: &[&str], count: usize) -> Vec<String> {
    let found = within(LONG, || {
        let alarms = listed(home, arguments);
        (alarms.len() == count)
            .then(|| alarms.iter().map(|alarm| alarm["id"].as_str().unwrap().to_owned()).collect())
    });
    found.unwrap_or_else(|| panic!("{arguments:?}: {:#?}", listed(home, arguments)))
}

#[test]
fn the_journal_says_who_acknowledged_and_silenced() {
    let home = home();
    home.write_values(&[("a", 60), ("b", 60), ("c", 95)]);
    let mut daemon = home.start();
    let all = ids(&home, &["--match", "condition=firing"], 3);
    let critical = ids(&home, &["--match", "severity=critical"], 1).remove(0);
    let me = user();

    // One: acknowledged for a while, then worked on.
    let (code, out, _) =
        home.said(&["alarm", "ack", &critical, "--for", "2h", "--comment", "disk ordered"]);
    assert_eq!((code, out.contains(&format!("acknowledged by {me} until "))), (0, true), "{out}");
    let shown = home.json(&["alarm", "show", &critical]).unwrap();
    assert_eq!(shown["handling"]["state"], "acknowledged");
    assert_eq!(
        (&shown["handling"]["note"], &shown["handling"]["by"]),
        (&Value::from("disk ordered"), &Value::from(me.as_str()))
    );
    assert_eq!(ids(&home, &["--match", "handling=acknowledged"], 1), [critical.as_str()]);
    let (code, _, err) = home.said(&["alarm", "seen", &critical]);
    assert_eq!((code, err.contains("still fires")), (5, true), "{err}");
    assert_eq!(home.said(&["alarm", "progress", &critical, "--note", "replacing"]).0, 0);
    // A note may have lines; it does nothing to a terminal.
    assert_eq!(home.said(&["alarm", "note", &critical, "--note", "one\n\u{1b}[2Jtwo"]).0, 0);
    let (_, shown, _) = home.said(&["alarm", "show", &critical]);
    assert!(shown.contains("  note       one\n             ␛[2Jtwo\n"), "{shown}");
    assert!(shown.contains("noted        one ␛[2Jtwo  ("), "{shown}");
    let exact = home.json(&["alarm", "show", &critical]).unwrap();
    assert_eq!(exact["handling"]["note"], "one\n\u{1b}[2Jtwo");
    assert_eq!(home.said(&["alarm", "ack", "ffffffffffffffff-9"]).0, 3);
    assert_eq!(home.said(&["alarm", "ack", "--match", "severity"]).0, 2);
    assert_eq!(home.said(&["alarm", "close", &critical]).0, 2, "a code is needed");

    // Many: first a count, then the act; the third is somebody's already.
    let bulk = ["alarm", "close", "--match", "evaluator=load", "--match", "severity=warning"];
    let bulk = [&bulk[..], &["--code", "noise", "--note", "load test"]].concat();
    let (code, out, err) = home.said(&[&bulk[..], &["--dry-run"]].concat());
    assert_eq!((code, out.lines().count()), (0, 2), "{out}{err}");
    assert!(err.contains("2 alarms would be closed. Nothing changed."), "{err}");
    assert!(ids(&home, &["--match", "handling=closed"], 0).is_empty());
    let (code, closed, err) = home.said(&bulk);
    assert_eq!((code, &closed), (0, &out), "{err}");
    ids(&home, &["--match", "handling=closed"], 2);
    // Again: none of them can be closed once more.
    assert_eq!(home.said(&bulk).0, 5);
    assert_eq!(home.said(&["alarm", "ack", "--match", "evaluator=nothing"]).0, 3);

    silences(&home, &me);

    // Everything is known after a restart.
    assert!(daemon.stop());
    daemon = home.start();
    let again = home.json(&["alarm", "show", &critical]).unwrap();
    assert_eq!(again["handling"]["state"], "in-progress");
    let (_, history, _) = home.said(&["alarm", "history", &critical]);
    assert!(history.contains(&format!("acknowledged disk ordered  ({me})")), "{history}");
    assert!(history.contains(&format!("in progress  replacing  ({me})")), "{history}");

    // They end: two were closed, one was worked on, so none is unseen; a new one is.
    home.write_values(&[("a", 1), ("b", 1), ("c", 1), ("d", 99)]);
    let fresh = ids(&home, &["--match", "condition=firing"], 1).remove(0);
    assert!(!all.contains(&fresh));
    home.write_values(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    assert_eq!(ids(&home, &["--unseen"], 1), [fresh.as_str()]);
    let (_, text, _) = home.said(&["alarm", "list", "--unseen"]);
    assert!(text.contains("unseen") && text.contains("  ended  "), "{text}");
    assert_eq!(ids(&home, &["--all", "--match", "condition=ended"], 4).len(), 4);
    assert_eq!(home.said(&["alarm", "seen", &fresh, "--note", "a burst"]).0, 0);
    ids(&home, &["--unseen"], 0);
    assert!(daemon.stop());
}

#[test]
fn an_acknowledgement_ends_unless_it_is_sticky() {
    let home = home();
    home.write_values(&[("a", 60), ("b", 60), ("c", 60)]);
    let daemon = home.start();
    ids(&home, &["--match", "condition=firing"], 3);
    let ack = |id: &str, more: &[&str]| {
        let matcher = format!("id={id}");
        assert_eq!(home.said(&[&["alarm", "ack", "--match", &matcher], more].concat()).0, 0);
    };
    ack("a", &["--for", "2s"]);
    let timed = ids(&home, &["--match", "id=a"], 1).remove(0);
    ids(&home, &["--match", "id=a", "--match", "handling=unhandled"], 1);
    ack("a", &["--for", "1h"]);
    ack("b", &[]);
    ack("c", &["--sticky"]);
    home.write_values(&[("a", 60), ("b", 95), ("c", 95)]);
    ids(&home, &["--match", "severity=critical"], 2);
    ids(&home, &["--match", "id=b", "--match", "handling=unhandled"], 1);
    let held = listed(&home, &["--match", "handling=acknowledged"]);
    let mut held: Vec<_> = held.iter().map(|one| one["labels"]["id"].as_str().unwrap()).collect();
    held.sort_unstable();
    assert_eq!(held, ["a", "c"]);
    let (_, history, _) = home.said(&["alarm", "history", &timed]);
    let lapsed = history.lines().find(|line| line.contains("lapsed")).unwrap_or(&history);
    assert!(lapsed.ends_with("lapsed       acknowledged  (haetae)  → unhandled"), "{history}");
    assert!(daemon.stop());
}

fn silences(home: &Home, me: &str) {
    let add = ["silence", "add", "--match", "severity=critical", "--reason", "patching"];
    let (code, out, err) = home.said(&[&add[..], &["--for", "2h", "--dry-run"]].concat());
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("1 alarm that fires would be silenced until "), "{err}");
    let (code, id, _) = home.said(&[&add[..], &["--for", "2h"]].concat());
    let id = id.trim();
    assert_eq!((code, id.len()), (0, 26), "{id}");
    assert_eq!(home.said(&[&add[..], &["--until-resolved"]].concat()).0, 0);
    let every = ["--every", "Mon-Fri 22:00-07:00", "--zone", "Asia/Seoul"];
    assert_eq!(home.said(&[&add[..], &every].concat()).0, 0);
    let wrong = ["--every", "Mo 22:00-07:00", "--zone", "Asia/Seoul"];
    let (code, _, err) = home.said(&[&add[..], &wrong].concat());
    assert_eq!((code, err.contains("`Mo` is no day of the week")), (2, true), "{err}");
    assert_eq!(home.said(&add).0, 2, "for how long?");

    assert_eq!(home.said(&["silence", "end", id]).0, 0);
    assert_eq!(home.said(&["silence", "end", id]).0, 3);
    let (_, open, _) = home.said(&["silence", "list"]);
    assert_eq!((open.lines().count(), open.contains(id)), (3, false), "{open}");
    let every = home.json(&["silence", "list", "--all"]).unwrap();
    let every = every["silences"].as_array().unwrap();
    assert_eq!(every.len(), 3);
    assert!(every.iter().all(|one| one["author"] == me && one["reason"] == "patching"));
}

/// systemd gives the daemon a directory for its socket, and a person's shell knows nothing of it.
#[test]
fn a_socket_elsewhere_is_found_by_state_directory() {
    let home = home();
    std::fs::create_dir(home.path("runtime")).unwrap();
    let runtime = home.path("runtime");
    let daemon = home.start_with(|command| {
        command.env("RUNTIME_DIRECTORY", &runtime);
    });
    assert!(home.path("runtime/admin.sock").exists());
    assert!(daemon.stop());
    // By hand, where the link still is.
    let daemon = home.start();
    assert!(!home.path("state/admin.sock").is_symlink());
    assert!(daemon.stop());
    let socket = home.path("other.sock").display().to_string();
    let daemon = home.start_with(|command| {
        command.args(["--socket", &socket]);
    });
    assert_eq!(home.said(&["alarm", "list"]).0, 0);
    // The one of another daemon is not taken for that of this configuration.
    let mut asked = home.command(&["status"]);
    let asked = asked.env("RUNTIME_DIRECTORY", home.path("none")).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    assert!(daemon.stop());
}

/// A filter looks through more than a list shows: what it means is not hidden by what it does not.
#[test]
fn an_alarm_ended_long_ago_is_found() {
    let home = home();
    home.write_values(&[("old", 60)]);
    let daemon = home.start();
    ids(&home, &["--match", "condition=firing"], 1);
    let names: Vec<_> = (0..1001).map(|number| format!("n{number}")).collect();
    let all = |value| {
        let others = names.iter().map(|name| (name.as_str(), value));
        others.chain([("old", 1)]).collect::<Vec<_>>()
    };
    home.write_values(&all(60));
    ids(&home, &["--match", "condition=firing"], 1001);
    ids(&home, &["--unseen"], 1);
    home.write_values(&all(1));
    ids(&home, &["--unseen"], 1000);
    ids(&home, &["--unseen", "--match", "id=old"], 1);
    assert_eq!(home.said(&["alarm", "seen", "--match", "id=old"]).0, 0);
    assert!(daemon.stop());
}

#[test]
fn an_id_prefix_suffices_unless_ambiguous() {
    let home = home();
    home.write_values(&[("a", 60), ("b", 95)]);
    let daemon = home.start();
    let all = ids(&home, &["--match", "condition=firing"], 2);
    let add = |comment: &str, matcher: &str| {
        let verb = ["silence", "add", "--match", matcher, "--for", "2h", "--comment", comment];
        let (code, out, err) = home.said(&verb);
        assert_eq!(code, 0, "{err}");
        out.trim().to_owned()
    };
    let (one, two) = (add("patching", "id=a"), add("moving", "id=b"));
    let set = |more: &[&str]| {
        let verb = [&["threshold", "set", "--evaluator", "load"], more].concat();
        let (code, out, err) = home.said(&verb);
        assert_eq!(code, 0, "{err}");
        out.split(' ').next().unwrap().to_owned()
    };
    let first = set(&["--critical", "above=97", "--match", "id=a"]);
    let second = set(&["--critical", "above=98", "--match", "id=b"]);

    // All ids of one time begin alike; nothing of several is done.
    let both = |kind: &str, verb: &[&str], ids: [&str; 2], words: &str| {
        let (code, out, err) = home.said(verb);
        assert_eq!((code, out.as_str()), (5, ""), "{err}");
        let title = format!("more than one {kind} starts so: give more of the id, one of\n");
        assert!(err.starts_with(&title), "{err}");
        assert!(ids.iter().all(|id| err.contains(*id)) && err.contains(words), "{err}");
    };
    both("silence", &["silence", "end", "01"], [&one, &two], "id=\"a\"");
    both("threshold", &["threshold", "show", "01"], [&first, &second], "load id=b");
    both("threshold", &["threshold", "remove", "01"], [&first, &second], "load id=a");

    // As much of an id as tells it from the others.
    let start = |id: &str, other: &str| {
        let same = id.chars().zip(other.chars()).take_while(|(own, its)| own == its).count();
        id[..=same].to_owned()
    };
    let (code, out, err) = home.said(&["silence", "end", &start(&one, &two).to_lowercase()]);
    assert_eq!((code, out), (0, format!("{one}  ended\n")), "{err}");
    // The other is the only one that is not over.
    assert_eq!(home.said(&["silence", "end", "01"]).1, format!("{two}  ended\n"));
    let (code, out, err) = home.said(&["threshold", "remove", &start(&first, &second)]);
    assert_eq!((code, out), (0, format!("{first} removed\n")), "{err}");
    assert!(home.said(&["threshold", "show", "01"]).1.starts_with(&second));
    assert!(home.said(&["threshold", "history", &first]).1.contains("removed"));

    // Alarms: those that go on, and those that have ended.
    let (own, other) = (&all[0], &all[1]);
    let shown = |id: &str| home.said(&["alarm", "show", id]).1;
    assert!(shown(&start(own, other)).starts_with(own.as_str()));
    home.write_values(&[("a", 1), ("b", 1)]);
    ids(&home, &["--match", "condition=firing"], 0);
    assert!(shown(&start(own, other)).starts_with(own.as_str()));
    let name = own.split('-').next().unwrap();
    assert!(home.said(&["explain", name]).1.starts_with(own.as_str()));
    assert!(daemon.stop());
}

#[test]
fn the_journal_names_a_directory_servers_user() {
    let home = home();
    // The system's look-up, answered by a file that is not /etc/passwd, as a directory server would.
    let id = std::fs::metadata("/proc/self").unwrap().uid();
    let users = format!("kim-of-ldap:x:{id}:{id}::/:/bin/sh\n");
    std::fs::write(home.path("users"), users).unwrap();
    std::fs::write(home.path("groups"), "").unwrap();
    home.write_values(&[("a", 95)]);
    let daemon = home.start_with(|command| {
        command.env("LD_PRELOAD", "libnss_wrapper.so");
        command.env("NSS_WRAPPER_PASSWD", home.path("users"));
        command.env("NSS_WRAPPER_GROUP", home.path("groups"));
    });
    let alarm = ids(&home, &["--match", "condition=firing"], 1).remove(0);
    let (code, out, said) = home.said(&["alarm", "ack", &alarm, "--for", "2h"]);
    assert!(code == 0 && out.contains("acknowledged by kim-of-ldap until "), "{out}{said}");
    assert!(daemon.stop());
}
