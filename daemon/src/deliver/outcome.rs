//! Outcomes: what became of a batch, as one transaction with all that follows from it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use haetae_plugin::{Records, Timestamp};
use tracing::{debug, warn};

use super::{
    dispatch::{Dispatch, FIRST_PAUSE, GRACE},
    fate::{Fate, Fates},
    recipient::Recipient,
    writing::{ending, notice},
};
use crate::{
    engine::AlarmView,
    retry::{Backoff, jittered},
    store::{About, Act, Claimed, HAETAE, Record, StoreError, Told, Transaction},
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
        let about = about(&mut transaction, claimed).await?;
        let about = |row: &Claimed| about.get(&row.id).map_or(&[][..], Vec::as_slice);
        let (mut delivered, mut told) = (Vec::new(), Vec::new());
        for (row, Fates { fate, rejected }) in claimed.iter().zip(fates) {
            for (recipient, reason) in rejected {
                let named = reason.contains(recipient.as_str());
                let reason = if named { reason.clone() } else { format!("{recipient}: {reason}") };
                self.bury_part(&mut transaction, row, about(row), recipient, &reason, now).await?;
                buried = Some(reason);
            }
            match fate {
                Fate::Delivered => delivered.push(row),
                Fate::Retry { reason, after, left } if now < row.expires => {
                    // Some have it: they are to be told of the end.
                    if retry(&mut transaction, row, (reason, *after, left), now).await? {
                        told.push(row);
                    }
                }
                Fate::Retry { reason, .. } => {
                    let reason = format!("given up after {:?}: {reason}", sink.plan.give_up);
                    self.bury(&mut transaction, sink, row, about(row), &reason, now).await?;
                    buried = Some(reason);
                }
                Fate::Dead { reason } => {
                    self.bury(&mut transaction, sink, row, about(row), reason, now).await?;
                    buried = Some(reason.clone());
                }
            }
        }
        // Of a row that is not among them, another daemon will say what became of it.
        let ours = transaction.delivered(&delivered).await?;
        told.extend(delivered.into_iter().filter(|row| ours.contains(&row.id)));
        told.sort_by(|one, other| one.id.cmp(&other.id));
        let told: Vec<_> = told.into_iter().map(|row| (row, about(row))).collect();
        self.told(&mut transaction, sink, &told, now).await?;
        if buried.is_some() {
            // Once for all of them: it looks through all that waits.
            transaction.withdraw(&self.name).await?;
        }
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
        rows: &[(&Claimed, &[About])],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut closing, mut firing) = (BTreeSet::new(), BTreeMap::new());
        for (row, about) in rows {
            let detail = format!("{}: {}", self.name, row.notification.reason.as_str());
            record(transaction, about, Act::Told, &detail, now).await?;
            let own = &row.notification.idempotency_key;
            let root = row.notification.answers.as_ref().unwrap_or(own).as_str();
            for About { alarm, ends } in *about {
                let alarm = alarm.as_str();
                if *ends {
                    closing.insert(alarm);
                } else {
                    firing.entry(alarm).or_insert(root);
                    closing.remove(alarm);
                }
            }
        }
        let owes = sink.plan.resolved;
        let told = firing.iter().map(|(alarm, root)| Told { alarm, owes, root });
        transaction.tell(&self.name, &told.collect::<Vec<_>>(), now).await?;
        // Of an alarm that begins and ends in these rows, what came last counts.
        let closing: Vec<_> = closing.into_iter().collect();
        transaction.close(&self.name, &closing, "told", now).await?;
        // Some may have ended while it was not known that they would be told of.
        let firing: Vec<_> = firing.into_keys().collect();
        let ended = transaction.unsettled_of(&self.name, &firing).await?;
        end(transaction, sink, &ended, now).await
    }

    async fn bury_part(
        &self,
        transaction: &mut Transaction<'_>,
        row: &Claimed,
        about: &[About],
        recipient: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut part = row.notification.clone();
        part.recipients = vec![recipient.to_owned()];
        transaction.bury_part(row, &part, reason, now).await?;
        let detail = format!("{}: {reason}", self.name);
        record(transaction, about, Act::Buried, &detail, now).await
    }

    async fn bury(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        row: &Claimed,
        about: &[About],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !transaction.bury(row, &row.notification, reason).await? {
            return Ok(());
        }
        let ends = about.iter().filter(|about| about.ends);
        let ends: Vec<_> = ends.map(|about| about.alarm.as_str()).collect();
        transaction.lose(&self.name, &ends, reason, now).await?;
        let fallback = sink.plan.fallback.as_deref().and_then(|name| self.recipients.get(name));
        // One that takes none would keep it for ever.
        let takes = |sink: &&Recipient| sink.takes.contains(&Records::Notifications);
        if let Some(fallback) = fallback.filter(takes) {
            let plan = &fallback.plan;
            transaction.forward(row, &plan.name, plan.give_up, now).await?;
            warn!(sink = self.name, fallback = plan.name, reason, "not delivered: to the fallback");
        } else {
            warn!(sink = self.name, alarm = row.alarm, reason, "a notification is a dead letter");
        }
        let detail = format!("{}: {reason}", self.name);
        record(transaction, about, Act::Buried, &detail, now).await
    }
}

/// Tries a row again later; whether some of its recipients have it.
async fn retry(
    transaction: &mut Transaction<'_>,
    row: &Claimed,
    (reason, after, left): (&str, Option<Duration>, &[String]),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let own = jittered(Backoff::nth(FIRST_PAUSE, ROW_PAUSE, row.notification.attempt));
    let wait = after.map_or(own, |after| after.max(own));
    let mut rest = row.notification.clone();
    if !left.is_empty() {
        rest.recipients = left.to_vec();
    }
    let ours = transaction.retry(row, now.after(wait), &rest, reason).await?;
    Ok(ours && !left.is_empty())
}

/// What rows are about, by their names.
async fn about(
    transaction: &mut Transaction<'_>,
    rows: &[Claimed],
) -> Result<HashMap<String, Vec<About>>, StoreError> {
    let mut about = HashMap::new();
    for row in rows {
        let alarms = transaction.alarms_of(&row.id, &row.notification).await?;
        about.insert(row.id.clone(), alarms);
    }
    Ok(about)
}

/// The same of all alarms that a row is about.
async fn record(
    transaction: &mut Transaction<'_>,
    about: &[About],
    act: Act,
    detail: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let records = about.iter().map(|About { alarm, .. }| Record {
        at,
        alarm,
        actor: HAETAE,
        act,
        detail: detail.into(),
    });
    transaction.record_all(records).await
}

/// Writes that these alarms have ended.
pub(super) async fn end(
    transaction: &mut Transaction<'_>,
    sink: &Recipient,
    ended: &[AlarmView],
    now: Timestamp,
) -> Result<(), StoreError> {
    let closing = |alarm: &'_ AlarmView| {
        debug!(sink = sink.plan.name, alarm = alarm.id, "its end is still to be told");
        let at = alarm.ended.unwrap_or(alarm.updated);
        notice(sink, &ending(sink, alarm, "", at), now)
    };
    let notices: Vec<_> = ended.iter().map(closing).collect();
    transaction.enqueue(&notices, now).await.map(drop)
}
