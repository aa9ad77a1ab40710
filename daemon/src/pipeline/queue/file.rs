//! The file of a queue: made whole, opened, and set aside when it is damaged.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use haetae_plugin::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig, params};
use ulid::Ulid;

use super::wal;

/// The schema below and the encoding of batches. Another one is not ours to read.
const VERSION: i64 = 1;
/// Pages of the write-ahead log before it is copied into the file: 16 MB, so that seldom a commit
/// waits for it.
const CHECKPOINT: i64 = 4000;

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE consumers (
    name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, dropped INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE batches (
    sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL, records INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL, sequence INTEGER NOT NULL,
    item INTEGER NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL, redriven INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (consumer, sequence, item)
);
CREATE TABLE damaged (
    sequence INTEGER PRIMARY KEY, time INTEGER, records INTEGER, size INTEGER NOT NULL,
    crc INTEGER, body BLOB, why TEXT NOT NULL
);
";

/// What was set aside when a queue was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it lies now.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Why a queue could not be opened; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is open in another process: is another haetae running on this state directory?")]
    Busy(PathBuf),
    /// A newer haetae has written it.
    #[error("{} is of version {version}, and this haetae reads {VERSION}: run the haetae that wrote it, or move the file away, which gives up what waits in it", .path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// The directory or a file cannot be made, read or renamed.
    #[error("{path}: {error}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database cannot be used now.
    #[error("{path}: {error}")]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
    /// The queue's thread cannot be started.
    #[error("no thread for the queue: {0}")]
    Thread(io::Error),
}

/// An opened file.
pub struct OpenedQueue {
    /// The only connection to it.
    pub connection: Connection,
    /// Names this queue; a new one when sequences of the old one may come again.
    pub id: Ulid,
    /// What was set aside.
    pub damage: Option<Damage>,
}

enum OpenFailure {
    Damaged(String),
    Failed(OpenError),
}

/// Opens the queue of `source`; makes it, if there is none or if what there is is damaged.
pub fn open(directory: &Path, source: &str, now: Timestamp) -> Result<OpenedQueue, OpenError> {
    let path = directory.join(format!("{source}.db"));
    make_directory(directory)?;
    let mut damage = None;
    if path.exists() {
        match existing(&path, now) {
            Ok(opened) => return Ok(opened),
            Err(OpenFailure::Failed(error)) => return Err(error),
            Err(OpenFailure::Damaged(why)) => {
                damage = Some(Damage { file: set_aside(&path, now)?, why });
            }
        }
    } else if beside(&path, "-wal").exists() {
        let why = "its database is missing: only what it had not taken over yet is there".into();
        damage = Some(Damage { file: set_aside(&path, now)?, why });
    }
    make(&path, now)?;
    match existing(&path, now) {
        Ok(opened) => Ok(OpenedQueue { damage, ..opened }),
        Err(OpenFailure::Failed(error)) => Err(error),
        Err(OpenFailure::Damaged(why)) => {
            Err(OpenError::Directory { path, error: io::Error::other(why) })
        }
    }
}

fn make_directory(directory: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.and_then(|()| directory.parent().map_or(Ok(()), sync))
        .map_err(|error| OpenError::Directory { path: directory.into(), error })
}

/// Under another name until it is whole, so that an empty file is never one that was just begun.
fn make(path: &Path, now: Timestamp) -> Result<(), OpenError> {
    let begun = beside(path, ".new");
    let failed = |error| OpenError::Database { path: begun.clone(), error };
    for leftover in [begun.clone(), beside(&begun, "-journal")] {
        match fs::remove_file(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Directory { path: leftover, error });
            }
            _ => {}
        }
    }
    let connection = Connection::open(&begun).map_err(failed)?;
    let made = connection
        .pragma_update(None, "synchronous", "FULL")
        .and_then(|()| connection.execute_batch(&format!("BEGIN; {SCHEMA}")))
        .and_then(|()| put_id(&connection, new_id(now)))
        .and_then(|()| connection.pragma_update(None, "user_version", VERSION))
        .and_then(|()| connection.execute_batch("COMMIT"));
    made.map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    fs::rename(&begun, path)
        .and_then(|()| path.parent().map_or(Ok(()), sync))
        .map_err(|error| OpenError::Directory { path: path.into(), error })
}

fn existing(path: &Path, now: Timestamp) -> Result<OpenedQueue, OpenFailure> {
    // SQLite takes an empty file for a new database and throws its log away.
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Err(OpenFailure::Damaged("it is empty".into()));
    }
    let log = beside(path, "-wal");
    let torn = wal::damage(&log)
        .map_err(|error| OpenFailure::Failed(OpenError::Directory { path: log.clone(), error }))?;
    // What SQLite cannot read of the log it throws away without a word.
    let damage = match torn {
        Some(why) => {
            let file = free_name(path, now, "-wal");
            fs::copy(&log, &file).map_err(|error| {
                OpenFailure::Failed(OpenError::Directory { path: file.clone(), error })
            })?;
            Some(Damage { file, why })
        }
        None => None,
    };
    let (connection, version) = connected(path).map_err(|error| class(path, error))?;
    if version > VERSION {
        return Err(OpenFailure::Failed(OpenError::Newer { path: path.into(), version }));
    }
    let opened = checked(connection, version).and_then(|connection| {
        if damage.is_some() {
            put_id(&connection, new_id(now))?;
        }
        let id: String =
            connection
                .query_row("SELECT value FROM meta WHERE name = 'id'", [], |row| row.get(0))?;
        Ok((connection, id))
    });
    let (connection, id) = match opened {
        Ok(opened) => opened,
        Err(error) => return Err(class(path, error)),
    };
    let id = Ulid::from_string(&id)
        .map_err(|_| OpenFailure::Damaged(format!("`{id}` is not the id of a queue")))?;
    Ok(OpenedQueue { connection, id, damage })
}

/// A connection to a database, and its version.
fn connected(path: &Path) -> rusqlite::Result<(Connection, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Until it is known to be good, closing must not write to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(corrupt(format!("its journal mode is `{mode}`")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((connection, version))
}

/// A connection to a database that was looked through.
fn checked(connection: Connection, version: i64) -> rusqlite::Result<Connection> {
    if version != VERSION {
        return Err(corrupt(format!("its version is {version}; this haetae reads {VERSION}")));
    }
    let checked: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if checked != "ok" {
        return Err(corrupt(checked));
    }
    for table in ["meta", "consumers", "batches", "dead", "damaged"] {
        connection
            .prepare(&format!("SELECT * FROM {table}"))
            .map_err(|_| corrupt(format!("it has no table `{table}`")))?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}

fn corrupt(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some(why),
    )
}

fn class(path: &Path, error: rusqlite::Error) -> OpenFailure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenFailure::Damaged(error.to_string())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenFailure::Failed(OpenError::Busy(path.into()))
        }
        // A row without its id, or with one of another type.
        None => OpenFailure::Damaged(error.to_string()),
        _ => OpenFailure::Failed(OpenError::Database { path: path.into(), error }),
    }
}

fn new_id(now: Timestamp) -> Ulid {
    let mut random = [0; 16];
    // Without entropy the time alone tells queues apart.
    if getrandom::fill(&mut random).is_err() {
        random = [0; 16];
    }
    Ulid::from_parts(now.millis().try_into().unwrap_or(0), u128::from_ne_bytes(random))
}

fn put_id(connection: &Connection, id: Ulid) -> rusqlite::Result<()> {
    connection
        .execute("INSERT OR REPLACE INTO meta VALUES ('id', ?1)", [id.to_string()])
        .map(|_| ())
}

/// What was freed because its consumer is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freed {
    /// The consumer.
    pub consumer: String,
    /// Records that waited for it.
    pub waiting: i64,
    /// Batches and records that it had rejected.
    pub dead: i64,
}

/// Makes the consumers in the file the named ones: a new one starts at the end, the part of one
/// that is gone is freed, which is the answer.
pub fn enrol(
    connection: &mut Connection,
    consumers: &[String],
    last: i64,
) -> rusqlite::Result<Vec<Freed>> {
    let known: Vec<String> = connection
        .prepare("SELECT name FROM consumers")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let mut freed = Vec::new();
    for gone in known.iter().filter(|name| !consumers.contains(name)) {
        let count = |sql| transaction.query_row(sql, [gone], |row| row.get(0));
        freed.push(Freed {
            consumer: gone.clone(),
            waiting: count(
                "SELECT coalesce(sum(records), 0) FROM batches
                WHERE sequence > (SELECT cursor FROM consumers WHERE name = ?1)",
            )?,
            dead: count("SELECT count(*) FROM dead WHERE consumer = ?1")?,
        });
        transaction.execute("DELETE FROM consumers WHERE name = ?1", [gone])?;
        transaction.execute("DELETE FROM dead WHERE consumer = ?1", [gone])?;
    }
    for new in consumers.iter().filter(|name| !known.contains(name)) {
        transaction
            .execute("INSERT OR IGNORE INTO consumers VALUES (?1, ?2, 0)", params![new, last])?;
    }
    transaction.commit()?;
    freed.retain(|freed| freed.waiting + freed.dead > 0);
    Ok(freed)
}

/// Renames the database, its log and its index; says what the database is called now.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, OpenError> {
    let aside = free_name(path, now, "");
    for ending in ["", "-wal", "-shm", "-journal"] {
        let from = beside(path, ending);
        if from.exists() {
            fs::rename(&from, beside(&aside, ending))
                .map_err(|error| OpenError::Directory { path: from, error })?;
        }
    }
    if let Some(directory) = path.parent() {
        sync(directory).map_err(|error| OpenError::Directory { path: path.into(), error })?;
    }
    Ok(aside)
}

/// `<path>.damaged-<UTC time><ending>`, numbered if that is taken.
fn free_name(path: &Path, now: Timestamp, ending: &str) -> PathBuf {
    let time = jiff::Timestamp::from_nanosecond(i128::from(now.nanos())).unwrap_or_default();
    let first = format!(".damaged-{}", time.strftime("%Y%m%dT%H%M%SZ"));
    let taken = |name: &PathBuf| ["", "-wal"].iter().any(|it| beside(name, it).exists());
    let names = (2..).map(|number| beside(path, &format!("{first}-{number}")));
    let name = [beside(path, &first)].into_iter().chain(names).find(|name| !taken(name));
    beside(&name.unwrap_or_else(|| beside(path, &first)), ending)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// So that a new or renamed file is found again after a power loss.
fn sync(directory: &Path) -> io::Result<()> {
    // A relative path of one part has the empty path as its parent.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}
