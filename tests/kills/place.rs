//! Where the store under test is, and what it holds when nobody runs on it.

use std::{fs, path::PathBuf, time::Duration};

use crate::{servers::postgres::Postgres, support::within};

/// Where the store under test is.
pub enum Place<'a> {
    /// A file of `SQLite`.
    File(PathBuf),
    /// A database of a server.
    Server(&'a Postgres, &'static str),
}

impl Place<'_> {
    /// The first column of each row that a query finds, a text; none where there is no table yet.
    pub fn texts(&self, query: &str) -> Vec<String> {
        match self {
            Self::File(path) => of_a_copy(path, query),
            Self::Server(server, database) => {
                let table = server.sql_in(database, "SELECT to_regclass('outbox')");
                if table.expect("it answers").trim().is_empty() {
                    return Vec::new();
                }
                let answer = server.sql_in(database, query).expect("it answers");
                answer.lines().map(Into::into).collect()
            }
        }
    }

    /// Waits until nothing that a daemon asked for before it was killed is still being done.
    pub fn settles(&self) {
        let Self::Server(server, database) = self else { return };
        let query = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
        let alone = within(Duration::from_secs(20), || {
            server.sql(&query).filter(|count| count.trim() == "0")
        });
        assert!(alone.is_some(), "sessions of a daemon that was killed go on");
    }
}

/// Asks a copy: who opens a store takes up its write-ahead log, which is left to the daemon.
fn of_a_copy(path: &PathBuf, query: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    let beside = |path: &PathBuf| PathBuf::from(format!("{}-wal", path.display()));
    // A daemon that was killed before it made the store, or its tables, left none.
    if !path.exists() {
        return Vec::new();
    }
    fs::copy(path, &copy).expect("the store");
    if beside(path).exists() {
        fs::copy(beside(path), beside(&copy)).expect("its log");
    }
    let database = rusqlite::Connection::open(copy).expect("the copy");
    let mut statement = match database.prepare(query) {
        Err(error) if error.to_string().contains("no such table: ") => return Vec::new(),
        statement => statement.expect("a query"),
    };
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}
