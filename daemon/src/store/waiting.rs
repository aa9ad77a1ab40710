//! Waiting: what people see of the outbox, and how much of it there is.

use haetae_plugin::{Alarm, Notification, Reason, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    NoticeKind, Store, StoreError,
    database::{Row, parameters},
    statements,
};

/// A row as people see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its name.
    pub id: String,
    /// The sink.
    pub sink: String,
    /// The worst alarm that it is about.
    pub alarm: String,
    /// Why it was written.
    pub kind: NoticeKind,
    /// When it was written.
    pub created: Timestamp,
    /// When it is tried next.
    pub due: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// Whether it was given up or rejected.
    pub dead: bool,
    /// Why it is still here.
    pub reason: String,
    /// What is sent.
    pub notification: Notification,
}

/// How much of one sink waits, or is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkBacklog {
    /// The sink.
    pub sink: String,
    /// Whether these are dead letters.
    pub dead: bool,
    /// How many.
    pub count: i64,
    /// Since when the oldest waits.
    pub oldest: Timestamp,
}

impl Store {
    /// Rows after the one named `after`, oldest first.
    pub async fn waiting(&self, after: &str, most: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let after = after.to_owned();
        self.read(move |connection| {
            connection.all(statements::WAITING, parameters![&after, most], waiting)
        })
        .await
    }

    /// One row.
    pub async fn one_waiting(&self, id: &str) -> Result<Option<OutboxRow>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection.first(statements::ONE_WAITING, parameters![&id], waiting)
        })
        .await
    }

    /// Rows about an alarm, oldest first.
    pub async fn waiting_about(
        &self,
        alarm: &str,
        most: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let alarm = alarm.to_owned();
        self.read(move |connection| {
            connection.all(statements::WAITING_ABOUT, parameters![&alarm, most], waiting)
        })
        .await
    }

    /// How much waits and is dead, by sink.
    pub async fn counts(&self) -> Result<Vec<SinkBacklog>, StoreError> {
        self.read(|connection| {
            let mut counts = connection
                .all(statements::COUNT_WAITING, parameters![], |row| count(row, false))?;
            let dead = |row: &dyn Row| count(row, true);
            counts.extend(connection.all(statements::COUNT_DEAD, parameters![], dead)?);
            counts.sort_by(|a, b| (&a.sink, a.dead).cmp(&(&b.sink, b.dead)));
            Ok(counts)
        })
        .await
    }
}

/// A row as people see it, also one of which something can't be read: people are to be able to drop
/// it, and its title says why.
fn waiting(row: &dyn Row) -> Result<OutboxRow, StoreError> {
    let alarm = row.string(2).unwrap_or_else(|error| error.to_string());
    let created = row.time(4).unwrap_or_default();
    let kind = row.text(3).and_then(NoticeKind::parse).unwrap_or(NoticeKind::Problem);
    let notification = row.json(9).unwrap_or_else(|error| {
        let unread = Alarm::firing(alarm.clone(), String::new(), Severity::Critical, created);
        let mut unread = Notification::of(unread, Reason::First, created);
        // What it is about is known beside it.
        unread.alarms.clear();
        unread.title = error.to_string();
        unread
    });
    Ok(OutboxRow {
        id: row.string(0)?,
        sink: row.string(1)?,
        alarm,
        kind,
        created,
        due: row.time(5).unwrap_or(created),
        attempts: row.integer(6).unwrap_or_default(),
        dead: row.integer(7)? != 0,
        reason: row.string(8).unwrap_or_default(),
        notification,
    })
}

/// What a check of the whole store asks of each row.
pub(super) fn readable(row: &dyn Row) -> Result<(), StoreError> {
    let id = row.string(0)?;
    let read = row.text(3).and_then(NoticeKind::parse).and_then(|_| row.json::<Notification>(9));
    read.map(drop).map_err(|error| match error {
        StoreError::Unreadable(why) => StoreError::Unreadable(format!("the notice {id}: {why}")),
        error => error,
    })
}

fn count(row: &dyn Row, dead: bool) -> Result<SinkBacklog, StoreError> {
    Ok(SinkBacklog { sink: row.string(0)?, dead, count: row.integer(1)?, oldest: row.time(2)? })
}
