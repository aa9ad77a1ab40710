//! Alarms: each that goes on a row, from its first pending slot on, and the groups in which sinks were
//! told of them, so that the engine goes on with both after a restart; what ended is history.

use std::collections::BTreeMap;

use haetae_plugin::Timestamp;
use tracing::warn;

use super::{
    Page, PageSender, Store, StoreError, Transaction,
    database::{Connection, Parameters, Row, parameters},
    pages::{KeyedTable, pages},
    statements,
};
use crate::engine::{Past, Standing, notify::StoredGroup};

/// Alarms that ended last, whose occurrences the engine is told; of the others, the greatest.
const OCCURRENCES: i64 = 10_000;
/// The mark of the greatest occurrence.
const OCCURRENCE: &str = "occurrence";
/// The mark of the last day of which ended alarms were pruned.
pub(super) const PRUNED: &str = "pruned";

/// The day of a time, by which history is kept: days since 1970.
pub(super) fn day(time: Timestamp) -> i64 {
    time.millis().div_euclid(86_400_000)
}

/// Some standings of an earlier run, and those that can't be read.
#[derive(Debug, Default)]
pub struct Standings {
    /// What the engine goes on with.
    pub standings: Vec<Standing>,
    /// Ids of alarms, and why they can't be read.
    pub unreadable: Vec<(String, String)>,
}

impl Standings {
    /// Those of a page.
    pub fn of(page: &Page) -> Self {
        let (mut standings, mut unreadable) = (Vec::new(), page.unreadable.clone());
        for [id, standing] in page.rows() {
            match serde_json::from_str(standing) {
                Ok(standing) => standings.push(standing),
                Err(error) => unreadable.push((id.into(), error.to_string())),
            }
        }
        Self { standings, unreadable }
    }
}

/// The groups of a page.
pub fn groups(page: &Page) -> Vec<StoredGroup> {
    let group = |[sink, key, state]: [&str; 3]| {
        let state = Some(state.into());
        StoredGroup { sink: sink.into(), key: key.into(), state }
    };
    page.rows().map(group).collect()
}

/// Which occurrences there were.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// Fingerprints of those that ended last.
    pub known: Vec<(String, u32)>,
    /// No occurrence of any other was greater.
    pub floor: u32,
}

impl Transaction<'_> {
    /// Writes alarms, each once; it replaces what was stored under its id.
    pub fn save_alarms<'a>(
        &mut self,
        standings: impl IntoIterator<Item = &'a Standing>,
    ) -> Result<(), StoreError> {
        let mut text = Vec::new();
        let mut greatest = 0;
        for standing in standings {
            text.clear();
            serde_json::to_writer(&mut text, standing).map_err(StoreError::unreadable)?;
            let written = std::str::from_utf8(&text).map_err(StoreError::unreadable)?;
            let Standing { fingerprint, occurrence, alarm, .. } = standing;
            if alarm.ended.is_none() {
                self.queue(statements::SAVE_ALARM, &[parameters![&alarm.id, written]])?;
                continue;
            }
            let occurrence = i64::from(*occurrence);
            greatest = occurrence.max(greatest);
            let (day, updated) = (day(alarm.updated), alarm.updated);
            let row = parameters![day, &alarm.id, fingerprint, occurrence, updated, written];
            self.queue(statements::END_ALARM, &[row])?;
            self.queue(statements::FORGET_ALARM, &[parameters![&alarm.id]])?;
            // What was told to its end before is history with it.
            self.archive_obligations(&alarm.id)?;
        }
        if greatest > 0 {
            self.queue(statements::RAISE_MARK, &[parameters![OCCURRENCE, greatest]])?;
        }
        Ok(())
    }

    /// Writes groups, and alarms in them; of one that is given several times, the last counts.
    pub fn save_groups<'a>(
        &mut self,
        groups: impl IntoIterator<Item = &'a StoredGroup>,
    ) -> Result<(), StoreError> {
        let mut last = BTreeMap::new();
        for group in groups {
            last.insert((group.sink.as_str(), group.key.as_str()), group);
        }
        let [mut groups, mut over, mut left] = [const { Vec::new() }; 3];
        let mut alarms = Vec::new();
        for ((sink, key), group) in last {
            match (&group.state, group.alarm()) {
                (Some(state), None) => groups.push(parameters![sink, key, state]),
                (Some(state), Some(alarm)) => alarms.push((alarm, sink, key, state)),
                (None, None) => over.push(parameters![sink, key]),
                (None, Some(alarm)) => left.push(parameters![alarm, sink, key]),
            }
        }
        // As their rows lie: by alarm.
        alarms.sort_by_key(|(alarm, ..)| *alarm);
        let alarms: Vec<Parameters<'_>> = alarms
            .into_iter()
            .map(|(alarm, sink, key, state)| parameters![alarm, sink, key, state])
            .collect();
        self.queue(statements::SAVE_GROUP, &groups)?;
        self.queue(statements::SAVE_GROUP_ALARM, &alarms)?;
        self.queue(statements::FORGET_GROUP, &over)?;
        self.queue(statements::FORGET_GROUP_ALARM, &left)
    }

    /// Deletes alarms that never fired.
    pub fn forget_alarms(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let rows: Vec<Parameters<'_>> = ids.iter().map(|id| parameters![id]).collect();
        self.queue(statements::FORGET_ALARM, &rows)
    }

    /// Of these alarms, those that have ended as far as is stored.
    pub(super) fn ended_alarm(&mut self, id: &str) -> Result<Option<Standing>, StoreError> {
        self.connection.first(statements::ENDED_ALARM, parameters![id], standing)
    }

    /// Sets alarms aside that can't be read: they are deleted, and nobody is told of their end.
    pub fn set_aside(
        &mut self,
        unreadable: &[(String, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (id, why) in unreadable {
            self.lose_all_of_alarm(id, why, now)?;
            self.queue(statements::FORGET_ALARM, &[parameters![id]])?;
        }
        Ok(())
    }
}

impl Store {
    /// What the engine goes on from, but for the standings.
    pub async fn past(&self) -> Result<Past, StoreError> {
        let Occurrences { known, floor } = self.read(occurrences).await?;
        let cursors = self.log_cursors().await?;
        Ok(Past { cursors, occurrences: known, floor, ..Past::default() })
    }

    /// Reads the standings that have not ended, by id, in pages of [`Standings`]: all at once they
    /// are ten times what the engine makes of them. A row may come twice if others are hurt.
    pub async fn standings(&self, pages: PageSender) -> Result<(), StoreError> {
        let table = KeyedTable { name: "alarms", sql: statements::ALARMS, key: [0] };
        let read = self.read(move |connection| {
            pages.send_all(connection, table, |row, page| {
                let id = row.text(0)?;
                match row.text(1) {
                    Ok(standing) => page.push([id, standing]),
                    Err(error) => page.unreadable.push((id.into(), error.to_string())),
                }
                Ok(())
            })
        });
        self.pass_over(read.await?);
        Ok(())
    }

    /// Reads all groups that go on, then the alarms in them, in pages of [`groups`]: all at once they
    /// are more than what the engine makes of them.
    pub async fn group_pages(&self, pages: PageSender) -> Result<(), StoreError> {
        let groups = KeyedTable { name: "groups", sql: statements::GROUPS, key: [0, 1] };
        let alarms =
            KeyedTable { name: "group_alarms", sql: statements::GROUP_ALARMS, key: [3, 0, 1] };
        let read = self.read(move |connection| {
            let mut unread = pages.send_all(connection, groups, group)?;
            unread.extend(pages.send_all(connection, alarms, group)?);
            Ok(unread)
        });
        self.pass_over(read.await?);
        Ok(())
    }

    /// The same at once, by sink and key.
    pub async fn groups(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let (read, mut pages) = pages();
        let take = async {
            let mut groups = Vec::<StoredGroup>::new();
            while let Some(page) = pages.next().await {
                groups.extend(self::groups(&page));
            }
            groups.sort_unstable_by(|a, b| (&a.sink, &a.key).cmp(&(&b.sink, &b.key)));
            groups
        };
        let (groups, read) = tokio::join!(take, self.group_pages(read));
        read.map(|()| groups)
    }

    /// An alarm as it was stored last, also one that has ended.
    pub async fn alarm(&self, id: &str) -> Result<Option<Standing>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            if let Some(live) = connection.first(statements::ALARM, parameters![&id], standing)? {
                return Ok(Some(live));
            }
            connection.first(statements::ENDED_ALARM, parameters![&id], standing)
        })
        .await
    }

    /// Alarms that have ended and whose ids start so, newest day first.
    pub async fn ended_from(&self, start: &str, most: usize) -> Result<Vec<Standing>, StoreError> {
        // Ids are hexadecimal digits, `-` and digits: all that start so are before this.
        let (start, end) = (start.to_owned(), format!("{start}g"));
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read(move |connection| {
            let range = parameters![&start, &end, most];
            connection.all(statements::ENDED_ALARMS_FROM, range, standing)
        })
        .await
    }
}

fn occurrences(connection: &mut dyn Connection) -> Result<Occurrences, StoreError> {
    let mut known = BTreeMap::new();
    let mut rows = 0;
    connection.query(statements::OCCURRENCES, &[parameters![OCCURRENCES]], &mut |row| {
        rows += 1;
        let (Ok(fingerprint), Ok(number)) = (row.string(0), row.integer(1)) else {
            warn!("which alarm an ended one was can't be read: see `haetae db check`");
            return Ok(());
        };
        let number = occurrence(number);
        let greatest = known.entry(fingerprint).or_insert(number);
        *greatest = number.max(*greatest);
        Ok(())
    })?;
    let mut mark =
        |name| connection.first(statements::MARK, parameters![name], |row| row.integer(0));
    let (pruned, greatest) = (mark(PRUNED)?, mark(OCCURRENCE)?);
    // As long as all that there were are known, others begin with the first.
    let all = rows < OCCURRENCES && pruned == Some(0);
    let floor = if all { 0 } else { occurrence(greatest.unwrap_or(i64::MAX)) };
    Ok(Occurrences { known: known.into_iter().collect(), floor })
}

fn group(row: &dyn Row, page: &mut Page) -> Result<(), StoreError> {
    page.push([row.text(0)?, row.text(1)?, row.text(2)?]);
    Ok(())
}

pub(super) fn standing(row: &dyn Row) -> Result<Standing, StoreError> {
    row.json(0)
}

fn occurrence(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::store::Location;

    #[tokio::test]
    async fn a_row_whose_key_is_hurt_does_not_begin_the_pages_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haetae.db");
        let open = || Store::open(Location::File(path.clone()), "test");
        let store = open().await.unwrap();
        let (sink, key) = ("mail".into(), "3f9c2a000000-1#3f9c2a000000-1".into());
        let row = StoredGroup { sink, key, state: Some("{}".into()) };
        store.write(move |transaction| transaction.save_groups([&row])).await.unwrap();
        store.close().await;
        let hurt = rusqlite::Connection::open(&path).unwrap();
        assert_eq!(hurt.execute("UPDATE group_alarms SET key = 'hurt'", []).unwrap(), 1);
        drop(hurt);
        let store = open().await.unwrap();
        let read = timeout(Duration::from_secs(10), store.groups()).await;
        assert_eq!(read.expect("it ends").unwrap().len(), 1);
    }
}
