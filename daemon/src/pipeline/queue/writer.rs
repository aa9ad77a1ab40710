//! The queue's thread. It takes all commands that wait, writes them in one transaction, answers,
//! and takes the next: the sync that is under way is the only wait that gathers them.

mod enrolling;
mod giving;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use haetae_plugin::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use super::{
    AppendError, DamagedBatch, DiskError, QueueLimits, QueuePosition, Receipt, Stats, WhenFull,
    command::{COMMANDS, Command, DeadList, Next, Order, ReplySender, Write},
    dead,
    rows::{self, EncodedBatch, UnreadableBatch, disk},
    state::QueueState,
};
use crate::clock::{Clock, monotonic};

/// How far the cursors in the file may be behind.
const BEHIND: Duration = Duration::from_secs(1);
/// Commits after which passed batches are freed.
const COMMITS: u32 = 64;
/// Steps of freeing at the end; what is left is freed after the next start.
const LAST_STEPS: usize = 64;

/// What the thread works on.
pub struct Writer {
    connection: Connection,
    state: QueueState,
    max: i64,
    limits: QueueLimits,
    clock: Clock,
    stats: watch::Sender<Stats>,
    /// Consumers that wait, at most one of each name.
    waiting: Vec<Next>,
    /// Batches that were found damaged, until they are moved.
    unreadable: BTreeMap<i64, UnreadableBatch>,
    /// Redriven items that were delivered, until they are deleted.
    delivered: Vec<i64>,
    /// Since when the file is behind.
    behind_since: Option<Instant>,
    commits: u32,
    sweeping: bool,
    last_damaged: Option<DamagedBatch>,
    trouble: Option<Arc<str>>,
}

/// What became of a write, before the commit.
enum WriteResult {
    Appended(Result<i64, AppendError>),
    Buried,
    Found(bool),
}

/// What one turn has to do.
#[derive(Default)]
struct Round {
    writes: Vec<Write>,
    lists: Vec<(usize, ReplySender<DeadList>)>,
    closing: Option<Closing>,
}

/// Why the thread ends.
enum Closing {
    Requested(ReplySender<()>),
    Left,
}

impl Writer {
    /// The thread's work.
    pub fn new(
        connection: Connection,
        state: QueueState,
        limits: QueueLimits,
        clock: Clock,
        publish: watch::Sender<Stats>,
    ) -> Self {
        Self {
            connection,
            state,
            max: limits.max_bytes.try_into().unwrap_or(i64::MAX),
            limits,
            clock,
            stats: publish,
            waiting: Vec::new(),
            unreadable: BTreeMap::new(),
            delivered: Vec::new(),
            behind_since: None,
            commits: 0,
            sweeping: false,
            last_damaged: None,
            trouble: None,
        }
    }

    /// Works until told to close, or until nobody can ask any more.
    pub fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            let mut round = Round::default();
            let mut places = Vec::new();
            match self.wait(inbox) {
                Ok(order) => {
                    let waiting = inbox.try_iter().take(COMMANDS - 1);
                    for Order { command, place } in std::iter::once(order).chain(waiting) {
                        places.push(place);
                        self.sort(command, &mut round);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => round.closing = Some(Closing::Left),
            }
            let closing = self.round(round);
            drop(places);
            if let Some(closing) = closing {
                self.end();
                if let Closing::Requested(reply) = closing {
                    // Whoever asked may have gone.
                    reply.send(()).ok();
                }
                return;
            }
        }
    }

    /// Waits for a command, not longer than the file may be behind.
    fn wait(&self, inbox: &Receiver<Order>) -> Result<Order, RecvTimeoutError> {
        if self.sweeping {
            return inbox.recv_timeout(Duration::ZERO);
        }
        match self.behind_since {
            Some(since) => inbox
                .recv_timeout(BEHIND.saturating_sub(monotonic().saturating_duration_since(since))),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Does at once what needs no commit.
    fn sort(&mut self, command: Command, round: &mut Round) {
        match command {
            Command::Write(write) => round.writes.push(write),
            // Of one that is no consumer any more nobody waits for an answer.
            Command::Next(next) if self.state.consumer(&next.consumer).is_none() => {}
            Command::Next(next) => {
                if next.fresh {
                    self.afresh(&next.consumer);
                }
                self.waiting.retain(|other| other.consumer != next.consumer);
                self.waiting.push(next);
            }
            Command::Done(consumer, QueuePosition::Batch(sequence)) => {
                if let Some(consumer) = self.state.consumer(&consumer) {
                    consumer.done(sequence);
                }
            }
            Command::Done(_, QueuePosition::Dead(id)) => self.delivered.push(id),
            Command::Resume(consumer, after, reply) => {
                self.waiting.retain(|other| other.consumer != consumer);
                let resumed = self.resume(&consumer, after).map_err(|error| disk(&error).into());
                // Whoever has the answer finds the way that is before it in the numbers.
                self.publish();
                // Whoever asked may have gone.
                drop(reply.send(resumed));
            }
            Command::Enrol(consumers, limits, reply) => {
                let enrolled = self.enrol(&consumers, limits);
                self.publish();
                // Whoever asked may have gone.
                drop(reply.send(enrolled.map_err(|error| disk(&error).into())));
            }
            Command::Dead(limit, reply) => round.lists.push((limit, reply)),
            Command::Close(reply) => round.closing = Some(Closing::Requested(reply)),
            #[cfg(test)]
            Command::Pragma(text, reply) => {
                self.connection.execute_batch(text).unwrap();
                reply.send(()).unwrap();
            }
        }
    }

    fn round(&mut self, round: Round) -> Option<Closing> {
        self.publish_floor();
        let is_behind = self.is_behind();
        let since = is_behind.then(|| *self.behind_since.get_or_insert_with(monotonic));
        let due = since.is_some_and(|since| monotonic().saturating_duration_since(since) >= BEHIND);
        if !round.writes.is_empty() || due || is_behind && round.closing.is_some() {
            self.write(round.writes);
        }
        if self.commits >= COMMITS {
            self.commits = 0;
            self.sweeping = true;
        }
        if self.sweeping {
            // What could not be freed now is tried again in 64 commits.
            self.sweeping = rows::free_passed(&mut self.connection, &self.state).unwrap_or(false);
        }
        let given = self.give();
        self.publish_floor();
        if self.behind_since.is_none() && self.is_behind() {
            self.behind_since = Some(monotonic());
        }
        self.publish();
        for (next, entries) in given {
            // If it has gone, the one that comes after it starts at the cursor.
            drop(next.reply.send(entries));
        }
        for (limit, reply) in round.lists {
            let list = dead::list(&self.connection, limit).map_err(|error| disk(&error).into());
            // Whoever asked may have gone.
            drop(reply.send(list));
        }
        round.closing
    }

    fn is_behind(&self) -> bool {
        self.state.is_ahead() || !self.unreadable.is_empty() || !self.delivered.is_empty()
    }

    /// Commits, then answers; if that fails, all is as it was before.
    fn write(&mut self, writes: Vec<Write>) {
        let before = self.state.clone();
        let written = self.transact(&writes);
        self.behind_since = None;
        match written {
            Ok(written) => {
                self.commits += 1;
                self.trouble = None;
                self.unreadable.clear();
                self.delivered.clear();
                for consumer in &mut self.state.consumers {
                    consumer.saved = (consumer.cursor, consumer.dropped);
                }
                // Whoever has an answer finds it in the numbers.
                self.publish();
                for (write, written) in writes.into_iter().zip(written) {
                    answer(write, written);
                }
            }
            Err(error) => {
                self.state = before;
                let error = disk(&error);
                self.trouble = Some(Arc::clone(&error.text));
                // What all have passed may be the space that is missing.
                self.sweeping = true;
                self.publish();
                for write in writes {
                    refuse(write, &error);
                }
            }
        }
    }

    fn transact(&mut self, writes: &[Write]) -> rusqlite::Result<Vec<WriteResult>> {
        let now = self.clock.now();
        let (state, max) = (&mut self.state, self.max);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (sequence, unreadable) in &self.unreadable {
            rows::set_aside(&transaction, state, max, *sequence, unreadable)?;
        }
        for id in &self.delivered {
            dead::remove(&transaction, state, *id)?;
        }
        let mut all = Vec::with_capacity(writes.len());
        for write in writes {
            all.push(match write {
                Write::Append(body, _) => {
                    let limits = (max, self.limits.when_full);
                    WriteResult::Appended(append(&transaction, state, limits, body, now)?)
                }
                Write::Bury { consumer, sequence, items, .. } => {
                    for item in items {
                        let whose = (consumer, *sequence);
                        dead::bury(&transaction, state, max, whose, item, now)?;
                    }
                    WriteResult::Buried
                }
                Write::DropDead(id, _) => {
                    WriteResult::Found(dead::remove(&transaction, state, *id)?)
                }
                Write::Redrive(id, _) => {
                    WriteResult::Found(dead::redrive(&transaction, state, *id)?)
                }
            });
        }
        rows::save_cursors(&transaction, state)?;
        transaction.commit()?;
        Ok(all)
    }

    /// What all have passed no longer counts.
    fn publish_floor(&mut self) {
        let (passed, floor) = (self.state.passed(), self.state.floor);
        if passed == floor {
            return;
        }
        let weighed = if passed > floor {
            rows::weigh(&self.connection, floor, passed).map(|weight| {
                let mut kept = self.state.kept;
                kept.subtract(weight);
                kept
            })
        } else {
            rows::weigh(&self.connection, passed, i64::MAX)
        };
        // What can't be weighed now is weighed in the next turn.
        let (Ok(kept), Ok(oldest)) = (weighed, rows::oldest(&self.connection, passed)) else {
            return;
        };
        self.state.kept = kept;
        self.state.oldest = oldest;
        self.state.floor = passed;
    }

    fn publish(&self) {
        let (last_damaged, trouble) = (self.last_damaged.clone(), self.trouble.clone());
        let now = Stats::of(&self.state, self.limits.max_bytes, last_damaged, trouble);
        self.stats.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    /// Frees what is passed and closes the file, so that its log is taken over.
    fn end(mut self) {
        for _ in 0..LAST_STEPS {
            if !rows::free_passed(&mut self.connection, &self.state).unwrap_or(false) {
                break;
            }
        }
        // What it can't take over now it takes over when it is opened.
        drop(self.connection.close());
    }
}

/// Appends a batch if there is room or if room can be made.
fn append(
    connection: &Connection,
    state: &mut QueueState,
    (max, when_full): (i64, WhenFull),
    body: &EncodedBatch,
    now: Timestamp,
) -> rusqlite::Result<Result<i64, AppendError>> {
    let weight = body.weight();
    while state.bytes() + weight.bytes > max {
        let dropped = when_full == WhenFull::DropOldest && rows::drop_oldest(connection, state)?;
        if !dropped {
            let bytes = weight.bytes.try_into().unwrap_or(u64::MAX);
            return Ok(Err(AppendError::Full { bytes }));
        }
    }
    let sequence = state.last + 1;
    rows::insert(connection, sequence, now, body)?;
    state.appended(sequence, weight, now);
    Ok(Ok(sequence))
}

/// Answers a write that is on the disk. Whoever asked may have gone.
fn answer(write: Write, written: WriteResult) {
    match (write, written) {
        (Write::Append(_, reply), WriteResult::Appended(appended)) => {
            drop(reply.send(appended.map(|sequence| Receipt { sequence })));
        }
        (Write::Bury { reply, .. }, _) => drop(reply.send(Ok(()))),
        (Write::DropDead(_, reply) | Write::Redrive(_, reply), WriteResult::Found(found)) => {
            drop(reply.send(Ok(found)));
        }
        // Each write has its own kind of result.
        _ => {}
    }
}

/// Answers a write that is not on the disk. Whoever asked may have gone.
fn refuse(write: Write, error: &DiskError) {
    let error = error.clone();
    match write {
        Write::Append(_, reply) => drop(reply.send(Err(error.into()))),
        Write::Bury { reply, .. } => drop(reply.send(Err(error.into()))),
        Write::DropDead(_, reply) | Write::Redrive(_, reply) => {
            drop(reply.send(Err(error.into())));
        }
    }
}
