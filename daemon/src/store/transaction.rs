//! A transaction: what is written in it is durable wholly or not at all.

use haetae_plugin::Timestamp;
use sqlx::{
    Any, Executor,
    any::{AnyArguments, AnyRow},
    pool::PoolConnection,
    query::Query,
};

use super::{Store, StoreError};

/// A transaction on the connection that writes.
///
/// It begins and ends by statements of our own. sqlx counts how deep its transactions are nested,
/// and miscounts when SQLite has rolled one back by itself, as it does on a full disk: the next
/// ones would then be inside of one that nobody ever commits. A connection whose transaction did
/// not end well is closed, which rolls it back whatever state it is in.
pub struct Transaction<'a> {
    store: &'a Store,
    connection: Option<PoolConnection<Any>>,
}

impl<'a> Transaction<'a> {
    pub(super) async fn begin(store: &'a Store) -> Result<Self, StoreError> {
        let connection = store.writer.acquire().await.map_err(|error| store.failed(&error))?;
        let mut transaction = Self { store, connection: Some(connection) };
        transaction.say("BEGIN").await?;
        Ok(transaction)
    }

    /// Makes it durable.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.say("COMMIT").await?;
        self.connection = None;
        Ok(())
    }

    /// Ends it as if it had not been.
    pub async fn abandon(mut self) -> Result<(), StoreError> {
        self.say("ROLLBACK").await?;
        self.connection = None;
        Ok(())
    }

    /// A name for a new row.
    pub(super) fn id(&self, now: Timestamp) -> String {
        self.store.ids.next(now).to_string()
    }

    /// Who holds what this daemon claims.
    pub(super) fn owner(&self) -> &str {
        &self.store.owner
    }

    /// Executes a statement and says how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<u64, StoreError> {
        let done = query.execute(self.connection()?).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.store.failed(&error))
    }

    /// Executes a statement that answers with rows.
    pub(super) async fn fetch(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let rows = query.fetch_all(self.connection()?).await;
        rows.map_err(|error| self.store.failed(&error))
    }

    async fn say(&mut self, word: &'static str) -> Result<(), StoreError> {
        let said = self.connection()?.execute(word).await;
        said.map(drop).map_err(|error| self.store.failed(&error))
    }

    fn connection(&mut self) -> Result<&mut sqlx::AnyConnection, StoreError> {
        let connection = self.connection.as_deref_mut();
        connection.ok_or_else(|| self.store.failed(&sqlx::Error::PoolClosed))
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}
