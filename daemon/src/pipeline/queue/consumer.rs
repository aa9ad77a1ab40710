//! A consumer's hand on a queue: what is next, what is done, what is dead.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Closed, QueueError,
    command::{Command, CommandSender, Next, Write},
    dead::Item,
    encoding,
    queued_batch::{QueuePosition, QueuedBatch, Resumed},
    rows::EncodedBatch,
};

/// The one reader of its name. A second one of that name starts at the cursor and takes over.
#[derive(Debug)]
pub struct Consumer {
    name: Arc<str>,
    line: CommandSender,
    fresh: bool,
    /// An answer that was asked for and not yet taken: a caller may give up waiting.
    pending: Option<oneshot::Receiver<Result<Vec<QueuedBatch>, QueueError>>>,
}

impl Consumer {
    pub(super) fn new(name: Arc<str>, line: CommandSender) -> Self {
        Self { name, line, fresh: true, pending: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until there is a batch that it was not given yet. Gives that one and more up to
    /// `max_records` or 8 MiB together; redriven items come first. No batch is lost if the wait is
    /// given up.
    pub async fn next(&mut self, max_records: usize) -> Result<Vec<QueuedBatch>, QueueError> {
        let pending = if let Some(pending) = &mut self.pending {
            pending
        } else {
            let (reply, answer) = oneshot::channel();
            let consumer = Arc::clone(&self.name);
            let next = Next { consumer, fresh: self.fresh, max_records, reply };
            self.line.send(Command::Next(next)).await?;
            self.fresh = false;
            self.pending.insert(answer)
        };
        let answer = pending.await;
        self.pending = None;
        answer.map_err(|_| Closed)?
    }

    /// Goes back to the cursor: what was given and is not done is given again.
    pub fn rewind(&mut self) {
        (self.fresh, self.pending) = (true, None);
    }

    /// It is done with an entry. Entries may be done in any order: the cursor stays before the
    /// lowest one that is not, and is on the disk a second later.
    pub async fn done(&self, place: QueuePosition) -> Result<(), Closed> {
        self.line.send(Command::Done(Arc::clone(&self.name), place)).await
    }

    /// Keeps items of an entry, by their index in its batch, that will never be taken. Returns
    /// after the commit; the entry itself is still to be done.
    pub async fn dead(
        &self,
        entry: &QueuedBatch,
        rejected: Vec<(usize, String)>,
    ) -> Result<(), QueueError> {
        let items = rejected.into_iter().filter_map(|(index, reason)| {
            let item = encoding::item(&entry.batch, index)?;
            // What was decoded can be encoded.
            let bytes = encoding::encode(&item).ok()?;
            let index = i64::try_from(entry.first + index).ok()?;
            Some(Item { index, reason, body: EncodedBatch { bytes, records: 1 } })
        });
        let (items, consumer) = (items.collect(), Arc::clone(&self.name));
        let sequence = entry.sequence;
        let bury = |reply| Command::Write(Write::Bury { consumer, sequence, items, reply });
        self.line.ask(bury).await?
    }

    /// Goes on behind `sequence`, which the consumer kept itself, forwards or backwards.
    pub async fn resume_after(&mut self, sequence: i64) -> Result<Resumed, QueueError> {
        // What was asked for before is of the old place.
        self.pending = None;
        self.fresh = false;
        let name = Arc::clone(&self.name);
        self.line.ask(|reply| Command::Resume(name, sequence, reply)).await?
    }
}
