//! Claims: rows of the outbox that are tried now, or given up, by one daemon at a time.

use haetae_plugin::Timestamp;
use tracing::warn;

use super::{
    Store, StoreError, Transaction,
    database::{Row, parameters},
    outbox::{Claimed, claimed},
    statements,
    transaction::plain,
};

/// How often a claim goes on behind rows that can't be read.
const MOST_UNREADABLE: usize = 100;

/// A row that is claimed, or why it can't be.
enum Claim {
    Good(Box<Claimed>),
    Unreadable { id: String, fence: i64, why: String },
}

impl Transaction<'_> {
    /// Takes up to `most` rows of a sink that are due, the first of each thread, until `lease`.
    ///
    /// One that can't be read is a dead letter from then on: it holds up nobody.
    pub fn claim(
        &mut self,
        sink: &str,
        now: Timestamp,
        lease: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.claim_by(statements::CLAIM, sink, now, lease, most)
    }

    /// Takes up to `most` rows of a sink that are to be given up, the first of each thread, whenever
    /// they are due.
    pub fn claim_expired(
        &mut self,
        sink: &str,
        now: Timestamp,
        lease: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.claim_by(statements::CLAIM_EXPIRED, sink, now, lease, most)
    }

    fn claim_by(
        &mut self,
        statement: &'static str,
        sink: &str,
        now: Timestamp,
        lease: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = Vec::new();
        // Others of its thread may be due then.
        for _ in 0..MOST_UNREADABLE {
            let owner = self.owner();
            let row = parameters![lease, owner, sink, now, most];
            let claims = self.connection.all(statement, row, |row| claim(sink, row, lease))?;
            let mut unreadable = 0;
            for claim in claims {
                match claim {
                    Claim::Good(row) => rows.push(*row),
                    Claim::Unreadable { id, fence, why } => {
                        unreadable += 1;
                        warn!(sink, notice = id, why, "a notice can't be read: a dead letter");
                        let why = plain(&format!("it can't be read: {why}")).into_owned();
                        self.execute(statements::BURY_UNREAD, parameters![&id, fence, &why])?;
                    }
                }
            }
            if unreadable == 0 || !rows.is_empty() {
                break;
            }
        }
        rows.sort_by(|a: &Claimed, b: &Claimed| a.id.cmp(&b.id));
        Ok(rows)
    }
}

impl Store {
    /// Whether something that waits for a sink is to be given up.
    pub async fn has_expired(&self, sink: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sink = sink.to_owned();
        let found = self.read(move |connection| {
            connection.first(statements::HAS_EXPIRED, parameters![&sink, now], |_| Ok(()))
        });
        Ok(found.await?.is_some())
    }
}

fn claim(sink: &str, row: &dyn Row, lease: Timestamp) -> Result<Claim, StoreError> {
    let (id, fence) = (row.string(0)?, row.integer(6)?);
    match claimed(sink, row, lease) {
        Ok(claimed) => Ok(Claim::Good(Box::new(claimed))),
        Err(StoreError::Unreadable(why)) => Ok(Claim::Unreadable { id, fence, why }),
        Err(error) => Err(error),
    }
}
