//! The journal: what happened to alarms and who did it; rows are only added.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, query};

use super::{
    Store, StoreError, Transaction, millis,
    rows::{Bound, Row as Written, plain},
    statements,
};

/// A row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: `haetae`, or a person.
    pub actor: String,
    /// What happened, in a word.
    pub act: String,
    /// More about it.
    pub detail: String,
    /// What it was before a person's act, as JSON; empty: nobody's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// What it was after it, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
}

/// What happened to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its condition changed.
    Changed,
    /// A sink was told.
    Told,
    /// A sink is not told, or not any more withheld from.
    Withheld,
    /// A notification was given up or rejected.
    Buried,
    /// A dead letter is tried again.
    Redriven,
    /// A dead letter was dropped.
    Dropped,
}

impl Act {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Told => "told",
            Self::Withheld => "withheld",
            Self::Buried => "buried",
            Self::Redriven => "redriven",
            Self::Dropped => "dropped",
        }
    }
}

/// A row to write.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub alarm: &'a str,
    /// Who.
    pub actor: &'a str,
    /// What happened.
    pub act: Act,
    /// More about it in a few words.
    pub detail: String,
}

/// Who acts when no person does.
pub const HAETAE: &str = "haetae";

struct Named<'a>(String, Record<'a>);

impl Written for Named<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let Self(id, Record { at, alarm, actor, act, detail }) = self;
        let query = query.bind(id.as_str()).bind(millis(*at)).bind(*alarm);
        query.bind(*actor).bind(act.as_str()).bind(detail.as_str())
    }
}

impl Transaction<'_> {
    /// Adds a row; `detail` says more in a few words.
    pub async fn record(
        &mut self,
        at: Timestamp,
        alarm: &str,
        actor: &str,
        act: Act,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.record_all([Record { at, alarm, actor, act, detail: detail.into() }]).await
    }

    /// Adds rows.
    pub async fn record_all(
        &mut self,
        records: impl IntoIterator<Item = Record<'_>>,
    ) -> Result<(), StoreError> {
        let named = records.into_iter().map(|record| {
            let detail = plain(&record.detail);
            Named(self.id(record.at), Record { detail, ..record })
        });
        let named: Vec<_> = named.collect();
        self.each(statements::RECORD, &(), &named).await.map(drop)
    }
}

impl Store {
    /// What happened to an alarm, oldest first.
    pub async fn history(&self, alarm: &str, most: i64) -> Result<Vec<Entry>, StoreError> {
        let query = query(statements::HISTORY).bind(alarm).bind(most);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        let entry = |row: &sqlx::any::AnyRow| -> Result<Entry, sqlx::Error> {
            Ok(Entry {
                at: Timestamp::from_millis(row.try_get(0)?),
                actor: row.try_get(1)?,
                act: row.try_get(2)?,
                detail: row.try_get(3)?,
                before: row.try_get(4)?,
                after: row.try_get(5)?,
            })
        };
        rows.iter().map(|row| entry(row).map_err(StoreError::unreadable)).collect()
    }
}
