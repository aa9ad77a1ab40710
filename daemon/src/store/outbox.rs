//! The outbox: notices that wait for their sink, the alarms that they are about, and those that were
//! given up.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use haetae_plugin::{Alarm, Notification, Status, Timestamp};
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
pub enum NoticeKind {
    /// Something is wrong, or got worse or better.
    Problem,
    /// It still is.
    Repeat,
    /// It is over: the answer to an obligation.
    Closing,
    /// Another sink gave it up.
    Forwarded,
}

/// A row to write.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The sink.
    pub sink: &'a str,
    /// The alarms that it is about, the worst first; at least one.
    pub alarms: Vec<About>,
    /// Why.
    pub kind: NoticeKind,
    /// What is sent, word for word.
    pub notification: Notification,
    /// For how long it is tried.
    pub give_up: Duration,
    /// Until when it is this daemon's, from the beginning; none: whoever claims it.
    pub lease: Option<Timestamp>,
}

/// What began the telling of the alarms of rows: by row, idempotency keys with numbers of alarms.
pub type Roots = HashMap<String, Vec<(String, i64)>>;

/// What a notice says of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The alarm.
    pub alarm: String,
    /// That it is over; else, that it fires.
    pub ends: bool,
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
    pub kind: NoticeKind,
    /// What is sent.
    pub notification: Notification,
    /// When it is given up.
    pub expires: Timestamp,
    /// Until when it is this daemon's.
    pub lease: Timestamp,
    fence: i64,
}

/// A row that this daemon holds, by its name and by what shows that it still does.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its name.
    pub id: String,
    fence: i64,
}

impl NoticeKind {
    const fn as_str(self) -> &'static str {
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

impl Notice<'_> {
    /// The alarm that stands for all.
    fn worst(&self) -> &str {
        self.alarms.first().map_or("", |about| &about.alarm)
    }

    /// The row as its holder has it, if it was written for this daemon.
    fn claimed(self, id: String, expires: Timestamp) -> Option<Claimed> {
        let lease = self.lease?;
        let (sink, alarm) = (self.sink.to_owned(), self.worst().to_owned());
        let Self { kind, mut notification, .. } = self;
        notification.attempt = 1;
        Some(Claimed { id, sink, alarm, kind, notification, expires, lease, fence: 1 })
    }
}

impl Transaction<'_> {
    /// Writes rows that are due now; the answer is those that were written for this daemon, as their
    /// holder has them.
    pub fn enqueue(
        &mut self,
        notices: Vec<Notice<'_>>,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut held = Vec::new();
        for notice in notices {
            let id = self.id(now);
            let payload = written(&notice.notification)?;
            let expires = now.after(notice.give_up);
            let lease = notice.lease.map_or(0, Timestamp::millis);
            let owner = if notice.lease.is_some() { self.owner() } else { "" };
            let (key, kind) = (notice.notification.key.as_str(), notice.kind.as_str());
            let mut row = parameters![&id, notice.sink, key, notice.worst(), kind, &payload, now];
            row.extend(parameters![expires, notice.lease.is_some(), lease, owner]);
            self.queue(statements::ENQUEUE, &[row])?;
            for About { alarm, ends } in &notice.alarms {
                let row = parameters![&id, notice.sink, alarm, *ends];
                self.queue(statements::NAME_ALARM, &[row])?;
            }
            held.extend(notice.claimed(id, expires));
        }
        Ok(held)
    }

    /// The alarms that a row is about: its text has them all, but for very many.
    pub fn alarms_of(
        &mut self,
        id: &str,
        notification: &Notification,
    ) -> Result<Vec<About>, StoreError> {
        if notification.more == 0 && !notification.alarms.is_empty() {
            let about = |alarm: &Alarm| About {
                alarm: alarm.id.clone(),
                ends: alarm.status == Status::Resolved,
            };
            return Ok(notification.alarms.iter().map(about).collect());
        }
        self.alarms_named(id)
    }

    /// The alarms that a row is about, as they stand beside its text.
    pub(super) fn alarms_named(&mut self, id: &str) -> Result<Vec<About>, StoreError> {
        self.connection.all(statements::ALARMS_OF_NOTICE, parameters![id], |row| {
            Ok(About { alarm: row.string(0)?, ends: row.integer(1)? != 0 })
        })
    }

    /// A new row is about what another one is about.
    fn name_the_same(&mut self, id: &str, sink: &str, other: &str) -> Result<(), StoreError> {
        self.queue(statements::NAME_THE_SAME, &[parameters![id, sink, other]])
    }

    /// Rows are gone, and what they were about with them.
    pub(super) fn forget_names(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let rows: Vec<Parameters<'_>> = ids.iter().map(|id| parameters![id]).collect();
        self.queue(statements::FORGET_NAMES, &rows)
    }

    /// What began the telling of the alarms that rows are about, to the sink of each: by row, the
    /// idempotency keys, with how many of its alarms; the empty one of those that it is told first.
    pub fn roots<'a>(
        &mut self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Roots, StoreError> {
        let rows: Vec<Parameters<'_>> = ids.into_iter().map(|id| parameters![id]).collect();
        let mut roots = Roots::new();
        self.connection.query(statements::ROOTS, &rows, &mut |row| {
            let root = (row.string(1)?, row.integer(2)?);
            roots.entry(row.string(0)?).or_default().push(root);
            Ok(())
        })?;
        Ok(roots)
    }

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
}

impl Claimed {
    /// What names it to its holder.
    pub fn held(&self) -> Held {
        Held { id: self.id.clone(), fence: self.fence }
    }
}

/// The text of a row.
fn written(notification: &Notification) -> Result<String, StoreError> {
    serde_json::to_string(notification).map_err(StoreError::unreadable)
}

pub(super) fn claimed(sink: &str, row: &dyn Row, lease: Timestamp) -> Result<Claimed, StoreError> {
    let mut notification: Notification = row.json(3)?;
    notification.attempt = u32::try_from(row.integer(5)?).unwrap_or(u32::MAX);
    Ok(Claimed {
        id: row.string(0)?,
        sink: sink.to_owned(),
        alarm: row.string(1)?,
        kind: NoticeKind::parse(row.text(2)?)?,
        notification,
        expires: row.time(4)?,
        lease,
        fence: row.integer(6)?,
    })
}
