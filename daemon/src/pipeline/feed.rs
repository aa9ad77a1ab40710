//! The feed of a source: each of its batches to the evaluators, and durably into its queue.

use std::time::Duration;

use haetae_plugin::{Batch, Samples, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    intake::Intake,
    log_reader::Said,
    part::halves,
    queue::{AppendError, DiskError, Queue, Stats},
    refill::Refill,
};
use crate::{
    clock::Clock,
    engine::{Input, Problem},
    fault,
    plugin::event::{Complaint, Event, Handover, Taken},
    retry::Backoff,
    stage::Stage,
    store::reserve::Reserve,
};

/// The longest pause before a batch that the disk refused is tried again.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a batch that was judged waits for room before the next one is.
const ROOM: Duration = Duration::from_secs(1);
/// From here on a queue is filling, and below that not any more; in percent.
const FILLING: u64 = 80;
const EMPTIER: u64 = 70;

/// The way of one source's batches.
pub struct Feed {
    /// The source.
    pub source: String,
    /// Keeps its limits.
    pub intake: Intake,
    /// Where its batches go.
    pub outputs: watch::Receiver<Outputs>,
    /// What is to be asked of its reader before the next batch: the first comes before the source is heard.
    pub refills: mpsc::Receiver<Refill>,
    /// Room for the worst; while it is given up, sources wait.
    pub reserve: Reserve,
    /// The time.
    pub clock: Clock,
    /// What the source hands over.
    pub batches: mpsc::Receiver<Handover>,
    /// A batch that waits for room is left to its source.
    pub stop: CancellationToken,
}

/// Where the batches of a source go; a reload gives it others.
#[derive(Clone, Default)]
pub struct Outputs {
    /// Its queue, if a sink takes its records.
    pub queue: Option<Queue>,
    /// The engine, if an evaluator reads it.
    pub engine: Option<mpsc::Sender<Input>>,
    /// Who is told that it has spoken without a record, if a log evaluator reads it.
    pub heard: Option<watch::Sender<Said>>,
}

impl Stage for Feed {
    /// Takes batches until the source has ended. One that is not durable is not answered.
    async fn run(&mut self) {
        loop {
            tokio::select! {
                biased;
                Some(refill) = self.refills.recv() => self.refill(refill).await,
                handover = self.batches.recv() => match handover {
                    Some(handover) => self.take(handover).await,
                    None => return,
                },
            }
        }
    }
}

impl Feed {
    async fn refill(&mut self, refill: Refill) {
        let Some(engine) = self.outputs.borrow().engine.clone() else { return };
        let now = self.clock.now();
        tokio::select! {
            () = refill.run(&self.source, &mut self.intake, &engine, now) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn take(&mut self, handover: Handover) {
        let Handover { batch, until, is_polled, taken } = handover;
        fault::point("feed", &self.source);
        let outputs = self.outputs.borrow().clone();
        let mut complete = Timestamp::default();
        let (batch, mut complaint) = match batch {
            Batch::Samples(samples) => {
                let now = self.clock.now();
                let (samples, complaint) = self.intake.admit(&samples, until, now);
                complete = samples.complete_until();
                let queued = outputs.queue.is_some().then(|| samples.clone());
                self.judge(&outputs, samples).await;
                (Batch::Samples(queued.unwrap_or_default()), complaint)
            }
            Batch::Logs(logs) => {
                let (logs, complaint) = self.intake.admit_logs(logs);
                (Batch::Logs(logs), complaint)
            }
            other => (other, None),
        };
        if let (Some(heard), Some(queue)) = (&outputs.heard, &outputs.queue)
            && batch.is_empty()
        {
            let (last, now) = (queue.stats().last, self.clock.now());
            heard.send_replace(Said::of(&batch, until, last, now));
        }
        if outputs.queue.is_some() && !batch.is_empty() {
            match self.append_or_leave(&outputs, batch, is_polled).await {
                Appended::Whole => {}
                Appended::Not(dropped) => complaint = Some(dropped),
                Appended::Stopped => return,
                Appended::Left => {
                    // The supervisor is gone only while it stops.
                    drop(taken.send(Taken::Judged));
                    return;
                }
            }
        }
        self.intake.vouch(complete, self.clock.now());
        // The supervisor is gone only while it stops.
        drop(taken.send(Taken::Whole(complaint)));
    }

    /// Appends a batch. Judging waits for no room: samples of which there are judged ones are left
    /// to their source after a while, which is asked for them again, and for those that follow.
    async fn append_or_leave(&self, outputs: &Outputs, batch: Batch, is_polled: bool) -> Appended {
        let Some(queue) = &outputs.queue else { return Appended::Whole };
        let is_judged = outputs.engine.is_some() && matches!(batch, Batch::Samples(_));
        let may_leave = is_polled && is_judged;
        let append = self.append(queue, batch);
        if !may_leave {
            return append.await;
        }
        timeout(ROOM, append).await.unwrap_or(Appended::Left)
    }

    async fn judge(&self, outputs: &Outputs, samples: Samples) {
        let Some(engine) = &outputs.engine else { return };
        let input = Input::Samples { source: self.source.clone(), samples };
        if engine.send(input).await.is_err() {
            warn!(source = self.source, "the engine has stopped");
        }
    }

    /// Appends a batch, however long it takes.
    async fn append(&self, queue: &Queue, batch: Batch) -> Appended {
        let mut waiting = vec![batch];
        let mut pause = Backoff::new(Duration::from_millis(100), PAUSE);
        let mut dropped = None;
        while let Some(batch) = waiting.pop() {
            if self.reserve.is_given_up() {
                waiting.push(batch);
                if !self.rest(sleep(pause.failed())).await {
                    return Appended::Stopped;
                }
                continue;
            }
            let Err(error) = queue.append(&batch).await else {
                pause.succeeded();
                continue;
            };
            let goes_on = match error {
                AppendError::TooLarge { bytes, max } => {
                    match halves(&batch) {
                        Some([first, second]) => waiting.extend([second, first]),
                        None => dropped = Some(too_large(batch.len(), bytes, max)),
                    }
                    true
                }
                AppendError::Encoding(cause) => {
                    let cure = "report it to the plugin's author".into();
                    let complaint = Complaint { dropped: batch.len() as u64, cut: 0, cause, cure };
                    dropped = Some(complaint);
                    true
                }
                AppendError::Full { bytes } => {
                    waiting.push(batch);
                    self.rest(async { queue.wait_for_space(bytes).await.unwrap_or(()) }).await
                }
                AppendError::Disk(error) => {
                    waiting.push(batch);
                    self.refused(&error, pause.is_new());
                    self.rest(sleep(pause.failed())).await
                }
                AppendError::Closed(_) => false,
            };
            if !goes_on {
                return Appended::Stopped;
            }
        }
        dropped.map_or(Appended::Whole, Appended::Not)
    }

    fn refused(&self, error: &DiskError, is_new: bool) {
        if is_new {
            warn!(source = self.source, %error, "a batch is not durable yet; its source waits");
        }
        // Where a sync or a copy met it, it is an I/O error of SQLite's.
        if error.full || self.reserve.is_tight() {
            // What the reserve held is for the store alone; sources wait meanwhile.
            self.reserve.give_up();
        }
    }

    /// Waits for `until`. False: the daemon stops.
    async fn rest(&self, until: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = until => true,
            () = self.stop.cancelled() => false,
        }
    }
}

enum Appended {
    Whole,
    /// Some of it never will be.
    Not(Complaint),
    /// The daemon stops: the batch stays with its source.
    Stopped,
    /// There is no room: it was judged, and stays with its source.
    Left,
}

fn too_large(records: usize, bytes: u64, max: u64) -> Complaint {
    Complaint {
        dropped: records as u64,
        cut: 0,
        cause: format!("a record of {bytes} bytes does not fit into the queue of {max} bytes"),
        cure: "raise queue.max of the source".into(),
    }
}

/// Tells of a queue that fills up, of what is damaged in it and of what sinks rejected.
pub struct QueueWatch {
    /// The source.
    pub source: String,
    /// Its queue.
    pub queue: Queue,
    /// What was set aside when it was opened.
    pub damage: Option<String>,
    /// Room for the worst.
    pub reserve: Reserve,
    /// Where it is told.
    pub events: mpsc::Sender<Event>,
}

impl Stage for QueueWatch {
    /// Tells until the queue is closed.
    async fn run(&mut self) {
        let mut stats = self.queue.watch();
        let mut reported = Reported { damage: self.damage.clone(), ..Reported::default() };
        loop {
            let now = stats.borrow_and_update().clone();
            // A full disk has an alarm of its own.
            let full = self.reserve.is_given_up() || self.reserve.is_tight();
            for (problem, detail) in reported.changes(&now, full) {
                let event = Event { instance: self.source.clone(), problem, detail };
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
            if stats.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What was told of a queue, in this run: at first nothing, so that what is over is ended.
#[derive(Default)]
struct Reported {
    filling: Option<bool>,
    dead: Option<u64>,
    damaged: Option<u64>,
    failing: Option<bool>,
    /// What was set aside at the start: the next start finds the queue whole.
    damage: Option<String>,
}

impl Reported {
    fn changes(&mut self, stats: &Stats, full: bool) -> Vec<(Problem, Option<String>)> {
        let mut changes = Vec::new();
        let trouble = stats.trouble.as_ref().filter(|_| !full);
        if self.failing != Some(trouble.is_some()) {
            self.failing = Some(trouble.is_some());
            let detail = trouble.map(|text| format!("its queue takes nothing, it waits: {text}"));
            changes.push((Problem::StoreFailing, detail));
        }
        let filling = match self.filling {
            Some(true) => stats.percent() >= EMPTIER,
            _ => stats.percent() >= FILLING,
        };
        if self.filling != Some(filling) {
            self.filling = Some(filling);
            let slowest = stats.consumers.iter().max_by_key(|consumer| consumer.lag_records);
            let slowest = slowest.map_or("no sink", |consumer| &consumer.name);
            let detail = format!("its queue is {} % full; {slowest} is behind", stats.percent());
            changes.push((Problem::QueueFilling, filling.then_some(detail)));
        }
        if self.dead != Some(stats.dead) {
            self.dead = Some(stats.dead);
            let detail = || {
                format!(
                    "{} records were rejected by sinks; see `haetae outbox list --dead`",
                    stats.dead
                )
            };
            changes.push((Problem::DeadLetters, (stats.dead > 0).then(detail)));
        }
        if self.damaged != Some(stats.damaged) {
            self.damaged = Some(stats.damaged);
            let why = stats.last_damaged.as_ref().map_or("", |batch| &batch.why);
            let batches =
                format!("{} batches of its queue were damaged and set aside: {why}", stats.damaged);
            let batches = (stats.damaged > 0).then_some(batches);
            let details: Vec<_> = self.damage.clone().into_iter().chain(batches).collect();
            // One event: what is still there must not end and begin again at each start.
            let detail = (!details.is_empty()).then(|| details.join("; "));
            changes.push((Problem::QueueDamaged, detail));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(changes: &[(Problem, Option<String>)]) -> Vec<(&str, bool)> {
        changes.iter().map(|(problem, detail)| (problem.as_str(), detail.is_some())).collect()
    }

    #[test]
    fn at_first_all_is_told_and_then_what_changes() {
        let mut reported = Reported::default();
        let mut stats = Stats { max_bytes: 100, ..Stats::default() };
        let all = ["store-failing", "queue-filling", "dead-letters", "queue-damaged"];
        assert_eq!(words(&reported.changes(&stats, false)), all.map(|word| (word, false)));
        assert_eq!(reported.changes(&stats, false), []);
        for (bytes, expected) in [(79, None), (80, Some(true)), (70, None), (69, Some(false))] {
            stats.bytes = bytes;
            let expected: Vec<_> = expected.map(|is| ("queue-filling", is)).into_iter().collect();
            assert_eq!(words(&reported.changes(&stats, false)), expected, "{bytes}");
        }
        stats.dead = 2;
        assert_eq!(words(&reported.changes(&stats, false)), [("dead-letters", true)]);
        stats.dead = 0;
        assert_eq!(words(&reported.changes(&stats, false)), [("dead-letters", false)]);
    }

    #[test]
    fn what_is_damaged_is_one_event() {
        let mut reported = Reported { damage: Some("no database".into()), ..Reported::default() };
        let mut stats = Stats { max_bytes: 100, ..Stats::default() };
        let detail = |changes: Vec<(Problem, Option<String>)>| {
            changes.into_iter().find(|(problem, _)| *problem == Problem::QueueDamaged)?.1
        };
        assert_eq!(detail(reported.changes(&stats, false)).as_deref(), Some("no database"));
        stats.damaged = 3;
        let both = detail(reported.changes(&stats, false)).unwrap();
        assert!(both.starts_with("no database; 3 batches of its queue were damaged"), "{both}");
    }

    #[test]
    fn a_queue_that_takes_nothing_is_told_unless_the_disk_is_full() {
        let mut reported = Reported::default();
        let mut stats = Stats { max_bytes: 100, ..Stats::default() };
        reported.changes(&stats, false);
        stats.trouble = Some("disk I/O error".into());
        assert_eq!(reported.changes(&stats, true), []);
        assert_eq!(words(&reported.changes(&stats, false)), [("store-failing", true)]);
        stats.trouble = None;
        assert_eq!(words(&reported.changes(&stats, false)), [("store-failing", false)]);
    }
}
