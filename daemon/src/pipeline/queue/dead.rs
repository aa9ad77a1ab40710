//! Dead letters: items that a sink will never take, kept until somebody drops or redrives them.

use std::{collections::BTreeSet, sync::Arc};

use haetae_plugin::{Batch, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    encoding,
    rows::{EncodedBatch, sum},
    state::{QueueState, Weight},
};

/// Dead items are kept up to this part of `max`. Beyond it the oldest make room, counted, those
/// that are to be sent again last: a sink that refuses everything must not stop its source.
const DEAD_PART: i64 = 4;

/// A rejected item.
#[derive(Clone, Debug)]
pub struct Dead {
    /// Names it: `haetae outbox drop ID`.
    pub id: i64,
    /// Who rejected it.
    pub consumer: String,
    /// The batch that it came with.
    pub sequence: i64,
    /// Its index in that batch.
    pub index: usize,
    /// Why it was rejected.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// Whether it waits to be handed out again.
    pub redriven: bool,
    /// The item, as a batch of one; or why it cannot be read.
    pub batch: Result<Batch, String>,
}

/// An item to keep.
#[derive(Debug)]
pub struct Item {
    /// Its index in its batch.
    pub index: i64,
    /// Why it was rejected.
    pub reason: String,
    /// The item, as a batch of one.
    pub body: EncodedBatch,
}

/// Counts what is in the file into `state`.
pub fn load(connection: &Connection, state: &mut QueueState) -> rusqlite::Result<()> {
    let text = "SELECT consumer, count(*), coalesce(sum(size), 0) FROM dead GROUP BY consumer";
    let rows: Vec<(String, i64, i64)> = connection
        .prepare(text)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (consumer, rows, bytes) in rows {
        state.dead.add(Weight { rows, records: rows, bytes });
        let redriven = redriven(connection, &consumer)?;
        if let Some(consumer) = state.consumer(&consumer) {
            consumer.dead = rows;
            consumer.redriven = redriven;
        }
    }
    Ok(())
}

/// All that is kept.
pub fn weight(connection: &Connection) -> rusqlite::Result<Weight> {
    let text = "SELECT count(*), coalesce(sum(size), 0) FROM dead";
    connection.query_row(text, [], |row| {
        let (rows, bytes) = (row.get(0)?, row.get(1)?);
        Ok(Weight { rows, records: rows, bytes })
    })
}

/// What of a consumer's waits to be handed out again.
pub fn redriven(connection: &Connection, consumer: &str) -> rusqlite::Result<BTreeSet<i64>> {
    connection
        .prepare_cached("SELECT id FROM dead WHERE consumer = ?1 AND redriven = 1")?
        .query_map([consumer], |row| row.get(0))?
        .collect()
}

/// Keeps a rejected item; the same one again replaces what was kept of it.
pub fn bury(
    connection: &Connection,
    state: &mut QueueState,
    max: i64,
    (consumer, sequence): (&Arc<str>, i64),
    item: &Item,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let same = "SELECT id FROM dead WHERE consumer = ?1 AND sequence = ?2 AND item = ?3";
    let same = connection
        .prepare_cached(same)?
        .query_row(params![&**consumer, sequence, item.index], |row| row.get(0))
        .optional()?;
    if let Some(same) = same {
        remove(connection, state, same)?;
    }
    let size = item.body.weight().bytes;
    let crc = sum(sequence, item.index, now, &item.body.bytes);
    let text =
        "INSERT INTO dead (consumer, sequence, item, reason, time, redriven, size, crc, body)
        VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)";
    let reason = &item.reason;
    connection.prepare_cached(text)?.execute(params![
        &**consumer,
        sequence,
        item.index,
        reason,
        now.nanos(),
        size,
        crc,
        item.body.bytes
    ])?;
    state.dead.add(Weight::row(1, size));
    if let Some(consumer) = state.consumer(consumer) {
        consumer.dead += 1;
    }
    while state.dead.bytes > max / DEAD_PART {
        let text = "SELECT id FROM dead ORDER BY redriven, id LIMIT 1";
        let oldest = connection.prepare_cached(text)?.query_row([], |row| row.get(0)).optional()?;
        let Some(oldest) = oldest else { break };
        remove(connection, state, oldest)?;
        state.dead_dropped += 1;
    }
    Ok(())
}

/// Deletes an item; whether it was there.
pub fn remove(connection: &Connection, state: &mut QueueState, id: i64) -> rusqlite::Result<bool> {
    let text = "DELETE FROM dead WHERE id = ?1 RETURNING consumer, size";
    let gone: Option<(String, i64)> = connection
        .prepare_cached(text)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((consumer, size)) = gone else { return Ok(false) };
    state.dead.subtract(Weight::row(1, size));
    if let Some(consumer) = state.consumer(&consumer) {
        consumer.dead = (consumer.dead - 1).max(0);
        consumer.redriven.remove(&id);
    }
    Ok(true)
}

/// Marks an item to be handed out again to its consumer; whether it was there.
pub fn redrive(connection: &Connection, state: &mut QueueState, id: i64) -> rusqlite::Result<bool> {
    let text = "UPDATE dead SET redriven = 1 WHERE id = ?1 RETURNING consumer";
    let consumer: Option<String> =
        connection.prepare_cached(text)?.query_row([id], |row| row.get(0)).optional()?;
    let Some(consumer) = consumer else { return Ok(false) };
    if let Some(consumer) = state.consumer(&consumer) {
        consumer.redriven.insert(id);
    }
    Ok(true)
}

/// An item by its id.
pub fn read(connection: &Connection, id: i64) -> rusqlite::Result<Option<Dead>> {
    let text = format!("{SELECT} WHERE id = ?1");
    connection.prepare_cached(&text)?.query_row([id], dead).optional()
}

/// The oldest items.
pub fn list(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Dead>> {
    let text = format!("{SELECT} ORDER BY id LIMIT ?1");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.prepare_cached(&text)?.query_map([limit], dead)?.collect()
}

const SELECT: &str =
    "SELECT id, consumer, sequence, item, reason, time, redriven, crc, body FROM dead";

fn dead(row: &Row<'_>) -> rusqlite::Result<Dead> {
    let (sequence, item, time) = (row.get(2)?, row.get(3)?, Timestamp::from_nanos(row.get(5)?));
    let crc: i64 = row.get(7)?;
    let body = row.get_ref(8)?.as_blob()?;
    let batch = if sum(sequence, item, time, body) == crc {
        encoding::decode(body)
    } else {
        Err("its checksum does not fit".into())
    };
    Ok(Dead {
        id: row.get(0)?,
        consumer: row.get(1)?,
        sequence,
        index: usize::try_from(item).unwrap_or(0),
        reason: row.get(4)?,
        time,
        redriven: row.get(6)?,
        batch,
    })
}
