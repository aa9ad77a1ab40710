//! Groups: what the engine knows of what sinks were told together, so that it goes on after a restart.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::{
    Store, StoreError, Transaction,
    database::{Connection, Parameters, Row, parameters},
    statements,
};
use crate::engine::notify::StoredGroup;

/// Rows that are read at once.
const PAGE: i64 = 1_000;

impl Transaction<'_> {
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
}

impl Store {
    /// Reads all groups that go on, then the alarms in them, in pages: as they are stored, those of
    /// a hundred thousand alarms are more than what the engine makes of them.
    pub async fn group_pages(
        &self,
        pages: mpsc::Sender<Vec<StoredGroup>>,
    ) -> Result<(), StoreError> {
        let read = self.read(move |connection| {
            let mut unread = Vec::new();
            let [mut sink, mut key, mut alarm] = [const { String::new() }; 3];
            loop {
                let row = parameters![&sink, &key, PAGE];
                let page = page(connection, statements::GROUPS, row, &mut unread)?;
                let Some(last) = page.last() else { break };
                (sink, key) = (last.sink.clone(), last.key.clone());
                if pages.blocking_send(page).is_err() {
                    return Ok(unread);
                }
            }
            (sink, key) = (String::new(), String::new());
            loop {
                let row = parameters![&alarm, &sink, &key, PAGE];
                let page = page(connection, statements::GROUP_ALARMS, row, &mut unread)?;
                let Some(last) = page.last() else { return Ok(unread) };
                (sink, key) = (last.sink.clone(), last.key.clone());
                last.alarm().unwrap_or_default().clone_into(&mut alarm);
                if pages.blocking_send(page).is_err() {
                    return Ok(unread);
                }
            }
        });
        self.pass_over(read.await?);
        Ok(())
    }

    /// The same at once, by sink and key.
    pub async fn groups(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let (read, mut pages) = mpsc::channel(1);
        let take = async {
            let mut groups = Vec::<StoredGroup>::new();
            while let Some(page) = pages.recv().await {
                groups.extend(page);
            }
            groups.sort_unstable_by(|a, b| (&a.sink, &a.key).cmp(&(&b.sink, &b.key)));
            groups
        };
        let (groups, read) = tokio::join!(take, self.group_pages(read));
        read.map(|()| groups)
    }
}

/// The rows of a page that can be read; the next page begins after the last of them.
fn page(
    connection: &mut dyn Connection,
    sql: &'static str,
    row: Parameters<'_>,
    unread: &mut Vec<String>,
) -> Result<Vec<StoredGroup>, StoreError> {
    let mut groups = Vec::new();
    for read in connection.all(sql, row, |row| Ok(group(row)))? {
        match read {
            Ok(group) => groups.push(group),
            Err(error) => unread.push(format!("a row of groups can't be read: {error}")),
        }
    }
    Ok(groups)
}

fn group(row: &dyn Row) -> Result<StoredGroup, StoreError> {
    Ok(StoredGroup { sink: row.string(0)?, key: row.string(1)?, state: Some(row.string(2)?) })
}
