//! A pump: takes what waits for one sink out of one source's queue and delivers it, in order.

use std::time::Duration;

use haetae_plugin::{Outcome, Verdict};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    part::{RecordFilter, part},
    queue::{Consumer, QueueError, QueuedBatch},
};
use crate::{
    fault,
    plugin::{sink::Outlet, status::Status},
    retry::{Backoff, jittered},
    stage::Stage,
};

/// Records that are taken out at once.
const TOGETHER: usize = 10_000;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The way from a queue to a sink.
pub struct Pump {
    /// The sink's place in its queue.
    pub consumer: Consumer,
    /// The sink.
    pub outlet: Outlet,
    /// What it wants of the source.
    pub wanted: RecordFilter,
    /// Where what it rejects is counted.
    pub status: Status,
    /// Nothing more is taken out.
    pub stop: CancellationToken,
    /// Nothing more is taken out once what is under way is delivered.
    pub leave: CancellationToken,
}

impl Stage for Pump {
    /// Delivers until stopped or the queue is closed. What was not delivered stays in the queue.
    async fn run(&mut self) {
        self.consumer.rewind();
        let mut pause = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.leave.cancelled() => return,
                next = self.consumer.next(TOGETHER) => next,
            };
            match next {
                Ok(entries) => {
                    pause.succeeded();
                    for entry in entries {
                        fault::point("pump", &self.wanted.source);
                        if !self.pass(entry).await || self.leave.is_cancelled() {
                            return;
                        }
                    }
                }
                Err(QueueError::Closed(_)) => return,
                Err(QueueError::Disk(error)) => {
                    if pause.is_new() {
                        warn!(source = self.wanted.source, sink = self.consumer.name(), %error, "its queue cannot be read; it is tried again");
                    }
                    if !self.rest(pause.failed()).await {
                        return;
                    }
                }
            }
        }
    }
}

impl Pump {
    /// Delivers one entry, however often it takes. False: stopped.
    async fn pass(&mut self, entry: QueuedBatch) -> bool {
        let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut left = self.wanted.of(&entry.batch);
        let mut rejected = Vec::new();
        while !left.is_empty() {
            let batch = part(&entry.batch, &left);
            let delivering = self.outlet.deliver(batch);
            let outcome = tokio::select! {
                outcome = delivering => outcome,
                // What the sink says now is not heard: it is delivered again at the next start.
                () = self.stop.cancelled() => return false,
            };
            let wait = match outcome {
                Ok(outcome) => {
                    let Sorted { again, dead, wait } = sorted(&left, &outcome);
                    if again.len() < left.len() {
                        pause.succeeded();
                    }
                    self.status.count(|counts| counts.dropped += dead.len() as u64);
                    rejected.extend(dead);
                    left = again;
                    wait
                }
                Err(undelivered) => undelivered.wait,
            };
            if !left.is_empty() {
                let own = jittered(pause.failed());
                if !self.rest(wait.map_or(own, |wait| wait.max(own))).await {
                    return false;
                }
            }
        }
        if !rejected.is_empty() && !self.bury(&entry, rejected).await {
            return false;
        }
        self.consumer.done(entry.place).await.is_ok()
    }

    /// Keeps what was rejected, however long it takes.
    async fn bury(&self, entry: &QueuedBatch, rejected: Vec<(usize, String)>) -> bool {
        let mut pause = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        loop {
            match self.consumer.dead(entry, rejected.clone()).await {
                Ok(()) => return true,
                Err(QueueError::Closed(_)) => return false,
                Err(QueueError::Disk(error)) => {
                    if pause.is_new() {
                        warn!(source = self.wanted.source, %error, "rejected records cannot be kept yet; it is tried again");
                    }
                    if !self.rest(pause.failed()).await {
                        return false;
                    }
                }
            }
        }
    }

    /// False: stopped meanwhile.
    async fn rest(&self, wait: Duration) -> bool {
        tokio::select! {
            () = sleep(wait) => true,
            () = self.stop.cancelled() => false,
            () = self.leave.cancelled() => false,
        }
    }
}

/// What was not taken, by its index.
struct Sorted {
    /// To be tried again.
    again: Vec<usize>,
    /// Never to be taken, and why.
    dead: Vec<(usize, String)>,
    /// How long the peer asked to wait.
    wait: Option<Duration>,
}

fn sorted(left: &[usize], outcome: &Outcome) -> Sorted {
    let (mut again, mut dead, mut wait) = (Vec::new(), Vec::new(), None);
    for (place, index) in (0_u32..).zip(left) {
        match outcome.of(place) {
            Verdict::Delivered => {}
            Verdict::Rejected { reason } => dead.push((*index, reason.clone())),
            Verdict::Config { .. } => {
                again.push(*index);
                wait = Some(LONGEST_PAUSE);
            }
            Verdict::Retry { after, .. } => {
                again.push(*index);
                wait = wait.max(*after);
            }
            _ => again.push(*index),
        }
    }
    Sorted { again, dead, wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_never_sent_again_and_what_is_dead_keeps_its_index() {
        let retry = Verdict::Retry { reason: "busy".into(), after: Some(FIRST_PAUSE) };
        let rejected = Verdict::Rejected { reason: "type".into() };
        let outcome = Outcome::delivered().but(1, retry).but(2, rejected);
        let Sorted { again, dead, wait } = sorted(&[4, 6, 8, 9], &outcome);
        assert_eq!(again, [6]);
        assert_eq!(dead, [(8, "type".to_owned())]);
        assert_eq!(wait, Some(FIRST_PAUSE));
    }
}
