//! Care: looking through the store and copying it, beside a running daemon.

use std::{os::unix::fs::OpenOptionsExt, path::Path};

use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{
    Location, StoreError,
    alarms::standing,
    database::{Connection, Row, parameters},
    handling, integrity, logs, mark, obligations,
    postgres::Postgres,
    silences,
    sqlite::Sqlite,
    statements,
    target::Target,
    thresholds, waiting,
    worker::Closing,
};
use crate::engine::notify::StoredGroup;

/// What a row must be, so that the daemon can go on from it.
type Readable = fn(&dyn Row) -> Result<(), StoreError>;

/// A table: how its rows are counted, and those that are read, after their key, as the daemon reads
/// them.
struct Table {
    name: &'static str,
    count: &'static str,
    rows: Option<(&'static str, Readable)>,
}

const TABLES: [Table; 14] = [
    Table {
        name: "alarms",
        count: statements::COUNT_ALARMS,
        rows: Some((statements::CHECK_ALARMS, |row| standing(row).map(drop))),
    },
    Table {
        name: "ended_alarms",
        count: statements::COUNT_ENDED,
        rows: Some((statements::CHECK_ENDED, |row| standing(row).map(drop))),
    },
    Table { name: "journal", count: statements::COUNT_JOURNAL, rows: None },
    Table {
        name: "outbox",
        count: statements::COUNT_OUTBOX,
        rows: Some((statements::CHECK_OUTBOX, waiting::readable)),
    },
    Table { name: "notice_alarms", count: statements::COUNT_NOTICE_ALARMS, rows: None },
    Table {
        name: "groups",
        count: statements::COUNT_GROUPS,
        rows: Some((statements::CHECK_GROUPS, group)),
    },
    Table {
        name: "group_alarms",
        count: statements::COUNT_GROUP_ALARMS,
        rows: Some((statements::CHECK_GROUP_ALARMS, group)),
    },
    Table {
        name: "told",
        count: statements::COUNT_TOLD,
        rows: Some((statements::CHECK_TOLD, |row| obligations::debt(row).map(drop))),
    },
    Table { name: "told_ended", count: statements::COUNT_TOLD_ENDED, rows: None },
    Table {
        name: "handling",
        count: statements::COUNT_HANDLING,
        rows: Some((statements::CHECK_HANDLING, |row| handling::handled(row, 0).map(drop))),
    },
    Table {
        name: "silences",
        count: statements::COUNT_SILENCES,
        rows: Some((statements::CHECK_SILENCES, |row| silences::silence(row).map(drop))),
    },
    Table {
        name: "thresholds",
        count: statements::COUNT_THRESHOLDS,
        rows: Some((statements::CHECK_THRESHOLDS, |row| thresholds::threshold(row).map(drop))),
    },
    Table { name: "thresholds_history", count: statements::COUNT_THRESHOLDS_HISTORY, rows: None },
    Table {
        name: "log_cursors",
        count: statements::COUNT_LOG_CURSORS,
        rows: Some((statements::LOG_CURSORS, |row| logs::cursor(row).map(drop))),
    },
];

/// What a look through the store found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// How many rows each table has.
    pub rows: Vec<(String, i64)>,
    /// Rows that the daemon can't read.
    pub unreadable: Vec<UnreadableRow>,
}

/// A row that the daemon can't read.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadableRow {
    /// Its table.
    pub table: String,
    /// Which it is, counted from one in the order of its key.
    pub row: usize,
    /// Why.
    pub why: String,
}

impl super::Store {
    /// Looks through all of a store; an error says what is wrong with it.
    pub async fn examine(location: &Location) -> Result<Findings, StoreError> {
        let location = location.clone();
        blocking(move || {
            let mut connection: Box<dyn Connection> = match &location {
                Location::File(path) => {
                    let lost = |cause| StoreError::Lost { location: location.to_string(), cause };
                    if let Some(cause) = mark::missing(path) {
                        return Err(lost(cause));
                    }
                    let mut sqlite = Sqlite::reader(path)?.patient();
                    integrity::check(&mut sqlite, path, u64::MAX)?;
                    if let Some((owner, _)) = mark::read(path) {
                        let row = parameters![&owner];
                        let commits = (&mut sqlite as &mut dyn Connection).first(
                            statements::COMMITS,
                            row,
                            |row| row.integer(0),
                        )?;
                        let behind = mark::behind(path, &owner, commits.unwrap_or_default());
                        behind.map_or(Ok(()), |cause| Err(lost(cause)))?;
                    }
                    Box::new(sqlite)
                }
                Location::Server { url, password } => {
                    let target = Target::parse(url, password.as_deref())?;
                    Box::new(Postgres::new(target, None, Closing::default())?)
                }
            };
            connection.ready()?;
            poll_once(&mut *connection)
        })
        .await
    }

    /// Writes a whole copy of a SQLite store to a new file.
    pub async fn back_up(location: &Location, file: &Path) -> Result<(), StoreError> {
        let Location::File(path) = location.clone() else {
            return Err(StoreError::failed(location, "only a file can be copied"));
        };
        let file = file.to_owned();
        blocking(move || {
            let name = file.display().to_string();
            let failed = |error: std::io::Error| StoreError::failed(&name, error);
            let sqlite = Sqlite::reader(&path)?;
            // An empty file is one that it may write into; it is private from the first byte.
            let mut made = std::fs::OpenOptions::new();
            made.write(true).create_new(true).mode(0o600).open(&file).map_err(failed)?;
            let copied = sqlite.raw().execute("VACUUM INTO $1", [&name]);
            copied.map_err(|error| sqlite.failed(&error))?;
            // A copy that a power failure can still take away is none.
            std::fs::File::open(&file).and_then(|file| file.sync_all()).map_err(failed)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::failed("the look through it", error)))
}

fn poll_once(connection: &mut dyn Connection) -> Result<Findings, StoreError> {
    let mut findings = Findings::default();
    for Table { name, count, rows } in &TABLES {
        let count = connection.first(count, parameters![], |row| row.integer(0))?;
        findings.rows.push(((*name).into(), count.unwrap_or_default()));
        let Some((sql, readable)) = rows else { continue };
        let mut number = 0;
        connection.query(sql, &[parameters![]], &mut |row| {
            number += 1;
            if let Err(error) = readable(row) {
                let (table, why) = ((*name).into(), error.to_string());
                findings.unreadable.push(UnreadableRow { table, row: number, why });
            }
            Ok(())
        })?;
    }
    Ok(findings)
}

/// A row whose first column is JSON that only the engine reads.
fn group(row: &dyn Row) -> Result<(), StoreError> {
    StoredGroup::check(row.text(0)?).map_err(StoreError::unreadable)
}
