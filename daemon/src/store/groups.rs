//! Groups: what the engine knows of what sinks were told together, so that it goes on after a restart.

use std::collections::BTreeMap;

use super::{
    Page, PageSender, Store, StoreError, Transaction,
    database::{Parameters, Row, parameters},
    pages::{KeyedTable, pages},
    statements,
};
use crate::engine::notify::StoredGroup;

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

/// The groups of a page.
pub fn groups(page: &Page) -> Vec<StoredGroup> {
    let group = |[sink, key, state]: [&str; 3]| {
        let state = Some(state.into());
        StoredGroup { sink: sink.into(), key: key.into(), state }
    };
    page.rows().map(group).collect()
}

impl Store {
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
}

fn group(row: &dyn Row, page: &mut Page) -> Result<(), StoreError> {
    page.push([row.text(0)?, row.text(1)?, row.text(2)?]);
    Ok(())
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
