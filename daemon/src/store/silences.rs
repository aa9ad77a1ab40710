//! Silences as they are stored: texts, which whoever knows time zones turns into what holds.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, Transaction,
    database::{Row, parameters},
    statements,
};

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSilence {
    /// Its id.
    pub id: String,
    /// Which alarms; all must match.
    pub matchers: Vec<String>,
    /// When it holds.
    pub span: StoredSpan,
    /// Who made it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was ended before its time, or because its alarms were over.
    pub ended: Option<Timestamp>,
    /// How often it was changed.
    pub version: i64,
}

/// When a silence holds, in texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StoredSpan {
    /// From and until; the end is not part of it.
    Between {
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// Until each of these alarms has ended.
    UntilResolved {
        /// From when.
        from: Timestamp,
        /// Ids of alarms.
        alarms: Vec<String>,
    },
    /// In windows that come again.
    Recurring {
        /// Days and hours: `Mon-Fri 22:00-07:00`.
        every: String,
        /// The IANA time zone of the hours.
        zone: String,
        /// From when.
        from: Timestamp,
        /// Until when; none: until it is ended.
        until: Option<Timestamp>,
    },
}

impl StoredSpan {
    /// From when on it holds no more by itself, if that is known.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Between { until, .. } => Some(*until),
            Self::UntilResolved { .. } => None,
            Self::Recurring { until, .. } => *until,
        }
    }
}

impl Transaction<'_> {
    /// Writes a new silence and answers with it under its id.
    pub fn add_silence(&mut self, silence: StoredSilence) -> Result<StoredSilence, StoreError> {
        let silence = StoredSilence { id: self.id(silence.created), version: 1, ..silence };
        let StoredSilence { id, matchers, span, author, reason, created, .. } = &silence;
        let matchers = serde_json::to_string(matchers).map_err(StoreError::unreadable)?;
        let until = span.until().map_or(0, Timestamp::millis);
        let span = serde_json::to_string(span).map_err(StoreError::unreadable)?;
        let row = parameters![id, &matchers, &span, author, reason, *created, until];
        self.queue(statements::ADD_SILENCE, &[row])?;
        Ok(silence)
    }

    /// Ends a silence; false: it is over, or there is none.
    pub fn end_silence(&mut self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::END_SILENCE, parameters![id, now])? > 0)
    }

    /// Silences that may still hold, oldest first.
    pub fn open_silences(
        &mut self,
        now: Timestamp,
        most: i64,
    ) -> Result<Vec<StoredSilence>, StoreError> {
        self.connection.all(statements::OPEN_SILENCES, parameters![now, most], silence)
    }
}

impl Store {
    /// Silences that may still hold, oldest first.
    pub async fn open_silences(
        &self,
        now: Timestamp,
        most: i64,
    ) -> Result<Vec<StoredSilence>, StoreError> {
        let row = parameters![now, most];
        self.read_rows("silences", statements::OPEN_SILENCES, row, silence).await
    }

    /// The newest silences, also those that are over.
    pub async fn silences(&self, most: i64) -> Result<Vec<StoredSilence>, StoreError> {
        self.read(move |connection| {
            connection.all(statements::SILENCES, parameters![most], silence)
        })
        .await
    }

    /// One silence.
    pub async fn silence(&self, id: &str) -> Result<Option<StoredSilence>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection.first(statements::SILENCE, parameters![&id], silence)
        })
        .await
    }
}

pub(super) fn silence(row: &dyn Row) -> Result<StoredSilence, StoreError> {
    let ended = row.integer(6)?;
    Ok(StoredSilence {
        id: row.string(0)?,
        matchers: row.json(1)?,
        span: row.json(2)?,
        author: row.string(3)?,
        reason: row.string(4)?,
        created: row.time(5)?,
        ended: (ended > 0).then(|| Timestamp::from_millis(ended)),
        version: row.integer(7)?,
    })
}
