//! A store that version 99beac7 wrote: `tests/store/earlier/make` says how.

use std::path::Path;

use haetae::store::Location;
use serde_json::Value;

use crate::servers::postgres::Postgres;

const SQLITE: &str = include_str!("../store/earlier/sqlite.sql");
const POSTGRES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/store/earlier/postgres.sql");
const NAME: &str = "earlier";

/// The store of a daemon of 99beac7 that was killed.
pub struct Earlier<'a> {
    pub location: Location,
    server: Option<&'a Postgres>,
}

impl<'a> Earlier<'a> {
    /// As a new file.
    pub fn in_file(path: &Path) -> Self {
        let client = rusqlite::Connection::open(path).unwrap();
        client.execute_batch(SQLITE).unwrap();
        Self { location: Location::File(path.into()), server: None }
    }

    /// As a new database of a server.
    pub fn on_server(server: &'a Postgres) -> Self {
        let url = server.database(NAME);
        server.run_file(NAME, Path::new(POSTGRES));
        Self { location: Location::Server { url, password: None }, server: Some(server) }
    }

    /// The key of `[daemon]` that names it.
    pub fn key(&self) -> String {
        match &self.location {
            Location::File(_) => String::new(),
            Location::Server { url, .. } => format!("store = {{ url = \"{url}\" }}\n"),
        }
    }

    /// Columns of rows: texts and numbers, as the tables have them.
    pub fn rows(&self, columns: &str, rest: &str) -> Vec<Vec<Value>> {
        let texts = match (&self.location, self.server) {
            (Location::File(path), _) => {
                let client = rusqlite::Connection::open(path).unwrap();
                let sql = format!("SELECT json_array({columns}) FROM {rest}");
                let mut statement = client.prepare(&sql).unwrap();
                let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
                rows.map(Result::unwrap).collect::<Vec<_>>()
            }
            (_, Some(server)) => {
                let sql = format!("SELECT json_build_array({columns}) FROM {rest}");
                let answer = server.sql_in(NAME, &sql).unwrap_or_else(|| panic!("{sql}"));
                answer.lines().map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let row = |text: &String| serde_json::from_str(text).unwrap();
        texts.iter().map(row).collect()
    }
}

/// A text of a row.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A number of a row.
pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}
