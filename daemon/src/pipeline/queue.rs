//! The durable queue of a source: an append-only log of batches with a cursor for each consumer.
//!
//! Each has a file of its own, `<state>/queues/<source>.db`, and a thread of its own that alone
//! touches it. The file grows to a little over `max`: what all have passed is freed within some 64
//! commits and its space used again, and the write-ahead log comes on top.

pub mod command;
pub mod consumer;
pub mod dead;
pub mod encoding;
pub mod file;
pub mod queued_batch;
pub mod rows;
pub mod state;
pub mod stats;
pub mod wal;
pub mod writer;

#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use haetae_plugin::Batch;
use tokio::sync::watch;
use ulid::Ulid;

use self::{
    command::{Command, CommandSender, Write, line},
    rows::EncodedBatch,
    writer::Writer,
};
pub use self::{
    consumer::Consumer,
    dead::Dead,
    file::{Damage, Freed, OpenError},
    queued_batch::{QueuePosition, QueuedBatch, Resumed},
    stats::{ConsumerStats, DamagedBatch, Stats},
};
use crate::clock::Clock;

/// How much a queue holds, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Batches, dead and damaged items together.
    pub max_bytes: u64,
    /// When the next batch does not fit.
    pub when_full: WhenFull,
}

/// What happens when a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The source waits, and so do all its consumers.
    Wait,
    /// The oldest batches go; those that had not done them miss them, counted.
    DropOldest,
}

/// A batch is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the log. Never given twice under one [`Queue::id`].
    pub sequence: i64,
}

/// Why a batch was not appended. Nothing of it is in the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Hold it and wait for [`Queue::wait_for_space`].
    #[error("the queue is full: {bytes} bytes more do not fit")]
    Full {
        /// What it needs.
        bytes: u64,
    },
    /// It would never fit.
    #[error("a batch of {bytes} bytes is over half of the queue's max of {max}")]
    TooLarge {
        /// What it needs.
        bytes: u64,
        /// The queue's `max`.
        max: u64,
    },
    /// It holds what cannot be written.
    #[error("a batch cannot be encoded: {0}")]
    Encoding(String),
    /// Hold it and try again.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The queue was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why something could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Try again.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The queue was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// The disk did not do its part; the queue is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue's file: {text}")]
pub struct DiskError {
    /// Whether space is what is missing.
    pub full: bool,
    /// What was said.
    pub text: Arc<str>,
}

/// The queue was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed")]
pub struct Closed;

/// A hand on a queue. Without [`Queue::close`] its thread ends when the last hand is gone.
#[derive(Clone, Debug)]
pub struct Queue {
    id: Ulid,
    names: Arc<[Arc<str>]>,
    freed: Arc<[Freed]>,
    limits: QueueLimits,
    line: CommandSender,
    stats: watch::Receiver<Stats>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Queue {
    /// Opens the queue of a source, or begins one. It blocks, for long if there is much to look
    /// through. What is damaged is set aside, and named.
    pub fn open(
        directory: &Path,
        source: &str,
        limits: QueueLimits,
        consumers: &[String],
        clock: Clock,
    ) -> Result<(Self, Option<Damage>), OpenError> {
        let mut opened = file::open(directory, source, clock.now())?;
        let failed = |error| OpenError::Database { path: directory.join(source), error };
        let freed = rows::last(&opened.connection)
            .and_then(|last| file::enrol(&mut opened.connection, consumers, last))
            .map_err(failed)?;
        let mut loaded = rows::load(&opened.connection).map_err(failed)?;
        dead::load(&opened.connection, &mut loaded).map_err(failed)?;
        let names = loaded.consumers.iter().map(|consumer| Arc::clone(&consumer.name)).collect();
        let (publish, stats) = watch::channel(Stats::of(&loaded, limits.max_bytes, None, None));
        let (line, inbox) = line();
        let writer = Writer::new(opened.connection, loaded, limits, clock, publish);
        let thread = thread::Builder::new()
            .name(format!("queue {source}"))
            .spawn(move || writer.run(&inbox))
            .map_err(OpenError::Thread)?;
        let thread = Arc::new(Mutex::new(Some(thread)));
        let (id, freed) = (opened.id, freed.into());
        let queue = Self { id, names, freed, limits, line, stats, thread };
        Ok((queue, opened.damage))
    }

    /// Names this log. It changes when sequences may come again, because the file was damaged.
    pub fn id(&self) -> Ulid {
        self.id
    }

    /// Whether there is a consumer of this name.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| &**known == name)
    }

    /// Its consumers, and what it may hold.
    pub fn terms(&self) -> (Vec<String>, QueueLimits) {
        (self.names.iter().map(ToString::to_string).collect(), self.limits)
    }

    /// What waited for consumers, or was rejected by them, that were gone when it was opened or since.
    pub fn freed(&self) -> &[Freed] {
        &self.freed
    }

    /// Appends a batch. When it returns, the batch is on the disk.
    pub async fn append(&self, batch: &Batch) -> Result<Receipt, AppendError> {
        let bytes = encoding::encode(batch).map_err(AppendError::Encoding)?;
        let records = i64::try_from(batch.len()).unwrap_or(i64::MAX);
        let body = EncodedBatch { bytes, records };
        let bytes = u64::try_from(body.weight().bytes).unwrap_or(u64::MAX);
        // Dead and damaged items may take less than the other half.
        let max = self.limits.max_bytes;
        if bytes > max / 2 {
            return Err(AppendError::TooLarge { bytes, max });
        }
        self.line.ask(|reply| Command::Write(Write::Append(body, reply))).await?
    }

    /// Waits until there is room for `bytes`, as [`AppendError::Full`] names them.
    pub async fn wait_for_space(&self, bytes: u64) -> Result<(), Closed> {
        let mut stats = self.stats.clone();
        stats.wait_for(|stats| stats.has_room(bytes)).await.map(|_| ()).map_err(|_| Closed)
    }

    /// The consumer of this name; none if it was not named when the queue was opened.
    pub fn consumer(&self, name: &str) -> Option<Consumer> {
        let name = self.names.iter().find(|known| &***known == name)?;
        Some(Consumer::new(Arc::clone(name), self.line.clone()))
    }

    /// The queue in numbers, now.
    pub fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    /// The queue in numbers, to be told of each change.
    pub fn watch(&self) -> watch::Receiver<Stats> {
        self.stats.clone()
    }

    /// Makes its consumers the named ones, as when it is opened, while those that stay go on; the answer is
    /// a hand on it that knows them.
    pub async fn enrol(
        &self,
        consumers: &[String],
        limits: QueueLimits,
    ) -> Result<Self, QueueError> {
        let names = consumers.to_vec();
        let freed = self.line.ask(|reply| Command::Enrol(names, limits, reply)).await??;
        let names = consumers.iter().map(|name| name.as_str().into()).collect();
        let is_known = |one: &&Freed| {
            !freed.iter().any(|new| new.consumer == one.consumer)
                && !consumers.contains(&one.consumer)
        };
        let freed = self.freed.iter().filter(is_known).chain(&freed).cloned().collect();
        Ok(Self { names, freed, limits, ..self.clone() })
    }

    /// Waits until its thread has ended.
    pub async fn ended(&self) {
        // Whether any are as wanted: none ever are.
        drop(self.watch().wait_for(|_| false).await);
    }

    /// The oldest rejected items, at most `limit`.
    pub async fn dead(&self, limit: usize) -> Result<Vec<Dead>, QueueError> {
        self.line.ask(|reply| Command::Dead(limit, reply)).await?
    }

    /// Deletes a rejected item; whether there was one.
    pub async fn drop_dead(&self, id: i64) -> Result<bool, QueueError> {
        self.line.ask(|reply| Command::Write(Write::DropDead(id, reply))).await?
    }

    /// Hands a rejected item to its consumer again; whether there was one.
    pub async fn redrive(&self, id: i64) -> Result<bool, QueueError> {
        self.line.ask(|reply| Command::Write(Write::Redrive(id, reply))).await?
    }

    /// Does what was asked before, commits the cursors and ends the thread.
    pub async fn close(&self) {
        // Either way its thread ends now.
        self.line.ask(Command::Close).await.ok();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has said its last word, so this takes no time. It does not panic.
            drop(thread.join());
        }
    }

    #[cfg(test)]
    async fn pragma(&self, text: &'static str) {
        self.line.ask(|reply| Command::Pragma(text, reply)).await.unwrap();
    }
}
