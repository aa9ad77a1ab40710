//! Entries: what a consumer is handed, where each lies, and where it goes on.

use haetae_plugin::{Batch, Timestamp};

/// Where an entry lies, and what is said to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueuePosition {
    /// In the log, under this sequence.
    Batch(i64),
    /// Among the dead items, under this id: it was redriven.
    Dead(i64),
}

/// A batch that was handed out.
#[derive(Clone, Debug)]
pub struct QueuedBatch {
    /// To say [`Consumer::done`](super::Consumer::done) of.
    pub place: QueuePosition,
    /// The sequence that it was appended under, of a redriven item as well: with the queue's id
    /// and an item's index it names a record for ever.
    pub sequence: i64,
    /// The index, in its batch, of the first item of this one; not 0 only for a redriven item.
    pub first: usize,
    /// When it was appended; of a redriven item, when it was rejected.
    pub time: Timestamp,
    /// What it holds.
    pub batch: Batch,
}

/// Where a consumer that keeps its own cursor goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// Right behind its cursor.
    There,
    /// At the oldest batch: what lies between is gone.
    Oldest,
    /// At the end: its cursor is beyond all that was ever in this queue.
    End,
}
