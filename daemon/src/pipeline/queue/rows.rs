//! The batches as rows, and the cursors.

use crc32fast::Hasher;
use haetae_plugin::{Batch, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use super::{
    DiskError, encoding,
    state::{ConsumerState, QueueState, Weight},
};

/// What a row weighs beyond its body.
pub const OVERHEAD: i64 = 64;
/// Batches that one transaction frees, so that nobody waits for long.
const SWEEP: i64 = 256;
/// Batches that cannot be read are kept up to this part of `max`; the oldest make room.
const DAMAGED_PART: i64 = 8;

/// A batch to append.
#[derive(Debug)]
pub struct EncodedBatch {
    /// Its encoding.
    pub bytes: Vec<u8>,
    /// Its records.
    pub records: i64,
}

impl EncodedBatch {
    /// What it weighs towards `max`.
    pub fn weight(&self) -> Weight {
        Weight::row(self.records, i64::try_from(self.bytes.len()).unwrap_or(i64::MAX) + OVERHEAD)
    }
}

/// A batch that was read.
#[derive(Debug)]
pub struct Stored {
    /// Its place in the log.
    pub sequence: i64,
    /// When it was appended.
    pub time: Timestamp,
    /// Its records.
    pub records: i64,
    /// What is in it; or why that cannot be read.
    pub batch: Result<Batch, UnreadableBatch>,
}

/// A batch that cannot be read.
#[derive(Clone, Debug)]
pub struct UnreadableBatch {
    /// Why.
    pub why: String,
    /// Whether the row can be copied and deleted; not if `SQLite` itself trips over it.
    pub movable: bool,
}

/// Covers what is kept of a batch, so that a changed number is noticed as well.
pub fn sum(key: i64, records: i64, time: Timestamp, bytes: &[u8]) -> i64 {
    let mut hasher = Hasher::new();
    for number in [key, records, time.nanos()] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(bytes);
    hasher.finalize().into()
}

/// The highest sequence that was ever given.
pub fn last(connection: &Connection) -> rusqlite::Result<i64> {
    let text = "SELECT max(
        coalesce((SELECT value FROM meta WHERE name = 'last'), 0),
        coalesce((SELECT max(sequence) FROM batches), 0),
        coalesce((SELECT max(sequence) FROM damaged), 0),
        coalesce((SELECT max(cursor) FROM consumers), 0))";
    connection.query_row(text, [], |row| row.get(0))
}

/// Written whenever a batch is deleted: what is in the file no longer tells.
fn put_last(connection: &Connection, last: i64) -> rusqlite::Result<()> {
    let text = "INSERT OR REPLACE INTO meta VALUES ('last', ?1)";
    connection.prepare_cached(text)?.execute([last]).map(|_| ())
}

/// The numbers of what is in the file.
pub fn load(connection: &Connection) -> rusqlite::Result<QueueState> {
    let mut state = QueueState { last: last(connection)?, ..QueueState::default() };
    let rows: Vec<(String, i64, i64)> = connection
        .prepare("SELECT name, cursor, dropped FROM consumers ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, cursor, dropped) in rows {
        let lag = Weight { bytes: 0, ..weigh(connection, cursor, i64::MAX)? };
        state.consumers.push(ConsumerState::new(&name, cursor, dropped, lag));
    }
    state.floor = state.passed();
    state.kept = weigh(connection, state.floor, i64::MAX)?;
    state.oldest = oldest(connection, state.floor)?;
    let text = "SELECT count(*), coalesce(sum(records), 0), coalesce(sum(size), 0) FROM damaged";
    state.damaged = connection.query_row(text, [], weight)?;
    Ok(state)
}

fn weight(row: &Row<'_>) -> rusqlite::Result<Weight> {
    Ok(Weight { rows: row.get(0)?, records: row.get(1)?, bytes: row.get(2)? })
}

/// What lies beyond `after` up to and with `through`.
pub fn weigh(connection: &Connection, after: i64, through: i64) -> rusqlite::Result<Weight> {
    let text = "SELECT count(*), CAST(total(records) AS INTEGER), CAST(total(size) AS INTEGER)
        FROM batches WHERE sequence > ?1 AND sequence <= ?2";
    connection.prepare_cached(text)?.query_row([after, through], weight)
}

/// When the first batch beyond `after` was appended.
pub fn oldest(connection: &Connection, after: i64) -> rusqlite::Result<Option<Timestamp>> {
    let text = "SELECT CAST(time AS INTEGER) FROM batches WHERE sequence > ?1
        ORDER BY sequence LIMIT 1";
    let time: Option<i64> =
        connection.prepare_cached(text)?.query_row([after], |row| row.get(0)).optional()?;
    Ok(time.map(Timestamp::from_nanos))
}

/// The first batch beyond `after`, and what it weighs.
pub fn first(connection: &Connection, after: i64) -> rusqlite::Result<Option<(i64, Weight)>> {
    let text = "SELECT sequence, CAST(records AS INTEGER), CAST(size AS INTEGER) FROM batches
        WHERE sequence > ?1 ORDER BY sequence LIMIT 1";
    let found = connection
        .prepare_cached(text)?
        .query_row([after], |row| Ok((row.get(0)?, Weight::row(row.get(1)?, row.get(2)?))));
    found.optional()
}

/// Appends a batch.
pub fn insert(
    connection: &Connection,
    sequence: i64,
    time: Timestamp,
    body: &EncodedBatch,
) -> rusqlite::Result<()> {
    let text = "INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let crc = sum(sequence, body.records, time, &body.bytes);
    let size = body.weight().bytes;
    let row = params![sequence, time.nanos(), body.records, size, crc, body.bytes];
    connection.prepare_cached(text)?.execute(row).map(|_| ())
}

/// Deletes the oldest batch to make room; `state` counts who misses it.
pub fn drop_oldest(connection: &Connection, state: &mut QueueState) -> rusqlite::Result<bool> {
    let Some((sequence, weight)) = first(connection, state.floor)? else { return Ok(false) };
    connection.prepare_cached("DELETE FROM batches WHERE sequence = ?1")?.execute([sequence])?;
    put_last(connection, state.last)?;
    state.dropped(sequence, weight);
    state.oldest = oldest(connection, state.floor)?;
    Ok(true)
}

/// Frees batches that all have passed; whether there may be more of them.
pub fn free_passed(connection: &mut Connection, state: &QueueState) -> rusqlite::Result<bool> {
    let Some((lowest, _)) = first(connection, i64::MIN)? else { return Ok(false) };
    if lowest > state.floor {
        return Ok(false);
    }
    let transaction = connection.transaction()?;
    let through = state.floor.min(lowest.saturating_add(SWEEP));
    transaction.prepare_cached("DELETE FROM batches WHERE sequence <= ?1")?.execute([through])?;
    put_last(&transaction, state.last)?;
    transaction.commit()?;
    Ok(through < state.floor)
}

/// Writes the cursors that moved.
pub fn save_cursors(connection: &Connection, state: &QueueState) -> rusqlite::Result<()> {
    let text = "UPDATE consumers SET cursor = ?2, dropped = ?3 WHERE name = ?1";
    for consumer in state.consumers.iter().filter(|consumer| consumer.is_ahead()) {
        let row = params![&*consumer.name, consumer.cursor, consumer.dropped];
        connection.prepare_cached(text)?.execute(row)?;
    }
    Ok(())
}

/// Reads the first batch beyond `after`.
pub fn read(connection: &Connection, after: i64) -> rusqlite::Result<Option<Stored>> {
    let text = "SELECT sequence, time, records, crc, body FROM batches WHERE sequence > ?1
        ORDER BY sequence LIMIT 1";
    let read = connection.prepare_cached(text)?.query_row([after], stored).optional();
    match read {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            let Some((sequence, weight)) = first(connection, after)? else { return Err(error) };
            let batch = Err(UnreadableBatch { why: error.to_string(), movable: false });
            let time = Timestamp::default();
            Ok(Some(Stored { sequence, time, records: weight.records, batch }))
        }
        read => read,
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let sequence = row.get(0)?;
    let parts = || Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get_ref(4)?.as_blob()?));
    let parts: rusqlite::Result<(i64, i64, i64, &[u8])> = parts();
    let unreadable = |why: String| Err(UnreadableBatch { why, movable: true });
    let (time, records, batch) = match parts {
        Err(error) => (0, 0, unreadable(error.to_string())),
        Ok((time, records, crc, body)) => {
            let batch = if sum(sequence, records, Timestamp::from_nanos(time), body) == crc {
                encoding::decode(body).or_else(unreadable)
            } else {
                unreadable("its checksum does not fit".into())
            };
            (time, records, batch)
        }
    };
    Ok(Stored { sequence, time: Timestamp::from_nanos(time), records, batch })
}

/// Keeps a batch that cannot be read where it is in nobody's way.
pub fn set_aside(
    connection: &Connection,
    state: &mut QueueState,
    max: i64,
    sequence: i64,
    unreadable: &UnreadableBatch,
) -> rusqlite::Result<()> {
    let Some((found, weight)) = first(connection, sequence - 1)? else { return Ok(()) };
    if found != sequence {
        return Ok(());
    }
    state.forgive(sequence, weight);
    if unreadable.movable {
        let copy = "INSERT OR REPLACE INTO damaged
            SELECT sequence, CAST(time AS INTEGER), CAST(records AS INTEGER),
                CAST(size AS INTEGER), crc, body, ?2 FROM batches WHERE sequence = ?1";
        connection.execute(copy, params![sequence, unreadable.why])?;
        connection.execute("DELETE FROM batches WHERE sequence = ?1", [sequence])?;
        put_last(connection, state.last)?;
        if sequence > state.floor {
            state.kept.subtract(weight);
            state.oldest = oldest(connection, state.floor)?;
        }
        state.damaged.add(weight);
    } else {
        let note = "INSERT OR REPLACE INTO damaged VALUES (?1, NULL, ?2, ?3, NULL, NULL, ?4)";
        connection.execute(note, params![sequence, weight.records, OVERHEAD, unreadable.why])?;
        state.damaged.add(Weight::row(weight.records, OVERHEAD));
    }
    while state.damaged.bytes > max / DAMAGED_PART {
        let text = "DELETE FROM damaged WHERE sequence = (SELECT min(sequence) FROM damaged)
            RETURNING 1, coalesce(records, 0), size";
        let Some(gone) = connection.query_row(text, [], self::weight).optional()? else { break };
        state.damaged.subtract(gone);
    }
    Ok(())
}

/// What callers are told of an error.
pub fn disk(error: &rusqlite::Error) -> DiskError {
    let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
    DiskError { full, text: error.to_string().into() }
}
