//! The outbox: notifications that wait for their sink, and those that were given up.

use std::{collections::HashSet, time::Duration};

use haetae_plugin::{Notification, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, any::AnyRow, query};

use super::{
    Store, StoreError, Transaction, millis,
    notice::written,
    obligations::{Pair, pair},
    rows::{Bound, Row, plain},
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

    fn parse(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Problem, Self::Repeat, Self::Closing, Self::Forwarded];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| StoreError::unreadable(format!("`{text}` is no kind of a notice")))
    }
}

impl Row for &Claimed {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query.bind(self.id.as_str()).bind(self.fence)
    }
}

impl Transaction<'_> {
    /// Takes up to `most` rows of a sink that are due, the first of each thread, until `lease`.
    pub async fn claim(
        &mut self,
        sink: &str,
        now: Timestamp,
        lease: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let query = query(statements::CLAIM)
            .bind(millis(lease))
            .bind(self.owner().to_owned())
            .bind(sink)
            .bind(millis(now))
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.fetch(query).await?;
        let mut claimed: Vec<_> =
            rows.iter().map(|row| claimed(sink, row, lease)).collect::<Result<_, _>>()?;
        claimed.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(claimed)
    }

    /// The sink has them; the answer is the names of those that were still this daemon's.
    pub async fn delivered(&mut self, rows: &[&Claimed]) -> Result<HashSet<String>, StoreError> {
        let gone = self.each(statements::DELIVERED, &(), rows).await?;
        let gone = names(&gone)?;
        self.forget_names(&gone).await?;
        Ok(gone.into_iter().collect())
    }

    /// They were not tried and are free again.
    pub async fn put_back(&mut self, rows: &[Claimed]) -> Result<(), StoreError> {
        let rows: Vec<_> = rows.iter().collect();
        self.each(statements::PUT_BACK, &(), &rows).await.map(drop)
    }

    /// It is tried again at `due`; for some recipients only, if `left` names them.
    pub async fn retry(
        &mut self,
        row: &Claimed,
        due: Timestamp,
        left: &Notification,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let query = query(statements::RETRY)
            .bind(&row.id)
            .bind(row.fence)
            .bind(millis(due))
            .bind(written(left)?)
            .bind(plain(reason));
        Ok(self.execute(query).await? > 0)
    }

    /// It becomes a dead letter.
    pub async fn bury(
        &mut self,
        row: &Claimed,
        left: &Notification,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let query = query(statements::BURY)
            .bind(&row.id)
            .bind(row.fence)
            .bind(written(left)?)
            .bind(plain(reason));
        Ok(self.execute(query).await? > 0)
    }

    /// The part for some recipients becomes a dead letter; the row goes its own way.
    pub async fn bury_part(
        &mut self,
        row: &Claimed,
        part: &Notification,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = self.id(now);
        let query = query(statements::BURY_PART)
            .bind(&id)
            .bind(written(part)?)
            .bind(plain(reason))
            .bind(&row.id);
        self.execute(query).await?;
        self.name_the_same(&id, &row.sink, &row.id).await
    }

    /// Another sink gets what this row held.
    pub async fn forward(
        &mut self,
        row: &Claimed,
        sink: &str,
        give_up: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut notification = row.notification.clone();
        // The other sink has recipients of its own.
        notification.recipients.clear();
        let id = self.id(now);
        let query = query(statements::FORWARD)
            .bind(&id)
            .bind(sink)
            .bind(written(&notification)?)
            .bind(millis(now))
            .bind(millis(now.after(give_up)))
            .bind(&row.id);
        self.execute(query).await?;
        self.name_the_same(&id, sink, &row.id).await
    }

    /// Drops ends that nobody needs to be told of, because no beginning ever arrived.
    pub async fn withdraw(&mut self, sink: &str) -> Result<usize, StoreError> {
        let gone = names(&self.fetch(query(statements::WITHDRAW).bind(sink)).await?)?;
        self.forget_names(&gone).await?;
        Ok(gone.len())
    }

    /// Of sinks and groups, those where something of the group waits for the sink already.
    pub async fn pending(
        &mut self,
        groups: &[(&str, &str)],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let groups: Vec<_> = groups.iter().map(|(sink, group)| Pair(sink, group)).collect();
        self.each(statements::PENDING, &(), &groups).await?.iter().map(pair).collect()
    }

    /// What an earlier run of this daemon held is free, and all that waits is due.
    pub async fn release(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let owner = self.owner().to_owned();
        let query = query(statements::RELEASE).bind(millis(now)).bind(owner);
        self.execute(query).await.map(drop)
    }

    /// Sinks that something waits for.
    pub async fn sinks_of_outbox(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.fetch(query(statements::SINKS_OF_OUTBOX)).await?;
        rows.iter().map(|row| row.try_get(0).map_err(StoreError::unreadable)).collect()
    }

    /// All that waits for a sink becomes dead letters.
    pub async fn bury_all(&mut self, sink: &str, reason: &str) -> Result<u64, StoreError> {
        self.execute(query(statements::BURY_ALL_OF_SINK).bind(sink).bind(reason)).await
    }

    /// Tries a dead letter again. False if there is none of that name.
    pub async fn redrive(&mut self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let query = query(statements::REDRIVE).bind(id).bind(millis(now));
        Ok(self.execute(query).await? > 0)
    }

    /// Drops a row. False if there is none of that name.
    pub async fn drop_row(&mut self, id: &str) -> Result<bool, StoreError> {
        self.forget_names(&[id.to_owned()]).await?;
        Ok(self.execute(query(statements::DROP).bind(id)).await? > 0)
    }
}

impl Store {
    /// When something of a sink can be claimed; `None`: nothing waits.
    pub async fn next_due(&self, sink: &str) -> Result<Option<Timestamp>, StoreError> {
        let query = query(statements::NEXT_DUE).bind(sink);
        let row = query.fetch_one(&self.readers).await.map_err(|error| self.failed(&error))?;
        let due: i64 = row.try_get(0).map_err(StoreError::unreadable)?;
        Ok((due > 0).then(|| Timestamp::from_millis(due)))
    }

    /// Rows after the one named `after`, oldest first.
    pub async fn waiting(&self, after: &str, most: i64) -> Result<Vec<Waiting>, StoreError> {
        let query = query(statements::WAITING).bind(after).bind(most);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(waiting).collect()
    }

    /// One row.
    pub async fn one_waiting(&self, id: &str) -> Result<Option<Waiting>, StoreError> {
        let query = query(statements::ONE_WAITING).bind(id);
        let row = query.fetch_optional(&self.readers).await.map_err(|error| self.failed(&error))?;
        row.as_ref().map(waiting).transpose()
    }

    /// Rows about an alarm, oldest first.
    pub async fn waiting_about(&self, alarm: &str, most: i64) -> Result<Vec<Waiting>, StoreError> {
        let query = query(statements::WAITING_ABOUT).bind(alarm).bind(most);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(waiting).collect()
    }

    /// How much waits and is dead, by sink.
    pub async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let rows = query(statements::COUNT_WAITING).fetch_all(&self.readers).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| count(row).map_err(StoreError::unreadable)).collect()
    }
}

fn names(rows: &[AnyRow]) -> Result<Vec<String>, StoreError> {
    rows.iter().map(|row| row.try_get(0).map_err(StoreError::unreadable)).collect()
}

fn claimed(sink: &str, row: &AnyRow, lease: Timestamp) -> Result<Claimed, StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        let (id, alarm, kind): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (payload, expires): (String, i64) = (row.try_get(3)?, row.try_get(4)?);
        let (attempts, fence): (i64, i64) = (row.try_get(5)?, row.try_get(6)?);
        Ok((id, alarm, kind, payload, expires, attempts, fence))
    };
    let (id, alarm, kind, payload, expires, attempts, fence) =
        read().map_err(StoreError::unreadable)?;
    let mut notification: Notification =
        serde_json::from_str(&payload).map_err(StoreError::unreadable)?;
    notification.attempt = u32::try_from(attempts).unwrap_or(u32::MAX);
    let (kind, expires) = (Kind::parse(&kind)?, Timestamp::from_millis(expires));
    let sink = sink.to_owned();
    Ok(Claimed { id, sink, alarm, kind, notification, expires, lease, fence })
}

fn waiting(row: &AnyRow) -> Result<Waiting, StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        let names: [String; 4] =
            [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
        let numbers: [i64; 4] =
            [row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?];
        let texts: [String; 2] = [row.try_get(8)?, row.try_get(9)?];
        Ok((names, numbers, texts))
    };
    let ([id, sink, alarm, kind], [created, due, attempts, dead], [reason, payload]) =
        read().map_err(StoreError::unreadable)?;
    Ok(Waiting {
        id,
        sink,
        alarm,
        kind: Kind::parse(&kind)?,
        created: Timestamp::from_millis(created),
        due: Timestamp::from_millis(due),
        attempts,
        dead: dead != 0,
        reason,
        notification: serde_json::from_str(&payload).map_err(StoreError::unreadable)?,
    })
}

fn count(row: &AnyRow) -> Result<Count, sqlx::Error> {
    let dead: i64 = row.try_get(1)?;
    Ok(Count {
        sink: row.try_get(0)?,
        dead: dead != 0,
        count: row.try_get(2)?,
        oldest: Timestamp::from_millis(row.try_get(3)?),
    })
}
