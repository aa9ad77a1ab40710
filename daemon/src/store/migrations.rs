//! The store's tables, and how they come up to date.
//!
//! Which changes were made is kept in the table `_sqlx_migrations`, where earlier versions of the
//! program look: they refuse a store that has a change which they don't know.

use sha2::{Digest, Sha384};
use tracing::info;

use super::StoreError;

/// Each change of the tables, in order, numbered from one. They are only added to.
const CHANGES: &[(i64, &str, &str)] = &[
    (1, "alarms and outbox", include_str!("migrations/0001_alarms_and_outbox.sql")),
    (2, "many alarms", include_str!("migrations/0002_many_alarms.sql")),
    (3, "groups", include_str!("migrations/0003_groups.sql")),
    (4, "people", include_str!("migrations/0004_people.sql")),
    (5, "thresholds", include_str!("migrations/0005_thresholds.sql")),
    (6, "logs", include_str!("migrations/0006_logs.sql")),
    (7, "threads", include_str!("migrations/0007_threads.sql")),
    (8, "history apart", include_str!("migrations/0008_history_apart.sql")),
];

/// Where it stands which were made.
const TABLE: &str = "_sqlx_migrations";
/// A table of the first change.
const FIRST: &str = "alarms";

/// A database whose tables may be changed.
pub(super) trait Tables {
    /// Asks for the names of the tables that there are.
    const NAMES: &str;
    /// The type of bytes, and how some are written, from hexadecimal digits.
    const BYTES: (&'static str, fn(&str) -> String);
    /// Whether a table's rows may lie in its key.
    const KEYED_TABLES: bool;

    /// Executes texts; the first column of what they answer with, as text.
    fn say(&mut self, sql: &str) -> Result<Vec<String>, StoreError>;

    /// How it is named.
    fn name(&self) -> String;

    /// The error that says what of it is not whole.
    fn damaged(&self, cause: String) -> StoreError;

    /// Fails if it is known not to be whole.
    fn is_whole(&self) -> Result<(), StoreError>;
}

/// The text of each change, in order.
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    CHANGES.iter().map(|(.., sql)| *sql)
}

/// How many changes were made, of the first ones; an error says that others were, which no haetae does.
pub(super) fn made<T: Tables>(database: &mut T) -> Result<usize, StoreError> {
    let names = database.say(T::NAMES)?;
    let has = |table| names.iter().any(|name| name == table);
    let mut versions = Vec::new();
    if has(TABLE) {
        versions = database.say("SELECT CAST(version AS TEXT) FROM _sqlx_migrations")?;
    }
    let mut versions: Vec<_> = versions.iter().map(|text| text.parse().unwrap_or(-1)).collect();
    versions.sort_unstable();
    let are_all = versions.iter().copied().eq((1_i64..).take(versions.len()));
    if !are_all || versions.is_empty() && has(FIRST) {
        let cause = format!("of the changes of its tables, it has {versions:?}");
        return Err(database.damaged(cause));
    }
    Ok(versions.len())
}

/// Whether all changes were made.
pub(super) fn is_current<T: Tables>(database: &mut T) -> Result<bool, StoreError> {
    Ok(made(database)? == CHANGES.len())
}

/// Brings the tables up to date, each change wholly or not at all. Only one daemon does: the state
/// directory is locked.
pub(super) fn run<T: Tables>(database: &mut T) -> Result<(), StoreError> {
    let (bytes, literal) = T::BYTES;
    let made = made(database)?;
    if made > CHANGES.len() {
        let cause = format!("it has change {made} of the tables");
        return Err(StoreError::Newer { location: database.name(), cause });
    }
    if made == 0 {
        database.say(&format!(
            "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY,
                description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
                success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, execution_time BIGINT NOT NULL)"
        ))?;
    } else if made < CHANGES.len() {
        database.is_whole()?;
    }
    for (version, name, sql) in CHANGES.iter().skip(made) {
        if made > 0 {
            info!(change = name, "bringing the store up to date; a large one takes a while");
        }
        let checksum = Sha384::digest(sql);
        let checksum: Vec<_> = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        let own =
            if T::KEYED_TABLES { (*sql).to_owned() } else { sql.replace(" WITHOUT ROWID", "") };
        let row = format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                VALUES ({version}, '{name}', TRUE, {}, 0)",
            literal(&checksum.concat())
        );
        database.say("BEGIN")?;
        let changed = database.say(&own).and_then(|_| database.say(&row));
        match changed {
            Ok(_) => database.say("COMMIT")?,
            Err(error) => {
                // What the change did is undone in any case: nobody commits it.
                drop(database.say("ROLLBACK"));
                return Err(error);
            }
        };
    }
    Ok(())
}
