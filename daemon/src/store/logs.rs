//! Where log evaluators go on: a cursor for each source that one reads.

use sqlx::{Row, any::AnyRow, query};

use super::{
    Store, StoreError, Transaction,
    rows::{Bound, Row as Written},
    statements,
};
use crate::engine::log::LogCursor;

/// A cursor as it is written.
struct Saved<'a> {
    cursor: &'a LogCursor,
    state: String,
}

impl Written for Saved<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query
            .bind(self.cursor.evaluator.as_str())
            .bind(self.cursor.source.as_str())
            .bind(self.cursor.queue.as_str())
            .bind(self.cursor.position)
            .bind(self.state.as_str())
    }
}

impl Transaction<'_> {
    /// Writes cursors, each evaluator and source once; it replaces what was stored of them.
    pub async fn save_log_cursors(
        &mut self,
        cursors: impl IntoIterator<Item = &LogCursor>,
    ) -> Result<(), StoreError> {
        let written = |cursor: &'_ LogCursor| serde_json::to_string(&cursor.state);
        let saved: Result<Vec<_>, _> = cursors
            .into_iter()
            .map(|cursor| Ok(Saved { cursor, state: written(cursor)? }))
            .collect();
        let saved = saved.map_err(|error: serde_json::Error| StoreError::unreadable(error))?;
        self.each(statements::SAVE_LOG_CURSOR, &(), &saved).await.map(drop)
    }

    /// Forgets the cursor of an evaluator that is gone or does not read that source any more.
    pub async fn forget_log_cursor(
        &mut self,
        evaluator: &str,
        source: &str,
    ) -> Result<(), StoreError> {
        let query = query(statements::FORGET_LOG_CURSOR).bind(evaluator).bind(source);
        self.execute(query).await.map(drop)
    }
}

impl Store {
    /// All cursors of log evaluators.
    pub async fn log_cursors(&self) -> Result<Vec<LogCursor>, StoreError> {
        let rows = query(statements::LOG_CURSORS).fetch_all(&self.writer).await;
        rows.map_err(|error| self.failed(&error))?.iter().map(cursor).collect()
    }
}

fn cursor(row: &AnyRow) -> Result<LogCursor, StoreError> {
    let text = |index: usize| row.try_get::<String, _>(index).map_err(StoreError::unreadable);
    Ok(LogCursor {
        evaluator: text(0)?,
        source: text(1)?,
        queue: text(2)?,
        position: row.try_get(3).map_err(StoreError::unreadable)?,
        state: serde_json::from_str(&text(4)?).map_err(StoreError::unreadable)?,
    })
}
