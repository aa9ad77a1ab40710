//! Dispatch: takes what waits for one sink out of the outbox, delivers it, records what became of it.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use haetae_plugin::{Batch, Notification, Outcome, Reason, Status, Timestamp, Verdict};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    fate::{CONFIG_PAUSE, Fate, Fates, fates},
    recipient::{Recipient, Recipients},
    render::reason_word,
};
use crate::{
    clock::Clock,
    engine::{AlarmView, Problem},
    plugin::{event::Event, sink::Undelivered},
    retry::{Backoff, jittered},
    store::{Act, Claimed, HAETAE, Kind, Notice, Store, StoreError, Told, Transaction},
};

/// Notifications that a sink is given at once, and how many the first time: a daemon that is killed
/// again and again gets on all the same, and sends little a second time.
const TOGETHER: usize = 64;
const FIRST_TOGETHER: usize = 4;
/// Repeats and ends that are written in one transaction.
const ROUND: i64 = 500;
/// The longest sleep, so that a clock that was set is noticed.
const NAP: Duration = Duration::from_secs(5);
/// The pauses after a sink took nothing at all, and before one notification is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const SINK_PAUSE: Duration = Duration::from_mins(1);
const ROW_PAUSE: Duration = Duration::from_mins(5);
/// What a lease is longer than the deadline of its delivery.
const GRACE: Duration = Duration::from_secs(10);

/// Asks for the alarms as they are now.
pub type Alarms =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Vec<AlarmView>>> + Send>> + Send + Sync>;

/// Delivers to one sink.
pub struct Dispatch {
    /// The sink.
    pub name: String,
    /// All sinks; one of them may be the fallback of this one.
    pub recipients: Recipients,
    /// Where notifications wait.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The alarms as they are now.
    pub alarms: Alarms,
    /// Woken when something was written.
    pub wakes: BTreeMap<String, Arc<Notify>>,
    /// Where dead letters are told.
    pub events: mpsc::Sender<Event>,
    /// No more is written: what is due is tried once more, then it ends.
    pub stop: CancellationToken,
}

impl Dispatch {
    /// Delivers until stopped.
    pub async fn run(self) {
        let Some(sink) = self.recipients.get(&self.name) else { return };
        let wake = self.wakes.get(&self.name).map(Arc::clone).unwrap_or_default();
        let mut pause = Backoff::new(FIRST_PAUSE, SINK_PAUSE);
        let mut not_before = Timestamp::default();
        let mut settled = false;
        let mut together = FIRST_TOGETHER;
        loop {
            let now = self.clock.now();
            let stopping = self.stop.is_cancelled();
            let mut more = false;
            if now >= not_before {
                match self.round(sink, now, settled, together).await {
                    Ok(Round::Idle) => settled = true,
                    Ok(Round::Worked) => {
                        pause.succeeded();
                        (settled, more) = (true, true);
                        together = TOGETHER.min(together * 2);
                    }
                    Ok(Round::Refused(wait)) => {
                        // Nothing was taken, so nothing comes a second time.
                        together = TOGETHER;
                        let own = jittered(pause.failed());
                        not_before = self.clock.now().after(wait.map_or(own, |wait| wait.max(own)));
                    }
                    Err(error) => {
                        warn!(sink = self.name, %error, "the outbox cannot be used now");
                        not_before = self.clock.now().after(jittered(pause.failed()));
                    }
                }
            }
            if more {
                continue;
            }
            if stopping {
                return;
            }
            let nap = self.until_due(not_before).await;
            tokio::select! {
                () = wake.notified() => {}
                // The end of the nap.
                _ = timeout(nap, std::future::pending::<()>()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// How long nothing is due.
    async fn until_due(&self, not_before: Timestamp) -> Duration {
        let due = self.store.next_due(&self.name).await.ok().flatten();
        let repeat = self.store.next_repeat(&self.name).await.ok().flatten();
        let next = [due, repeat].into_iter().flatten().min();
        next.map_or(NAP, |next| self.clock.until(next.max(not_before)).min(NAP))
    }

    async fn round(
        &self,
        sink: &Recipient,
        now: Timestamp,
        settled: bool,
        together: usize,
    ) -> Result<Round, StoreError> {
        if !settled {
            self.settle(sink, now).await?;
        }
        self.repeat(sink, now).await?;
        let lease = now.after(sink.plan.deadline + GRACE);
        let mut transaction = self.store.begin().await?;
        let claimed = transaction.claim(&self.name, now, lease, together).await?;
        if claimed.is_empty() {
            transaction.abandon().await?;
            return Ok(Round::Idle);
        }
        transaction.commit().await?;
        let notifications = claimed.iter().map(|row| row.notification.clone()).collect();
        let outcome = sink.outlet.deliver(Batch::Notifications(notifications)).await;
        let fates = fates(claimed.len(), &outcome);
        self.record(sink, &claimed, fates, &outcome).await
    }

    /// Writes down what became of a batch, until that is durable.
    async fn record(
        &self,
        sink: &Recipient,
        claimed: &[Claimed],
        fates: Vec<Fates>,
        outcome: &Result<Outcome, Undelivered>,
    ) -> Result<Round, StoreError> {
        let mut pause = Backoff::new(Duration::from_millis(100), NAP);
        let took = fates.iter().any(|fates| !fates.fate.is_untouched());
        let buried = loop {
            match self.write(sink, claimed, &fates).await {
                Ok(buried) => break buried,
                // What was delivered must not be delivered again because a disk is full.
                Err(error) if !self.stop.is_cancelled() => {
                    warn!(sink = self.name, %error, "what was delivered cannot be recorded yet");
                    tokio::time::sleep(pause.failed()).await;
                }
                Err(error) => return Err(error),
            }
        };
        if let Some(reason) = buried {
            self.tell_dead(reason).await;
            if let Some(wake) = sink.plan.fallback.as_ref().and_then(|name| self.wakes.get(name)) {
                wake.notify_one();
            }
        }
        self.settle(sink, self.clock.now()).await?;
        Ok(if took { Round::Worked } else { Round::Refused(asked(outcome)) })
    }

    /// One transaction; the reason of the last burial, if there was one.
    async fn write(
        &self,
        sink: &Recipient,
        claimed: &[Claimed],
        fates: &[Fates],
    ) -> Result<Option<String>, StoreError> {
        let now = self.clock.now();
        let mut buried = None;
        let mut transaction = self.store.begin().await?;
        for (row, Fates { fate, rejected }) in claimed.iter().zip(fates) {
            for (recipient, reason) in rejected {
                let mut part = row.notification.clone();
                part.recipients = vec![recipient.clone()];
                let named = reason.contains(recipient.as_str());
                let reason = if named { reason.clone() } else { format!("{recipient}: {reason}") };
                transaction.bury_part(row, &part, &reason, now).await?;
                let detail = format!("{}: {reason}", self.name);
                transaction.record(now, &row.alarm, HAETAE, Act::Buried, &detail).await?;
                buried = Some(reason);
            }
            match fate {
                Fate::Delivered => self.delivered(&mut transaction, sink, row, now).await?,
                Fate::Retry { reason, after, left } if now < row.expires => {
                    let own = Backoff::nth(FIRST_PAUSE, ROW_PAUSE, row.notification.attempt);
                    let own = jittered(own);
                    let wait = after.map_or(own, |after| after.max(own));
                    let mut rest = row.notification.clone();
                    if !left.is_empty() {
                        rest.recipients.clone_from(left);
                    }
                    if transaction.retry(row, now.after(wait), &rest, reason).await?
                        && !left.is_empty()
                    {
                        // Some have it: they are to be told of the end.
                        self.told(&mut transaction, sink, row, now).await?;
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
        transaction.commit().await?;
        Ok(buried)
    }

    async fn delivered(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        row: &Claimed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !transaction.delivered(row).await? {
            // Another daemon holds it now, and will say what became of it.
            return Ok(());
        }
        self.told(transaction, sink, row, now).await
    }

    /// Opens or closes the obligation that comes with what was told.
    async fn told(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        row: &Claimed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if row.kind == Kind::Closing {
            transaction.close(&self.name, &row.alarm, "told", now).await?;
        } else if row.notification.status == Status::Firing {
            let repeat = sink.plan.repeat;
            let repeat_at = (!repeat.is_zero()).then(|| now.after(repeat));
            let told = Told { owes: sink.plan.resolved, repeat_at };
            transaction.tell(&self.name, &row.alarm, told, now).await?;
        }
        let detail = format!("{}: {}", self.name, reason_word(row.notification.reason));
        transaction.record(now, &row.alarm, HAETAE, Act::Told, &detail).await
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

    /// Writes the ends that are due to the sink and wait nowhere.
    async fn settle(&self, sink: &Recipient, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let mut transaction = self.store.begin().await?;
            let ended = transaction.unsettled(&self.name, ROUND).await?;
            if ended.is_empty() {
                return transaction.abandon().await;
            }
            for alarm in &ended {
                debug!(sink = self.name, alarm = alarm.id, "its end is still to be told");
                let reason = alarm.ending().reason();
                let at = alarm.ended.unwrap_or(alarm.updated);
                let notification = sink.voice.notification(alarm, reason, at, now);
                self.enqueue(&mut transaction, sink, alarm, Kind::Closing, &notification, now)
                    .await?;
            }
            transaction.commit().await?;
        }
    }

    /// Writes what is to be told again.
    async fn repeat(&self, sink: &Recipient, now: Timestamp) -> Result<(), StoreError> {
        if self.store.next_repeat(&self.name).await?.is_none_or(|at| at > now) {
            return Ok(());
        }
        let Some(alarms) = (self.alarms)().await else { return Ok(()) };
        let alarms: HashMap<_, _> = alarms.iter().map(|alarm| (alarm.id.as_str(), alarm)).collect();
        loop {
            let mut transaction = self.store.begin().await?;
            let due = transaction.repeats(&self.name, now, ROUND).await?;
            if due.is_empty() {
                return transaction.abandon().await;
            }
            for id in &due {
                let alarm = alarms.get(id.as_str()).filter(|alarm| alarm.is_firing());
                let wanted = alarm.filter(|alarm| self.recipients.wants(&self.name, alarm));
                if let Some(alarm) = wanted {
                    let notification = sink.voice.notification(alarm, Reason::Repeat, now, now);
                    self.enqueue(&mut transaction, sink, alarm, Kind::Repeat, &notification, now)
                        .await?;
                }
                // The next one counts from its delivery; until then it is not due again.
                let later = now.after(sink.plan.repeat.max(NAP));
                transaction.postpone(&self.name, id, Some(later)).await?;
            }
            transaction.commit().await?;
        }
    }

    async fn enqueue(
        &self,
        transaction: &mut Transaction<'_>,
        sink: &Recipient,
        alarm: &AlarmView,
        kind: Kind,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (alarm, give_up) = (alarm.id.as_str(), sink.plan.give_up);
        let notice = Notice { sink: &self.name, alarm, kind, notification, give_up };
        transaction.enqueue(&notice, now).await
    }

    async fn tell_dead(&self, reason: String) {
        let (instance, problem) = (self.name.clone(), Problem::DeadLetters);
        let detail = Some(format!("{reason}; see `haetae outbox list --dead`"));
        // The pipeline is gone only while the daemon stops.
        drop(self.events.send(Event { instance, problem, detail }).await);
    }
}

/// What a round did.
enum Round {
    /// Nothing was due.
    Idle,
    /// Something was delivered, or is dead.
    Worked,
    /// Nothing was taken; the peer may have said how long to wait.
    Refused(Option<Duration>),
}

fn asked(outcome: &Result<Outcome, Undelivered>) -> Option<Duration> {
    match outcome {
        Err(undelivered) => undelivered.wait,
        Ok(Outcome { verdict: Verdict::Retry { after, .. }, .. }) => *after,
        Ok(Outcome { verdict: Verdict::Config { .. }, .. }) => Some(CONFIG_PAUSE),
        Ok(_) => None,
    }
}
