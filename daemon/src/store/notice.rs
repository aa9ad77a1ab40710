//! Notices: rows of the outbox as they are written, and the alarms that they are about.

use std::{collections::HashMap, time::Duration};

use haetae_plugin::{Notification, Status, Timestamp};
use sqlx::{Row as _, query};

use super::{
    Claimed, Kind, Store, StoreError, Transaction, millis,
    rows::{Bound, Row},
    statements,
};

/// A row to write.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The sink.
    pub sink: &'a str,
    /// The alarms that it is about, the worst first; at least one.
    pub alarms: Vec<About>,
    /// Why.
    pub kind: Kind,
    /// What is sent, word for word.
    pub notification: Notification,
    /// For how long it is tried.
    pub give_up: Duration,
    /// Until when it is this daemon's, from the beginning; none: whoever claims it.
    pub lease: Option<Timestamp>,
}

/// What a notice says of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The alarm.
    pub alarm: String,
    /// That it is over; else, that it fires.
    pub ends: bool,
}

/// An alarm that a notice is about.
struct Name<'a> {
    notice: &'a str,
    sink: &'a str,
    about: &'a About,
}

impl Row for Name<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let About { alarm, ends } = self.about;
        query.bind(self.notice).bind(self.sink).bind(alarm.as_str()).bind(i64::from(*ends))
    }
}

/// A notice with its name and its text.
struct Written<'a> {
    id: String,
    notice: &'a Notice<'a>,
    payload: String,
    now: Timestamp,
    owner: &'a str,
}

impl Row for Written<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let Self { id, notice, payload, now, owner } = self;
        let held = i64::from(notice.lease.is_some());
        query
            .bind(id.as_str())
            .bind(notice.sink)
            .bind(notice.notification.key.as_str())
            .bind(notice.worst())
            .bind(notice.kind.as_str())
            .bind(payload.as_str())
            .bind(millis(*now))
            .bind(millis(now.after(notice.give_up)))
            .bind(held)
            .bind(notice.lease.map_or(0, millis))
            .bind(if notice.lease.is_some() { *owner } else { "" })
    }
}

impl Written<'_> {
    /// The row as its holder has it, if it was written for this daemon.
    fn claimed(self) -> Option<Claimed> {
        let Self { id, notice, now, .. } = self;
        let mut notification = notice.notification.clone();
        notification.attempt = 1;
        let (alarm, kind) = (notice.worst().to_owned(), notice.kind);
        let expires = now.after(notice.give_up);
        let lease = notice.lease?;
        let sink = notice.sink.to_owned();
        Some(Claimed { id, sink, alarm, kind, notification, expires, lease, fence: 1 })
    }
}

impl Notice<'_> {
    /// The alarm that stands for all.
    fn worst(&self) -> &str {
        self.alarms.first().map_or("", |about| &about.alarm)
    }
}

impl Transaction<'_> {
    /// Writes rows that are due now.
    pub async fn enqueue(
        &mut self,
        notices: &[Notice<'_>],
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let owner = self.owner().to_owned();
        let mut rows = Vec::with_capacity(notices.len());
        for notice in notices {
            let (id, payload) = (self.id(now), written(&notice.notification)?);
            rows.push(Written { id, notice, payload, now, owner: &owner });
        }
        self.each(statements::ENQUEUE, &(), &rows).await?;
        let names = rows.iter().flat_map(|row| {
            let (notice, sink) = (row.id.as_str(), row.notice.sink);
            row.notice.alarms.iter().map(move |about| Name { notice, sink, about })
        });
        self.each(statements::NAME_ALARM, &(), &names.collect::<Vec<_>>()).await?;
        Ok(rows.into_iter().filter_map(Written::claimed).collect())
    }
}

impl Transaction<'_> {
    /// The alarms that a row is about: its text has them all, but for very many.
    pub async fn alarms_of(
        &mut self,
        id: &str,
        notification: &Notification,
    ) -> Result<Vec<About>, StoreError> {
        if notification.more == 0 {
            let about = |alarm: &haetae_plugin::Alarm| About {
                alarm: alarm.id.clone(),
                ends: alarm.status == Status::Resolved,
            };
            return Ok(notification.alarms.iter().map(about).collect());
        }
        let rows = self.fetch(query(statements::ALARMS_OF_NOTICE).bind(id)).await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<_, sqlx::Error> {
            Ok(About { alarm: row.try_get(0)?, ends: row.try_get::<i64, _>(1)? != 0 })
        };
        rows.iter().map(|row| read(row).map_err(StoreError::unreadable)).collect()
    }

    /// A new row is about what another one is about.
    pub(super) async fn name_the_same(
        &mut self,
        id: &str,
        sink: &str,
        other: &str,
    ) -> Result<(), StoreError> {
        let query = query(statements::NAME_THE_SAME).bind(id).bind(sink).bind(other);
        self.execute(query).await.map(drop)
    }

    /// Rows are gone, and what they were about with them.
    pub(super) async fn forget_names(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.each(statements::FORGET_NAMES, &(), ids).await.map(drop)
    }
}

impl Store {
    /// What began the telling of the alarms that rows are about, to the sink of each: by row, the
    /// idempotency keys, with how many of its alarms; the empty one of those that it is told first.
    pub async fn roots(
        &self,
        ids: &[String],
    ) -> Result<HashMap<String, Vec<(String, i64)>>, StoreError> {
        let rows = self.read_each(statements::ROOTS, ids).await?;
        let mut roots = HashMap::<_, Vec<_>>::new();
        for row in &rows {
            let read = || -> Result<(String, String, i64), sqlx::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
            };
            let (id, root, count) = read().map_err(StoreError::unreadable)?;
            roots.entry(id).or_default().push((root, count));
        }
        Ok(roots)
    }
}

pub(super) fn written(notification: &Notification) -> Result<String, StoreError> {
    serde_json::to_string(notification).map_err(StoreError::unreadable)
}
