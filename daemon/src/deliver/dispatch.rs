//! Dispatch: takes what waits for one sink out of the outbox, delivers it, records what became of it.

use std::{sync::Arc, time::Duration};

use haetae_plugin::{Batch, Outcome, Timestamp, Verdict};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    recipient::{Recipient, Recipients},
    record::{Recorded, Recording, claim, end},
    results::{CONFIG_PAUSE, results},
    thread::{answer, meet},
    work::{NAP, SINK_PAUSE, Work},
};
use crate::{
    clock::{self, Clock},
    engine::Problem,
    fault,
    plugin::{event::Event, sink::Undelivered},
    retry::{Backoff, jittered},
    stage::Stage,
    store::{Claimed, Store, StoreError, Transaction},
};

/// To a sink that took nothing: of that nothing can come a second time.
const OF_THE_REFUSED: usize = 64;
/// Ends that are written in one transaction.
const ROUND: i64 = 500;
/// How often it is seen to that all ends that are due are written.
const SETTLED: Duration = Duration::from_mins(10);

/// Delivers to one sink.
pub struct Dispatch {
    /// The sink.
    pub name: String,
    /// All sinks; one of them may be the fallback of this one.
    pub recipients: watch::Receiver<Recipients>,
    /// Where notifications wait.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where dead letters are told.
    pub events: mpsc::Sender<Event>,
    /// No more is written: what is due is tried once more, then it ends.
    pub stop: CancellationToken,
}

impl Stage for Dispatch {
    /// Delivers until stopped.
    async fn run(&mut self) {
        let wake = self.recipients.borrow().get(&self.name).map(|sink| Arc::clone(&sink.wake));
        let wake = wake.unwrap_or_default();
        let mut work = Work::default();
        loop {
            let stopping = self.stop.is_cancelled();
            fault::point("dispatcher", &self.name);
            self.poll(&mut work).await;
            if stopping {
                return;
            }
            let nap = self.until_due(work.not_before).await;
            tokio::select! {
                () = wake.notified() => {}
                // The end of the nap.
                _ = timeout(nap, std::future::pending::<()>()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

impl Dispatch {
    /// Delivers what is due now, unless the sink is to be left alone for a while.
    ///
    /// [`Stage::run`] does this again and again; a driver of its own may, step by step.
    pub async fn poll(&self, work: &mut Work) {
        // What is under way is of this plan, whatever is loaded meanwhile.
        let recipients = self.recipients.borrow().clone();
        let Some(sink) = recipients.get(&self.name) else { return };
        let now = self.clock.now();
        if now < work.seen {
            let name = self.name.clone();
            let hasten = move |transaction: &mut Transaction<'_>| transaction.hasten(&name, now);
            if let Err(error) = self.store.write(hasten).await {
                self.complain(work, &error, "what waits cannot follow the clock yet");
                work.store.failed();
                return;
            }
        }
        work.seen = now;
        // A clock that went back leaves nobody alone for longer.
        if work.refused <= now && now < work.not_before {
            // After a pause of our own it is tried once more.
            if work.not_before.since(work.refused) > SINK_PAUSE
                && let Err(error) = self.expire(sink, now, work.not_before).await
            {
                self.complain(work, &error, "what is to be given up is not yet");
                work.store.failed();
            }
            return;
        }
        match self.round(sink, now, work).await {
            Ok(Round::Idle) => work.store.succeeded(),
            Ok(Round::Worked) => {
                work.store.succeeded();
                work.pause.succeeded();
            }
            Ok(Round::Refused(wait)) => {
                work.batch_size = work.batch_size.max(OF_THE_REFUSED);
                let own = jittered(work.pause.failed());
                work.leave(wait.map_or(own, |wait| wait.max(own)), self.clock.now());
            }
            Err(error) => {
                self.complain(work, &error, "the outbox cannot be used now; it is tried again");
                let wait = work.store.failed();
                work.leave(wait, self.clock.now());
            }
        }
    }

    /// Says what of the store fails, unless it is known already.
    fn complain(&self, work: &Work, error: &StoreError, what: &str) {
        if work.store.is_new() {
            warn!(sink = self.name, %error, "{what}");
        }
    }

    /// How long nothing is due.
    async fn until_due(&self, not_before: Timestamp) -> Duration {
        let alone = self.clock.until(not_before);
        if !alone.is_zero() {
            return alone.min(NAP);
        }
        let due = self.store.next_due(&self.name).await.ok().flatten();
        due.map_or(NAP, |due| self.clock.until(due).min(NAP))
    }

    async fn round(
        &self,
        sink: &Recipient,
        now: Timestamp,
        work: &mut Work,
    ) -> Result<Round, StoreError> {
        // Of a sink that took nothing, the oldest come first: what is handed over would
        // overtake them, and with a sink that goes on failing it would do so for ever.
        if !work.is_refused {
            sink.handoff.open();
        }
        let (mut claimed, old) = self.split_by_lease(sink, sink.handoff.take());
        self.put_back(old).await?;
        if claimed.is_empty() {
            if work.settled.is_none_or(|at| now >= at.after(SETTLED) || now < at) {
                self.settle(sink, now).await?;
                work.settled = Some(now);
            }
            // Asked without the thread that writes.
            if self.store.next_due(&self.name).await?.is_none_or(|due| due > now) {
                return Ok(Round::Idle);
            }
            let lease = sink.lease(now);
            // One to deliver and one to go on with.
            let (name, most) = (self.name.clone(), 2 * work.batch_size);
            let claim = move |transaction: &mut Transaction<'_>| {
                claim(transaction, &name, now, lease, most)
            };
            let (rows, unreadable) = self.store.write(claim).await?;
            claimed = rows;
            if let Some(reason) = unreadable {
                self.report_dead(&reason).await;
            }
            if claimed.is_empty() {
                return Ok(Round::Idle);
            }
        }
        self.deliver(sink, claimed, work).await
    }

    /// Delivers rows and what is claimed after them, until nothing is left or the sink took nothing.
    ///
    /// While a batch is delivered, what became of the one before is written down and the next one is
    /// claimed: sink and disk do not wait for each other.
    async fn deliver(
        &self,
        sink: &Recipient,
        mut held: Vec<Claimed>,
        work: &mut Work,
    ) -> Result<Round, StoreError> {
        let mut before = None;
        loop {
            let mut later = held.split_off(work.portion(&held));
            let notifications = held.iter().map(|row| row.notification.clone()).collect();
            let started = clock::monotonic();
            let deliver = sink.outlet.deliver(Batch::Notifications(notifications));
            let (outcome, claimed) = match before.take() {
                Some(before) => tokio::join!(deliver, self.record(sink, before)),
                None => (deliver.await, Ok(Recorded::default())),
            };
            later.extend(claimed?.claimed);
            work.record_latency(held.len(), started.elapsed(), sink.plan.deadline);
            let results = results(held.len(), &outcome);
            sink.metrics.count(&held, &results, self.clock.now());
            if later.len() < work.batch_size {
                later.append(&mut sink.handoff.take());
            }
            let (mut later, old) = self.split_by_lease(sink, later);
            let next = work.portion(&later);
            let mut recording = Recording {
                name: self.name.clone(),
                recipients: self.recipients.borrow().clone(),
                results,
                claimed: held,
                next: later.iter().map(Claimed::held).collect(),
                old: old.iter().map(Claimed::held).collect(),
                most: work.claims(sink.handoff.is_empty(), self.clock.now()),
                leased: None,
            };
            work.is_refused = !recording.is_taken();
            if work.is_refused {
                let waiting = sink.handoff.close_and_take();
                recording.old.extend(waiting.iter().map(Claimed::held));
                self.record(sink, recording).await?;
                return Ok(Round::Refused(asked(&outcome)));
            }
            let batch = later.get(..next).unwrap_or_default();
            if batch.is_empty() || meet(&recording.claimed, batch) {
                let recorded = self.record(sink, recording).await?;
                answer(later.get_mut(..next).unwrap_or_default(), recorded.roots);
                later.extend(recorded.claimed);
            } else {
                // It claims what comes after the next batch, if nothing is held of that.
                recording.next.clear();
                recording.most = if later.len() > next { 0 } else { recording.most };
                recording.leased = batch.iter().map(|row| row.lease).min();
                before = Some(recording);
            }
            held = later;
            if held.is_empty() {
                return Ok(Round::Worked);
            }
        }
    }

    /// Rows whose lease lasts for a delivery, and those that are to be put back.
    fn split_by_lease(&self, sink: &Recipient, rows: Vec<Claimed>) -> (Vec<Claimed>, Vec<Claimed>) {
        let until = self.clock.now().after(sink.plan.deadline);
        rows.into_iter().partition(|row| row.lease >= until)
    }

    /// Rows that are not tried now are free for the next claim.
    async fn put_back(&self, rows: Vec<Claimed>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = rows.iter().map(Claimed::held).collect();
        self.store.write(move |transaction| transaction.put_back(&rows)).await
    }

    /// Writes down what became of a batch, until that is durable; in the same transaction the
    /// next batch is claimed, if this one was taken.
    pub(super) async fn record(
        &self,
        sink: &Recipient,
        recording: Recording,
    ) -> Result<Recorded, StoreError> {
        let recording = Arc::new(recording);
        if recording.to_claim() > 0 {
            sink.handoff.open();
        }
        let mut pause = Backoff::new(Duration::from_millis(100), NAP);
        let recorded = loop {
            let (one, now) = (Arc::clone(&recording), self.clock.now());
            match self.store.write(move |transaction| one.write(transaction, now)).await {
                Ok(recorded) => break recorded,
                // What was delivered must not be delivered again because a disk is full.
                Err(error) if !self.stop.is_cancelled() => {
                    if pause.is_new() {
                        warn!(sink = self.name, %error, "what was delivered cannot be recorded yet");
                    }
                    tokio::time::sleep(pause.failed()).await;
                }
                Err(error) => return Err(error),
            }
        };
        if recorded.more {
            sink.handoff.close();
        }
        if let Some(reason) = &recorded.buried {
            self.report_dead(reason).await;
            let recipients = self.recipients.borrow();
            let fallback = sink.plan.fallback.as_ref().and_then(|name| recipients.get(name));
            if let Some(fallback) = fallback {
                fallback.wake.notify_one();
            }
        }
        Ok(recorded)
    }

    /// Writes the ends that are due to the sink and wait nowhere.
    async fn settle(&self, sink: &Recipient, now: Timestamp) -> Result<(), StoreError> {
        // Asked without the thread that writes: mostly there are none.
        while self.store.is_unsettled(&self.name).await? {
            let sink = sink.clone();
            let write = move |transaction: &mut Transaction<'_>| {
                let (ended, settled) = transaction.unsettled(&sink.plan.name, ROUND, now)?;
                end(transaction, &sink, &ended, now)?;
                Ok::<_, StoreError>(settled)
            };
            // What can't be read stays as it is.
            if self.store.write(write).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn report_dead(&self, reason: &str) {
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
