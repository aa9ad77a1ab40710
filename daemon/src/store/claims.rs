//! Claims: rows of the outbox that are tried now, or given up, by one daemon at a time.

use haetae_plugin::Timestamp;

use super::{
    Store, StoreError, Transaction,
    database::{Row, parameters, plain},
    outbox::{About, Claimed, claimed},
    statements,
};

/// How often a claim goes on behind rows that can't be read.
const MOST_UNREADABLE: usize = 100;

/// What a claim found.
#[derive(Debug, Default)]
pub struct Claims {
    /// What this daemon holds now.
    pub rows: Vec<Claimed>,
    /// What can't be read: dead letters from now on, which hold up nobody.
    pub unreadable: Vec<Unread>,
}

/// A row that can't be read.
#[derive(Debug)]
pub struct Unread {
    /// Its name.
    pub id: String,
    /// The alarms that it is about.
    pub about: Vec<About>,
    /// Why.
    pub why: String,
}

/// A row that is claimed, or why it can't be.
enum Claim {
    Good(Box<Claimed>),
    Unreadable { id: String, fence: i64, why: String },
}

impl Transaction<'_> {
    /// Takes up to `most` rows of a sink that are due, the first of each thread, until `lease`.
    pub fn claim(
        &mut self,
        sink: &str,
        now: Timestamp,
        lease: Timestamp,
        most: usize,
    ) -> Result<Claims, StoreError> {
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
    ) -> Result<Claims, StoreError> {
        self.claim_by(statements::CLAIM_EXPIRED, sink, now, lease, most)
    }

    fn claim_by(
        &mut self,
        statement: &'static str,
        sink: &str,
        now: Timestamp,
        lease: Timestamp,
        most: usize,
    ) -> Result<Claims, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut found = Claims::default();
        // Others of its thread may be due then.
        for _ in 0..MOST_UNREADABLE {
            let owner = self.owner();
            let row = parameters![lease, owner, sink, now, most];
            let claims = self.connection.all(statement, row, |row| claim(sink, row, lease))?;
            let before = found.unreadable.len();
            for claim in claims {
                match claim {
                    Claim::Good(row) => found.rows.push(*row),
                    Claim::Unreadable { id, fence, why } => {
                        found.unreadable.push(self.bury_unread(id, fence, why)?);
                    }
                }
            }
            if found.unreadable.len() == before || !found.rows.is_empty() {
                break;
            }
        }
        found.rows.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    fn bury_unread(&mut self, id: String, fence: i64, why: String) -> Result<Unread, StoreError> {
        let reason = plain(&format!("it can't be read: {why}")).into_owned();
        self.execute(statements::BURY_UNREAD, parameters![&id, fence, &reason])?;
        let about = self.alarms_named(&id)?;
        Ok(Unread { id, about, why })
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
