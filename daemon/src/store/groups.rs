//! Groups: what the engine knows of what sinks were told together, so that it goes on after a restart.

use std::collections::{BTreeMap, HashSet};

use super::{
    PageSender, Store, StoreError, Transaction,
    database::{Connection, Parameters, Row, parameters},
    pages, statements,
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
    pub async fn group_pages(&self, pages: PageSender<Vec<StoredGroup>>) -> Result<(), StoreError> {
        let read = self.read(move |connection| {
            let mut unread = Vec::new();
            let mut places = Places::default();
            while places.go_on {
                let (sink, key) = (places.sink.clone(), places.key.clone());
                let row = parameters![&sink, &key, PAGE];
                let page = page(connection, statements::GROUPS, row, &mut places, &mut unread)?;
                if !pages.send(page) {
                    return Ok(unread);
                }
            }
            let mut places = Places::default();
            while places.go_on {
                let alarm = places.alarm.clone();
                let (sink, key) = (places.sink.clone(), places.key.clone());
                let row = parameters![&alarm, &sink, &key, PAGE];
                let page =
                    page(connection, statements::GROUP_ALARMS, row, &mut places, &mut unread)?;
                if !pages.send(page) {
                    return Ok(unread);
                }
            }
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
                groups.extend(page);
            }
            groups.sort_unstable_by(|a, b| (&a.sink, &a.key).cmp(&(&b.sink, &b.key)));
            groups
        };
        let (groups, read) = tokio::join!(take, self.group_pages(read));
        read.map(|()| groups)
    }
}

/// Where the pages got to.
struct Places {
    alarm: String,
    sink: String,
    key: String,
    /// Ends of pages: one that comes again shows that rows do not lie in their order.
    ends: HashSet<[String; 3]>,
    /// Whether there may be another page.
    go_on: bool,
}

impl Default for Places {
    fn default() -> Self {
        let [alarm, sink, key] = [const { String::new() }; 3];
        Self { alarm, sink, key, ends: HashSet::new(), go_on: true }
    }
}

/// The rows of a page that can be read; the next page begins after the last of them.
fn page(
    connection: &mut dyn Connection,
    sql: &'static str,
    row: Parameters<'_>,
    places: &mut Places,
    unread: &mut Vec<String>,
) -> Result<Vec<StoredGroup>, StoreError> {
    let (mut groups, mut rows, mut end) = (Vec::new(), 0, None);
    for read in connection.all(sql, row, |row| Ok(group(row)))? {
        rows += 1;
        match read {
            Ok((group, alarm)) => {
                end = Some([alarm, group.sink.clone(), group.key.clone()]);
                groups.push(group);
            }
            Err(error) => unread.push(format!("a row of groups can't be read: {error}")),
        }
    }
    places.go_on = rows >= PAGE;
    if let Some(end) = end.filter(|_| places.go_on) {
        places.go_on = places.ends.insert(end.clone());
        if !places.go_on {
            unread.push("rows of groups are out of order: some can't be read".into());
        }
        [places.alarm, places.sink, places.key] = end;
    } else {
        places.go_on = false;
    }
    Ok(groups)
}

fn group(row: &dyn Row) -> Result<(StoredGroup, String), StoreError> {
    let state = Some(row.string(2)?);
    Ok((StoredGroup { sink: row.string(0)?, key: row.string(1)?, state }, row.string(3)?))
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
