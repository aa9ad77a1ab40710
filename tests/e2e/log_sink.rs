//! Logs on their way to a sink: cut like samples, chosen by `match`, within their limits.
#![expect(clippy::expect_used, clippy::panic, reason = "a test")]

use std::{fs, time::Duration};

use crate::support::{Home, within};

const LONG: Duration = Duration::from_mins(1);

const PIPELINE: &str = r#"
[sources.lines]
plugin = "lines"
interval = "1s"
path = "HOME/lines"
labels = { plane = "paas" }

[sinks.picky]
plugin = "lines"
inputs = ["lines"]
match = ['host="web"', 'plane="paas"']
path = "HOME/taken"
"#;

fn home(lines: &[String]) -> Home {
    let home = Home::with_plugins(&["lent"]);
    fs::write(home.path("lines"), lines.join("\n") + "\n").expect("its own file");
    home.configure(PIPELINE);
    home
}

/// What the sink took, once that is so many records.
fn taken(home: &Home, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(home.path("taken")).unwrap_or_default();
    let lines = within(LONG, || Some(read()).filter(|text| text.lines().count() >= count));
    let lines = lines.unwrap_or_else(|| panic!("it took only {}", read()));
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn of_a_batch_of_logs_what_is_tried_again_is_delivered_and_nothing_twice() {
    let lines = ["web one", "web later two", "db three", "web four", "web later five", "web six"];
    let home = home(&lines.map(str::to_owned));
    let daemon = home.start();
    let taken = taken(&home, 5);
    let texts: Vec<_> = taken.iter().filter_map(|line| line.split_once(" web ")).collect();
    let texts: Vec<_> = texts.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "four", "six", "later two", "later five"]);
    // What is done is not in the queue any more.
    let empty = within(LONG, || {
        let status = home.json(&["status"])?;
        let queue = status["queues"].as_array()?.first()?.clone();
        (queue["bytes"] == 0 || queue["batches"] == 0).then_some(())
    });
    assert!(empty.is_some(), "{:#?}", home.json(&["status"]));
    assert!(daemon.stop(), "it ends well");
    assert_eq!(fs::read_to_string(home.path("taken")).expect("taken").lines().count(), 5);
}

#[test]
fn a_line_over_the_limit_is_cut_marked_and_counted() {
    let home = home(&["web short".into(), format!("web {}", "x".repeat(100_000))]);
    let daemon = home.start();
    let taken = taken(&home, 2);
    assert_eq!(taken[0], "flags=0 size=9 web short");
    assert!(taken[1].starts_with("flags=1 size=65536 web xxx"), "{}", taken[1]);
    let found = home.instance_when("lines", |found| found["counts"]["cut"] == 1);
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    let wanted = "cut 1 log records over a limit, the first: \
                  its line has 100004 bytes, over max_record = 65536";
    assert_eq!(cause, wanted);
    assert!(daemon.stop(), "it ends well");
}
