//! Integrity: whether a file of SQLite's is whole, as far as that is looked at before each start.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{StoreError, sqlite::Sqlite};

/// A larger file is looked through where what goes on is; history waits for `haetae db check`.
const SMALL: u64 = 64 << 20;
/// What is written to and read on the way of an alarm, and what people said.
const LIVE: [&str; 13] = [
    "sqlite_schema",
    "alarms",
    "outbox",
    "notice_alarms",
    "groups",
    "group_alarms",
    "told",
    "writers",
    "marks",
    "handling",
    "silences",
    "thresholds",
    "log_cursors",
];

/// Looks through a file before its daemon goes on with it.
pub(super) async fn check(path: &Path) -> Result<(), StoreError> {
    let file = path.to_owned();
    let looked = spawn_blocking(move || {
        let sqlite = Sqlite::reader(&file)?;
        let length = std::fs::metadata(&file).map(|file| file.len()).unwrap_or_default();
        if length <= SMALL {
            return whole(&sqlite, &file, "PRAGMA integrity_check(20)");
        }
        LIVE.iter().try_for_each(|table| {
            whole(&sqlite, &file, &format!("PRAGMA integrity_check('{table}')"))
        })
    });
    looked.await.unwrap_or_else(|error| Err(StoreError::failed(path.display(), error)))
}

/// Whether a check of SQLite's finds nothing.
pub(super) fn whole(sqlite: &Sqlite, path: &Path, check: &str) -> Result<(), StoreError> {
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
