//! Thresholds that people set, with all that ever changed of them.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{
    Store, StoreError, Transaction,
    database::{Row, parameters},
    statements,
};

/// The most thresholds that there may be.
pub const MOST_THRESHOLDS: i64 = 10_000;

/// A threshold as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredThreshold {
    /// Its id.
    pub id: String,
    /// The evaluator whose numbers it overrides.
    pub evaluator: String,
    /// For which of its alarms: JSON.
    pub matchers: String,
    /// What it replaces: JSON.
    pub levels: String,
    /// Who changed it last.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// How often it was written.
    pub version: i64,
}

/// A change of a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdChange {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// `set` or `removed`.
    pub act: String,
    /// What it was; empty: there was none. JSON.
    pub before: String,
    /// What it is; empty: there is none. JSON.
    pub after: String,
}

impl Transaction<'_> {
    /// The thresholds that there are, as this transaction sees them, the oldest first.
    pub fn thresholds(&mut self) -> Result<Vec<StoredThreshold>, StoreError> {
        self.connection.all(statements::THRESHOLDS, parameters![MOST_THRESHOLDS], threshold)
    }

    /// Adds a threshold under a new id, which is answered.
    pub fn add_threshold(&mut self, new: &StoredThreshold) -> Result<String, StoreError> {
        let id = self.id(new.created);
        let StoredThreshold { evaluator, matchers, levels, author, reason, created, .. } = new;
        let row = parameters![&id, evaluator, matchers, levels, author, reason, *created];
        self.queue(statements::ADD_THRESHOLD, &[row])?;
        Ok(id)
    }

    /// Writes one over its version `new.version`; false: it has another one by now.
    pub fn change_threshold(&mut self, new: &StoredThreshold) -> Result<bool, StoreError> {
        let StoredThreshold { id, evaluator, matchers, levels, author, reason, .. } = new;
        let (version, updated) = (new.version, new.updated);
        let row = parameters![id, version, evaluator, matchers, levels, author, reason, updated];
        Ok(self.execute(statements::CHANGE_THRESHOLD, row)? > 0)
    }

    /// Removes one of this version; false: it has another one by now.
    pub fn remove_threshold(
        &mut self,
        id: &str,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(statements::REMOVE_THRESHOLD, parameters![id, version, now])? > 0)
    }

    /// Notes who changed it, and from what to what.
    pub fn note_threshold(&mut self, id: &str, change: &ThresholdChange) -> Result<(), StoreError> {
        let name = self.id(change.at);
        let ThresholdChange { at, actor, act, before, after } = change;
        let row = parameters![&name, id, *at, actor, act, before, after];
        self.queue(statements::NOTE_THRESHOLD, &[row])
    }
}

impl Store {
    /// The thresholds that there are, the oldest first.
    pub async fn thresholds(&self) -> Result<Vec<StoredThreshold>, StoreError> {
        let row = parameters![MOST_THRESHOLDS];
        self.read_rows("thresholds", statements::THRESHOLDS, row, threshold).await
    }

    /// What was changed of one, oldest first; also when it was removed since.
    pub async fn threshold_history(
        &self,
        id: &str,
        most: i64,
    ) -> Result<Vec<ThresholdChange>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection.all(statements::THRESHOLD_HISTORY, parameters![&id, most], change)
        })
        .await
    }
}

pub(super) fn threshold(row: &dyn Row) -> Result<StoredThreshold, StoreError> {
    // Texts to the store, which are read again by whoever judges: one that nobody can read is said here.
    for column in [2, 3] {
        row.json::<IgnoredAny>(column)?;
    }
    Ok(StoredThreshold {
        id: row.string(0)?,
        evaluator: row.string(1)?,
        matchers: row.string(2)?,
        levels: row.string(3)?,
        author: row.string(4)?,
        reason: row.string(5)?,
        created: row.time(6)?,
        updated: row.time(7)?,
        version: row.integer(8)?,
    })
}

fn change(row: &dyn Row) -> Result<ThresholdChange, StoreError> {
    Ok(ThresholdChange {
        at: row.time(0)?,
        actor: row.string(1)?,
        act: row.string(2)?,
        before: row.string(3)?,
        after: row.string(4)?,
    })
}
