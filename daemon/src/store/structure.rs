//! Structure: whether the tables of a file are those that the changes make. A bit that flips in the
//! text of a table gives its column another name, which no check of SQLite's finds.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{
    StoreError,
    migrations::{self, Tables},
    sqlite::Sqlite,
};

/// Columns and indices as SQLite understands them, each as one text that begins with its table's name.
/// Their SQL is not compared: versions of SQLite write it in different ways.
const PARTS: &str = "
    SELECT m.name || ', column ' || format('%s %s %s %s %s %s',
            c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden)
        FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table'
    UNION ALL
    SELECT m.name || ', index ' || format('%s %s %s %s: %s %s %s %s',
            i.name, i.\"unique\", i.origin, i.partial, k.name, k.\"desc\", k.coll, k.\"key\")
        FROM sqlite_schema m JOIN pragma_index_list(m.name) i JOIN pragma_index_xinfo(i.name) k
        WHERE m.type = 'table'
    UNION ALL
    SELECT name || ', ' || format('%s %s', wr, strict) FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";

/// Fails if a column or an index is not there as the changes made it; others may be there.
pub(super) fn is_ours(sqlite: &Sqlite) -> Result<(), StoreError> {
    let made = made().map_err(|error| sqlite.failed(&error))?;
    let found = parts(sqlite.raw()).map_err(|error| sqlite.failed(&error))?;
    match made.difference(&found).next() {
        Some(part) => Err(sqlite.damaged(format!("its tables are not as they were made: {part}"))),
        None => Ok(()),
    }
}

/// What the changes make of an empty file.
fn made() -> rusqlite::Result<BTreeSet<String>> {
    let empty = Connection::open_in_memory()?;
    for change in migrations::texts() {
        empty.execute_batch(change)?;
    }
    parts(&empty)
}

fn parts(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    connection.prepare(PARTS)?.query_map([], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Location, Store};

    #[tokio::test]
    async fn a_table_that_is_not_as_it_was_made_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haetae.db");
        let open = || Store::open(Location::File(path.clone()), "test");
        open().await.unwrap().close().await;
        for hurt in [
            "ALTER TABLE silences RENAME COLUMN author TO auther",
            "ALTER TABLE told_ended RENAME TO tole_ended",
            "DROP INDEX outbox_threads",
        ] {
            let whole = std::fs::read(&path).unwrap();
            let file = Connection::open(&path).unwrap();
            file.execute_batch(hurt).unwrap();
            drop(file);
            let error = open().await.unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{hurt}: {error}");
            std::fs::write(&path, whole).unwrap();
        }
        // Whoever keeps the file may look at it faster.
        let file = Connection::open(&path).unwrap();
        file.execute_batch("CREATE INDEX their_own ON silences (author)").unwrap();
        drop(file);
        open().await.unwrap().close().await;
    }
}
