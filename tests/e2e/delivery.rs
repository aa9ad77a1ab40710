//! Delivery end to end: dead letters and what people do with them, giving up, repeats, a sink that is
//! down beside others, care of the store while the daemon runs.

use std::{fs, process::Command, time::Duration};

use crate::servers::{postgres::Postgres, smtp_sink::SmtpSink};
use crate::support::{Home, JUDGED, eventually, file_sink, mail_sink, sink, within};
use regex::Regex;
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

/// A home in which nothing is wrong yet; HOME in these sinks is its path.
fn home(sinks: &[String]) -> Home {
    home_on("", sinks)
}

/// The same, with further keys of `[daemon]`.
fn home_on(daemon: &str, sinks: &[String]) -> Home {
    let home = Home::with_plugins(&["lent", "faulty", "file", "email"]);
    home.configure_daemon(daemon, &format!("{JUDGED}{}", sinks.concat()));
    home.write_values(&[("a", 1)]);
    home
}

/// The notifications of a file, those about `a` alone.
fn notified(home: &Home, file: &str) -> Vec<Value> {
    home.notifications(file).into_iter().filter(|line| line["labels"]["id"] == "a").collect()
}

fn reasons(home: &Home, file: &str) -> Vec<String> {
    notified(home, file)
        .iter()
        .map(|line| line["reason"].as_str().expect("a reason").into())
        .collect()
}

/// Waits until the reasons of a file's notifications are these.
fn reasons_become(home: &Home, file: &str, wanted: &[&str]) {
    let same = eventually(LONG, || reasons(home, file) == wanted);
    assert!(same, "{file}: {:?}, not {wanted:?}", reasons(home, file));
}

/// What a verb says, without what differs between runs.
fn said(home: &Home, arguments: &[&str]) -> String {
    let output = home.output(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    plain(&String::from_utf8_lossy(&output.stdout))
}

fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, word) in [
        (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ROW"),
        (r"\b[0-9a-f]{12}-\d+", "ALARM"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", "TIME"),
        (r"/\d{19}\b", "/TIME"),
        (r" +\n", "\n"),
        (r" {2,}", "  "),
    ] {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, word).into_owned();
    }
    text
}

/// The system alarm about the dead letters of `post`, if it is there.
fn dead_letters(home: &Home) -> Option<Value> {
    home.system_alarm("post", "dead-letters")
}

/// Waits until that system alarm is over.
fn dead_letters_end(home: &Home) {
    let over = eventually(LONG, || dead_letters(home).is_none());
    assert!(over, "{:#?}", dead_letters(home));
}

fn dead_rows(home: &Home) -> Vec<Value> {
    home.outbox(&["--dead"]).expect("a list")
}

#[test]
fn rejected_notices_fall_back_are_redriven_or_dropped() {
    let home = home(&[
        sink(
            "post",
            "faulty",
            &["levels"],
            "fault = 'reject'\ncured_by = 'HOME/cure'\nfallback = 'log'",
        ),
        file_sink("log", &["system"]),
    ]);
    let daemon = home.start();
    assert_eq!(said(&home, &["outbox", "list", "--dead"]), "no dead letters\n");
    home.write_values(&[("a", 95)]);
    reasons_become(&home, "log.jsonl", &["first"]);
    let alarm = within(LONG, || dead_letters(&home)).expect("a system alarm");
    assert_eq!(alarm["condition"], "firing");
    let system = within(LONG, || {
        let lines = home.notifications("log.jsonl");
        lines.into_iter().find(|line| line["labels"]["problem"] == "dead-letters")
    });
    assert!(system.is_some(), "and it is told");

    assert_eq!(
        said(&home, &["outbox", "list", "--dead"]),
        "ID  SINK  STATE  TRIES  SINCE  NEXT TRY  WHAT  WHY\nROW  post  dead  1  TIME  [CRITICAL] a is at 95  rejected: fault = \"reject\"\n"
    );
    let row = dead_rows(&home)[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        said(&home, &["outbox", "show", &row]),
        r#"ROW  [CRITICAL] a is at 95
  sink  post
  alarm  ALARM
  state  dead
  tries  1
  since  TIME
  why  rejected: fault = "reject"
  key  ALARM/first/TIME

a is at 95
value: 95
since: TIME
labels: id=a
alarm: ALARM
"#
    );
    let unknown = home.output(&["outbox", "show", "01K9Z3Q4M8XJ0T5C2R7V6W1Y0B"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", String::from_utf8_lossy(&unknown.stderr));

    // Tried again while it still rejects it is dead again; cured, it takes it.
    assert_eq!(said(&home, &["outbox", "redrive", &row]), "1 tried again\n");
    let id = notified(&home, "log.jsonl")[0]["alarms"][0]["id"].as_str().expect("an id").to_owned();
    let history = home.json(&["alarm", "show", &id]).expect("it is known")["history"].clone();
    let acts = history.as_array().expect("a history").iter();
    let mut redriven = acts.filter(|entry| entry["act"] == "redriven");
    let actor = redriven.next().expect("it is in the journal")["actor"].clone();
    let user = Command::new("id").arg("-un").output().expect("coreutils").stdout;
    assert_eq!(actor, String::from_utf8_lossy(&user).trim(), "who asked");
    let again = within(LONG, || dead_rows(&home).pop().filter(|row| row["attempts"] == 1));
    assert!(again.is_some(), "{:#?}", dead_rows(&home));
    fs::write(home.path("cure"), "").expect("the cure");
    assert_eq!(said(&home, &["outbox", "redrive", "--all", "--sink", "post"]), "1 tried again\n");
    let taken = within(LONG, || {
        home.obligations(&[])?.into_iter().find(|obligation| obligation["sink"] == "post")
    });
    assert_eq!(taken.expect("it was notified, so it is owed the end")["state"], "open");
    dead_letters_end(&home);

    fs::remove_file(home.path("cure")).expect("the cure");
    home.write_values(&[("a", 95), ("b", 95)]);
    within(LONG, || dead_letters(&home)).expect("a system alarm, again");
    assert_eq!(said(&home, &["outbox", "drop", "--all", "--sink", "post"]), "1 dropped\n");
    assert_eq!(said(&home, &["outbox", "list", "--dead"]), "no dead letters\n");
    dead_letters_end(&home);

    // The fallback told of the beginning, so it tells of the end.
    fs::write(home.path("cure"), "").expect("the cure");
    home.write_values(&[("a", 1), ("b", 1)]);
    let ended = eventually(LONG, || reasons(&home, "log.jsonl").contains(&"resolved".into()));
    assert!(ended, "{:#?}", reasons(&home, "log.jsonl"));
    let none = eventually(LONG, || said(&home, &["alarm", "obligations"]) == "no obligations\n");
    assert!(none, "{}", said(&home, &["alarm", "obligations", "--all"]));
    assert!(daemon.stop(), "it ends well");
}

/// Makes the text of a row unreadable, while it waits for `post`; its name.
fn rot(home: &Home, which: &str) -> String {
    let store = rusqlite::Connection::open(home.path("state/haetae.db")).expect("the store");
    store.busy_timeout(LONG).expect("a timeout");
    // What is being delivered is in memory, and is written back.
    let sql = format!(
        "UPDATE outbox SET payload = '{{' WHERE sink = 'post' AND lease = 0 AND {which} RETURNING id"
    );
    let rotten = within(LONG, || store.query_row(&sql, [], |row| row.get(0)).ok());
    rotten.expect("a row that waits")
}

/// Waits until a row that can't be read is notified by its name, sees that it is listed, and drops it.
fn is_named(home: &Home, row: &str) {
    let named = format!("the notice {row} can't be read: ");
    let says = |text: &Value| text.as_str().is_some_and(|text| text.contains(&named));
    let alarm = within(LONG, || dead_letters(home).filter(|alarm| says(&alarm["reason"])));
    assert!(alarm.is_some(), "{named}: {:#?}", dead_letters(home));
    let notified =
        eventually(LONG, || home.notifications("log.jsonl").iter().any(|line| says(&line["text"])));
    assert!(notified, "{:#?}", home.notifications("log.jsonl"));
    let dead = dead_rows(home);
    assert_eq!((dead.len(), dead[0]["id"].as_str()), (1, Some(row)));
    let why = dead[0]["reason"].as_str().expect("why");
    assert!(why.starts_with("it can't be read: "), "{why}");
    let checked = home.output(&["db", "check"]);
    let says = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success() && says.contains(row), "{says}");
    let history = said(home, &["alarm", "show", dead[0]["alarm"].as_str().expect("an alarm")]);
    assert!(history.contains("post: it can't be read: "), "{history}");
    assert_eq!(said(home, &["outbox", "drop", row]), "1 dropped\n");
    dead_letters_end(home);
}

#[test]
fn an_unreadable_row_is_named_others_are_notified() {
    let home = home(&[
        sink("post", "faulty", &["levels"], "fault = 'error'\ncured_by = 'HOME/cure'"),
        file_sink("log", &["system"]),
    ]);
    let daemon = home.start();
    // More than are claimed at once at first.
    let names: Vec<_> = ('a'..='p').map(String::from).collect();
    home.write_values(&names.iter().map(|name| (&**name, 95)).collect::<Vec<_>>());
    is_named(&home, &rot(&home, "payload LIKE '%a is at 95%'"));
    assert!(daemon.stop(), "it ends well");
    let row = rot(&home, "payload LIKE '%b is at 95%'");
    let daemon = home.start();
    is_named(&home, &row);
    assert!(daemon.stop(), "it ends well");
    // One that is claimed while what became of those before it is recorded.
    let row = rot(&home, "id = (SELECT max(id) FROM outbox WHERE sink = 'post')");
    fs::write(home.path("cure"), "").expect("the cure");
    let daemon = home.start();
    is_named(&home, &row);
    let owed = || {
        let open = home.obligations(&[])?.into_iter();
        Some(open.filter(|obligation| obligation["sink"] == "post").count())
    };
    let all = within(LONG, || owed().filter(|owed| *owed == names.len() - 3));
    assert!(all.is_some(), "the sink was notified of what can be read: {:?}", owed());
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_notice_tried_long_enough_is_given_up() {
    let home = home(&[
        sink("post", "faulty", &["levels"], "fault = 'error'\ngive_up = '2s'\nfallback = 'log'"),
        file_sink("log", &["system"]),
    ]);
    let daemon = home.start();
    home.write_values(&[("a", 95)]);
    reasons_become(&home, "log.jsonl", &["first"]);
    let dead = dead_rows(&home);
    let [row] = &dead[..] else { panic!("not one dead letter: {dead:#?}") };
    assert_eq!(row["reason"], "given up after 2s: fault = \"error\"");
    assert!(row["attempts"].as_i64() > Some(1), "{row:#}");
    assert!(within(LONG, || dead_letters(&home)).is_some(), "a system alarm");
    // Its beginning never arrived there: nobody waits for its end.
    home.write_values(&[("a", 1)]);
    reasons_become(&home, "log.jsonl", &["first", "resolved"]);
    assert_eq!(dead_rows(&home).len(), 1, "{:#?}", dead_rows(&home));
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_long_retry_after_gives_up_in_time() {
    let home = home(&[
        sink(
            "patient",
            "faulty",
            &["levels"],
            "fault = 'retry_after'\ngive_up = '3s'\nfallback = 'spare'",
        ),
        r#"
[sinks.spare]
plugin = "file"
inputs = []
path = "HOME/spare"
"#
        .into(),
        file_sink("aside", &["system"]),
    ]);
    let daemon = home.start();
    home.write_values(&[("a", 95)]);
    reasons_become(&home, "spare", &["first"]);
    let rows = dead_rows(&home);
    let [row] = &rows[..] else { panic!("one dead letter: {rows:#?}") };
    let reason = row["reason"].as_str().expect("a reason");
    assert!(
        reason.starts_with("given up after 3s: nothing is sent to the sink until "),
        "{reason}"
    );
    let until: jiff::Timestamp =
        reason.split(' ').next_back().expect("a time").parse().expect("one");
    let minutes = until.duration_since(jiff::Timestamp::now()).as_mins();
    assert!((50..=60).contains(&minutes), "an hour is waited at most: {reason}");
    let shown = home.instance("patient").expect("it is there");
    assert_eq!(shown["state"], "failing");
    // What begins in the pause is not tried, and given up as well.
    home.write_values(&[("a", 95), ("b", 95)]);
    let both = || home.notifications("spare").len() >= 2;
    assert!(eventually(LONG, both), "{:#?}", daemon.lines());
    assert_eq!(home.instance("patient").expect("it is there")["counts"]["calls"], 1);
    assert!(daemon.stop());
}

#[test]
fn an_unreadable_row_is_given_up_while_paused() {
    let home = home(&[
        sink("post", "faulty", &["levels"], "fault = 'retry_after'\ngive_up = '5s'"),
        file_sink("log", &["system"]),
    ]);
    let daemon = home.start();
    home.write_values(&[("a", 95)]);
    home.instance_when("post", |shown| shown["state"] == "failing");
    is_named(&home, &rot(&home, "dead = 0"));
    let calls = home.instance("post").expect("it is there")["counts"]["calls"].clone();
    assert_eq!(calls, 1, "nothing else was tried in the pause");
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_firing_alarm_repeats_until_it_ends() {
    let home = home(&[sink(
        "log",
        "file",
        &["levels"],
        "path = 'HOME/log.jsonl'\nrepeat = '2s'\nlanguage = 'ko'",
    )]);
    let daemon = home.start();
    home.write_values(&[("a", 95)]);
    let some = eventually(LONG, || notified(&home, "log.jsonl").len() >= 3);
    assert!(some, "{:#?}", notified(&home, "log.jsonl"));
    home.write_values(&[("a", 1)]);
    let ended = eventually(LONG, || reasons(&home, "log.jsonl").contains(&"resolved".into()));
    assert!(ended, "{:#?}", notified(&home, "log.jsonl"));
    let lines = notified(&home, "log.jsonl");
    let middle = lines.len() - 2;
    let mut wanted = vec!["repeat"; middle];
    wanted.insert(0, "first");
    wanted.push("resolved");
    assert_eq!(reasons(&home, "log.jsonl"), wanted);
    let mut keys: Vec<_> = lines.iter().map(|line| &line["idempotency_key"]).collect();
    keys.dedup();
    assert_eq!(keys.len(), lines.len(), "each is another notification");
    assert!(lines.iter().all(|line| line["alarms"][0]["id"] == lines[0]["alarms"][0]["id"]));
    assert_eq!(lines[1]["title"], "[심각 지속] a is at 95");
    // When it was decided; it is written a little later, now more, now less.
    let at = |line: &Value| {
        let key = line["idempotency_key"].as_str().expect("a text");
        key.rsplit('/').next().and_then(|at| at.parse::<i64>().ok()).expect("nanoseconds")
    };
    for pair in lines[..=middle].windows(2) {
        assert!(at(&pair[1]) - at(&pair[0]) >= 2_000_000_000, "not before its time: {pair:#?}");
    }
    let obligations = home.obligations(&["--all"]).expect("a list");
    assert_eq!(obligations[0]["repeats"].as_u64(), Some(middle as u64));
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_down_or_hung_sink_delays_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = SmtpSink::start(folder.path(), &[]);
    let port = server.port();
    server.kill();
    let home = home(&[
        mail_sink(port, &["levels"]),
        sink("hung", "faulty", &["levels"], "fault = 'sleep_deliver'\ndeadline = '20s'"),
        file_sink("log", &["levels"]),
        file_sink("aside", &["system"]),
    ]);
    let daemon = home.start();
    home.write_values(&[("a", 95)]);
    // Before the deadline of the one that hangs: then its notification is still on its way.
    reasons_become(&home, "log.jsonl", &["first"]);
    home.write_values(&[("a", 1)]);
    reasons_become(&home, "log.jsonl", &["first", "resolved"]);
    let rows = home.outbox(&[]).expect("a list");
    for sink in ["mail", "hung"] {
        let waits = rows.iter().filter(|row| row["sink"] == sink && row["dead"] == false).count();
        assert_eq!(waits, 2, "{sink}: {rows:#?}");
    }
    let waiting = || said(&home, &["outbox", "list", "--sink", "mail"]);
    let refused = eventually(LONG, || waiting().contains("Connection refused"));
    assert!(refused, "{}", waiting());
    let server = SmtpSink::start_at(port, folder.path(), &[]);
    let arrived = within(LONG, || Some(server.accepted()).filter(|mails| mails.len() == 2));
    assert!(arrived.is_some(), "{}", said(&home, &["outbox", "list"]));
    drop(daemon);
}

#[test]
fn the_store_is_checked_and_copied_while_running() {
    let sinks = &[file_sink("log", &["levels"]), file_sink("aside", &["system"])];
    let old = home(sinks);
    let daemon = old.start();
    old.write_values(&[("a", 95)]);
    reasons_become(&old, "log.jsonl", &["first"]);
    let owed = within(LONG, || {
        old.obligations(&[])?.into_iter().next().filter(|first| first["state"] == "open")
    });
    let owed = owed.expect("an obligation");
    let checked = said(&old, &["db", "check"]);
    assert!(checked.contains("haetae.db: whole\n  alarms  1 rows\n"), "{checked}");
    let copy = old.path("copy.db");
    let name = copy.display().to_string();
    let backed = said(&old, &["db", "backup", &name]);
    assert!(backed.contains(&format!("bytes in {name}\n")), "{backed}");
    let twice = old.output(&["db", "backup", &name]);
    assert!(!twice.status.success());
    assert!(String::from_utf8_lossy(&twice.stderr).contains("exists: give a file that does not"));
    let alarms = old.alarms(&[]).expect("a list");
    assert!(daemon.stop(), "it ends well");

    let new = home(sinks);
    fs::create_dir(new.path("state")).expect("its state");
    fs::copy(copy, new.path("state/haetae.db")).expect("the store");
    // What it knows is of the copy alone: its source says nothing.
    fs::remove_file(new.path("values")).expect("the values");
    let daemon = new.start();
    let listed = new.alarms(&[]).expect("a list");
    let id = |alarms: &[Value]| {
        let levels = alarms.iter().filter(|alarm| alarm["evaluator"] == "levels");
        levels.map(|alarm| alarm["id"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!((id(&listed), id(&listed).len()), (id(&alarms), 1));
    let open = new.obligations(&[]).expect("a list").into_iter();
    let of_log: Vec<_> = open.filter(|obligation| obligation["sink"] == "log").collect();
    assert_eq!(of_log, [owed]);
    new.write_values(&[("a", 1)]);
    reasons_become(&new, "log.jsonl", &["resolved"]);
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_gone_database_delays_notices_and_loses_none() {
    let mut server = Postgres::start();
    let store = format!("store = {{ url = \"{}\" }}", server.database("haetae"));
    let home = home_on(&store, &[file_sink("log", &["levels"]), file_sink("aside", &["system"])]);
    let mut daemon = home.start();
    home.write_values(&[("a", 95)]);
    reasons_become(&home, "log.jsonl", &["first"]);
    server.stop();
    home.write_values(&[("a", 1), ("b", 95)]);
    let failing = within(LONG, || {
        let status = home.json(&["status"])?;
        status["store"]["failing"].as_str().map(str::to_owned)
    });
    assert!(failing.is_some(), "{:#?}", home.json(&["status"]));
    // `status` may say so before anything was to be written.
    let kept =
        eventually(LONG, || daemon.lines().iter().any(|line| line.contains("kept in memory")));
    assert!(kept, "{:#?}", daemon.lines());
    assert!(daemon.is_running(), "{:#?}", daemon.lines());
    assert_eq!(reasons(&home, "log.jsonl"), ["first"], "what is not durable did not happen");
    server.start_again();
    let all = eventually(LONG, || {
        let mut all: Vec<String> = home
            .notifications("log.jsonl")
            .iter()
            .map(|line| format!("{} {}", line["labels"]["id"], line["reason"]))
            .collect();
        all.sort();
        all.dedup();
        all == ["\"a\" \"first\"", "\"a\" \"resolved\"", "\"b\" \"first\""]
    });
    assert!(all, "{:#?} {:#?}", home.notifications("log.jsonl"), daemon.lines());
    let notified = eventually(LONG, || {
        let system = home.notifications("aside.jsonl");
        let of_store = system.iter().filter(|line| line["labels"]["problem"] == "store-failing");
        let reasons: Vec<_> = of_store.map(|line| line["reason"].clone()).collect();
        reasons == ["first", "resolved"]
    });
    assert!(notified, "{:#?}", home.notifications("aside.jsonl"));
    assert!(home.json(&["status"]).expect("it answers")["store"]["failing"].is_null());
    assert!(daemon.stop(), "it ends well");
}
