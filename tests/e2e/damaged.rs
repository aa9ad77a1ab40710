//! What is damaged where no check of a file sees it, libraries and rows of the store: whoever reads one
//! says so and lives.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Home, LEVELS, built, within};

const LONG: Duration = Duration::from_mins(1);
/// Many times as many in the soak.
const FLIPS: u64 = 60;

/// What is loaded of a library lies before what only a debugger reads.
const LOADED: u64 = 1 << 20;

/// Copies the plugin `demo` to `path` with some of the bytes that are loaded changed.
fn damage(path: &Path, seed: u64) {
    let mut bytes = fs::read(built().join("libhaetae_demo.so")).expect("it was built");
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..8 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = usize::try_from(random % LOADED).expect("it is small");
        bytes[at] ^= 1 << (random >> 61);
    }
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes).expect("its own file");
    fs::rename(beside, path).expect("its own file");
}

/// How the program ended, and what it said; it ends in time.
fn ended(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = home.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let (mut out, mut err) =
        (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).expect("it reads");
        text
    });
    let mut text = Vec::new();
    out.read_to_end(&mut text).expect("it reads");
    text.extend(reader.join().expect("it reads"));
    let status = within(LONG, || child.try_wait().expect("its own child")).expect("it ends");
    (status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn no_damaged_library_ends_the_program_that_opens_it() {
    let home = Home::with_plugins(&["file"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let (more, library) = (home.path("more"), home.path("more/libhaetae_demo.so"));
    home.configure(&format!("[plugins]\npath = [{more:?}]\n[sources.it]\nplugin = \"demo\"\n"));
    let directory = more.display().to_string();
    let mut crashed = 0;
    for seed in 1..=FLIPS {
        damage(&library, seed);
        let asks: [&[&str]; 3] = [
            &["plugin", "doc", "demo", "--path", &directory],
            &["plugin", "list", "--path", &directory],
            &["check"],
        ];
        for arguments in asks {
            let (code, text) = ended(&home, arguments);
            let is_ordinary = matches!(code, Some(0 | 1 | 3)) && !text.is_empty();
            assert!(is_ordinary, "seed {seed}: {arguments:?} ended with {code:?}: {text}");
            let has_crashed = text.contains("its library crashed with SIG");
            assert!(!has_crashed || code == Some(1), "seed {seed}: {code:?} {text}");
            crashed += u32::from(has_crashed);
        }
    }
    println!("{crashed} of {FLIPS} damaged libraries, asked three times, crashed");
    assert!(crashed > 0, "none of them crashed: nothing was tried");
}

/// The first seed whose library crashes when it is opened.
fn crashing(home: &Home, library: &Path) {
    let directory = library.parent().expect("a directory").display().to_string();
    let crashes = (1..=FLIPS).any(|seed| {
        damage(library, seed);
        let (_, text) = ended(home, &["plugin", "doc", "demo", "--path", &directory]);
        text.contains("its library crashed with SIG")
    });
    assert!(crashes, "none of them crashed");
}

#[test]
fn a_daemon_is_not_ended_by_a_damaged_library() {
    let home = Home::with_plugins(&["host", "file"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let (more, out) = (home.path("more"), home.path("out.jsonl"));
    crashing(&home, &home.path("more/libhaetae_demo.so"));
    let pipeline = |kind: &str| {
        home.configure(&format!(
            "[plugins]\npath = [{more:?}]\n[sources.it]\nplugin = {kind:?}\n[sinks.out]\nplugin = \"file\"\ninputs = [\"it\"]\npath = {out:?}\n"
        ));
    };
    // One that nothing uses is not opened.
    pipeline("host");
    let daemon = home.start();
    home.instance_when("it", |found| found["state"] == "ok");
    // The child that tried them has gone.
    let children = format!("/proc/{0}/task/{0}/children", daemon.id());
    assert_eq!(fs::read_to_string(children).expect("Linux"), "");
    assert!(daemon.stop());
    // One that is used is a mistake of the configuration, with its cause.
    pipeline("demo");
    let (code, text) = ended(&home, &["run"]);
    assert_eq!(code, Some(78), "{text}");
    let text = text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(text.contains("its library crashed with SIG"), "{text}");
}

#[test]
fn a_state_or_plugins_that_others_may_write_are_refused_with_the_cure() {
    let home = Home::with_plugins(&["host"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let (more, state) = (home.path("more"), home.path("state"));
    fs::copy(built().join("libhaetae_demo.so"), more.join("libhaetae_demo.so")).expect("built");
    home.configure(&format!("[plugins]\npath = [{more:?}]\n[sources.it]\nplugin = \"demo\"\n"));
    let open = fs::Permissions::from_mode(0o777);
    fs::create_dir(&state).expect("a directory");
    fs::set_permissions(&state, open.clone()).expect("its own folder");
    let (code, text) = ended(&home, &["run"]);
    let cure = format!("is writable by all users: chmod go-w {}", state.display());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&cure), "{text}");
    fs::set_permissions(&more, open).expect("its own folder");
    let (code, text) = ended(&home, &["plugin", "list"]);
    assert_eq!(code, Some(1), "{text}");
    let cure = format!("cure: chmod go-w {}", more.display());
    assert!(text.contains("is writable by all users") && text.contains(&cure), "{text}");
    // What it makes itself is its own, whatever the shell gives others.
    fs::remove_dir_all(&state).expect("its own folder");
    home.configure("[sources.it]\nplugin = \"host\"\n");
    let daemon = home.start_with(|command| {
        let mut lax = Command::new("sh");
        lax.arg("-c").arg("umask 0 && exec \"$@\"").arg("sh");
        lax.arg(command.get_program()).args(command.get_args());
        *command = lax;
    });
    for folder in ["state", "state/plugins"] {
        let made = fs::metadata(home.path(folder)).expect("it is there").permissions().mode();
        assert_eq!(made & 0o777, 0o700, "{folder}");
    }
    assert!(daemon.stop());
}

/// A row of a table, by a condition; the column of it that is to be hurt; the bytes that it gets, a text
/// that ends too early or none; what names it.
type Place<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// A home whose store has a row of each kind that is read at the start; the ids of its alarms.
fn with_rows() -> (Home, [String; 2]) {
    let home = Home::with_plugins(&["lent", "file"]);
    let more = r#"
[sources.lines]
plugin = "lines"
interval = "1s"
path = "HOME/lines"
[evaluators.failed]
kind = "log"
inputs = ["lines"]
pattern = "failed"
critical = { at_least = 2, within = "1m" }
"#;
    let text = LEVELS.to_owned() + more;
    home.configure(&text.replace("HOME", &home.path("").display().to_string()));
    fs::write(home.path("lines"), "web fine\n").expect("its own file");
    home.write_values(&[("a", 95), ("b", 95)]);
    let daemon = home.start();
    let ids = ["id=a", "id=b"].map(|label| {
        let alarm = within(LONG, || firing(&home, label)).expect("it fires");
        text_of(&alarm["id"])
    });
    let says: [&[&str]; 3] = [
        &["alarm", "ack", &ids[0]],
        &["silence", "add", "--match", "id=z", "--reason", "r", "--for", "2h"],
        &["threshold", "set", "--evaluator", "levels", "--match", "id=z", "--critical", "above=99"],
    ];
    for arguments in says {
        let (code, text) = ended(&home, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
    }
    let read = within(LONG, || {
        let store = Connection::open(home.path("state/haetae.db")).ok()?;
        let sql = "SELECT (SELECT count(*) FROM log_cursors) > 0
            AND (SELECT count(*) FROM group_alarms) > 1 AND (SELECT count(*) FROM told) > 1";
        store.query_row(sql, [], |row| row.get::<_, bool>(0)).ok().filter(|is| *is)
    });
    assert!(read.is_some(), "a table has no row");
    assert!(daemon.stop());
    (home, ids)
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").into()
}

/// The alarm that fires and has a label.
fn firing(home: &Home, label: &str) -> Option<Value> {
    let listed = home.json(&["alarm", "list", "--match", "condition=firing", "--match", label])?;
    listed["alarms"].as_array()?.first().cloned()
}

/// The system alarm about a store that has lost something, if it fires.
fn lost(home: &Home) -> Option<Value> {
    firing(home, "problem=store-lost")
}

#[test]
fn a_row_that_cannot_be_read_at_the_start_is_an_alarm_that_names_it() {
    let (home, [a, b]) = with_rows();
    let named = [&a, &b].map(|id| format!("the alarm {id} can't be read: "));
    let [of_a, is_a, is_b] =
        [("alarm", &a), ("id", &a), ("id", &b)].map(|(column, id)| format!("{column} = '{id}'"));
    let of_group = format!("#{a} of told can't be read: ");
    let places: [Place<'_>; 10] = [
        ("handling", &of_a, "state", "7b", "a row of handling can't be read: "),
        ("silences", "ended = 0", "matchers", "7bff", "a row of silences can't be read: "),
        ("thresholds", "removed = 0", "levels", "7b", "a row of thresholds can't be read: "),
        (
            "log_cursors",
            "evaluator = 'failed'",
            "state",
            "7b",
            "a row of log_cursors can't be read: ",
        ),
        ("group_alarms", &of_a, "state", "7bff", "a row of group_alarms can't be read: "),
        ("group_alarms", &of_a, "state", "7b", &of_group),
        ("groups", "sink = 'told'", "state", "7bff", "a row of groups can't be read: "),
        ("groups", "sink = 'told'", "state", "7b7d", "of told can't be read: "),
        ("alarms", &is_a, "standing", "7bff", &named[0]),
        ("alarms", &is_b, "standing", "7b", &named[1]),
    ];
    for (table, row, column, bytes, named) in places {
        let store = Connection::open(home.path("state/haetae.db")).expect("the store");
        let sql = format!("SELECT {column} FROM {table} WHERE {row}");
        let was: String = store.query_row(&sql, [], |row| row.get(0)).expect(table);
        let set = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2 AND {row}");
        let bytes = format!("CAST(x'{bytes}' AS TEXT)");
        let hurt = set.replace("?1", &bytes).replace("?2", "?1");
        assert!(store.execute(&hurt, [&was]).expect("SQL") > 0, "{table}");
        drop(store);
        let (code, text) = ended(&home, &["db", "check"]);
        assert_eq!(code, Some(1), "{table}: {text}");
        assert!(text.contains(&format!(" of {table} can't be read: ")), "{table}: {text}");
        let daemon = home.start();
        let says = |alarm: &Value| text_of(&alarm["reason"]).contains(named);
        assert!(within(LONG, || lost(&home).filter(says)).is_some(), "{table}: {:#?}", lost(&home));
        // The first of them is told; from then on the alarm goes on.
        let told = within(LONG, || {
            let lines = home.notifications("told.jsonl");
            lines.iter().any(|line| text_of(&line["text"]).contains("can't be read")).then_some(())
        });
        assert!(told.is_some(), "{table}: {:#?}", home.notifications("told.jsonl"));
        // What the row is not about goes on, and the others of its table are listed.
        assert!(within(LONG, || firing(&home, "id=b")).is_some(), "{table}");
        let (code, text) = ended(&home, &["silence", "list"]);
        assert_eq!(code, Some(0), "{table}: {text}");
        assert!(daemon.stop());
        if table != "alarms" {
            let store = Connection::open(home.path("state/haetae.db")).expect("the store");
            store.execute(&set.replace("?2", &bytes), [was]).expect("SQL");
        }
    }
    // The others are whole again, and the alarms were set aside: their ends can't be told.
    let daemon = home.start();
    for id in [a, b] {
        let debts = home.json(&["alarm", "obligations", "--all"]).expect("a list");
        let debts = debts["obligations"].as_array().expect("a list");
        let is = |debt: &&Value| debt["alarm"] == *id && debt["state"] == "unreachable";
        assert!(debts.iter().any(|debt| is(&debt)), "{id}: {debts:#?}");
    }
    let over = within(LONG, || lost(&home).is_none().then_some(()));
    assert!(over.is_some(), "{:#?}", lost(&home));
    assert!(daemon.stop());
}

#[test]
fn a_queue_of_a_newer_haetae_is_refused_with_the_cure_and_left_alone() {
    let (home, _) = with_rows();
    let file = home.path("state/queues/lines.db");
    let queue = || Connection::open(&file).expect("the queue");
    queue().pragma_update(None, "user_version", 2).expect("SQL");
    let mut daemon = home.spawn();
    let status = within(LONG, || daemon.ended()).expect("it does not start");
    let text = daemon.log.iter().collect::<Vec<_>>().join("\n");
    assert_eq!(status.code(), Some(1), "{text}");
    let says = format!("{} is of version 2", file.display());
    assert!(text.contains(&says) && text.contains("run the haetae that wrote it"), "{text}");
    let version = queue().pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    assert_eq!(version.expect("SQL"), 2);
    queue().pragma_update(None, "user_version", 1).expect("SQL");
    assert!(home.start().stop());
}
