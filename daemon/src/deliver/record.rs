//! Outcomes: what became of a batch, as one transaction with all that follows from it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use haetae_plugin::{Records, Timestamp};
use tracing::{debug, warn};

use super::{
    recipient::{Recipient, Recipients},
    results::{DeliveryResult, RowResult},
    thread::answer,
    work::{FIRST_PAUSE, SINK_PAUSE},
    writer::{ending, notice},
};
use crate::{
    engine::AlarmView,
    retry::{Backoff, jittered},
    store::{
        About, Claimed, Claims, HAETAE, Held, JournalEvent, Notified, Record, Roots, StoreError,
        Transaction, Unread,
    },
};

/// The longest pause before one notification is tried again, of a sink that takes others.
const ROW_PAUSE: Duration = Duration::from_mins(5);

/// What became of a batch, as it is written down; as often as it takes.
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) recipients: Recipients,
    /// The batch, and what became of each of it.
    pub(super) claimed: Vec<Claimed>,
    pub(super) results: Vec<RowResult>,
    /// Rows that are held and delivered next, if the sink took anything now.
    pub(super) next: Vec<Held>,
    /// Rows that were held too long and are free again.
    pub(super) old: Vec<Held>,
    /// How many are claimed, if none is held.
    pub(super) most: usize,
    /// Until when rows that are delivered meanwhile are this daemon's.
    pub(super) leased: Option<Timestamp>,
}

/// What was written of a batch.
#[derive(Default)]
pub(super) struct Recorded {
    /// The reason of the last burial, if there was one.
    pub(super) buried: Option<String>,
    /// What was claimed.
    pub(super) claimed: Vec<Claimed>,
    /// Whether there may be more to claim.
    pub(super) more: bool,
    /// What began the telling of what is delivered next.
    pub(super) roots: Roots,
}

impl Recording {
    /// Whether the sink took anything.
    pub(super) fn is_taken(&self) -> bool {
        self.results.iter().any(|row| !row.result.is_untouched())
    }

    /// How many rows it claims.
    pub(super) fn to_claim(&self) -> usize {
        if self.is_taken() && self.next.is_empty() { self.most } else { 0 }
    }

    /// Writes down fates, and says what is next.
    pub(super) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let Some(sink) = self.recipients.get(&self.name) else { return Err(StoreError::Closed) };
        let buried = self.results(transaction, sink, now)?;
        transaction.put_back(&self.old)?;
        let mut recorded = Recorded { buried, ..Recorded::default() };
        if !self.is_taken() {
            transaction.put_back(&self.next)?;
        } else if !self.next.is_empty() {
            recorded.roots = transaction.roots(self.next.iter().map(|row| row.id.as_str()))?;
        } else if self.to_claim() > 0 && self.leased.is_some_and(|until| until < now) {
            // After an outage what is delivered just now could be claimed, and delivered, again.
            recorded.more = true;
        } else if self.to_claim() > 0 {
            let lease = sink.lease(now);
            let (claimed, unreadable) =
                claim(transaction, &self.name, now, lease, self.to_claim())?;
            recorded.more = claimed.len() >= self.to_claim();
            recorded.claimed = claimed;
            recorded.buried = unreadable.or(recorded.buried);
        }
        Ok(recorded)
    }

    fn results(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let mut buried = None;
        let about = about(transaction, &self.claimed)?;
        let about = |row: &Claimed| about.get(&row.id).map_or(&[][..], Vec::as_slice);
        let (mut delivered, mut notified) = (Vec::new(), Vec::new());
        // A sink that takes nothing is asked as often as that is: nobody knows when it is back.
        let longest = if self.is_taken() { ROW_PAUSE } else { SINK_PAUSE };
        for (row, RowResult { result, rejected }) in self.claimed.iter().zip(&self.results) {
            for (recipient, reason) in rejected {
                let named = reason.contains(recipient.as_str());
                let reason = if named { reason.clone() } else { format!("{recipient}: {reason}") };
                self.bury_part(transaction, row, about(row), recipient, &reason, now)?;
                buried = Some(reason);
            }
            match result {
                DeliveryResult::Delivered => delivered.push(row),
                DeliveryResult::Retry { reason, after, left } if now < row.expires => {
                    // Some have it: they are to be told of the end.
                    let deferred = Deferred { reason, after: *after, left };
                    if retry(transaction, row, deferred, longest, now)? {
                        notified.push(row);
                    }
                }
                DeliveryResult::Retry { reason, .. } => {
                    let reason = format!("given up after {:?}: {reason}", sink.plan.give_up);
                    self.bury(transaction, sink, row, about(row), &reason, now)?;
                    buried = Some(reason);
                }
                DeliveryResult::Dead { reason } => {
                    self.bury(transaction, sink, row, about(row), reason, now)?;
                    buried = Some(reason.clone());
                }
            }
        }
        // Of a row that is not among them, another daemon will say what became of it.
        let ours = transaction.delivered(&delivered)?;
        notified.extend(delivered.into_iter().filter(|row| ours.contains(&row.id)));
        notified.sort_by(|one, other| one.id.cmp(&other.id));
        let notified: Vec<_> = notified.into_iter().map(|row| (row, about(row))).collect();
        self.record_notified(transaction, sink, &notified, now)?;
        if buried.is_some() {
            // Once for all of them: it looks through all that waits.
            transaction.withdraw(&self.name)?;
        }
        Ok(buried)
    }

    /// Opens or closes the obligations that come with what was told.
    fn record_notified(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        rows: &[(&Claimed, &[About])],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut closing, mut firing) = (BTreeSet::new(), BTreeMap::new());
        for (row, about) in rows {
            let detail = format!("{}: {}", self.name, row.notification.reason.as_str());
            record(transaction, about, JournalEvent::Notified, &detail, now)?;
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
        let notified = firing.iter().map(|(alarm, root)| Notified { alarm, owes, root });
        transaction.owe(&self.name, &notified.collect::<Vec<_>>(), now)?;
        // Of an alarm that begins and ends in these rows, what came last counts.
        let closing: Vec<_> = closing.into_iter().collect();
        transaction.close(&self.name, &closing, "told", now)?;
        // Some may have ended while it was not known that they would be told of.
        let firing: Vec<_> = firing.into_keys().collect();
        let ended = transaction.unsettled_of(&self.name, &firing, now)?;
        end(transaction, sink, &ended, now)
    }

    fn bury_part(
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
        transaction.bury_part(row, &part, reason, now)?;
        let detail = format!("{}: {reason}", self.name);
        record(transaction, about, JournalEvent::Buried, &detail, now)
    }

    fn bury(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        row: &Claimed,
        about: &[About],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !transaction.bury(row, &row.notification, reason)? {
            return Ok(());
        }
        lose_ends(transaction, &self.name, about, reason, now)?;
        let fallback = sink.plan.fallback.as_deref().and_then(|name| self.recipients.get(name));
        // One that takes none would keep it for ever.
        let takes = |sink: &&Recipient| sink.takes.contains(&Records::Notifications);
        if let Some(fallback) = fallback.filter(takes) {
            let plan = &fallback.plan;
            transaction.forward(row, &plan.name, plan.give_up, now)?;
            warn!(sink = self.name, fallback = plan.name, reason, "not delivered: to the fallback");
        } else {
            warn!(sink = self.name, alarm = row.alarm, reason, "a notification is a dead letter");
        }
        let detail = format!("{}: {reason}", self.name);
        record(transaction, about, JournalEvent::Buried, &detail, now)
    }
}

/// Claims rows; each answers what began the telling of its alarms. Beside them stands what is said of
/// those that can't be read, if there are any.
pub(super) fn claim(
    transaction: &mut Transaction<'_>,
    sink: &str,
    now: Timestamp,
    lease: Timestamp,
    most: usize,
) -> Result<(Vec<Claimed>, Option<String>), StoreError> {
    let Claims { mut rows, unreadable } = transaction.claim(sink, now, lease, most)?;
    let roots = transaction.roots(rows.iter().map(|row| row.id.as_str()))?;
    answer(&mut rows, roots);
    Ok((rows, buried(transaction, sink, &unreadable, now)?))
}

/// Writes down that rows are dead letters because they can't be read; what is said of them, if there
/// are any.
pub(super) fn buried(
    transaction: &mut Transaction<'_>,
    sink: &str,
    unreadable: &[Unread],
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    for Unread { id, about, why } in unreadable {
        warn!(sink, notice = id, why, "a notice can't be read: it is a dead letter");
        let reason = format!("it can't be read: {why}");
        lose_ends(transaction, sink, about, &reason, now)?;
        record(transaction, about, JournalEvent::Buried, &format!("{sink}: {reason}"), now)?;
    }
    let said = |row: &Unread| format!("the notice {} can't be read: {}", row.id, row.why);
    Ok(match unreadable {
        [] => None,
        [row] => Some(said(row)),
        [row, more @ ..] => Some(format!("{}, and {} more", said(row), more.len())),
    })
}

/// What a peer said of a row that it does not take now.
struct Deferred<'a> {
    reason: &'a str,
    /// How long it asks to be left alone.
    after: Option<Duration>,
    /// The recipients that do not have it; none: nobody has it.
    left: &'a [String],
}

/// Tries a row again later; whether some of its recipients have it.
fn retry(
    transaction: &mut Transaction<'_>,
    row: &Claimed,
    Deferred { reason, after, left }: Deferred<'_>,
    longest: Duration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let own = jittered(Backoff::nth(FIRST_PAUSE, longest, row.notification.attempt));
    let wait = after.map_or(own, |after| after.max(own));
    // Whatever a peer asks for, it is given up in time.
    let due = now.after(wait).min(row.expires);
    let mut rest = row.notification.clone();
    if !left.is_empty() {
        rest.recipients = left.to_vec();
    }
    let ours = transaction.retry(row, due, &rest, reason)?;
    Ok(ours && !left.is_empty())
}

/// What rows are about, by their names.
fn about(
    transaction: &mut Transaction<'_>,
    rows: &[Claimed],
) -> Result<HashMap<String, Vec<About>>, StoreError> {
    let mut about = HashMap::new();
    for row in rows {
        let alarms = transaction.alarms_of(&row.id, &row.notification)?;
        about.insert(row.id.clone(), alarms);
    }
    Ok(about)
}

/// A sink can't be told of the ends that a row is about.
fn lose_ends(
    transaction: &mut Transaction<'_>,
    sink: &str,
    about: &[About],
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ends = about.iter().filter(|about| about.ends);
    let ends: Vec<_> = ends.map(|about| about.alarm.as_str()).collect();
    transaction.lose(sink, &ends, reason, now)
}

/// The same of all alarms that a row is about.
fn record(
    transaction: &mut Transaction<'_>,
    about: &[About],
    act: JournalEvent,
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
    transaction.record_all(records)
}

/// Writes that these alarms have ended.
pub(super) fn end(
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
    transaction.enqueue(notices, now).map(drop)
}
