//! Storms: ten thousand alarms in a minute are few notices and no alarm is forgotten; a sink that is
//! slower than its groups change still gets everything; one that rejects has its fallback told.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use crate::control::{Control, await_slot};
use crate::support::{Home, JUDGED, eventually, file_sink, scripted_source, within};
use serde_json::Value;

const LONG: Duration = Duration::from_mins(3);
/// Evaluators, and the alarms that each of them has in the end.
const EVALUATORS: usize = 10;
const ALARMS: usize = 1_000;
const ALL: usize = EVALUATORS * ALARMS;
/// Seconds in which all of them come.
const SECONDS: usize = 20;
const MEBIBYTES: u64 = 200;

/// A daemon with so many evaluators, and a sink that is notified of them together; of itself,
/// as of slots that a busy machine missed, it notifies another one, which is owed no end.
fn stormy(control: &Control) -> Home {
    let home = Home::with_plugins(&["scripted", "file"]);
    let lane = |lane: usize| {
        format!(
            "[evaluators.lane-{lane}]\ninputs = [\"scripted\"]\nmetric = \"scripted\"\nevery = \"1s\"\nmatch = ['lane=\"lane-{lane}\"']\nlabels = {{ plane = \"p\" }}\ncritical = {{ above = 90 }}\nsummary = \"{{{{host}}}}: {{{{value}}}}\"\n"
        )
    };
    let lanes: String = (0..EVALUATORS).map(lane).collect();
    let names: Vec<_> = (0..EVALUATORS).map(|lane| format!("lane-{lane}")).collect();
    home.configure(&format!(
        "{}{lanes}[sinks.log]\nplugin = \"file\"\ninputs = {names:?}\npath = \"{}\"\ngroup_by = [\"plane\"]\ngroup_wait = \"2s\"\ngroup_interval = \"5s\"\n[sinks.aside]\nplugin = \"file\"\ninputs = [\"system\"]\npath = \"{}\"\nresolved = false\n",
        scripted_source(control.address),
        home.path("log.jsonl").display(),
        home.path("aside.jsonl").display(),
    ));
    home
}

/// Each lane has this value in its first series.
fn say(control: &Control, count: usize, value: f64) {
    let lanes: Vec<_> = (0..EVALUATORS).map(|lane| format!("lane-{lane}")).collect();
    for _ in &lanes {
        // Their slots are spread over the second.
        let (lane, slot) = await_slot(&lanes);
        assert!(control.say(slot, &lanes[lane], 0, count, value), "nobody hears it");
    }
}

/// A number of kilobytes that the kernel has of a process, in mebibytes.
fn memory(process: u32, what: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = text.lines().find_map(|line| line.strip_prefix(what)).expect("a line");
    let number = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    number.expect("a number") / 1024
}

fn open(home: &Home) -> Value {
    home.json(&["status"]).map_or(Value::Null, |status| status["store"]["open_obligations"].clone())
}

/// Alarms for which an obligation of a sink is in this state.
fn owed(home: &Home, sink: &str, state: &str) -> BTreeSet<String> {
    let all = home.obligations(&["--all"]).expect("a list").into_iter();
    let owed = all.filter(|one| one["sink"] == sink && one["state"] == state);
    owed.map(|one| one["alarm"].as_str().expect("an id").to_owned()).collect()
}

/// Waits until a sink has so many obligations in this state.
fn owes(home: &Home, sink: &str, state: &str, count: usize) {
    let owes = eventually(LONG, || owed(home, sink, state).len() == count);
    assert!(owes, "{:#?}", home.obligations(&["--all"]));
}

#[test]
fn ten_thousand_alarms_are_few_notices_none_forgotten() {
    let control = Control::start();
    let home = stormy(&control);
    let daemon = home.start();
    control.connected();
    for second in 1..=SECONDS {
        say(&control, ALARMS * second / SECONDS, 99.0);
    }
    let notified = eventually(LONG, || {
        // What is not said any more would be no evidence.
        say(&control, ALARMS, 99.0);
        open(&home) == ALL
    });
    assert!(notified, "{} are notified: {:#?}", open(&home), daemon.lines());
    let notices = home.notifications("log.jsonl");
    assert!((1..=20).contains(&notices.len()), "{} notices", notices.len());
    let listed = home.alarms(&["--match", "plane=p"]).expect("a list");
    let firing = listed.iter().filter(|alarm| alarm["condition"] == "firing");
    let firing: BTreeSet<_> =
        firing.map(|alarm| alarm["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(firing.len(), ALL);
    let named = owed(&home, "log", "open");
    let other: Vec<_> = named.symmetric_difference(&firing).collect();
    assert!(other.is_empty(), "each alarm is named by a notice, and no other: {other:?}");
    let last = notices.last().expect("some");
    assert_eq!(last["alarms"].as_array().map(Vec::len), Some(1000), "at most that many are shown");
    assert_eq!(last["more"], ALL - 1000, "and it says how many more there are");

    let (most, now) = (memory(daemon.id(), "VmHWM:"), memory(daemon.id(), "VmRSS:"));
    println!("{} notices, {most} MiB at most, {now} MiB now", notices.len());
    assert!(most <= MEBIBYTES, "{most} MiB");
    let before = notices.len();
    let ended = eventually(LONG, || {
        say(&control, ALARMS, 1.0);
        open(&home) == 0
    });
    assert!(ended, "{} are not notified of the end", open(&home));
    let notices = home.notifications("log.jsonl");
    assert!(notices.len() - before <= 20, "{} notices", notices.len());
    assert_eq!(owed(&home, "log", "closed").len(), ALL);
    let most = memory(daemon.id(), "VmHWM:");
    println!("{most} MiB at most with the ends");
    assert!(most <= MEBIBYTES, "{most} MiB with the ends");
    assert!(daemon.stop(), "it ends well");
}

/// Values that the test writes, judged; these sinks are notified of all of them together.
fn judged(sinks: &str) -> Home {
    let home = Home::with_plugins(&["lent", "faulty", "file"]);
    let aside = file_sink("aside", &["system"]);
    home.configure(&format!("{JUDGED}{sinks}{aside}"));
    home.write_values(&[("a", 1)]);
    home
}

#[test]
fn a_sink_slower_than_its_groups_gets_everything() {
    let home = judged(
        r#"
[sinks.slow]
plugin = "faulty"
fault = "sleep_deliver"
seconds = 3
deadline = "20s"
inputs = ["levels"]
group_wait = "0s"
group_interval = "1s"
"#,
    );
    let daemon = home.start();
    let names = ["a", "b", "c", "d", "e"];
    for count in 1..=names.len() {
        let values: Vec<_> = names.iter().take(count).map(|name| (*name, 95)).collect();
        home.write_values(&values);
        // A change each interval, while one delivery takes three of them.
        thread::park_timeout(Duration::from_millis(1500));
    }
    owes(&home, "slow", "open", names.len());
    home.write_values(&names.map(|name| (name, 1)));
    owes(&home, "slow", "closed", names.len());
    assert_eq!(home.outbox(&[]).expect("a list"), Vec::<Value>::new(), "nothing waits");
    drop(daemon);
}

#[test]
fn a_rejected_group_notice_goes_to_its_fallback() {
    let home = judged(
        r#"
[sinks.post]
plugin = "faulty"
fault = "reject"
inputs = ["levels"]
group_wait = "2s"
group_interval = "1s"
fallback = "log"
[sinks.log]
plugin = "file"
inputs = []
path = "HOME/log.jsonl"
"#,
    );
    let daemon = home.start();
    home.write_values(&[("a", 95), ("b", 95)]);
    let first = within(LONG, || home.notifications("log.jsonl").into_iter().next());
    let first = first.expect("the fallback is told");
    assert_eq!(first["title"], "[CRITICAL] levels: 2 alarms");
    let dead = home.outbox(&["--dead"]).expect("a list");
    assert_eq!(dead.len(), 1, "{dead:#?}");
    let system = within(LONG, || {
        let lines = home.notifications("aside.jsonl");
        lines.into_iter().find(|line| line["alarms"][0]["labels"]["problem"] == "dead-letters")
    });
    assert!(system.is_some(), "a system alarm");
    assert_eq!(owed(&home, "log", "open").len(), 2, "the fallback owes both ends");

    home.write_values(&[("a", 1), ("b", 1)]);
    owes(&home, "log", "closed", 2);
    let notified = home.notifications("log.jsonl");
    let titles: BTreeSet<_> =
        notified.iter().skip(1).map(|line| line["title"].to_string()).collect();
    let wanted = ["a", "b"].map(|id| format!("\"[RESOLVED] {id} is at 1\""));
    assert_eq!(titles, BTreeSet::from(wanted));
    let dead = home.outbox(&["--dead"]).expect("a list");
    assert_eq!(dead.len(), 1, "ends it never heard of: {dead:#?}");
    assert!(daemon.stop(), "it ends well");
}
