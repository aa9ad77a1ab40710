//! What a daemon kept of log evaluators, as its store has it.

use std::{collections::BTreeMap, path::Path};

use haetae_plugin::Timestamp;
use rusqlite::Connection;
use serde_json::Value;

/// What the store holds.
#[derive(Debug)]
pub struct Kept {
    /// The time of the first line that was judged.
    pub begun: Timestamp,
    /// Up to when all was judged.
    pub until: Timestamp,
    /// Matches that were counted, by evaluator.
    pub matches: BTreeMap<String, u64>,
    /// Alarms that fire or have ended, in order.
    pub alarms: Vec<Alarm>,
    /// What the journal says of each: how often it fired and ended.
    pub journal: BTreeMap<String, (usize, usize)>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    pub evaluator: String,
    pub labels: Vec<(String, String)>,
    pub since: i64,
    pub ended: Option<i64>,
    /// The matches of one that counts.
    pub matches: Option<u64>,
    pub id: String,
}

impl Kept {
    /// Reads a store that nobody writes.
    pub fn read(path: &Path) -> Self {
        let store = Connection::open(path).expect("the store");
        let cursors = texts(&store, "SELECT evaluator, state FROM log_cursors");
        let states: Vec<(String, Value)> =
            cursors.into_iter().map(|(of, text)| (of, json(&text))).collect();
        assert_eq!(states.len(), 3, "a cursor for each evaluator");
        let time =
            |state: &Value, key: &str| Timestamp::from_nanos(state[key].as_i64().expect("a time"));
        let first = &states[0].1;
        let (begun, until) = (time(first, "begun"), time(first, "vouched"));
        for (of, state) in &states {
            assert_eq!((time(state, "begun"), time(state, "vouched")), (begun, until), "{of}");
        }
        let matches = states
            .iter()
            .map(|(of, state)| (of.clone(), state["matches"].as_u64().expect("a number")));
        let matches = matches.collect();
        let all = "SELECT id, standing FROM alarms
            UNION ALL SELECT id, standing FROM ended_alarms";
        let standings = texts(&store, all).into_iter().map(|(_, text)| json(&text));
        let others = standings.filter(|standing| standing["alarm"]["evaluator"] != "system");
        let mut alarms: Vec<_> = others.filter_map(|standing| alarm(&standing)).collect();
        alarms.sort();
        let mut journal = BTreeMap::<String, (usize, usize)>::new();
        for (alarm, detail) in texts(&store, "SELECT alarm, detail FROM journal") {
            let counts = journal.entry(alarm).or_default();
            counts.0 += usize::from(detail.starts_with("fired"));
            counts.1 += usize::from(detail.starts_with("resolved"));
        }
        Self { begun, until, matches, alarms, journal }
    }
}

/// Whether the queue holds batches that the store does not know of.
pub fn is_behind(store: &Path, queue: &Path) -> bool {
    let number = |path: &Path, sql: &str| {
        let database = Connection::open(path).expect("a database");
        database
            .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
            .expect("a number")
            .unwrap_or(0)
    };
    number(queue, "SELECT max(sequence) FROM batches")
        > number(store, "SELECT min(position) FROM log_cursors")
}

/// Makes the store forget that it has had the last batches.
pub fn set_back(store: &Path, batches: i64) {
    let store = Connection::open(store).expect("the store");
    for (of, text) in texts(&store, "SELECT evaluator, state FROM log_cursors") {
        let mut state = json(&text);
        state["vouched"] = Value::Null;
        let sql =
            "UPDATE log_cursors SET position = position - ?1, state = ?2 WHERE evaluator = ?3";
        let done = store.execute(sql, rusqlite::params![batches, state.to_string(), of]);
        assert_eq!(done.expect("done"), 1);
    }
}

fn texts(store: &Connection, sql: &str) -> Vec<(String, String)> {
    let mut statement = store.prepare(sql).expect("it is SQL");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// One that fires or has ended.
fn alarm(standing: &Value) -> Option<Alarm> {
    let alarm = &standing["alarm"];
    let ended = alarm["ended"].as_i64();
    if alarm["condition"] == "ok" && ended.is_none() {
        return None;
    }
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let labels = alarm["labels"].as_object().expect("labels").iter();
    let excerpts = alarm["excerpts"].as_array().map_or(0, Vec::len);
    assert!((1..=3).contains(&excerpts), "its lines travel with it: {alarm:#}");
    Some(Alarm {
        evaluator: text(&alarm["evaluator"]),
        labels: labels.map(|(name, value)| (name.clone(), text(value))).collect(),
        since: alarm["since"].as_i64().expect("a time"),
        ended,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few")]
        matches: alarm["value"].as_f64().map(|value| value as u64),
        id: text(&alarm["id"]),
    })
}
