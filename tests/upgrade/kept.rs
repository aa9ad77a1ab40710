//! All that an earlier version knew is there, word for word.

use std::collections::BTreeMap;

use haetae::{
    engine::Standing,
    store::{Debt, Standings, Store, pages},
};
use haetae_plugin::{Notification, Timestamp};
use serde_json::Value;

use super::{
    OWNER,
    earlier::{Earlier, number, text},
};

/// Reads columns; there must be some, so that what is compared says something.
fn some(earlier: &Earlier<'_>, columns: &str, rest: &str) -> Vec<Vec<Value>> {
    let rows = earlier.rows(columns, rest);
    assert!(!rows.is_empty(), "the earlier store has no {rest}");
    rows
}

/// What the tables of the earlier version say.
struct Before {
    /// Id, fingerprint, occurrence, condition, standing.
    alarms: Vec<Vec<Value>>,
    /// In the order in which the store answers.
    groups: Vec<Vec<Value>>,
    /// Sink, alarm, state, opened, repeats, ended, reason, owes.
    told: Vec<Vec<Value>>,
    roots: Vec<Vec<Value>>,
    outbox: Vec<Vec<Value>>,
    /// What of the outbox its own answers do not show.
    claims: Vec<Vec<Value>>,
    names: Vec<Vec<Value>>,
    handling: Vec<Vec<Value>>,
    silences: Vec<Vec<Value>>,
    thresholds: Vec<Vec<Value>>,
    threshold_changes: Vec<Vec<Value>>,
    journal: Vec<Vec<Value>>,
    cursors: Vec<Vec<Value>>,
    changes: Vec<Vec<Value>>,
}

const OUTBOX: &str = "id, sink, alarm, kind, created, due, attempts, dead, reason, payload";
const CLAIMS: &str = "id, thread, expires, lease, fence, owner";
const NAMES: &str = "notice, sink, alarm, ends";
const SILENCES: &str = "id, matchers, span, author, reason, created, until, ended, version";
const THRESHOLDS: &str =
    "id, evaluator, matchers, levels, author, reason, created, updated, version, removed";
const CHANGES: &str = "id, threshold, at, actor, act, before, after";
const JOURNAL: &str = "alarm, at, actor, act, detail, before, after";
const CURSORS: &str = "evaluator, source, queue, position, state";

impl Before {
    fn of(earlier: &Earlier<'_>) -> Self {
        let some = |columns, rest| some(earlier, columns, rest);
        Self {
            alarms: some("id, fingerprint, occurrence, condition, standing", "alarms ORDER BY id"),
            groups: some("sink, key, state", "groups"),
            told: some("sink, alarm, state, opened, repeats, ended, reason, owes", "told"),
            roots: some("alarm, sink, root", "told WHERE state = 'open' ORDER BY alarm, sink"),
            outbox: some(OUTBOX, "outbox ORDER BY id"),
            claims: some(CLAIMS, "outbox ORDER BY id"),
            names: some(NAMES, "notice_alarms ORDER BY notice, alarm"),
            handling: some("alarm, state, note, version, updated", "handling"),
            silences: some(SILENCES, "silences ORDER BY id"),
            thresholds: some(THRESHOLDS, "thresholds ORDER BY id"),
            threshold_changes: some(CHANGES, "thresholds_history ORDER BY id"),
            journal: some(JOURNAL, "journal ORDER BY id"),
            cursors: some(CURSORS, "log_cursors"),
            changes: some("version, description", "_sqlx_migrations ORDER BY version"),
        }
    }

    fn has_ended(&self, alarm: &str) -> bool {
        self.alarms.iter().any(|row| row[0] == alarm && row[3] == "ended")
    }
}

/// Opens it, looks at all of it, and opens it once more.
pub async fn is_all_there(earlier: &Earlier<'_>) {
    let before = Before::of(earlier);
    assert_eq!(before.changes.len(), 7, "it is not of 99beac7");
    for round in ["the first time", "once more"] {
        let store = Store::open(earlier.location.clone(), OWNER).await.unwrap();
        let place = format!("{} {round}", earlier.location);
        alarms(&store, &before, &place).await;
        occurrences(&store, &before, &place).await;
        who_was_told(&store, &before, &place).await;
        notices(&store, &before, &place).await;
        people(&store, &before, &place).await;
        store.close().await;
        tables(earlier, &before, &place);
    }
}

/// Standings are compared as the engine reads them.
async fn alarms(store: &Store, before: &Before, place: &str) {
    let (read, mut pages) = pages();
    let take = async {
        let mut live = Vec::new();
        while let Some(page) = pages.next().await {
            let Standings { standings, unreadable } = Standings::of(&page);
            assert!(unreadable.is_empty(), "{unreadable:?} on {place}");
            live.extend(standings);
        }
        live
    };
    let (live, read) = tokio::join!(take, store.standings(read));
    read.unwrap();
    let standing = |row: &Vec<Value>| serde_json::from_str::<Standing>(text(&row[4])).unwrap();
    let (ended, expected): (Vec<_>, Vec<_>) =
        before.alarms.iter().partition(|row| row[3] == "ended");
    assert!(!ended.is_empty() && !expected.is_empty(), "{ended:?} {expected:?}");
    assert_eq!(live, expected.into_iter().map(standing).collect::<Vec<_>>(), "{place}");
    for row in ended {
        let found = store.alarm(text(&row[0])).await.unwrap();
        assert_eq!(found, Some(standing(row)), "{place}");
    }
    let groups = store.groups().await.unwrap();
    let mut expected = before.groups.clone();
    expected.sort_by(|a, b| (text(&a[0]), text(&a[1])).cmp(&(text(&b[0]), text(&b[1]))));
    let row = |group: &haetae::engine::notify::StoredGroup| {
        vec![group.sink.clone().into(), group.key.clone().into(), group.state.clone().into()]
    };
    assert_eq!(groups.iter().map(row).collect::<Vec<Vec<Value>>>(), expected, "{place}");
}

async fn occurrences(store: &Store, before: &Before, place: &str) {
    let past = store.past().await.unwrap();
    let mut last = BTreeMap::new();
    for row in before.alarms.iter().filter(|row| row[3] == "ended") {
        let known = last.entry(text(&row[1]).to_owned()).or_insert(0);
        *known = number(&row[2]).max(*known);
    }
    let found = past.occurrences.iter().map(|(of, number)| (of.clone(), i64::from(*number)));
    assert_eq!((found.collect::<BTreeMap<_, _>>(), past.floor), (last, 0), "{place}");
    let cursor = |one: &haetae::engine::log::LogCursor| {
        let names = [&one.evaluator, &one.source, &one.queue].map(|name| name.clone().into());
        [names.to_vec(), vec![one.position.into()]].concat()
    };
    let found: Vec<Vec<Value>> = past.cursors.iter().map(cursor).collect();
    let expected = before.cursors.iter().map(|row| row[..4].to_vec());
    assert_eq!(found, expected.collect::<Vec<_>>(), "{place}");
}

/// Obligations, those that are over among them.
async fn who_was_told(store: &Store, before: &Before, place: &str) {
    let row = |debt: &Debt| -> Vec<Value> {
        let Debt { sink, alarm, state, opened, repeats, ended, reason } = debt.clone();
        let state = serde_json::to_value(state).unwrap();
        let ended = ended.map_or(0, Timestamp::millis);
        vec![
            sink.into(),
            alarm.into(),
            state,
            opened.millis().into(),
            repeats.into(),
            ended.into(),
            reason.into(),
        ]
    };
    let mut expected: Vec<_> = before.told.iter().map(|row| row[..7].to_vec()).collect();
    for state in ["open", "closed", "unreachable"] {
        assert!(expected.iter().any(|row| row[2] == state), "none is {state}");
    }
    let owes_end = |row: &&Vec<Value>| row[2] == "open" && before.has_ended(text(&row[1]));
    assert!(expected.iter().any(|row| owes_end(&row)), "none is owed the end of what has ended");
    let debts = store.obligations(true, 10_000).await.unwrap();
    let mut found: Vec<_> = debts.iter().map(row).collect();
    let order = |row: &Vec<Value>| [&row[0], &row[1]].map(|name| text(name).to_owned());
    expected.sort_by_key(order);
    found.sort_by_key(order);
    assert_eq!(found, expected, "{place}");
    for alarm in &before.alarms {
        let alarm = text(&alarm[0]);
        let found: Vec<_> = store.obligations_of(alarm).await.unwrap().iter().map(row).collect();
        let expected = expected.iter().filter(|row| row[1] == alarm).cloned();
        assert_eq!(found, expected.collect::<Vec<_>>(), "{place}");
    }
}

async fn notices(store: &Store, before: &Before, place: &str) {
    let found = store.waiting("", 10_000).await.unwrap();
    assert_eq!(found.len(), before.outbox.len(), "{place}");
    for (row, expected) in found.iter().zip(&before.outbox) {
        let texts = [&row.id, &row.sink, &row.alarm, &row.reason];
        assert_eq!(texts.map(String::as_str), [0, 1, 2, 8].map(|at| text(&expected[at])));
        let numbers = [row.created.millis(), row.due.millis(), row.attempts, row.dead.into()];
        assert_eq!(numbers, [4, 5, 6, 7].map(|at| number(&expected[at])), "{} {place}", row.id);
        assert_eq!(serde_json::to_value(row.kind).unwrap(), expected[3], "{} {place}", row.id);
        let payload: Notification = serde_json::from_str(text(&expected[9])).unwrap();
        assert_eq!(row.notification, payload, "{} {place}", row.id);
    }
    let is = |kind: &str, dead| {
        before.outbox.iter().any(|row| row[3] == kind && number(&row[7]) == dead)
    };
    assert!(is("problem", 0) && is("closing", 0) && is("forwarded", 0) && is("problem", 1));
}

/// Handling, silences, thresholds, and who did what.
async fn people(store: &Store, before: &Before, place: &str) {
    for row in &before.handling {
        let found = store.handling(text(&row[0])).await.unwrap();
        let state: Value = serde_json::from_str(text(&row[1])).unwrap();
        assert_eq!(serde_json::to_value(&found.handling).unwrap(), state, "{place}");
        assert_eq!((found.note.as_str(), found.version), (text(&row[2]), number(&row[3])));
        assert_eq!(found.updated.millis(), number(&row[4]), "{place}");
    }
    let mut silences = store.silences(100).await.unwrap();
    silences.reverse();
    for (found, row) in silences.iter().zip(&before.silences) {
        let json = |at: usize| serde_json::from_str::<Value>(text(&row[at])).unwrap();
        assert_eq!(serde_json::to_value(&found.matchers).unwrap(), json(1), "{place}");
        assert_eq!(serde_json::to_value(&found.span).unwrap(), json(2), "{place}");
        let ended = found.ended.map_or(0, Timestamp::millis);
        assert_eq!((found.id.as_str(), ended), (text(&row[0]), number(&row[7])), "{place}");
    }
    assert_eq!(silences.len(), before.silences.len(), "{place}");
    let thresholds = store.thresholds().await.unwrap();
    assert_eq!(thresholds.len(), before.thresholds.len(), "{place}");
    for (found, row) in thresholds.iter().zip(&before.thresholds) {
        let texts = [&found.id, &found.evaluator, &found.matchers, &found.levels];
        assert_eq!(texts.map(String::as_str), [0, 1, 2, 3].map(|at| text(&row[at])), "{place}");
        assert_eq!(found.version, number(&row[8]), "{place}");
        let changes = store.threshold_history(&found.id, 100).await.unwrap();
        assert_eq!(changes.len(), before.threshold_changes.len(), "{place}");
    }
    let mut journal = BTreeMap::<_, Vec<Vec<Value>>>::new();
    for row in &before.journal {
        journal.entry(text(&row[0])).or_default().push(row[1..].to_vec());
    }
    for (about, expected) in journal {
        let found = store.history(about, 10_000).await.unwrap();
        let row = |entry: &haetae::store::JournalEntry| {
            let texts = [&entry.actor, &entry.act, &entry.detail, &entry.before, &entry.after];
            let texts = texts.map(|text| Value::from(text.clone()));
            [vec![entry.at.millis().into()], texts.to_vec()].concat()
        };
        let found: Vec<Vec<Value>> = found.iter().map(row).collect();
        assert_eq!(found, expected, "{about} on {place}");
    }
}

/// What the store has no question for.
fn tables(earlier: &Earlier<'_>, before: &Before, place: &str) {
    let now = |columns, rest| earlier.rows(columns, rest);
    let roots = "told WHERE state = 'open' ORDER BY alarm, sink";
    assert_eq!(now("alarm, sink, root", roots), before.roots, "{place}");
    assert_eq!(now(CLAIMS, "outbox ORDER BY id"), before.claims, "{place}");
    assert_eq!(now(NAMES, "notice_alarms ORDER BY notice, alarm"), before.names, "{place}");
    assert_eq!(now(SILENCES, "silences ORDER BY id"), before.silences, "{place}");
    assert_eq!(now(THRESHOLDS, "thresholds ORDER BY id"), before.thresholds, "{place}");
    let changes = now(CHANGES, "thresholds_history ORDER BY id");
    assert_eq!(changes, before.threshold_changes, "{place}");
    assert_eq!(now(CURSORS, "log_cursors"), before.cursors, "{place}");
    let changes = now("version, description", "_sqlx_migrations ORDER BY version");
    assert_eq!(changes[..7], before.changes, "{place}");
    assert_eq!(number(&changes[7][0]), 8, "an earlier version sees that it is newer: {place}");
}
