//! Retention: history goes when it is old enough, in steps so small that nobody waits for one.

use haetae_plugin::Timestamp;

use super::{
    Store, StoreError, Transaction,
    alarms::{PRUNED, day},
    database::parameters,
    statements,
};

/// Rows that go in one transaction.
const STEP: i64 = 250;

/// Until when each kind of history is pruned; none: it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Alarms that ended before, with how they were handled.
    pub alarms: Option<Timestamp>,
    /// What happened before.
    pub journal: Option<Timestamp>,
    /// Who was told to the end, or can't be told the end, since before.
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

impl Store {
    /// Removes a little of what is old enough; nothing: all of it is gone.
    pub async fn prune(&self, until: History) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        // Each kind is a transaction of its own, so that others come between them.
        if let Some(until) = until.alarms {
            pruned.alarms = self.write(move |transaction| transaction.prune_alarms(until)).await?;
        }
        if let Some(until) = until.journal {
            pruned.journal = self
                .write(move |transaction| {
                    transaction.prune_day(
                        statements::OLDEST_JOURNAL,
                        statements::PRUNE_JOURNAL,
                        until,
                    )
                })
                .await?;
        }
        if let Some(until) = until.notices {
            pruned.notices = self
                .write(move |transaction| {
                    let row = parameters![until, STEP];
                    let lost = transaction.execute(statements::PRUNE_UNREACHABLE, row)?;
                    let (oldest, prune) = (statements::OLDEST_TOLD, statements::PRUNE_TOLD);
                    Ok::<_, StoreError>(lost + transaction.prune_day(oldest, prune, until)?)
                })
                .await?;
        }
        if let Some(until) = until.dead_letters {
            pruned.dead_letters =
                self.write(move |transaction| transaction.prune_letters(until)).await?;
        }
        Ok(pruned)
    }
}

impl Transaction<'_> {
    fn prune_alarms(&mut self, until: Timestamp) -> Result<u64, StoreError> {
        let Some(oldest) = self.oldest(statements::OLDEST_ENDED, until)? else { return Ok(0) };
        self.queue(statements::RAISE_MARK, &[parameters![PRUNED, oldest.max(1)]])?;
        self.queue(statements::PRUNE_HANDLING, &[parameters![oldest, STEP]])?;
        self.execute(statements::PRUNE_ENDED, parameters![oldest, STEP])
    }

    /// Removes rows of the oldest day of a kind of history, if all of that day is old enough.
    fn prune_day(
        &mut self,
        oldest: &'static str,
        prune: &'static str,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let Some(oldest) = self.oldest(oldest, until)? else { return Ok(0) };
        self.execute(prune, parameters![oldest, STEP])
    }

    fn oldest(
        &mut self,
        statement: &'static str,
        until: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let oldest = self.connection.first(statement, parameters![], |row| row.integer(0))?;
        Ok(oldest.filter(|oldest| (0..day(until)).contains(oldest)))
    }

    /// Dead letters that nobody looked at; who waited for an end in one can't be told of it.
    fn prune_letters(&mut self, until: Timestamp) -> Result<u64, StoreError> {
        let row = parameters![until, STEP];
        let letters = self.connection.all(statements::OLD_LETTERS, row, |row| row.string(0))?;
        let mut dropped = 0;
        for letter in &letters {
            dropped += u64::from(self.drop_row(letter)?);
        }
        Ok(dropped)
    }
}
