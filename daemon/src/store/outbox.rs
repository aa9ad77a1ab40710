//! The outbox: notifications that wait for their sink, and those that were given up.

use std::{collections::HashSet, time::Duration};

use haetae_plugin::{Alarm, Notification, Reason, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, Transaction,
    database::{Parameters, Row, parameters, plain},
    obligations::{pair, pair_rows},
    statements,
};

/// Why a row was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something is wrong, or got worse or better.
    Problem,
    /// It still is.
    Repeat,
    /// It is over: the answer to an obligation.
    Closing,
    /// Another sink gave it up.
    Forwarded,
}

/// A row that this daemon holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its name.
    pub id: String,
    /// The sink.
    pub sink: String,
    /// The worst alarm that it is about.
    pub alarm: String,
    /// Why it was written.
    pub kind: Kind,
    /// What is sent.
    pub notification: Notification,
    /// When it is given up.
    pub expires: Timestamp,
    /// Until when it is this daemon's.
    pub lease: Timestamp,
    pub(super) fence: i64,
}

/// A row that this daemon holds, by its name and by what shows that it still does.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its name.
    pub id: String,
    fence: i64,
}

/// A row as people see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Its name.
    pub id: String,
    /// The sink.
    pub sink: String,
    /// The worst alarm that it is about.
    pub alarm: String,
    /// Why it was written.
    pub kind: Kind,
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
pub struct Count {
    /// The sink.
    pub sink: String,
    /// Whether these are dead letters.
    pub dead: bool,
    /// How many.
    pub count: i64,
    /// Since when the oldest waits.
    pub oldest: Timestamp,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Repeat => "repeat",
            Self::Closing => "closing",
            Self::Forwarded => "forwarded",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Problem, Self::Repeat, Self::Closing, Self::Forwarded];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| StoreError::unreadable(format!("`{text}` is no kind of a notice")))
    }
}

impl Transaction<'_> {
    /// The sink has them; the answer is the names of those that were still this daemon's.
    pub fn delivered(&mut self, rows: &[&Claimed]) -> Result<HashSet<String>, StoreError> {
        let rows: Vec<Parameters<'_>> =
            rows.iter().map(|row| parameters![&row.id, row.fence]).collect();
        let gone = self.connection.each(statements::DELIVERED, &rows, |row| row.string(0))?;
        self.forget_names(&gone)?;
        Ok(gone.into_iter().collect())
    }

    /// They were not tried and are free again.
    pub fn put_back(&mut self, rows: &[Held]) -> Result<(), StoreError> {
        let rows: Vec<Parameters<'_>> =
            rows.iter().map(|row| parameters![&row.id, row.fence]).collect();
        self.queue(statements::PUT_BACK, &rows)
    }

    /// It is tried again at `due`; for some recipients only, if `left` names them.
    pub fn retry(
        &mut self,
        row: &Claimed,
        due: Timestamp,
        left: &Notification,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let (left, reason) = (written(left)?, plain(reason));
        let row = parameters![&row.id, row.fence, due, &left, &*reason];
        Ok(self.execute(statements::RETRY, row)? > 0)
    }

    /// It becomes a dead letter.
    pub fn bury(
        &mut self,
        row: &Claimed,
        left: &Notification,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let (left, reason) = (written(left)?, plain(reason));
        let row = parameters![&row.id, row.fence, &left, &*reason];
        Ok(self.execute(statements::BURY, row)? > 0)
    }

    /// The part for some recipients becomes a dead letter; the row goes its own way.
    pub fn bury_part(
        &mut self,
        row: &Claimed,
        part: &Notification,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, part, reason) = (self.id(now), written(part)?, plain(reason));
        self.queue(statements::BURY_PART, &[parameters![&id, &part, &*reason, &row.id]])?;
        self.name_the_same(&id, &row.sink, &row.id)
    }

    /// Another sink gets what this row held.
    pub fn forward(
        &mut self,
        row: &Claimed,
        sink: &str,
        give_up: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut notification = row.notification.clone();
        // The other sink has recipients of its own.
        notification.recipients.clear();
        let (id, text, expires) = (self.id(now), written(&notification)?, now.after(give_up));
        self.queue(statements::FORWARD, &[parameters![&id, sink, &text, now, expires, &row.id]])?;
        self.name_the_same(&id, sink, &row.id)
    }

    /// Drops ends that nobody needs to be told of, because no beginning ever arrived.
    pub fn withdraw(&mut self, sink: &str) -> Result<usize, StoreError> {
        let gone =
            self.connection.all(statements::WITHDRAW, parameters![sink], |row| row.string(0))?;
        self.forget_names(&gone)?;
        Ok(gone.len())
    }

    /// Of sinks and groups, those where something of the group waits for the sink already.
    pub fn pending(
        &mut self,
        groups: &[(&str, &str)],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let pending = self.connection.each(statements::PENDING, &pair_rows(groups), pair)?;
        Ok(pending.into_iter().collect())
    }

    /// Sinks that something waits for.
    pub fn sinks_of_outbox(&mut self) -> Result<Vec<String>, StoreError> {
        self.connection.all(statements::SINKS_OF_OUTBOX, parameters![], |row| row.string(0))
    }

    /// All that waits for a sink becomes dead letters.
    pub fn bury_all(&mut self, sink: &str, reason: &str) -> Result<u64, StoreError> {
        self.execute(statements::BURY_ALL_OF_SINK, parameters![sink, reason])
    }

    /// Tries a dead letter again. False if there is none of that name.
    pub fn redrive(&mut self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::REDRIVE, parameters![id, now])? > 0)
    }

    /// Drops a row. False if there is none of that name.
    pub fn drop_row(&mut self, id: &str) -> Result<bool, StoreError> {
        self.forget_names(&[id.to_owned()])?;
        Ok(self.execute(statements::DROP, parameters![id])? > 0)
    }
}

impl Store {
    /// When something of a sink can be claimed; `None`: nothing waits.
    pub async fn next_due(&self, sink: &str) -> Result<Option<Timestamp>, StoreError> {
        let sink = sink.to_owned();
        let due = self.read(move |connection| {
            connection.first(statements::NEXT_DUE, parameters![&sink], |row| row.integer(0))
        });
        let due = due.await?.filter(|due| *due > 0);
        Ok(due.map(Timestamp::from_millis))
    }

    /// Rows after the one named `after`, oldest first.
    pub async fn waiting(&self, after: &str, most: i64) -> Result<Vec<Waiting>, StoreError> {
        let after = after.to_owned();
        self.read(move |connection| {
            connection.all(statements::WAITING, parameters![&after, most], waiting)
        })
        .await
    }

    /// One row.
    pub async fn one_waiting(&self, id: &str) -> Result<Option<Waiting>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection.first(statements::ONE_WAITING, parameters![&id], waiting)
        })
        .await
    }

    /// Rows about an alarm, oldest first.
    pub async fn waiting_about(&self, alarm: &str, most: i64) -> Result<Vec<Waiting>, StoreError> {
        let alarm = alarm.to_owned();
        self.read(move |connection| {
            connection.all(statements::WAITING_ABOUT, parameters![&alarm, most], waiting)
        })
        .await
    }

    /// How much waits and is dead, by sink.
    pub async fn counts(&self) -> Result<Vec<Count>, StoreError> {
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

impl Claimed {
    /// What names it to its holder.
    pub fn held(&self) -> Held {
        Held { id: self.id.clone(), fence: self.fence }
    }
}

/// The text of a row.
pub(super) fn written(notification: &Notification) -> Result<String, StoreError> {
    serde_json::to_string(notification).map_err(StoreError::unreadable)
}

pub(super) fn claimed(sink: &str, row: &dyn Row, lease: Timestamp) -> Result<Claimed, StoreError> {
    let mut notification: Notification = row.json(3)?;
    notification.attempt = u32::try_from(row.integer(5)?).unwrap_or(u32::MAX);
    Ok(Claimed {
        id: row.string(0)?,
        sink: sink.to_owned(),
        alarm: row.string(1)?,
        kind: Kind::parse(row.text(2)?)?,
        notification,
        expires: row.time(4)?,
        lease,
        fence: row.integer(6)?,
    })
}

/// A row as people see it, also one of which something can't be read: people are to be able to drop
/// it, and its title says why.
fn waiting(row: &dyn Row) -> Result<Waiting, StoreError> {
    let alarm = row.string(2).unwrap_or_else(|error| error.to_string());
    let created = row.time(4).unwrap_or_default();
    let kind = row.text(3).and_then(Kind::parse).unwrap_or(Kind::Problem);
    let notification = row.json(9).unwrap_or_else(|error| {
        let unread = Alarm::firing(alarm.clone(), String::new(), Severity::Critical, created);
        let mut unread = Notification::of(unread, Reason::First, created);
        // What it is about is known beside it.
        unread.alarms.clear();
        unread.title = error.to_string();
        unread
    });
    Ok(Waiting {
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
    let read = row.text(3).and_then(Kind::parse).and_then(|_| row.json::<Notification>(9));
    read.map(drop).map_err(|error| match error {
        StoreError::Unreadable(why) => StoreError::Unreadable(format!("the notice {id}: {why}")),
        error => error,
    })
}

fn count(row: &dyn Row, dead: bool) -> Result<Count, StoreError> {
    Ok(Count { sink: row.string(0)?, dead, count: row.integer(1)?, oldest: row.time(2)? })
}
