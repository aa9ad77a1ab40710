//! Groups: what the engine knows of what sinks were told together, so that it goes on after a restart.

use std::collections::BTreeMap;

use super::{
    Store, StoreError, Transaction,
    database::{Row, parameters},
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
        let [mut groups, mut alarms, mut over, mut left] = [const { Vec::new() }; 4];
        for ((sink, key), group) in last {
            match (&group.state, group.alarm()) {
                (Some(state), None) => groups.push(parameters![sink, key, state]),
                (Some(state), Some(alarm)) => alarms.push(parameters![alarm, sink, key, state]),
                (None, None) => over.push(parameters![sink, key]),
                (None, Some(alarm)) => left.push(parameters![alarm, sink, key]),
            }
        }
        self.queue(statements::SAVE_GROUP, &groups)?;
        self.queue(statements::SAVE_GROUP_ALARM, &alarms)?;
        self.queue(statements::FORGET_GROUP, &over)?;
        self.queue(statements::FORGET_GROUP_ALARM, &left)
    }
}

impl Store {
    /// All groups that go on, by sink and key.
    pub async fn groups(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let groups = self.read_rows("groups", statements::GROUPS, parameters![], group);
        let mut groups = groups.await?;
        groups.sort_unstable_by(|a, b| (&a.sink, &a.key).cmp(&(&b.sink, &b.key)));
        Ok(groups)
    }
}

fn group(row: &dyn Row) -> Result<StoredGroup, StoreError> {
    Ok(StoredGroup { sink: row.string(0)?, key: row.string(1)?, state: Some(row.string(2)?) })
}
