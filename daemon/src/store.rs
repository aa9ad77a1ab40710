//! The store: alarms, their history and the outbox, in SQLite or PostgreSQL.
//!
//! What is committed here is what the daemon promises. One thread writes, and a transaction is one
//! message to it and one back, durable wholly or not at all; a few others read for pages and the
//! command line.

mod adopt;
mod alarms;
mod care;
mod claims;
mod database;
mod handling;
pub mod health;
mod ids;
mod integrity;
mod journal;
mod location;
mod logs;
mod mark;
mod migrations;
mod obligations;
mod open;
mod outbox;
mod pages;
mod postgres;
pub mod reserve;
mod retention;
mod silences;
mod sqlite;
mod statements;
mod structure;
mod target;
mod thresholds;
mod waiting;
mod worker;

use std::{
    fmt::Display,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use haetae_plugin::Timestamp;
use ulid::Ulid;

use self::{
    database::{Connection, Parameters, Row, parameters},
    ids::Ids,
    integrity::Integrity,
    worker::{Closing, Workers},
};

pub use self::{
    alarms::{Occurrences, Standings, groups},
    care::{Findings, UnreadableRow},
    claims::{Claims, Unread},
    handling::Handled,
    journal::{AuditEntry, HAETAE, JournalEntry, JournalEvent, Record},
    location::Location,
    obligations::{Debt, DebtState, Notified},
    open::{Loss, OpenedStore},
    outbox::{About, Claimed, Held, Notice, NoticeKind, Roots},
    pages::{Page, PageReceiver, PageSender, pages},
    retention::{History, Pruned},
    silences::{StoredSilence, StoredSpan},
    thresholds::{MOST_THRESHOLDS, StoredThreshold, ThresholdChange},
    waiting::{OutboxRow, SinkBacklog},
};

/// Every statement with its name, for the test that prepares each on both databases.
pub const STATEMENTS: &[(&str, &str)] = statements::ALL;

/// How long anybody waits for the store.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long closing takes at the most.
const CLOSE: Duration = Duration::from_secs(5);

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Workers,
    readers: Workers,
    location: Location,
    ids: Arc<Ids>,
    /// Names this daemon beside others on the same store.
    owner: Arc<str>,
    closing: Closing,
    integrity: Arc<Integrity>,
    /// Rows that could not be read, and were passed over.
    passed_over: Arc<Mutex<Vec<String>>>,
    /// What was pruned since it was opened.
    pruned: Arc<Mutex<Pruned>>,
}

/// A transaction on the thread that writes.
pub struct Transaction<'a> {
    connection: &'a mut dyn Connection,
    ids: &'a Ids,
    owner: &'a str,
    /// Nothing of it is to be durable, though nothing went wrong.
    abandoned: bool,
}

/// What can go wrong with the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is no store, or not whole.
    #[error("the store {} is damaged: {cause}\n  put a backup in its place (`haetae db backup` makes them), or move it and its -wal away; then start once with `haetae run --accept-loss`: what it knew since, of alarms and of what waits for sinks, is lost", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// It holds less than this daemon knows to be durable.
    #[error(
        "the store {location} has lost something: {cause}\n  put back what is missing (the file, its -wal), or put a backup in its place (`haetae db backup` makes them) and start once with `haetae run --accept-loss`, which goes on with what is there: what happened since is lost, and some may be told twice"
    )]
    Lost {
        /// Where it is.
        location: String,
        /// How that shows.
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
    /// Nothing was changed, since others took too long.
    #[error("the store {0} did not answer in time")]
    Slow(String),
    /// The daemon is stopping.
    #[error("the store is closed")]
    Closed,
    /// What is stored can't be read back.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
}

impl Store {
    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Does something as one transaction, on the thread that writes.
    ///
    /// Its end is that of `work`: an error undoes all of it. An error of the store itself means that
    /// nothing of it is durable; where that can't be known yet, it is waited for.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        self.integrity.is_whole().await?;
        let (ids, owner) = (Arc::clone(&self.ids), Arc::clone(&self.owner));
        self.writer.run(move |connection| Transaction::run(connection, &ids, &owner, work)).await
    }

    /// Asks something, on a thread that reads.
    async fn read<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let answer = self.readers.run(question).await;
        if answer.is_err() {
            // A file that is not whole answers with anything: then that is said.
            self.integrity.is_whole().await?;
        }
        answer
    }

    /// Asks for rows that the daemon goes on from; one that can't be read is passed over, and noted.
    async fn read_rows<T: Send + 'static>(
        &self,
        table: &'static str,
        sql: &'static str,
        row: Parameters<'static>,
        read: fn(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let found = self.read(move |connection| connection.all(sql, row, |row| Ok(read(row))));
        let mut rows = Vec::new();
        for row in found.await? {
            match row {
                Ok(row) => rows.push(row),
                Err(StoreError::Unreadable(why)) => {
                    tracing::error!(table, why, "a row can't be read: it is passed over");
                    let mut passed =
                        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner);
                    passed.push(format!("a row of {table} can't be read: {why}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// Notes rows that were passed over because they can't be read.
    pub fn pass_over(&self, rows: impl IntoIterator<Item = String>) {
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
    }

    /// What was passed over, in words; none: nothing was.
    pub fn passed_over(&self) -> Option<String> {
        let passed = self.passed_over.lock().unwrap_or_else(PoisonError::into_inner);
        let first = passed.first()?;
        let more = passed.len() - 1;
        let cure = "see `haetae db check`";
        Some(if more > 0 {
            format!("{first}, and {more} more; {cure}")
        } else {
            format!("{first}; {cure}")
        })
    }

    /// Whether the thread that writes gets an answer.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let owner = Arc::clone(&self.owner);
        let ask = move |connection: &mut dyn Connection| {
            let known = connection.first(statements::COMMITS, parameters![&*owner], |_| Ok(()));
            known?.ok_or_else(|| StoreError::unreadable("the row of this daemon is gone"))
        };
        self.writer.run(ask).await
    }

    /// Waits until the thread that writes has ended.
    pub async fn writer_ended(&self) {
        self.writer.ended().await;
    }

    /// For how long the thread that writes has been at the same transaction, or was at the last one.
    pub fn busy(&self) -> Duration {
        self.writer.busy()
    }

    /// Ends its threads and closes their connections, in bounded time.
    pub async fn close(&self) {
        self.closing.begin();
        let begun = crate::clock::monotonic();
        // The writer last: it puts what SQLite logged where it belongs.
        for workers in [&self.readers, &self.writer] {
            let left = CLOSE.saturating_sub(begun.elapsed()).max(CLOSE / 5);
            if !workers.close(left).await {
                tracing::warn!(store = %self.location, "it does not answer: left as it is");
            }
        }
    }
}

impl<'a> Transaction<'a> {
    /// Begins one, does the work and ends it.
    fn run<T, E: From<StoreError>>(
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
    fn name(&self, now: Timestamp) -> Ulid {
        self.ids.next(now)
    }

    /// The same as a text.
    fn id(&self, now: Timestamp) -> String {
        self.name(now).to_string()
    }

    /// Who holds what this daemon claims.
    fn owner(&self) -> &'a str {
        self.owner
    }

    /// Executes a statement for each row; its answer is not waited for.
    fn queue(&mut self, sql: &'static str, rows: &[Parameters<'_>]) -> Result<(), StoreError> {
        self.connection.queue(sql, rows)
    }

    /// Executes a statement and says how many rows it changed.
    fn execute(&mut self, sql: &'static str, row: Parameters<'_>) -> Result<u64, StoreError> {
        self.connection.execute(sql, row)
    }
}

impl StoreError {
    fn failed(location: impl Display, cause: impl Display) -> Self {
        Self::Failed { location: location.to_string(), cause: cause.to_string() }
    }

    fn unreadable(error: impl Display) -> Self {
        Self::Unreadable(error.to_string())
    }
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
        let limit = move |connection: &mut dyn Connection| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            connection.execute(String::leak(sql), parameters![]).map(drop)
        };
        // It answers with a row, which is none that changed.
        drop(store.writer.run::<_, StoreError, _>(limit).await);
        let words = "x".repeat(10_000);
        let write = async |alarm: &'static str, detail: &str| {
            let detail = detail.to_owned();
            let record = move |transaction: &mut Transaction<'_>| {
                transaction.record(at, alarm, HAETAE, JournalEvent::Changed, &detail)
            };
            store.write(record).await
        };
        let mut refused = None;
        for _ in 0..pages {
            refused = refused.or(write("big", &words).await.err());
        }
        assert!(matches!(refused, Some(StoreError::Full(_))), "{refused:?}");
        // One that is given up, as that of a person who only wants to see what would be.
        let abandon = |transaction: &mut Transaction<'_>| {
            transaction.abandon();
            Ok::<_, StoreError>(())
        };
        store.write(abandon).await.unwrap();
        write("small", "after it").await.unwrap();
        store.close().await;
        let store = Store::open(location, "test").await.unwrap();
        assert_eq!(store.history("small", 10).await.unwrap().len(), 1);
    }
}
