//! Where log evaluators go on: a cursor for each source that one reads.

use super::{
    Store, StoreError, Transaction,
    database::{Row, parameters},
    statements,
};
use crate::engine::log::LogCursor;

impl Transaction<'_> {
    /// Writes cursors, each evaluator and source once; it replaces what was stored of them.
    pub fn save_log_cursors<'a>(
        &mut self,
        cursors: impl IntoIterator<Item = &'a LogCursor>,
    ) -> Result<(), StoreError> {
        for LogCursor { evaluator, source, queue, position, state } in cursors {
            let state = serde_json::to_string(state).map_err(StoreError::unreadable)?;
            let row = parameters![evaluator, source, queue, *position, &state];
            self.queue(statements::SAVE_LOG_CURSOR, &[row])?;
        }
        Ok(())
    }

    /// Forgets the cursor of an evaluator that is gone or does not read that source any more.
    pub fn forget_log_cursor(&mut self, evaluator: &str, source: &str) -> Result<(), StoreError> {
        self.queue(statements::FORGET_LOG_CURSOR, &[parameters![evaluator, source]])
    }
}

impl Store {
    /// All cursors of log evaluators.
    pub async fn log_cursors(&self) -> Result<Vec<LogCursor>, StoreError> {
        self.read_rows("log_cursors", statements::LOG_CURSORS, parameters![], cursor).await
    }
}

pub(super) fn cursor(row: &dyn Row) -> Result<LogCursor, StoreError> {
    Ok(LogCursor {
        evaluator: row.string(0)?,
        source: row.string(1)?,
        queue: row.string(2)?,
        position: row.integer(3)?,
        state: row.json(4)?,
    })
}
