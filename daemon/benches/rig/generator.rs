//! Writes a long past into a store, as the daemon would have: all that the bench knows of the store's
//! calls and tables is here.

use std::path::Path;

use haetae::store::{self, HAETAE, Location, Notified, Store, StoreError, Transaction};
use rusqlite::{Connection, OpenFlags};

use super::past::{Batch, SINK};

/// Writes batches, each in a transaction.
pub fn write(path: &Path, batches: impl Iterator<Item = Batch>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let written: Result<(), StoreError> = runtime.expect("a runtime").block_on(async {
        let store = Store::open(Location::File(path.into()), "bench").await?;
        for batch in batches {
            commit(&store, batch).await?;
        }
        store.close().await;
        Ok(())
    });
    written.expect("it is written");
}

async fn commit(store: &Store, batch: Batch) -> Result<(), StoreError> {
    let write = move |transaction: &mut Transaction<'_>| {
        let Batch { now, records, told, closed, ended } = batch;
        let root = |alarm: &String| format!("{alarm}/first/{}", now.nanos());
        let roots: Vec<String> = told.iter().map(root).collect();
        let told =
            told.iter().zip(&roots).map(|(alarm, root)| Notified { alarm, owes: true, root });
        let closed: Vec<&str> = closed.iter().map(String::as_str).collect();
        let records = records.iter().map(|record| store::Record {
            at: record.at,
            alarm: &record.alarm,
            actor: HAETAE,
            act: record.act,
            detail: record.detail.clone(),
        });
        transaction.save_alarms(&ended)?;
        transaction.record_all(records)?;
        transaction.owe(SINK, &told.collect::<Vec<_>>(), now)?;
        transaction.close(SINK, &closed, "told", now)
    };
    store.write(write).await
}

/// How many alarms, rows of the journal and rows of who was told there are; of each no more are
/// counted than `most`, so that to ask costs a running daemon little.
pub fn count(path: &Path, most: [usize; 3]) -> [usize; 3] {
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let store = store.expect("a store");
    let tables = ["ended_alarms", "journal", "told_ended"];
    std::array::from_fn(|at| {
        let (table, most) = (tables[at], most[at]);
        let count = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {most})");
        let count = store.query_one(&count, [], |row| row.get::<_, i64>(0));
        usize::try_from(count.expect("a count")).expect("a count")
    })
}
