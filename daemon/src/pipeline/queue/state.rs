//! What is in the file, as numbers: who has got how far, and what that leaves to keep.
//!
//! It is a copy of what the file says and of what was handed out since. A transaction works on it
//! and puts the old one back if it fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use haetae_plugin::Timestamp;

/// The numbers of a queue.
#[derive(Clone, Debug, Default)]
pub struct QueueState {
    /// The highest sequence that was ever given to a batch.
    pub last: i64,
    /// All consumers have passed what is up to here.
    pub floor: i64,
    /// What lies beyond the floor.
    pub kept: Weight,
    /// When the oldest batch beyond the floor was appended.
    pub oldest: Option<Timestamp>,
    /// Rejected items.
    pub dead: Weight,
    /// Rejected items that made room for younger ones, since the start.
    pub dead_dropped: u64,
    /// Batches that could not be read.
    pub damaged: Weight,
    /// Those that read from it.
    pub consumers: Vec<ConsumerState>,
}

/// How much lies somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Rows: batches, or dead items.
    pub rows: i64,
    /// Records in them.
    pub records: i64,
    /// What they weigh towards `max`.
    pub bytes: i64,
}

impl Weight {
    /// A row.
    pub const fn row(records: i64, bytes: i64) -> Self {
        Self { rows: 1, records, bytes }
    }

    /// With `other`.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.records += other.records;
        self.bytes += other.bytes;
    }

    /// Without `other`.
    pub fn subtract(&mut self, other: Self) {
        self.rows = (self.rows - other.rows).max(0);
        self.records = (self.records - other.records).max(0);
        self.bytes = (self.bytes - other.bytes).max(0);
    }
}

/// A consumer as the queue's thread sees it.
#[derive(Clone, Debug, Default)]
pub struct ConsumerState {
    /// The sink's or evaluator's name.
    pub name: Arc<str>,
    /// It has done all up to here, and here it starts again.
    pub cursor: i64,
    /// It was given all up to here.
    pub given: i64,
    /// What it was given and has not done, with the records of each.
    pub in_flight: BTreeMap<i64, i64>,
    /// What it has not done: batches and records; bytes are not counted.
    pub lag: Weight,
    /// Records that were dropped before it did them.
    pub dropped: i64,
    /// Its rejected items.
    pub dead: i64,
    /// Those of them that are to be handed out again.
    pub redriven: BTreeSet<i64>,
    /// Cursor and dropped as the file has them.
    pub saved: (i64, i64),
}

impl ConsumerState {
    /// One that starts at its cursor.
    pub fn new(name: &str, cursor: i64, dropped: i64, lag: Weight) -> Self {
        let saved = (cursor, dropped);
        let name = name.into();
        Self { name, cursor, given: cursor, lag, dropped, saved, ..Self::default() }
    }

    /// Whether the file does not know yet how far it is.
    pub fn is_ahead(&self) -> bool {
        self.saved != (self.cursor, self.dropped)
    }

    /// Hands out a batch.
    pub fn give(&mut self, sequence: i64, records: i64) {
        self.given = self.given.max(sequence);
        self.in_flight.insert(sequence, records);
    }

    /// It passes a batch that it was never given, because that cannot be read.
    pub fn pass(&mut self, sequence: i64, records: i64) {
        self.given = self.given.max(sequence);
        self.lag.subtract(Weight::row(records, 0));
        self.settle();
    }

    /// It has done a batch; in any order, and saying it twice does no harm.
    pub fn done(&mut self, sequence: i64) {
        if let Some(records) = self.in_flight.remove(&sequence) {
            self.lag.subtract(Weight::row(records, 0));
            self.settle();
        }
    }

    /// It starts again behind `cursor` with what lies there.
    pub fn restart(&mut self, cursor: i64, lag: Weight) {
        self.cursor = cursor;
        self.given = cursor;
        self.in_flight.clear();
        self.lag = lag;
    }

    fn owes(&self, sequence: i64) -> bool {
        sequence > self.given || self.in_flight.contains_key(&sequence)
    }

    /// Its cursor moves to just before the lowest batch that it has not done.
    fn settle(&mut self) {
        let lowest = self.in_flight.keys().next().map_or(self.given, |lowest| lowest - 1);
        self.cursor = self.cursor.max(lowest);
    }
}

impl QueueState {
    /// The consumer of this name.
    pub fn consumer(&mut self, name: &str) -> Option<&mut ConsumerState> {
        self.consumers.iter_mut().find(|consumer| &*consumer.name == name)
    }

    /// Makes the consumers those of these names; a new one starts at the end.
    pub fn enrol(&mut self, names: &[String]) {
        self.consumers.retain(|consumer| names.iter().any(|name| **name == *consumer.name));
        for name in names {
            if self.consumer(name).is_none() {
                let consumer = ConsumerState::new(name, self.last, 0, Weight::default());
                self.consumers.push(consumer);
            }
        }
        self.consumers.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// What counts towards `max`.
    pub fn bytes(&self) -> i64 {
        self.kept.bytes + self.dead.bytes + self.damaged.bytes
    }

    /// All cursors have passed what is up to here; without consumers nothing is kept.
    pub fn passed(&self) -> i64 {
        self.consumers.iter().map(|consumer| consumer.cursor).min().unwrap_or(self.last)
    }

    /// Whether a cursor is further than the file says.
    pub fn is_ahead(&self) -> bool {
        self.consumers.iter().any(ConsumerState::is_ahead)
    }

    /// A batch was appended.
    pub fn appended(&mut self, sequence: i64, weight: Weight, now: Timestamp) {
        self.last = sequence;
        self.kept.add(weight);
        self.oldest.get_or_insert(now);
        for consumer in &mut self.consumers {
            consumer.lag.add(Weight::row(weight.records, 0));
        }
    }

    /// The oldest batch is gone to make room: those that have not done it pass it, counted.
    pub fn dropped(&mut self, sequence: i64, weight: Weight) {
        for consumer in &mut self.consumers {
            if consumer.owes(sequence) {
                consumer.dropped += weight.records;
                consumer.lag.subtract(weight);
                consumer.in_flight.remove(&sequence);
                consumer.given = consumer.given.max(sequence);
            }
            consumer.cursor = consumer.cursor.max(sequence);
            consumer.settle();
        }
        self.kept.subtract(weight);
        self.floor = self.floor.max(sequence);
    }

    /// A batch cannot be read: nobody has to do it any more.
    pub fn forgive(&mut self, sequence: i64, weight: Weight) {
        for consumer in &mut self.consumers {
            if consumer.owes(sequence) {
                consumer.lag.subtract(weight);
                consumer.in_flight.remove(&sequence);
                consumer.settle();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(names: &[&str]) -> QueueState {
        let consumers = names.iter().map(|name| ConsumerState::new(name, 0, 0, Weight::default()));
        QueueState { consumers: consumers.collect(), ..QueueState::default() }
    }

    #[test]
    fn a_cursor_stays_before_the_lowest_unfinished_batch() {
        let mut consumer = ConsumerState::new("a", 0, 0, Weight::default());
        for sequence in 1..=3 {
            consumer.give(sequence, 10);
        }
        consumer.done(3);
        consumer.done(2);
        assert_eq!(consumer.cursor, 0);
        consumer.done(1);
        assert_eq!(consumer.cursor, 3);
        consumer.done(1);
        assert_eq!(consumer.cursor, 3);
    }

    #[test]
    fn a_dropped_batch_counts_for_those_alone_that_had_not_done_it() {
        let mut state = state(&["quick", "slow"]);
        let weight = Weight::row(10, 100);
        state.appended(1, weight, Timestamp::default());
        state.appended(2, weight, Timestamp::default());
        let quick = state.consumer("quick").unwrap();
        quick.give(1, 10);
        quick.done(1);
        state.dropped(1, weight);
        let seen: Vec<_> =
            state.consumers.iter().map(|it| (it.cursor, it.dropped, it.lag.records)).collect();
        assert_eq!(seen, [(1, 0, 10), (1, 10, 10)]);
        assert_eq!((state.kept.rows, state.floor), (1, 1));
    }

    #[test]
    fn without_consumers_nothing_is_kept() {
        let mut state = state(&[]);
        state.appended(1, Weight::row(1, 1), Timestamp::default());
        assert_eq!(state.passed(), 1);
    }
}
