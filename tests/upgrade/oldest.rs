//! A store that has only the first changes of the tables comes up to date.

use std::path::Path;

use haetae::store::{Location, Store, StoreError};
use haetae_plugin::{Alarm, Notification, Reason, Severity, Status, Timestamp};

use super::{OWNER, runtime};
use crate::servers::postgres::Postgres;

/// The tables before there were groups.
const TABLES: [&str; 2] = [
    include_str!("../../daemon/src/store/migrations/0001_alarms_and_outbox.sql"),
    include_str!("../../daemon/src/store/migrations/0002_many_alarms.sql"),
];

/// What made them, as sqlx kept it.
fn changes(bytes: &str) -> String {
    let row = |version| {
        format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                VALUES ({version}, 'a change', TRUE, '', 0);\n"
        )
    };
    format!(
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
            installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,
            checksum {bytes} NOT NULL, execution_time BIGINT NOT NULL);\n{}{}",
        row(1),
        row(2)
    )
}

/// A row of the outbox; its alarm is named in it alone.
fn row(number: usize, alarm: &str, kind: &str, status: Status) -> String {
    let at = Timestamp::from_seconds(1_800_000_000);
    let mut about = Alarm::firing(alarm.into(), "cpu".into(), Severity::Critical, at);
    about.status = status;
    let mut notification = Notification::of(about, Reason::First, at);
    notification.status = status;
    let payload = serde_json::to_string(&notification).unwrap().replace('\'', "''");
    format!(
        "INSERT INTO outbox (id, sink, thread, alarm, kind, payload, created, due, expires, attempts,
            lease, fence, owner, dead, reason) VALUES ('01J000000000000000000000{number:02}', 'mail',
            '{alarm}', '{alarm}', '{kind}', '{payload}', 1, 1, {}, 0, 0, 0, '', 0, '');\n",
        i64::MAX
    )
}

fn store(bytes: &str) -> String {
    let rows = [
        row(1, "a-1", "problem", Status::Firing),
        row(2, "b-1", "closing", Status::Resolved),
        // Its kind does not say that it is about an end.
        row(3, "c-1", "forwarded", Status::Resolved),
    ];
    format!("{}\n{}{}", TABLES.concat(), changes(bytes), rows.concat())
}

#[test]
fn what_waited_before_there_were_groups_is_about_its_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("haetae.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(&store("BLOB")).unwrap();
    runtime().block_on(comes_up_to_date(Location::File(path)));

    let server = Postgres::start();
    let url = server.database("oldest");
    let text = directory.path().join("oldest.sql");
    std::fs::write(&text, store("BYTEA")).unwrap();
    server.run_file("oldest", Path::new(&text));
    runtime().block_on(comes_up_to_date(Location::Server { url, password: None }));
}

async fn comes_up_to_date(location: Location) {
    let store = Store::open(location.clone(), OWNER).await.unwrap();
    store
        .write(|transaction| {
            let pairs = ["a-1", "b-1", "c-1"].map(|alarm| ("mail", alarm));
            let known = transaction.known(&pairs)?;
            assert_eq!(known.into_iter().collect::<Vec<_>>(), [("mail".into(), "a-1".into())]);
            let owed = transaction.knowing(&["a-1".into()])?;
            assert_eq!(owed.into_keys().collect::<Vec<_>>(), [("a-1".into(), "mail".into())]);
            // That of `b-1`: what was forwarded is left alone.
            assert_eq!(transaction.withdraw("mail")?, 1);
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let mut left = Vec::new();
    for alarm in ["a-1", "b-1", "c-1"] {
        left.push(store.waiting_about(alarm, 10).await.unwrap().len());
    }
    assert_eq!(left, [1, 0, 1], "{location}");
    store.close().await;
}
