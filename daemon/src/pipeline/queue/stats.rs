//! What can be seen of a queue from outside, at any time and without asking its thread.

use std::sync::Arc;

use haetae_plugin::Timestamp;

use super::state::QueueState;

/// A queue in numbers, as of its last turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What it may hold.
    pub max_bytes: u64,
    /// What it holds: batches, dead items and damaged ones.
    pub bytes: u64,
    /// Batches that somebody has not done.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// The sequence of the last batch that was ever appended.
    pub last: i64,
    /// When the oldest of them was appended.
    pub oldest: Option<Timestamp>,
    /// Rejected items.
    pub dead: u64,
    /// Rejected items that made room for younger ones, since the start.
    pub dead_dropped: u64,
    /// Batches that could not be read and were moved to the table `damaged`.
    pub damaged: u64,
    /// The last of them, since the start.
    pub last_damaged: Option<DamagedBatch>,
    /// Why the disk did not take the last commit; nothing, if it did.
    pub trouble: Option<Arc<str>>,
    /// Each consumer.
    pub consumers: Vec<ConsumerStats>,
}

/// A batch that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedBatch {
    /// Its place in the log.
    pub sequence: i64,
    /// Its records.
    pub records: u64,
    /// What is wrong with it.
    pub why: Arc<str>,
}

/// A consumer in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStats {
    /// The sink or evaluator.
    pub name: Arc<str>,
    /// Batches that it has not done.
    pub lag_batches: u64,
    /// Records in them.
    pub lag_records: u64,
    /// Records that were dropped before it did them, ever.
    pub dropped: u64,
    /// Its rejected items.
    pub dead: u64,
}

impl Stats {
    /// How full it is, in percent; a system alarm is due from 80 on.
    pub fn percent(&self) -> u64 {
        self.bytes.saturating_mul(100).checked_div(self.max_bytes).unwrap_or(100)
    }

    /// Whether `bytes` more can be taken.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.bytes.saturating_add(bytes) <= self.max_bytes
    }

    pub(super) fn of(
        state: &QueueState,
        max_bytes: u64,
        last_damaged: Option<DamagedBatch>,
        trouble: Option<Arc<str>>,
    ) -> Self {
        let consumers = state.consumers.iter().map(|consumer| ConsumerStats {
            name: Arc::clone(&consumer.name),
            lag_batches: count(consumer.lag.rows),
            lag_records: count(consumer.lag.records),
            dropped: count(consumer.dropped),
            dead: count(consumer.dead),
        });
        Self {
            max_bytes,
            bytes: count(state.bytes()),
            batches: count(state.kept.rows),
            records: count(state.kept.records),
            last: state.last,
            oldest: state.oldest.filter(|_| state.kept.rows > 0),
            dead: count(state.dead.rows),
            dead_dropped: state.dead_dropped,
            damaged: count(state.damaged.rows),
            last_damaged,
            trouble,
            consumers: consumers.collect(),
        }
    }
}

fn count(number: i64) -> u64 {
    number.try_into().unwrap_or(0)
}
