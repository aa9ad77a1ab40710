//! SQLite: a file, written by one thread and read by a few.

pub(super) mod tables;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{
    CachedStatement, OpenFlags, config::DbConfig, hooks::Wal, params_from_iter, types::ToSqlOutput,
};
use tracing::warn;

use super::{
    PATIENCE, StoreError,
    database::{Connection, Parameter, Parameters, Read, Row, parameters},
    mark::Mark,
    reserve, statements,
};
use crate::clock::monotonic;

/// Durable at each commit: with `synchronous=NORMAL` a power failure loses what was promised.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = -128;";
/// What the connection that writes has beside them. A storm changes 400 to 1 100 pages at once: those
/// that do not fit into 2 MB go to the log before the commit, which takes no longer than with 4 MB.
/// It copies its log into the file by itself only where that has grown much longer than
/// [`CHECKPOINT`], because whoever does that was too slow; after a storm the log does not stay as long
/// as it was.
const WRITER_PRAGMAS: &str = "PRAGMA cache_size = -2000; PRAGMA wal_autocheckpoint = 16000;
    PRAGMA journal_size_limit = 67108864;";
/// Pages in the log from which on it is copied into the file, beside whoever writes.
const CHECKPOINT: i32 = 1_000;
/// Instructions of SQLite's after which it looks whether a question took too long.
const INSTRUCTIONS: i32 = 20_000;
/// Prepared statements that are kept: all of the alarm path.
const PREPARED: usize = 64;

thread_local! {
    /// Pages in the log after the last commit of this thread: SQLite's hook takes no context.
    static LOGGED: Cell<i32> = const { Cell::new(0) };
}

/// A connection to a file.
pub(super) struct Sqlite {
    path: PathBuf,
    connection: rusqlite::Connection,
    /// Statements as SQLite numbers their parameters, by where the store's own text is.
    texts: RefCell<HashMap<(usize, usize), String>>,
    /// How long a question may take, where nothing is written.
    patience: Duration,
    /// Who writes; none: it only reads.
    writer: Option<Writer>,
}

/// What the connection that writes knows.
struct Writer {
    owner: String,
    /// How many transactions of this owner are durable.
    commits: i64,
    /// Where that is said beside the file.
    mark: Option<Mark>,
    /// Whether that failed the last time.
    is_unmarked: bool,
    /// Rows that were changed when the transaction began.
    changed: u64,
    /// Says that the log has grown.
    grown: mpsc::SyncSender<()>,
    /// Copies it into the file meanwhile.
    copier: Option<thread::JoinHandle<()>>,
}

impl Sqlite {
    /// The connection that writes; it makes the file if there is none.
    pub(super) fn writer(path: &Path, owner: &str) -> Result<Self, StoreError> {
        // What alarms say is nobody else's business; SQLite makes its other files likewise.
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        made.map_err(|error| StoreError::failed(path.display(), error))?;
        let mut opened = Self::open(path)?;
        opened.batch(WRITER_PRAGMAS)?;
        opened.connection.wal_hook(Some(|_: &Wal, pages| {
            LOGGED.set(pages);
            Ok(())
        }));
        let (grown, growth) = mpsc::sync_channel(1);
        let file = path.to_owned();
        let copy = move || checkpoints(&file, &growth);
        let copier = thread::Builder::new().name("store-copier".into()).spawn(copy);
        opened.writer = Some(Writer {
            owner: owner.into(),
            commits: 0,
            mark: None,
            is_unmarked: false,
            changed: 0,
            grown,
            copier: Some(copier.map_err(|error| StoreError::failed(path.display(), error))?),
        });
        Ok(opened)
    }

    /// A connection that reads, none of whose questions takes longer than it may.
    pub(super) fn reader(path: &Path) -> Result<Self, StoreError> {
        Self::open(path)
    }

    /// The same for questions that take long by their nature.
    pub(super) fn patient(mut self) -> Self {
        self.patience = Duration::from_hours(1);
        self
    }

    fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| of(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // Whoever merely looks at the store of a daemon that was killed leaves its log to it.
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        kept.map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        let opened = Self {
            path: path.into(),
            connection,
            texts: RefCell::default(),
            patience: PATIENCE,
            writer: None,
        };
        opened.batch(PRAGMAS)?;
        Ok(opened)
    }

    /// Executes statements of the store's own that answer with nothing.
    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(|error| self.failed(&error))
    }

    /// Goes on counting the transactions of the owner, here and on the mark.
    pub(super) fn count_from(&mut self, commits: i64, mark: Mark) {
        if let Some(writer) = &mut self.writer {
            writer.commits = commits;
            writer.mark = Some(mark);
        }
    }

    /// The connection itself, for what only SQLite has.
    pub(super) fn raw(&self) -> &rusqlite::Connection {
        &self.connection
    }

    /// Copies what can be copied of the log into the file.
    fn checkpoint(&self, how: &str) -> Result<(), StoreError> {
        let row = |_: &rusqlite::Row<'_>| Ok(());
        let done = self.connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], row);
        done.map_err(|error| self.failed(&error))
    }

    pub(super) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        of(&self.path, error)
    }

    fn prepared(&self, sql: &'static str) -> Result<CachedStatement<'_>, StoreError> {
        let mut texts = self.texts.borrow_mut();
        let text = texts.entry((sql.as_ptr().addr(), sql.len())).or_insert_with(|| numbered(sql));
        self.connection.prepare_cached(text).map_err(|error| self.failed(&error))
    }

    fn run(&self, sql: &'static str, row: &Parameters<'_>) -> Result<usize, StoreError> {
        let mut statement = self.prepared(sql)?;
        let done = statement.execute(params_from_iter(row));
        done.map_err(|error| self.failed(&error))
    }
}

impl Connection for Sqlite {
    fn ready(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        // One that a full disk ended did so by itself, or not at all.
        if !self.connection.is_autocommit() {
            self.rollback();
        }
        let changed = self.connection.total_changes();
        if let Some(writer) = &mut self.writer {
            writer.changed = changed;
        }
        self.run("BEGIN", &Parameters::new()).map(drop)
    }

    fn queue(&mut self, sql: &'static str, rows: &[Parameters<'_>]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut statement = self.prepared(sql)?;
        for row in rows {
            let done = statement.execute(params_from_iter(row));
            done.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn execute(&mut self, sql: &'static str, row: Parameters<'_>) -> Result<u64, StoreError> {
        self.run(sql, &row).map(|rows| u64::try_from(rows).unwrap_or(u64::MAX))
    }

    fn query(
        &mut self,
        sql: &'static str,
        rows: &[Parameters<'_>],
        read: &mut Read<'_>,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.writer.is_none() {
            self.deadline(monotonic() + self.patience)?;
        }
        let mut statement = self.prepared(sql)?;
        for row in rows {
            let mut found =
                statement.query(params_from_iter(row)).map_err(|error| self.failed(&error))?;
            while let Some(row) = found.next().map_err(|error| self.failed(&error))? {
                read(row)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let changes = self.connection.total_changes();
        let counted = self.writer.as_ref().filter(|writer| writer.changed != changes);
        let next = counted.map(|writer| (writer.owner.clone(), writer.commits + 1));
        if let Some((owner, next)) = &next {
            self.run(statements::COUNT_COMMIT, &parameters![owner, *next])?;
        }
        self.run("COMMIT", &Parameters::new())?;
        let (Some(writer), Some((owner, next))) = (&mut self.writer, next) else { return Ok(()) };
        writer.commits = next;
        if let Some(mark) = &writer.mark {
            // One that says fewer than there are: nothing is refused for that.
            let failed = mark.set(&owner, next).err();
            if let Some(error) = failed.as_ref().filter(|_| !writer.is_unmarked) {
                warn!(store = %self.path.display(), %error, "the mark of the store cannot be written; it is tried again");
            }
            writer.is_unmarked = failed.is_some();
        }
        if LOGGED.get() >= CHECKPOINT {
            // One that is under way sees to it.
            writer.grown.try_send(()).unwrap_or_default();
        }
        Ok(())
    }

    fn rollback(&mut self) {
        // There may be none any more: a full disk ends it by itself.
        drop(self.connection.execute_batch("ROLLBACK"));
    }
}

impl Sqlite {
    fn deadline(&self, end: Instant) -> Result<(), StoreError> {
        let late = move || monotonic() > end;
        let set = self.connection.progress_handler(INSTRUCTIONS, Some(late));
        set.map_err(|error| self.failed(&error))
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let Some(Writer { grown, copier, mark, .. }) = self.writer.take() else { return };
        drop(grown);
        if let Some(Err(_)) = copier.map(thread::JoinHandle::join) {
            warn!(store = %self.path.display(), "whoever copies the log has ended badly");
        }
        // One that was refused is left as it is.
        if mark.is_none() {
            return;
        }
        // Nothing is lost without it: the next one that opens the file reads the log.
        if let Err(error) = self.checkpoint("TRUNCATE") {
            warn!(%error, "the log is left beside the store");
        }
    }
}

/// Copies the log into the file each time that it has grown: whoever writes does not wait for that.
fn checkpoints(path: &Path, growth: &mpsc::Receiver<()>) {
    let (mut copier, mut is_failing) = (None, false);
    while growth.recv().is_ok() {
        let done = match &copier {
            None => {
                Sqlite::open(path).and_then(|opened| copier.insert(opened).checkpoint("PASSIVE"))
            }
            Some(copier) => copier.checkpoint("PASSIVE"),
        };
        if let Some(error) = done.as_ref().err().filter(|_| !is_failing) {
            warn!(%error, "the log cannot be copied into the store now; it is tried again");
        }
        is_failing = done.is_err();
    }
}

impl Row for rusqlite::Row<'_> {
    fn text(&self, column: usize) -> Result<&str, StoreError> {
        let value = self.get_ref(column).map_err(StoreError::unreadable)?;
        value.as_str().map_err(StoreError::unreadable)
    }

    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        let value = self.get_ref(column).map_err(StoreError::unreadable)?;
        value.as_i64().map_err(StoreError::unreadable)
    }
}

impl rusqlite::ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::from(*text),
            Self::Integer(number) => ToSqlOutput::from(*number),
        })
    }
}

/// A statement whose parameters are `?1`: to SQLite `$1` is a name, and counted as it comes.
fn numbered(sql: &str) -> String {
    let words: Vec<_> = sql.split_whitespace().collect();
    words.join(" ").replace('$', "?")
}

/// What SQLite says of a statement that does not fit the tables.
const MISFITS: [&str; 4] = ["no such ", "has no column ", " already exists", "duplicate column "];

/// What an error of SQLite's means for the store in `path`.
pub(super) fn of(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::{Error, ErrorCode};
    let cause = error.to_string();
    let damaged = |cause| StoreError::Damaged { path: path.into(), cause };
    let code = match error {
        Error::SqlInputError { error, .. } => Some(error.code),
        other => other.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(cause),
        // Statements and tables are our own: where they don't fit, the tables were hurt.
        Some(ErrorCode::Unknown) if MISFITS.iter().any(|misfit| cause.contains(misfit)) => {
            damaged(cause)
        }
        None if matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::Utf8Error(..)
        ) =>
        {
            damaged(cause)
        }
        Some(ErrorCode::DiskFull) => StoreError::Full(cause),
        // A full disk under the journal is an I/O error of SQLite's.
        Some(ErrorCode::SystemIoFailure) if reserve::is_full(path) => StoreError::Full(cause),
        _ => StoreError::failed(path.display(), cause),
    }
}
