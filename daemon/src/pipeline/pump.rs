//! A pump: takes what waits for one sink out of one source's queue and delivers it, in order.

use std::time::Duration;

use haetae_plugin::{Batch, Outcome, Samples, Verdict};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::queue::{Consumer, Entry, QueueError};
use crate::{
    engine::Matcher,
    fault,
    plugin::{sink::Outlet, status::Status},
    retry::{Backoff, jittered},
    stage::Stage,
};

/// Records that are taken out at once.
const TOGETHER: usize = 10_000;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The way from a queue to a sink.
pub struct Pump {
    /// The source.
    pub source: String,
    /// The sink's place in its queue.
    pub consumer: Consumer,
    /// The sink.
    pub outlet: Outlet,
    /// Which series it wants; all must match.
    pub matchers: Vec<Matcher>,
    /// Where what it rejects is counted.
    pub status: Status,
    /// Nothing more is taken out.
    pub stop: CancellationToken,
}

impl Stage for Pump {
    /// Delivers until stopped or the queue is closed. What was not delivered stays in the queue.
    async fn run(&mut self) {
        self.consumer.rewind();
        let mut pause = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled() => return,
                next = self.consumer.next(TOGETHER) => next,
            };
            match next {
                Ok(entries) => {
                    pause.succeeded();
                    for entry in entries {
                        fault::point("pump", &self.source);
                        if !self.pass(entry).await {
                            return;
                        }
                    }
                }
                Err(QueueError::Closed(_)) => return,
                Err(QueueError::Disk(error)) => {
                    warn!(source = self.source, sink = self.consumer.name(), %error, "cannot read");
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
    async fn pass(&mut self, entry: Entry) -> bool {
        let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut left = wanted(&entry.batch, &self.matchers);
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
                    let (again, dead, wait) = sorted(&left, &outcome);
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
    async fn bury(&self, entry: &Entry, rejected: Vec<(usize, String)>) -> bool {
        let mut pause = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        loop {
            match self.consumer.dead(entry, rejected.clone()).await {
                Ok(()) => return true,
                Err(QueueError::Closed(_)) => return false,
                Err(QueueError::Disk(error)) => {
                    warn!(source = self.source, %error, "rejected records cannot be kept yet");
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
        }
    }
}

/// The indices of the records that a sink wants.
fn wanted(batch: &Batch, matchers: &[Matcher]) -> Vec<usize> {
    match batch {
        Batch::Samples(samples) if !matchers.is_empty() => {
            let wants = |series: &haetae_plugin::Series| {
                matchers.iter().all(|matcher| matcher.matches(series.label(matcher.label())))
            };
            let indices = samples.iter().enumerate().filter(|(_, (series, _))| wants(series));
            indices.map(|(index, _)| index).collect()
        }
        other => (0..other.len()).collect(),
    }
}

/// The records of a batch at these indices.
fn part(batch: &Batch, indices: &[usize]) -> Batch {
    match batch {
        whole if indices.len() == whole.len() => whole.clone(),
        Batch::Samples(samples) => {
            let mut part = Samples::with_capacity(samples.complete_until(), indices.len());
            let mut wanted = indices.iter().peekable();
            for (index, (series, point)) in samples.iter().enumerate() {
                if wanted.next_if(|wanted| **wanted == index).is_some() {
                    part.push_flagged(series, point.value, point.time, point.flags);
                }
            }
            Batch::Samples(part)
        }
        // Only samples are told apart yet: a log sink that takes a part is given all again.
        other => other.clone(),
    }
}

/// What is to be tried again, what never will be taken, and how long the peer asked to wait.
fn sorted(
    left: &[usize],
    outcome: &Outcome,
) -> (Vec<usize>, Vec<(usize, String)>, Option<Duration>) {
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
    (again, dead, wait)
}

#[cfg(test)]
mod tests {
    use haetae_plugin::{Series, Timestamp};

    use super::*;

    fn samples(hosts: &[&str]) -> Batch {
        let mut samples = Samples::at(Timestamp::from_seconds(1));
        for (value, host) in (0_u32..).zip(hosts) {
            let series = Series::gauge("cpu", "percent").label("host", *host).build();
            samples.push(&series, f64::from(value));
        }
        samples.into()
    }

    fn values(batch: &Batch) -> Vec<f64> {
        let Batch::Samples(samples) = batch else { panic!("samples") };
        samples.points().iter().map(|point| point.value).collect()
    }

    #[test]
    fn a_sink_gets_the_series_that_it_wants() {
        let batch = samples(&["a", "b", "a"]);
        let matcher = Matcher::parse(r#"host="a""#).unwrap();
        let wanted = wanted(&batch, &[matcher]);
        assert_eq!(wanted, [0, 2]);
        assert_eq!(values(&part(&batch, &wanted)), [0.0, 2.0]);
        assert_eq!(values(&part(&batch, &[0, 1, 2])), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn what_was_accepted_is_never_sent_again_and_what_is_dead_keeps_its_index() {
        let retry = Verdict::Retry { reason: "busy".into(), after: Some(FIRST_PAUSE) };
        let rejected = Verdict::Rejected { reason: "type".into() };
        let outcome = Outcome::delivered().but(1, retry).but(2, rejected);
        let (again, dead, wait) = sorted(&[4, 6, 8, 9], &outcome);
        assert_eq!(again, [6]);
        assert_eq!(dead, [(8, "type".to_owned())]);
        assert_eq!(wait, Some(FIRST_PAUSE));
    }
}
