//! Outcomes: what became of a batch, as one transaction with all that follows from it.

use std::{collections::HashSet, time::Duration};

use haetae_plugin::{Notification, Status, Timestamp};
use tracing::{debug, warn};

use super::{
    dispatch::{Dispatch, FIRST_PAUSE, GRACE},
    fate::{Fate, Fates},
    recipient::Recipient,
};
use crate::{
    engine::AlarmView,
    retry::{Backoff, jittered},
    store::{Act, Claimed, HAETAE, Kind, Notice, Record, StoreError, Told, Transaction},
};

/// The longest pause before one notification is tried again.
const ROW_PAUSE: Duration = Duration::from_mins(5);

impl Dispatch {
    /// Writes down fates and claims up to `next` rows; the answer is the reason of the last
    /// burial, if there was one, and what was claimed.
    pub(super) async fn write(
        &self,
        sink: &Recipient,
        claimed: &[Claimed],
        fates: &[Fates],
        next: usize,
    ) -> Result<(Option<String>, Vec<Claimed>), StoreError> {
        let now = self.clock.now();
        let mut buried = None;
        let mut transaction = self.store.begin().await?;
        let (mut delivered, mut told) = (Vec::new(), Vec::new());
        for (row, Fates { fate, rejected }) in claimed.iter().zip(fates) {
            for (recipient, reason) in rejected {
                let named = reason.contains(recipient.as_str());
                let reason = if named { reason.clone() } else { format!("{recipient}: {reason}") };
                self.bury_part(&mut transaction, row, recipient, &reason, now).await?;
                buried = Some(reason);
            }
            match fate {
                Fate::Delivered => delivered.push(row),
                Fate::Retry { reason, after, left } if now < row.expires => {
                    let own = Backoff::nth(FIRST_PAUSE, ROW_PAUSE, row.notification.attempt);
                    let own = jittered(own);
                    let wait = after.map_or(own, |after| after.max(own));
                    let mut rest = row.notification.clone();
                    if !left.is_empty() {
                        rest.recipients.clone_from(left);
                    }
                    let ours = transaction.retry(row, now.after(wait), &rest, reason).await?;
                    if ours && !left.is_empty() {
                        // Some have it: they are to be told of the end.
                        told.push(row);
                    }
                }
                Fate::Retry { reason, .. } => {
                    let reason = format!("given up after {:?}: {reason}", sink.plan.give_up);
                    self.bury(&mut transaction, sink, row, &reason, now).await?;
                    buried = Some(reason);
                }
                Fate::Dead { reason } => {
                    self.bury(&mut transaction, sink, row, reason, now).await?;
                    buried = Some(reason.clone());
                }
            }
        }
        // Of a row that is not among them, another daemon will say what became of it.
        let ours = transaction.delivered(&delivered).await?;
        told.extend(delivered.into_iter().filter(|row| ours.contains(&row.id)));
        self.told(&mut transaction, sink, &told, now).await?;
        let mut claimed = Vec::new();
        if next > 0 {
            let lease = now.after(sink.plan.deadline + GRACE);
            claimed = transaction.claim(&self.name, now, lease, next).await?;
        }
        transaction.commit().await?;
        Ok((buried, claimed))
    }

    /// Opens or closes the obligations that come with what was told.
    async fn told(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        rows: &[&Claimed],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let detail = |row: &Claimed| format!("{}: {}", self.name, row.notification.reason.as_str());
        let record = |row: &&'_ Claimed| (row.alarm.clone(), detail(row));
        let records: Vec<_> = rows.iter().map(record).collect();
        let records = records.iter().map(|(alarm, detail)| Record {
            at: now,
            alarm,
            actor: HAETAE,
            act: Act::Told,
            detail: detail.clone(),
        });
        transaction.record_all(records).await?;
        let (closing, others): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row.kind == Kind::Closing);
        let closing = names(&closing);
        transaction.close(&self.name, &closing, "told", now).await?;
        let firing: Vec<_> =
            others.into_iter().filter(|row| row.notification.status == Status::Firing).collect();
        let firing = names(&firing);
        let repeat = sink.plan.repeat;
        let repeat_at = (!repeat.is_zero()).then(|| now.after(repeat));
        let told = Told { owes: sink.plan.resolved, repeat_at };
        transaction.tell(&self.name, &firing, told, now).await?;
        // Some may have ended while it was not known that they would be told of.
        let ended = transaction.unsettled_of(&self.name, &firing).await?;
        ending(transaction, sink, &ended, now).await
    }

    async fn bury_part(
        &self,
        transaction: &mut Transaction<'_>,
        row: &Claimed,
        recipient: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut part = row.notification.clone();
        part.recipients = vec![recipient.to_owned()];
        transaction.bury_part(row, &part, reason, now).await?;
        let detail = format!("{}: {reason}", self.name);
        transaction.record(now, &row.alarm, HAETAE, Act::Buried, &detail).await
    }

    async fn bury(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        row: &Claimed,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !transaction.bury(row, &row.notification, reason).await? {
            return Ok(());
        }
        if row.kind == Kind::Closing {
            transaction.lose(&self.name, &row.alarm, reason, now).await?;
        } else {
            transaction.withdraw(&self.name).await?;
        }
        let fallback = sink.plan.fallback.as_deref().and_then(|name| self.recipients.get(name));
        if let Some(fallback) = fallback {
            let plan = &fallback.plan;
            transaction.forward(row, &plan.name, plan.give_up, now).await?;
            warn!(sink = self.name, fallback = plan.name, reason, "not delivered: to the fallback");
        } else {
            warn!(sink = self.name, alarm = row.alarm, reason, "a notification is a dead letter");
        }
        let detail = format!("{}: {reason}", self.name);
        transaction.record(now, &row.alarm, HAETAE, Act::Buried, &detail).await
    }
}

/// Writes that these alarms have ended.
pub(super) async fn ending(
    transaction: &mut Transaction<'_>,
    sink: &Recipient,
    ended: &[AlarmView],
    now: Timestamp,
) -> Result<(), StoreError> {
    let closing = |alarm: &'_ AlarmView| {
        debug!(sink = sink.plan.name, alarm = alarm.id, "its end is still to be told");
        let at = alarm.ended.unwrap_or(alarm.updated);
        sink.voice.notification(alarm, alarm.ending().reason(), at, now)
    };
    let notices = ended.iter().map(|alarm| notice(sink, &alarm.id, Kind::Closing, closing(alarm)));
    let notices: Vec<_> = notices.collect();
    transaction.enqueue(&notices, now).await.map(drop)
}

/// A row for whoever claims it.
pub(super) fn notice<'a>(
    sink: &'a Recipient,
    alarm: &'a str,
    kind: Kind,
    notification: Notification,
) -> Notice<'a> {
    let give_up = sink.plan.give_up;
    Notice { sink: &sink.plan.name, alarm, kind, notification, give_up, lease: None }
}

/// The alarms of rows, each once.
fn names<'a>(rows: &[&&'a Claimed]) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let names = rows.iter().map(|row| row.alarm.as_str());
    names.filter(|alarm| seen.insert(*alarm)).collect()
}
