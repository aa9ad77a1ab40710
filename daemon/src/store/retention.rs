//! Retention: history goes when it is old enough, in steps so small that nobody waits for one.

use std::sync::PoisonError;

use haetae_plugin::Timestamp;

use super::{
    Store, StoreError,
    alarms::{PRUNED, day},
    database::{Row, parameters},
    obligations::pair,
    statements,
};

/// Rows that go in one transaction.
const STEP: i64 = 250;

/// Until when each kind of history is pruned; none: it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Alarms that ended before, with how they were handled; but those whose end is still to be
    /// told, and those that a notification is about.
    pub alarms: Option<Timestamp>,
    /// What happened before.
    pub journal: Option<Timestamp>,
    /// Who was told to the end of an alarm, or can't be told of it, since before.
    pub notices: Option<Timestamp>,
    /// Dead letters of before.
    pub dead_letters: Option<Timestamp>,
}

/// What a step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Alarms.
    pub alarms: u64,
    /// Rows of the journal.
    pub journal: u64,
    /// Rows of whom was told.
    pub notices: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

impl Pruned {
    /// Whether there was nothing old enough.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another step removed.
    pub fn add(&mut self, other: Self) {
        self.alarms += other.alarms;
        self.journal += other.journal;
        self.notices += other.notices;
        self.dead_letters += other.dead_letters;
    }
}

/// An ended alarm, by its key.
type Ended = (i64, String);
/// A row under a day, by its key.
type Dated = (i64, String, String);

impl Store {
    /// Removes a little of what is old enough; nothing: all of it is gone.
    ///
    /// What is old is looked for by a thread that reads; the one that writes deletes by key. Each kind
    /// is a transaction of its own, so that others come between them.
    pub async fn prune(&self, until: History) -> Result<Pruned, StoreError> {
        let mut step = Pruned::default();
        let done = self.prune_each(until, &mut step).await;
        self.pruned.lock().unwrap_or_else(PoisonError::into_inner).add(step);
        done.map(|()| step)
    }

    /// What was pruned since it was opened.
    pub fn pruned(&self) -> Pruned {
        *self.pruned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prune_each(&self, until: History, pruned: &mut Pruned) -> Result<(), StoreError> {
        if let Some(until) = until.alarms {
            pruned.alarms = self.prune_alarms(until).await?;
        }
        if let Some(until) = until.journal {
            let (old, prune) = (statements::OLD_JOURNAL, statements::PRUNE_JOURNAL);
            pruned.journal = self.prune_days(old, prune, until).await?;
        }
        if let Some(until) = until.notices {
            let (old, prune) = (statements::OLD_TOLD, statements::PRUNE_TOLD);
            pruned.notices = self.prune_days(old, prune, until).await?;
            pruned.notices += self.prune_unreachable(until).await?;
        }
        if let Some(until) = until.dead_letters {
            pruned.dead_letters = self.prune_letters(until).await?;
        }
        Ok(())
    }

    async fn prune_alarms(&self, until: Timestamp) -> Result<u64, StoreError> {
        let old = self.read(move |connection| {
            let row = parameters![day(until), STEP];
            let key = |row: &dyn Row| Ok::<Ended, _>((row.integer(0)?, row.string(1)?));
            connection.all(statements::OLD_ENDED, row, key)
        });
        let old = old.await?;
        let Some((last, _)) = old.last() else { return Ok(0) };
        let last = *last;
        let count = counted(old.len());
        self.write(move |transaction| {
            // From now on it is not known of every alarm which occurrences it had.
            transaction.queue(statements::RAISE_MARK, &[parameters![PRUNED, last.max(1)]])?;
            let keys: Vec<_> = old.iter().map(|(day, id)| parameters![*day, id]).collect();
            transaction.queue(statements::PRUNE_ENDED, &keys)?;
            let ids: Vec<_> = old.iter().map(|(_, id)| parameters![id]).collect();
            transaction.queue(statements::PRUNE_HANDLING, &ids)
        })
        .await
        .map(|()| count)
    }

    /// Removes rows of days that are old enough as a whole.
    async fn prune_days(
        &self,
        old: &'static str,
        prune: &'static str,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let old = self.read(move |connection| {
            let key =
                |row: &dyn Row| Ok::<Dated, _>((row.integer(0)?, row.string(1)?, row.string(2)?));
            connection.all(old, parameters![day(until), STEP], key)
        });
        let old = old.await?;
        if old.is_empty() {
            return Ok(0);
        }
        let count = counted(old.len());
        self.write(move |transaction| {
            let keys = old.iter().map(|(day, alarm, other)| parameters![*day, alarm, other]);
            transaction.queue(prune, &keys.collect::<Vec<_>>())
        })
        .await
        .map(|()| count)
    }

    async fn prune_unreachable(&self, until: Timestamp) -> Result<u64, StoreError> {
        let old = self.read(move |connection| {
            connection.all(statements::OLD_UNREACHABLE, parameters![until, STEP], pair)
        });
        let old = old.await?;
        if old.is_empty() {
            return Ok(0);
        }
        let count = counted(old.len());
        self.write(move |transaction| {
            let keys = old.iter().map(|(alarm, sink)| parameters![alarm, sink]);
            transaction.queue(statements::PRUNE_UNREACHABLE, &keys.collect::<Vec<_>>())
        })
        .await
        .map(|()| count)
    }

    async fn prune_letters(&self, until: Timestamp) -> Result<u64, StoreError> {
        let old = self.read(move |connection| {
            let letter = |row: &dyn Row| Ok((row.string(0)?, row.integer(1)?));
            connection.all(statements::OLD_LETTERS, parameters![until, STEP], letter)
        });
        let letters = few(old.await?);
        if letters.is_empty() {
            return Ok(0);
        }
        self.write(move |transaction| {
            let keys: Vec<_> = letters.iter().map(|id| parameters![id, until]).collect();
            let gone = transaction
                .connection
                .each(statements::PRUNE_LETTER, &keys, |row| row.string(0))?;
            transaction.forget_names(&gone)?;
            Ok(counted(gone.len()))
        })
        .await
    }
}

/// As many letters as make a step with the alarms that they name, at least one.
fn few(letters: Vec<(String, i64)>) -> Vec<String> {
    let mut rows = 0;
    let mut few = Vec::new();
    for (letter, names) in letters {
        rows += 1 + names;
        if rows > STEP && !few.is_empty() {
            break;
        }
        few.push(letter);
    }
    few
}

fn counted(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
