//! The store's tables, and how they come up to date.

use sqlx::{
    AnyPool, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{Location, StoreError};

/// Each change of the tables, in order. They are only added to.
const CHANGES: &[(i64, &str, &str)] = &[
    (1, "alarms and outbox", include_str!("migrations/0001_alarms_and_outbox.sql")),
    (2, "many alarms", include_str!("migrations/0002_many_alarms.sql")),
    (3, "groups", include_str!("migrations/0003_groups.sql")),
    (4, "people", include_str!("migrations/0004_people.sql")),
    (5, "thresholds", include_str!("migrations/0005_thresholds.sql")),
    (6, "logs", include_str!("migrations/0006_logs.sql")),
    (7, "threads", include_str!("migrations/0007_threads.sql")),
];

/// Brings the tables up to date. Only one daemon does: the state directory is locked.
pub(super) async fn run(writer: &AnyPool, location: &Location) -> Result<(), StoreError> {
    let change = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(CHANGES.iter().map(change).collect());
    // Locks of PostgreSQL's own are lost with a pooled connection.
    migrator.set_locking(false);
    migrator.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
            let cause = format!("it has change {version} of the tables");
            StoreError::Newer { location: location.to_string(), cause }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            StoreError::of(location, &error)
        }
        error => StoreError::Failed { location: location.to_string(), cause: error.to_string() },
    })
}
