//! Thresholds that people set, with all that ever changed of them.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow, query};

use super::{Store, StoreError, Transaction, millis, statements};

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
    pub async fn thresholds(&mut self) -> Result<Vec<StoredThreshold>, StoreError> {
        let rows = self.fetch(query(statements::THRESHOLDS).bind(MOST_THRESHOLDS)).await?;
        rows.iter().map(|row| threshold(row).map_err(StoreError::unreadable)).collect()
    }

    /// Adds a threshold under a new id, which is answered.
    pub async fn add_threshold(&mut self, new: &StoredThreshold) -> Result<String, StoreError> {
        let id = self.id(new.created);
        let query = query(statements::ADD_THRESHOLD)
            .bind(id.as_str())
            .bind(new.evaluator.as_str())
            .bind(new.matchers.as_str())
            .bind(new.levels.as_str())
            .bind(new.author.as_str())
            .bind(new.reason.as_str())
            .bind(millis(new.created));
        self.execute(query).await?;
        Ok(id)
    }

    /// Writes one over its version `new.version`; false: it has another one by now.
    pub async fn change_threshold(&mut self, new: &StoredThreshold) -> Result<bool, StoreError> {
        let query = query(statements::CHANGE_THRESHOLD)
            .bind(new.id.as_str())
            .bind(new.version)
            .bind(new.evaluator.as_str())
            .bind(new.matchers.as_str())
            .bind(new.levels.as_str())
            .bind(new.author.as_str())
            .bind(new.reason.as_str())
            .bind(millis(new.updated));
        Ok(self.execute(query).await? > 0)
    }

    /// Removes one of this version; false: it has another one by now.
    pub async fn remove_threshold(
        &mut self,
        id: &str,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let query = query(statements::REMOVE_THRESHOLD).bind(id).bind(version).bind(millis(now));
        Ok(self.execute(query).await? > 0)
    }

    /// Notes who changed it, and from what to what.
    pub async fn note_threshold(
        &mut self,
        id: &str,
        change: &ThresholdChange,
    ) -> Result<(), StoreError> {
        let row = self.id(change.at);
        let query = query(statements::NOTE_THRESHOLD)
            .bind(row.as_str())
            .bind(id)
            .bind(millis(change.at))
            .bind(change.actor.as_str())
            .bind(change.act.as_str())
            .bind(change.before.as_str())
            .bind(change.after.as_str());
        self.execute(query).await.map(drop)
    }
}

impl Store {
    /// The thresholds that there are, the oldest first.
    pub async fn thresholds(&self) -> Result<Vec<StoredThreshold>, StoreError> {
        let rows = query(statements::THRESHOLDS).bind(MOST_THRESHOLDS).fetch_all(&self.readers);
        let rows = rows.await.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| threshold(row).map_err(StoreError::unreadable)).collect()
    }

    /// What was changed of one, oldest first; also when it was removed since.
    pub async fn threshold_history(
        &self,
        id: &str,
        most: i64,
    ) -> Result<Vec<ThresholdChange>, StoreError> {
        let query = query(statements::THRESHOLD_HISTORY).bind(id).bind(most);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| change(row).map_err(StoreError::unreadable)).collect()
    }
}

fn threshold(row: &AnyRow) -> Result<StoredThreshold, sqlx::Error> {
    Ok(StoredThreshold {
        id: row.try_get(0)?,
        evaluator: row.try_get(1)?,
        matchers: row.try_get(2)?,
        levels: row.try_get(3)?,
        author: row.try_get(4)?,
        reason: row.try_get(5)?,
        created: Timestamp::from_millis(row.try_get(6)?),
        updated: Timestamp::from_millis(row.try_get(7)?),
        version: row.try_get(8)?,
    })
}

fn change(row: &AnyRow) -> Result<ThresholdChange, sqlx::Error> {
    Ok(ThresholdChange {
        at: Timestamp::from_millis(row.try_get(0)?),
        actor: row.try_get(1)?,
        act: row.try_get(2)?,
        before: row.try_get(3)?,
        after: row.try_get(4)?,
    })
}
