//! Notices: rows of the outbox as they are written.

use std::time::Duration;

use haetae_plugin::{Notification, Timestamp};

use super::{
    Claimed, Kind, StoreError, Transaction, millis,
    rows::{Bound, Row},
    statements,
};

/// A row to write.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The sink.
    pub sink: &'a str,
    /// The alarm that it is about.
    pub alarm: &'a str,
    /// Why.
    pub kind: Kind,
    /// What is sent, word for word.
    pub notification: Notification,
    /// For how long it is tried.
    pub give_up: Duration,
    /// Until when it is this daemon's, from the beginning; none: whoever claims it.
    pub lease: Option<Timestamp>,
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
            .bind(notice.alarm)
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
        let (alarm, kind) = (notice.alarm.to_owned(), notice.kind);
        let expires = now.after(notice.give_up);
        let lease = notice.lease?;
        Some(Claimed { id, alarm, kind, notification, expires, lease, fence: 1 })
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
        Ok(rows.into_iter().filter_map(Written::claimed).collect())
    }
}

pub(super) fn written(notification: &Notification) -> Result<String, StoreError> {
    serde_json::to_string(notification).map_err(StoreError::unreadable)
}
