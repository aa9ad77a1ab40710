//! Groups: what the engine knows of what sinks were told together, so that it goes on after a restart.

use std::collections::BTreeMap;

use haetae_plugin::Timestamp;
use sqlx::{Row as _, any::AnyRow, query};

use super::{
    Store, StoreError, Transaction, millis,
    rows::{Bound, Row},
    statements,
};
use crate::engine::notify::StoredGroup;

/// Rows whose texts are made at once.
const CHUNK: usize = 512;

/// A group that goes on, or an alarm in it.
struct Saved<'a> {
    sink: &'a str,
    key: &'a str,
    alarm: &'a str,
    written: String,
    now: Timestamp,
}

/// A group that is over.
struct Gone<'a>(&'a str, &'a str);

impl Row for Saved<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let query = query.bind(self.sink).bind(self.key).bind(self.alarm);
        query.bind(self.written.as_str()).bind(millis(self.now))
    }
}

impl Row for Gone<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query.bind(self.0).bind(self.1)
    }
}

impl Transaction<'_> {
    /// Writes groups; of one that is given several times, the last counts.
    pub async fn save_groups(
        &mut self,
        groups: impl IntoIterator<Item = &StoredGroup>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut last = BTreeMap::new();
        for group in groups {
            last.insert((group.sink.as_str(), group.key.as_str()), group);
        }
        let (mut saved, mut gone) = (Vec::new(), Vec::new());
        for ((sink, key), group) in last {
            match &group.state {
                Some(state) => {
                    let (alarm, written) = (group.alarm().unwrap_or_default(), state.to_string());
                    saved.push(Saved { sink, key, alarm, written, now });
                    // Of very many, the texts of some at a time.
                    if saved.len() >= CHUNK {
                        self.each(statements::SAVE_GROUP, &(), &std::mem::take(&mut saved)).await?;
                    }
                }
                None => gone.push(Gone(sink, key)),
            }
        }
        self.each(statements::SAVE_GROUP, &(), &saved).await?;
        self.each(statements::FORGET_GROUP, &(), &gone).await.map(drop)
    }
}

impl Store {
    /// All groups that go on, by sink and key.
    pub async fn groups(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let rows = query(statements::GROUPS).fetch_all(&self.writer).await;
        rows.map_err(|error| self.failed(&error))?.iter().map(group).collect()
    }
}

fn group(row: &AnyRow) -> Result<StoredGroup, StoreError> {
    let read = || -> Result<(String, String, String), sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    let (sink, key, state) = read().map_err(StoreError::unreadable)?;
    let state = serde_json::from_str(&state).map_err(StoreError::unreadable)?;
    Ok(StoredGroup { sink, key, state: Some(state) })
}
