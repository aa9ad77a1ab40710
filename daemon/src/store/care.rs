//! Care: looking through the store and copying it, beside a running daemon.

use std::{os::unix::fs::OpenOptionsExt, path::Path};

use serde::Serialize;
use sqlx::{AnyPool, AssertSqlSafe, Row, query};

use super::{Location, Store, StoreError, pool};

const TABLES: [&str; 10] = [
    "alarms",
    "journal",
    "outbox",
    "notice_alarms",
    "groups",
    "told",
    "handling",
    "silences",
    "thresholds",
    "thresholds_history",
];

/// What a look through the store found.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// How many rows each table has.
    pub rows: Vec<(String, i64)>,
}

impl Store {
    /// Looks through all of a store; an error says what is wrong with it.
    pub async fn examine(location: &Location) -> Result<Findings, StoreError> {
        let pool = single(location).await?;
        let found = look(location, &pool).await;
        pool.close().await;
        found
    }

    /// Writes a whole copy of a SQLite store to a new file.
    pub async fn back_up(location: &Location, file: &Path) -> Result<(), StoreError> {
        let pool = single(location).await?;
        let name = file.display().to_string();
        let failed = |error: std::io::Error| StoreError::Failed {
            location: name.clone(),
            cause: error.to_string(),
        };
        // An empty file is one that it may write into; it is private from the first byte.
        let mut made = std::fs::OpenOptions::new();
        let made = made.write(true).create_new(true).mode(0o600).open(file);
        made.map_err(failed)?;
        let copied = query("VACUUM INTO $1").bind(name.clone()).execute(&pool).await;
        pool.close().await;
        copied.map(drop).map_err(|error| StoreError::of(location, &error))?;
        // A copy that a power failure can still take away is none.
        std::fs::File::open(file).and_then(|file| file.sync_all()).map_err(failed)
    }
}

async fn single(location: &Location) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    location.check().await?;
    let options = location.options().map_err(|error| StoreError::of(location, &error))?;
    pool(location, options, 1, &location.pragmas()).await
}

async fn look(location: &Location, pool: &AnyPool) -> Result<Findings, StoreError> {
    let failed = |error| StoreError::of(location, &error);
    if let Location::File(path) = location {
        let answers = query("PRAGMA integrity_check(20)").fetch_all(pool).await.map_err(failed)?;
        let texts: Result<Vec<String>, _> = answers.iter().map(|row| row.try_get(0)).collect();
        let texts = texts.map_err(failed)?;
        if texts != ["ok"] {
            return Err(StoreError::Damaged { path: path.clone(), cause: texts.join("; ") });
        }
    }
    let mut rows = Vec::new();
    for table in TABLES {
        // The name is one of ours.
        let text = format!("SELECT CAST(count(*) AS BIGINT) FROM {table}");
        let row = query(AssertSqlSafe(text)).fetch_one(pool).await.map_err(failed)?;
        rows.push((table.to_owned(), row.try_get(0).map_err(failed)?));
    }
    Ok(Findings { rows })
}
