//! Notices: rows of the outbox as they are written, and the alarms that they are about.

use std::{collections::HashMap, time::Duration};

use haetae_plugin::{Notification, Status, Timestamp};

use super::{
    Claimed, Kind, StoreError, Transaction,
    database::{Parameters, parameters},
    outbox::written,
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
            let about = |alarm: &haetae_plugin::Alarm| About {
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
    pub(super) fn name_the_same(
        &mut self,
        id: &str,
        sink: &str,
        other: &str,
    ) -> Result<(), StoreError> {
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
}
