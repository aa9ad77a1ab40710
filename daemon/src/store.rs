//! The store: alarms, their history and the outbox, in SQLite or PostgreSQL.
//!
//! What is committed here is what the daemon promises. One connection writes, so that SQLite never
//! sees two writers; others read for pages and the command line.

mod alarms;
mod care;
mod groups;
mod handling;
pub mod health;
mod ids;
mod journal;
mod location;
mod logs;
mod migrations;
mod notice;
mod obligations;
mod outbox;
pub mod reserve;
mod rows;
mod silences;
mod statements;
mod thresholds;
mod transaction;

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use haetae_plugin::Timestamp;
use sqlx::{
    AnyPool, ConnectOptions, Executor, Row,
    any::{AnyConnectOptions, AnyPoolOptions},
    query,
};
use ulid::Ulid;

use self::ids::Ids;

pub use self::{
    alarms::Page,
    care::Findings,
    handling::{Deed, Handled},
    journal::{Act, Entry, HAETAE, Record},
    location::Location,
    notice::{About, Notice},
    obligations::{Debt, DebtState, Told},
    outbox::{Claimed, Count, Kind, Waiting},
    silences::{StoredSilence, StoredSpan},
    thresholds::{MOST_THRESHOLDS, StoredThreshold, ThresholdChange},
    transaction::Transaction,
};

/// Every statement with its name, for the test that prepares each on both databases.
pub const STATEMENTS: &[(&str, &str)] = statements::ALL;

/// How long anybody waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    writer: AnyPool,
    readers: AnyPool,
    location: Location,
    ids: Arc<Ids>,
    /// Names this daemon beside others on the same store.
    owner: Arc<str>,
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is no store, or not whole.
    #[error("the store {} is damaged: {cause}\n  put a backup in its place (`haetae db backup` makes them); or move it and its -wal away: then haetae starts without what it knew of alarms and of what waits for sinks", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// It was written by a newer haetae.
    #[error(
        "the store {location} was written by a newer haetae ({cause}): install that one again, or start with another store"
    )]
    Newer {
        /// Where it is.
        location: String,
        /// How that shows.
        cause: String,
    },
    /// There is no room for more.
    #[error("no room for the store: {0}")]
    Full(String),
    /// The database can't be reached or refuses.
    #[error("the store {location}: {cause}")]
    Failed {
        /// Where it is.
        location: String,
        /// What it says.
        cause: String,
    },
    /// What is stored can't be read back.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
}

impl Store {
    /// Opens the store, makes it if there is none, and brings its tables up to date.
    ///
    /// `owner` is the same at each start of a daemon, and no other daemon's.
    pub async fn open(location: Location, owner: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let failed = |error| StoreError::of(&location, &error);
        location.check().await?;
        let options = location.options().map_err(failed)?;
        let [each, writers] = location.pragmas();
        let writer = pool(&location, options.clone(), 1, &[each, writers]).await?;
        migrations::run(&writer, &location).await?;
        let readers = pool(&location, options, 4, &[each]).await?;
        let mut store =
            Self { writer, readers, location, ids: Arc::default(), owner: owner.into() };
        store.ids = Arc::new(Ids::after(store.last_id().await?));
        Ok(store)
    }

    /// The greatest name so far.
    async fn last_id(&self) -> Result<Ulid, StoreError> {
        let row = query(statements::LAST_ID).fetch_one(&self.writer).await;
        let id = row.and_then(|row| row.try_get::<String, _>(0));
        let id = id.map_err(|error| self.failed(&error))?;
        Ok(Ulid::from_str(&id).unwrap_or_default())
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Starts a transaction on the one connection that writes.
    pub async fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        Transaction::begin(self).await
    }

    /// Closes its connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn failed(&self, error: &sqlx::Error) -> StoreError {
        StoreError::of(&self.location, error)
    }
}

async fn pool(
    location: &Location,
    options: AnyConnectOptions,
    most: u32,
    pragmas: &[&[&'static str]],
) -> Result<AnyPool, StoreError> {
    let pragmas: Arc<[&str]> = pragmas.concat().into();
    let pool = AnyPoolOptions::new()
        .max_connections(most)
        .min_connections(0)
        .acquire_timeout(PATIENCE)
        .after_connect(move |connection, _| {
            let pragmas = Arc::clone(&pragmas);
            Box::pin(async move {
                for pragma in &*pragmas {
                    connection.execute(*pragma).await?;
                }
                Ok(())
            })
        })
        .connect_with(options.disable_statement_logging())
        .await;
    pool.map_err(|error| StoreError::of(location, &error))
}

impl StoreError {
    pub(crate) fn of(location: &Location, error: &sqlx::Error) -> Self {
        let cause = error.to_string();
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // SQLITE_CORRUPT and SQLITE_NOTADB, with their extended codes in the upper bytes.
        let sqlite =
            code.as_deref().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
        match (location, sqlite) {
            (Location::File(path), Some(11 | 26)) => Self::Damaged { path: path.clone(), cause },
            (Location::File(_), Some(13)) => Self::Full(cause),
            // A full disk under the journal is an I/O error of SQLite's.
            (Location::File(path), Some(10)) if reserve::is_full(path) => Self::Full(cause),
            // disk_full of PostgreSQL.
            (Location::Server { .. }, _) if code.as_deref() == Some("53100") => Self::Full(cause),
            _ => Self::Failed { location: location.to_string(), cause },
        }
    }

    fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Times in the store are milliseconds.
fn millis(time: Timestamp) -> i64 {
    time.millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_committed_after_the_disk_was_full_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("haetae.db"));
        let store = Store::open(location.clone(), "test").await.unwrap();
        let (pages, at) = (60, Timestamp::from_seconds(1));
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        query(limit).execute(&store.writer).await.unwrap();
        let words = "x".repeat(10_000);
        let write = async |alarm: &str, detail: &str| {
            let mut transaction = store.begin().await?;
            transaction.record(at, alarm, HAETAE, Act::Changed, detail).await?;
            transaction.commit().await
        };
        let mut refused = None;
        for _ in 0..pages {
            refused = refused.or(write("big", &words).await.err());
        }
        assert!(matches!(refused, Some(StoreError::Full(_))), "{refused:?}");
        // One that is given up, as that of a dispatcher that finds nothing to do.
        drop(store.begin().await.unwrap());
        write("small", "after it").await.unwrap();
        store.close().await;
        let store = Store::open(location, "test").await.unwrap();
        assert_eq!(store.history("small", 10).await.unwrap().len(), 1);
    }
}
