//! Groups: what the engine knows of what sinks were told together, so that it goes on after a restart.

use std::collections::{BTreeMap, HashSet};

use super::{
    Page, PageSender, Store, StoreError, Transaction,
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
        let read = self.read(move |connection| {
            let mut unread = Vec::new();
            for (sql, is_by_alarm) in
                [(statements::GROUPS, false), (statements::GROUP_ALARMS, true)]
            {
                let mut places = Places::default();
                while places.go_on {
                    let mut page = pages.empty();
                    fill(connection, (sql, is_by_alarm), &mut page, &mut places, &mut unread)?;
                    if !pages.send(page) {
                        return Ok(unread);
                    }
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
                groups.extend(self::groups(&page));
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
    /// The alarm, the sink and the key of the last row.
    end: [String; 3],
    /// Ends of pages: one that comes again shows that rows do not lie in their order.
    ends: HashSet<[String; 3]>,
    /// Whether there may be another page.
    go_on: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self { end: <[String; 3]>::default(), ends: HashSet::new(), go_on: true }
    }
}

/// Fills a page with the rows after the last one that can be read.
fn fill(
    connection: &mut dyn Connection,
    (sql, is_by_alarm): (&'static str, bool),
    page: &mut Page,
    places: &mut Places,
    unread: &mut Vec<String>,
) -> Result<(), StoreError> {
    let [alarm, sink, key] = places.end.clone();
    let after = if is_by_alarm {
        parameters![&alarm, &sink, &key, PAGE]
    } else {
        parameters![&sink, &key, PAGE]
    };
    let (mut rows, mut end) = (0, None);
    connection.query(sql, &[after], &mut |row| {
        rows += 1;
        match group(row) {
            Ok(([sink, key, state], alarm)) => {
                page.push([sink, key, state]);
                if rows == PAGE {
                    end = Some([alarm, sink, key].map(str::to_owned));
                }
            }
            Err(error) => unread.push(format!("a row of groups can't be read: {error}")),
        }
        Ok(())
    })?;
    places.go_on = rows >= PAGE && end.is_some();
    if let Some(end) = end {
        places.go_on = places.ends.insert(end.clone());
        if !places.go_on {
            unread.push("rows of groups are out of order: some can't be read".into());
        }
        places.end = end;
    }
    Ok(())
}

fn group(row: &dyn Row) -> Result<([&str; 3], &str), StoreError> {
    Ok(([row.text(0)?, row.text(1)?, row.text(2)?], row.text(3)?))
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
