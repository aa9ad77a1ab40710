//! The store's tables, and how they come up to date.
//!
//! Which changes were made is kept in the table `_sqlx_migrations`, where earlier versions of the
//! program look: they refuse a store that has a change which they don't know.

use sha2::{Digest, Sha384};
use tracing::info;

use super::StoreError;

/// Each change of the tables, in order. They are only added to.
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

/// A database whose tables may be changed.
pub(super) trait Tables {
    /// The type of bytes, and how some are written, from hexadecimal digits.
    const BYTES: (&'static str, fn(&str) -> String);
    /// Whether a table's rows may lie in its key.
    const KEYED_TABLES: bool;

    /// Executes texts; the first column of what they answer with, as text.
    fn say(&mut self, sql: &str) -> Result<Vec<String>, StoreError>;

    /// How it is named.
    fn name(&self) -> String;
}

/// Brings the tables up to date, each change wholly or not at all. Only one daemon does: the state
/// directory is locked.
pub(super) fn run<T: Tables>(database: &mut T) -> Result<(), StoreError> {
    let (bytes, literal) = T::BYTES;
    database.say(&format!(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY,
            description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
            success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, execution_time BIGINT NOT NULL)"
    ))?;
    let made = database.say("SELECT CAST(version AS TEXT) FROM _sqlx_migrations")?;
    let made: Vec<i64> = made.iter().filter_map(|version| version.parse().ok()).collect();
    let newest = CHANGES.last().map_or(0, |(version, ..)| *version);
    if let Some(newer) = made.iter().find(|version| **version > newest) {
        let cause = format!("it has change {newer} of the tables");
        return Err(StoreError::Newer { location: database.name(), cause });
    }
    for (version, name, sql) in CHANGES.iter().filter(|(version, ..)| !made.contains(version)) {
        if !made.is_empty() {
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
