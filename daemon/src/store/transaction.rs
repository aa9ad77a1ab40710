//! A transaction: what is written in it is durable wholly or not at all.

use haetae_plugin::Timestamp;
use sqlx::{
    Any,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use super::{Store, StoreError};

/// A transaction on the connection that writes; rolled back unless it is committed.
pub struct Transaction<'a> {
    store: &'a Store,
    begun: sqlx::Transaction<'static, Any>,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(store: &'a Store, begun: sqlx::Transaction<'static, Any>) -> Self {
        Self { store, begun }
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.begun.commit().await.map_err(|error| self.store.failed(&error))
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
        let done = query.execute(&mut *self.begun).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.store.failed(&error))
    }

    /// Executes a statement that answers with rows.
    pub(super) async fn fetch(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let rows = query.fetch_all(&mut *self.begun).await;
        rows.map_err(|error| self.store.failed(&error))
    }
}
