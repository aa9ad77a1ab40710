//! What the queue's thread is asked, and the way to it.

use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    AppendError, Closed, Freed, QueueError, QueueLimits, Receipt,
    dead::{Dead, Item},
    queued_batch::{QueuePosition, QueuedBatch, Resumed},
    rows::EncodedBatch,
};

/// Commands that wait for the queue's thread. Full: whoever asks waits.
pub const COMMANDS: usize = 256;

/// Where an answer goes. Whoever asked may have gone.
pub type ReplySender<T> = oneshot::Sender<T>;

/// The answer to [`Command::Dead`].
pub type DeadList = Result<Vec<Dead>, QueueError>;

/// Something to do.
#[derive(Debug)]
pub enum Command {
    /// It changes the file; all that wait are one transaction.
    Write(Write),
    /// Hand out what is next.
    Next(Next),
    /// A consumer has done what it was given.
    Done(Arc<str>, QueuePosition),
    /// A consumer starts again behind this place.
    Resume(Arc<str>, i64, ReplySender<Result<Resumed, QueueError>>),
    /// Make the consumers these, and the limits.
    Enrol(Vec<String>, QueueLimits, ReplySender<Result<Vec<Freed>, QueueError>>),
    /// List rejected items.
    Dead(usize, ReplySender<DeadList>),
    /// Commit what is known and end.
    Close(ReplySender<()>),
    /// Set a limit of `SQLite`'s, for a test of that limit.
    #[cfg(test)]
    Pragma(&'static str, ReplySender<()>),
}

/// A change of the file. It is answered after the commit.
#[derive(Debug)]
pub enum Write {
    /// Append a batch.
    Append(EncodedBatch, ReplySender<Result<Receipt, AppendError>>),
    /// Keep items that a consumer will never take.
    Bury {
        /// Who.
        consumer: Arc<str>,
        /// The batch that they came with.
        sequence: i64,
        /// The items.
        items: Vec<Item>,
        /// Where the answer goes.
        reply: ReplySender<Result<(), QueueError>>,
    },
    /// Delete a rejected item.
    DropDead(i64, ReplySender<Result<bool, QueueError>>),
    /// Hand out a rejected item again.
    Redrive(i64, ReplySender<Result<bool, QueueError>>),
}

/// A consumer that waits for batches.
#[derive(Debug)]
pub struct Next {
    /// Who.
    pub consumer: Arc<str>,
    /// It knows nothing of what was given before: start at the cursor.
    pub fresh: bool,
    /// Records at which to stop; at least one batch is given.
    pub max_records: usize,
    /// Where they go.
    pub reply: ReplySender<Result<Vec<QueuedBatch>, QueueError>>,
}

/// The sending half.
#[derive(Clone, Debug)]
pub struct CommandSender {
    orders: SyncSender<Order>,
    places: Arc<Semaphore>,
}

/// A command, with the place in the channel that it holds until it is done.
#[derive(Debug)]
pub struct Order {
    /// What to do.
    pub command: Command,
    /// Given back after the turn.
    pub place: OwnedSemaphorePermit,
}

/// A bounded channel that is waited for on one side and blocks on the other.
pub fn line() -> (CommandSender, Receiver<Order>) {
    let (orders, inbox) = sync_channel(COMMANDS);
    (CommandSender { orders, places: Arc::new(Semaphore::new(COMMANDS)) }, inbox)
}

impl CommandSender {
    /// Waits for a place, then sends; a caller that gives up while waiting has sent nothing.
    pub async fn send(&self, command: Command) -> Result<(), Closed> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Closed)?;
        // There are as many places as the channel is long, so it is never full.
        self.orders.try_send(Order { command, place }).map_err(|_| Closed)
    }

    /// Sends a command that `make` gives a place for the answer, and waits for that.
    pub async fn ask<T>(&self, make: impl FnOnce(ReplySender<T>) -> Command) -> Result<T, Closed> {
        let (reply, answer) = oneshot::channel();
        self.send(make(reply)).await?;
        answer.await.map_err(|_| Closed)
    }
}
