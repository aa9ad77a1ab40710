//! What consumers are given: what is next, and where a new reader of a name begins.

use super::Writer;
use crate::pipeline::queue::{
    DamagedBatch, QueueError, QueuePosition, Resumed,
    command::Next,
    dead,
    queued_batch::QueuedBatch,
    rows::{self, disk},
    state::Weight,
};

/// What one answer to a consumer holds at most, beyond its first batch.
const ANSWER: usize = 8 << 20;

impl Writer {
    /// What there is for those that wait; for whom there is nothing waits on.
    pub(super) fn give(&mut self) -> Vec<(Next, Result<Vec<QueuedBatch>, QueueError>)> {
        let mut given = Vec::new();
        for next in std::mem::take(&mut self.waiting) {
            match self.gather(&next) {
                Ok(entries) if entries.is_empty() => self.waiting.push(next),
                Ok(entries) => given.push((next, Ok(entries))),
                Err(error) => given.push((next, Err(disk(&error).into()))),
            }
        }
        given
    }

    /// What is handed out is never lost to an error that comes after it.
    fn gather(&mut self, next: &Next) -> rusqlite::Result<Vec<QueuedBatch>> {
        let mut entries = Vec::new();
        let gathered = self
            .gather_redriven(next, &mut entries)
            .and_then(|()| self.gather_batches(next, &mut entries));
        gathered.or_else(|error| if entries.is_empty() { Err(error) } else { Ok(()) })?;
        Ok(entries)
    }

    fn gather_redriven(
        &mut self,
        next: &Next,
        entries: &mut Vec<QueuedBatch>,
    ) -> rusqlite::Result<()> {
        let Some(consumer) = self.state.consumer(&next.consumer) else { return Ok(()) };
        while entries.len() < next.max_records.max(1) {
            let Some(&id) = consumer.redriven.first() else { break };
            let dead = dead::read(&self.connection, id)?;
            consumer.redriven.remove(&id);
            let Some(dead) = dead else { continue };
            // One that cannot be read stays where it is listed.
            let Ok(batch) = dead.batch else { continue };
            let (place, time) = (QueuePosition::Dead(id), dead.time);
            entries.push(QueuedBatch {
                place,
                sequence: dead.sequence,
                first: dead.index,
                time,
                batch,
            });
        }
        Ok(())
    }

    fn gather_batches(
        &mut self,
        next: &Next,
        entries: &mut Vec<QueuedBatch>,
    ) -> rusqlite::Result<()> {
        let Some(consumer) = self.state.consumer(&next.consumer) else { return Ok(()) };
        let (mut records, mut bytes) = (entries.len(), 0);
        while let Some((sequence, weight)) = rows::first(&self.connection, consumer.given)? {
            records += usize::try_from(weight.records).unwrap_or(0);
            bytes += usize::try_from(weight.bytes).unwrap_or(0);
            if !entries.is_empty() && (records > next.max_records || bytes > ANSWER) {
                break;
            }
            let Some(stored) = rows::read(&self.connection, consumer.given)? else { break };
            match stored.batch {
                Ok(batch) => {
                    consumer.give(sequence, stored.records);
                    let place = QueuePosition::Batch(sequence);
                    entries.push(QueuedBatch {
                        place,
                        sequence,
                        first: 0,
                        time: stored.time,
                        batch,
                    });
                }
                Err(unreadable) => {
                    consumer.pass(sequence, weight.records);
                    self.last_damaged = Some(DamagedBatch {
                        sequence,
                        records: weight.records.try_into().unwrap_or(0),
                        why: unreadable.why.as_str().into(),
                    });
                    self.unreadable.insert(sequence, unreadable);
                }
            }
        }
        Ok(())
    }

    /// A new reader of this name knows nothing of what was given to the old one.
    pub(super) fn afresh(&mut self, name: &str) {
        let Some(consumer) = self.state.consumer(name) else { return };
        let cursor = consumer.cursor;
        let lag = rows::weigh(&self.connection, cursor, i64::MAX);
        // If the disk can't say now, the numbers are put right at the next start.
        let lag = lag.unwrap_or(consumer.lag);
        consumer.restart(cursor, Weight { bytes: 0, ..lag });
        if let Ok(redriven) = dead::redriven(&self.connection, name) {
            consumer.redriven =
                redriven.into_iter().filter(|id| !self.delivered.contains(id)).collect();
        }
    }

    pub(super) fn resume(&mut self, name: &str, after: i64) -> rusqlite::Result<Resumed> {
        let last = self.state.last;
        let oldest = rows::first(&self.connection, i64::MIN)?.map_or(last + 1, |(first, _)| first);
        let (cursor, resumed) = if after > last {
            (last, Resumed::End)
        } else if after < oldest - 1 {
            (oldest - 1, Resumed::Oldest)
        } else {
            (after, Resumed::There)
        };
        let lag = Weight { bytes: 0, ..rows::weigh(&self.connection, cursor, i64::MAX)? };
        if let Some(consumer) = self.state.consumer(name) {
            consumer.restart(cursor, lag);
        }
        Ok(resumed)
    }
}
