//! A log reader: takes batches out of one source's queue for the log evaluators that read it.
//!
//! It is one consumer of the queue for all of them, so that a batch is read once. Each keeps a
//! cursor in the store; a batch is done when the cursors of all have passed it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use haetae_plugin::{Batch, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::queue::{Consumer, Queue, QueueError, QueuePosition, QueuedBatch, Resumed};
use crate::{
    engine::{
        Input,
        log::{Found, LogBatch, LogCursor, Matching, Positions},
    },
    fault,
    retry::Backoff,
    stage::Stage,
};

/// Its name among the consumers of a queue; no instance has one with a space.
pub const LOG_EVALUATORS: &str = "log evaluators";
/// Records that are taken out at once.
const TOGETHER: usize = 10_000;
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// That a source has spoken without a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// What it had said before is in the queue up to here.
    last: i64,
    until: Timestamp,
    vouched: bool,
}

impl Said {
    /// What an empty batch says: that there was nothing up to `until`, or what it vouches for.
    pub fn of(batch: &Batch, until: Timestamp, last: i64, now: Timestamp) -> Self {
        let claimed = match batch {
            Batch::Logs(logs) => logs.complete_until(),
            _ => Timestamp::default(),
        };
        let vouched = claimed != Timestamp::default();
        Self { last, until: if vouched { claimed.min(now) } else { until }, vouched }
    }
}

/// The way from a queue to the log evaluators of its source.
pub struct LogReader {
    /// The source.
    pub source: String,
    /// Its queue.
    pub queue: Queue,
    /// Their place in it.
    pub consumer: Consumer,
    /// Their rules.
    pub matching: Arc<Matching>,
    /// Where they go on, those that have begun.
    pub cursors: Vec<LogCursor>,
    /// That the source has spoken.
    pub said: watch::Receiver<Said>,
    /// The engine.
    pub engine: mpsc::Sender<Input>,
    /// How far they are written.
    pub written: watch::Receiver<Positions>,
    /// Whether it has gone on where they do; one that comes after it goes on where it was.
    pub resumed: Arc<AtomicBool>,
    /// Nothing more is taken out.
    pub stop: CancellationToken,
}

impl Stage for LogReader {
    /// Reads until stopped or the queue is closed.
    async fn run(&mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.read() => {}
        }
    }
}

impl LogReader {
    /// `None`: nobody is there any more.
    async fn read(&mut self) -> Option<()> {
        let mut pause = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        if self.resumed.load(Ordering::Relaxed) {
            // What the engine has been given already is nothing new to it.
            self.consumer.rewind();
        }
        while !self.resumed.load(Ordering::Relaxed) {
            match self.resume().await {
                Ok(()) => self.resumed.store(true, Ordering::Relaxed),
                Err(error) => self.rest(error, &mut pause).await?,
            }
        }
        let mut given = VecDeque::new();
        let mut heard_until = Timestamp::default();
        loop {
            tokio::select! {
                next = self.consumer.next(TOGETHER) => match next {
                    Ok(entries) => {
                        pause.succeeded();
                        for entry in entries {
                            fault::point("log reader", &self.source);
                            given.push_back(entry.sequence);
                            self.pass(entry).await?;
                        }
                    }
                    Err(error) => self.rest(error, &mut pause).await?,
                },
                changed = self.said.changed() => changed.ok()?,
                changed = self.written.changed() => changed.ok()?,
            }
            self.hear(given.len(), &mut heard_until).await?;
            let written = self.least_written();
            while let Some(sequence) = given.pop_front_if(|sequence| *sequence <= written) {
                self.consumer.done(QueuePosition::Batch(sequence)).await.ok()?;
            }
        }
    }

    /// Goes on behind the least of the cursors. Where the place is gone, at the oldest batch.
    async fn resume(&mut self) -> Result<(), QueueError> {
        let id = self.queue.id().to_string();
        let known = |cursor: &&LogCursor| cursor.queue == id;
        let here = self.cursors.iter().filter(known).map(|cursor| cursor.position).min();
        let strange = self.cursors.iter().any(|cursor| cursor.queue != id);
        let resumed = match here.filter(|_| !strange) {
            Some(position) => self.consumer.resume_after(position).await?,
            None if self.cursors.is_empty() => return Ok(()),
            None => Resumed::Oldest,
        };
        if resumed == Resumed::There {
            return Ok(());
        }
        warn!(
            source = self.source,
            "the place of log evaluators in the queue is gone: they go on at its oldest batch"
        );
        self.consumer.resume_after(i64::MIN).await?;
        let rewound = Input::Rewound { source: self.source.clone() };
        // The engine ends only when the daemon does.
        self.engine.send(rewound).await.ok();
        Ok(())
    }

    /// Hands over what is wanted of an entry.
    async fn pass(&mut self, entry: QueuedBatch) -> Option<()> {
        let matching = Arc::clone(&self.matching);
        let (sequence, time) = (entry.sequence, entry.time);
        // Expressions take time, and others wait for this thread.
        let find = move || match &entry.batch {
            Batch::Logs(logs) => matching.find(logs, time),
            _ => Found::default(),
        };
        let found = spawn_blocking(find).await.ok()?;
        let records = LogBatch {
            source: self.source.clone(),
            queue: self.queue.id().to_string(),
            position: sequence,
            found,
        };
        self.engine.send(Input::Records(records)).await.ok()
    }

    /// Tells that the source has spoken, once all that it said before was handed over; `open`
    /// are the batches that were, and are not done.
    async fn hear(&mut self, open: usize, heard_until: &mut Timestamp) -> Option<()> {
        let Said { last, until, vouched } = *self.said.borrow();
        let stats = self.queue.stats();
        let own = stats.consumers.iter().find(|one| &*one.name == LOG_EVALUATORS);
        let handed_over = own.is_some_and(|own| own.lag_batches == open as u64);
        if until <= *heard_until || stats.last < last || !handed_over {
            return Some(());
        }
        *heard_until = until;
        let heard = Input::Heard { source: self.source.clone(), until, vouched };
        self.engine.send(heard).await.ok()
    }

    /// Up to where all that follows is written.
    fn least_written(&self) -> i64 {
        let written = self.written.borrow();
        let own = |name: &str| written.get(&(self.source.clone(), name.to_owned())).copied();
        self.matching.names().map(|name| own(name).unwrap_or(i64::MIN)).min().unwrap_or(i64::MIN)
    }

    async fn rest(&self, error: QueueError, pause: &mut Backoff) -> Option<()> {
        let QueueError::Disk(error) = error else { return None };
        if pause.is_new() {
            warn!(source = self.source, consumer = LOG_EVALUATORS, %error, "its queue cannot be read; it is tried again");
        }
        sleep(pause.failed()).await;
        Some(())
    }
}
