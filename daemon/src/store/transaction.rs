//! A transaction: what is written in it is durable wholly or not at all.

use haetae_plugin::Timestamp;
use ulid::Ulid;

use super::{
    StoreError,
    database::{Connection, Parameters},
    ids::Ids,
};

/// A transaction on the thread that writes.
pub struct Transaction<'a> {
    pub(super) connection: &'a mut dyn Connection,
    ids: &'a Ids,
    owner: &'a str,
    /// Nothing of it is to be durable, though nothing went wrong.
    abandoned: bool,
}

impl<'a> Transaction<'a> {
    /// Begins one, does the work and ends it.
    pub(super) fn run<T, E: From<StoreError>>(
        connection: &'a mut dyn Connection,
        ids: &'a Ids,
        owner: &'a str,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        connection.begin()?;
        let mut transaction = Transaction { connection, ids, owner, abandoned: false };
        let done = work(&mut transaction);
        let Transaction { connection, abandoned, .. } = transaction;
        let done = match done {
            Ok(done) if !abandoned => connection.commit().map(|()| done).map_err(E::from),
            done => {
                connection.rollback();
                return done;
            }
        };
        if done.is_err() {
            connection.rollback();
        }
        done
    }

    /// Ends it, when its work is done, as if it had not been.
    pub fn abandon(&mut self) {
        self.abandoned = true;
    }

    /// A name for a new row; it is greater than all before.
    pub(super) fn name(&self, now: Timestamp) -> Ulid {
        self.ids.next(now)
    }

    /// The same as a text.
    pub(super) fn id(&self, now: Timestamp) -> String {
        self.name(now).to_string()
    }

    /// Who holds what this daemon claims.
    pub(super) fn owner(&self) -> &'a str {
        self.owner
    }

    /// Executes a statement for each row; its answer is not waited for.
    pub(super) fn queue(
        &mut self,
        sql: &'static str,
        rows: &[Parameters<'_>],
    ) -> Result<(), StoreError> {
        self.connection.queue(sql, rows)
    }

    /// Executes a statement and says how many rows it changed.
    pub(super) fn execute(
        &mut self,
        sql: &'static str,
        row: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        self.connection.execute(sql, row)
    }
}

/// A text of others as both databases take it: PostgreSQL has no NUL in a text, and what can't be
/// written would be tried for ever.
pub(super) fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
