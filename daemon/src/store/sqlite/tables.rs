//! Tables of a file, for those that change and check them.

use std::path::Path;

use super::Sqlite;
use crate::store::{StoreError, migrations::Tables};

/// SQLite's check of a whole file.
pub(in crate::store) const ALL: &str = "PRAGMA integrity_check(20)";

impl Tables for Sqlite {
    const BYTES: (&'static str, fn(&str) -> String) = ("BLOB", |digits| format!("x'{digits}'"));
    const KEYED_TABLES: bool = true;
    const NAMES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table'";

    fn say(&mut self, sql: &str) -> Result<Vec<String>, StoreError> {
        if !sql.starts_with("SELECT") {
            return self.batch(sql).map(|()| Vec::new());
        }
        let mut statement = self.connection.prepare(sql).map_err(|error| self.failed(&error))?;
        let rows = statement.query_map([], |row| row.get(0));
        let texts = rows.and_then(Iterator::collect);
        texts.map_err(|error| self.failed(&error))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn damaged(&self, cause: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), cause }
    }

    fn is_whole(&self) -> Result<(), StoreError> {
        whole(self, &self.path, ALL)
    }
}

/// Whether a check of SQLite's finds nothing.
pub(in crate::store) fn whole(sqlite: &Sqlite, path: &Path, check: &str) -> Result<(), StoreError> {
    let mut found = Vec::<String>::new();
    let mut ask = || -> rusqlite::Result<()> {
        let mut statement = sqlite.raw().prepare(check)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
        Ok(())
    };
    ask().map_err(|error| sqlite.failed(&error))?;
    if found == ["ok"] {
        return Ok(());
    }
    Err(StoreError::Damaged { path: path.into(), cause: found.join("; ") })
}
