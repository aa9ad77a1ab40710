//! The daemon goes on where one of an earlier version was killed: nobody is told twice, everybody
//! who knows of a beginning is told of the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::earlier::{Earlier, text};
use crate::support::{Daemon, Home, nanos, within};

const CONFIGURATION: &str = include_str!("../store/earlier/haetae.toml");
/// What the source said when the daemon was killed.
const VALUES: &str = include_str!("../store/earlier/values");
const SINKS: [&str; 6] = ["told", "grouped", "away", "lossy", "spare", "desk"];
const LONG: Duration = Duration::from_mins(2);

/// Sinks with alarms.
type Pairs = BTreeSet<(String, String)>;

/// What the earlier daemon left to be done.
struct Left {
    /// Notices that wait: id, sink, and the key by which a sink knows one.
    waiting: Vec<(String, String, String)>,
    /// Beginnings among them.
    begins: Pairs,
    /// Ends among them.
    ends: Pairs,
    /// Who was told of a beginning and not of the end, with the key of what began it.
    owed: BTreeMap<(String, String), String>,
    /// Of alarms of values, the label `id`.
    ids: BTreeMap<String, String>,
    /// Alarms about the sinks that were away.
    trouble: Vec<String>,
    /// Dead letters.
    dead: Vec<String>,
}

impl Left {
    fn by(earlier: &Earlier<'_>) -> Self {
        let pair = |row: &Vec<Value>| (text(&row[0]).to_owned(), text(&row[1]).to_owned());
        let names = "notice_alarms n JOIN outbox o ON o.id = n.notice WHERE o.dead = 0 AND n.ends";
        let pairs = |rest: &str| earlier.rows("n.sink, n.alarm", rest).iter().map(pair).collect();
        let waiting = earlier.rows("id, sink, payload", "outbox WHERE dead = 0 ORDER BY id");
        let waiting = waiting.iter().map(|row| {
            let payload: Value = serde_json::from_str(text(&row[2])).unwrap();
            let (id, sink) = pair(row);
            (id, sink, text(&payload["idempotency_key"]).to_owned())
        });
        let owed = earlier.rows("sink, alarm, root", "told WHERE state = 'open'");
        let (mut ids, mut trouble) = (BTreeMap::new(), Vec::new());
        for row in earlier.rows("id, standing", "alarms") {
            let standing: Value = serde_json::from_str(text(&row[1])).unwrap();
            let (alarm, labels) = (text(&row[0]).to_owned(), &standing["labels"]);
            match (labels["id"].as_str(), labels["instance"].as_str()) {
                (Some(id), _) => drop(ids.insert(alarm, id.to_owned())),
                (_, Some("told" | "away")) => trouble.push(alarm),
                _ => {}
            }
        }
        assert_eq!(trouble.len(), 2, "{trouble:?}");
        Self {
            waiting: waiting.collect(),
            begins: pairs(&format!("{names} = 0")),
            ends: pairs(&format!("{names} = 1")),
            owed: owed.iter().map(|row| (pair(row), text(&row[2]).to_owned())).collect(),
            ids,
            trouble,
            dead: earlier
                .rows("id, sink", "outbox WHERE dead = 1 ORDER BY id")
                .iter()
                .map(|row| text(&row[0]).to_owned())
                .collect(),
        }
    }

    /// Alarms of this label `id`, the last occurrence last.
    fn alarm(&self, id: &str) -> &str {
        self.ids.iter().rfind(|(_, of)| *of == id).unwrap().0
    }

    /// Alarms of values; what a log says goes on by itself.
    fn is_of_a_value(&self, alarm: &str) -> bool {
        self.ids.contains_key(alarm)
    }
}

/// A daemon of today on the store, with the configuration of then, and sinks that take everything.
pub fn home(earlier: &Earlier<'_>, home: Home) -> Home {
    for sink in SINKS {
        fs::create_dir_all(home.path(sink)).unwrap();
    }
    let keys = format!("zone = \"Asia/Seoul\"\n{}", earlier.key());
    home.configure_daemon(&keys, CONFIGURATION);
    home
}

/// The values of then, each as `change` has it.
fn say(home: &Home, change: impl Fn(&str, u32) -> u32) {
    let values = VALUES.lines().skip(1).map(|line| line.split_once(' ').unwrap());
    let values = values.map(|(id, value)| (id, change(id, value.parse().unwrap())));
    home.write_values(&values.collect::<Vec<_>>());
}

/// Waits until values that were written now have been judged.
fn judged(home: &Home, daemon: &Daemon) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let time = i64::try_from(now.as_nanos()).unwrap() + 2_000_000_000;
    let done = within(LONG, || {
        let status = home.json(&["status"])?;
        let levels = status["evaluators"].as_array()?.iter().find(|one| one["name"] == "levels")?;
        (nanos(&levels["judged_slot"])? >= time).then_some(())
    });
    assert!(done.is_some(), "{:#?} {:#?}", home.json(&["status"]), daemon.lines());
}

/// What a sink was told by the daemon of today.
fn told(home: &Home, sink: &str) -> Vec<Value> {
    home.notifications(&format!("{sink}/notifications"))
}

/// The alarms of a notification with this status.
fn about(notification: &Value, status: &str) -> Vec<String> {
    let alarms = notification["alarms"].as_array().unwrap().iter();
    let alarms = alarms.filter(|alarm| alarm["status"] == status);
    alarms.map(|alarm| text(&alarm["id"]).to_owned()).collect()
}

pub fn nobody_is_told_twice_and_everybody_of_the_end(earlier: &Earlier<'_>, home: &Home) {
    let left = Left::by(earlier);
    assert!(left.waiting.len() > 10 && left.owed.len() > 10 && left.ends.len() > 3);
    say(home, |_, value| value);
    let daemon = home.start();
    judged(home, &daemon);
    let waits = |id: &str| {
        let rows = home.json(&["outbox", "list"])?;
        let rows = rows["notifications"].as_array()?.iter();
        Some(rows.filter(|row| row["id"] == id).count() > 0)
    };
    for (id, sink, _) in &left.waiting {
        let gone = within(LONG, || waits(id).filter(|waits| !waits));
        assert!(gone.is_some(), "{id} still waits for {sink}: {:#?}", daemon.lines());
    }
    what_people_did_stands(home, &left);

    // All of them end, and b begins once more.
    say(home, |_, _| 10);
    let settled = within(LONG, || {
        let debts = home.json(&["alarm", "obligations"])?;
        let mut debts = debts["obligations"].as_array()?.iter();
        let open = |debt: &Value| {
            let alarm = text(&debt["alarm"]);
            let ends = left.is_of_a_value(alarm) || left.trouble.iter().any(|one| one == alarm);
            debt["state"] == "open" && ends
        };
        (!debts.any(open)).then_some(())
    });
    assert!(settled.is_some(), "{:#?}", home.json(&["alarm", "obligations"]));
    say(home, |id, _| if id == "b" { 95 } else { 10 });
    let third = left.alarm("b").replace("-2", "-3");
    let again = within(LONG, || {
        told(home, "told").iter().any(|one| about(one, "firing").contains(&third)).then_some(())
    });
    assert!(again.is_some(), "{third} is not told: {:#?}", daemon.lines());

    each_notice_arrived_once(home, &left);
    each_end_answers_its_beginning(home, &left);
    nothing_else_was_told(home, &left, &third);
    let letters = home.json(&["outbox", "list", "--dead"]).unwrap();
    let letters = letters["notifications"].as_array().unwrap().iter();
    let letters: Vec<_> = letters.map(|row| text(&row["id"]).to_owned()).collect();
    assert_eq!(letters, left.dead, "dead letters stay until somebody looks at them");
    assert!(daemon.stop(), "it ends well");
    let checked = home.output(&["db", "check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Acknowledged, silenced, with other numbers: as it was said to the earlier daemon.
fn what_people_did_stands(home: &Home, left: &Left) {
    let shown = home.json(&["alarm", "show", left.alarm("d")]).unwrap();
    let handling = &shown["handling"];
    assert_eq!(
        (&handling["state"], &handling["note"]),
        (&"acknowledged".into(), &"the disk is ordered".into())
    );
    let listed = home.json(&["alarm", "list"]).unwrap();
    let of = |id: &str| {
        let alarms = listed["alarms"].as_array().unwrap();
        alarms.iter().find(|alarm| alarm["id"] == left.alarm(id)).cloned().unwrap()
    };
    // By the evaluator's own numbers it would be critical.
    assert_eq!(
        (&of("g")["condition"], &of("g")["severity"]),
        (&"firing".into(), &"warning".into())
    );
    assert_eq!(of("f")["severity"], "critical", "it is silenced, not gone");
    let silences = home.json(&["silence", "list"]).unwrap();
    assert_eq!(silences["silences"].as_array().unwrap().len(), 1, "{silences:#}");
}

fn each_notice_arrived_once(home: &Home, left: &Left) {
    let mut arrived = BTreeMap::<_, usize>::new();
    for sink in SINKS {
        for one in told(home, sink) {
            let key = (sink.to_owned(), text(&one["idempotency_key"]).to_owned());
            *arrived.entry(key).or_default() += 1;
        }
    }
    for (id, sink, key) in &left.waiting {
        let count = arrived.get(&(sink.clone(), key.clone()));
        assert_eq!(count, Some(&1), "{id} arrived at {sink} so often");
    }
    let twice: Vec<_> = arrived.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "told twice: {twice:?}");
}

/// Whoever was told of a beginning, then or now, is told of its end once.
fn each_end_answers_its_beginning(home: &Home, left: &Left) {
    let known = left.owed.keys().chain(&left.begins);
    let known: Pairs = known.filter(|(_, alarm)| left.is_of_a_value(alarm)).cloned().collect();
    assert!(known.len() > 15, "{known:?}");
    for (sink, alarm) in &known {
        let all = told(home, sink);
        let ends: Vec<_> =
            all.iter().filter(|one| about(one, "resolved").contains(alarm)).collect();
        assert_eq!(ends.len(), 1, "{sink} is told so often that {alarm} has ended: {ends:#?}");
        if let Some(root) = left.owed.get(&(sink.clone(), alarm.clone())) {
            assert_eq!(&ends[0]["answers"], root, "{sink} {alarm}");
        }
    }
    // The trouble of sinks that were away is over, and who heard of it is told so.
    for alarm in &left.trouble {
        let over = told(home, "desk");
        let over = over.iter().filter(|one| about(one, "resolved").contains(alarm)).count();
        assert_eq!(over, 1, "desk is told so often that {alarm} is over");
    }
}

/// Of what was told before there is nothing but the end.
fn nothing_else_was_told(home: &Home, left: &Left, third: &str) {
    for sink in ["told", "away", "grouped", "lossy", "spare"] {
        for one in told(home, sink) {
            for alarm in about(&one, "firing") {
                let waited = left.begins.contains(&(sink.to_owned(), alarm.clone()));
                let is_new = alarm == third || !left.is_of_a_value(&alarm);
                assert!(waited || is_new, "{sink} is told of {alarm} again: {one:#}");
                let known = left.owed.contains_key(&(sink.to_owned(), alarm.clone()));
                assert!(!known || waited, "{sink} is told of {alarm} again: {one:#}");
            }
        }
    }
    let silenced = left.alarm("f");
    for sink in SINKS {
        let of = |one: &Value| [about(one, "firing"), about(one, "resolved")].concat();
        let heard = told(home, sink).iter().any(|one| of(one).iter().any(|id| id == silenced));
        assert!(!heard, "{sink} is told of {silenced}, which is silenced");
    }
    assert!(told(home, "lossy").is_empty(), "its end was given up, and is the other one's");
    assert_eq!(told(home, "spare").len(), 1);
}
