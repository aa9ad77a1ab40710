//! Silences as they are stored: texts, which whoever knows time zones turns into what holds.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow, query};

use super::{Store, StoreError, Transaction, millis, statements};

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
    pub async fn add_silence(
        &mut self,
        silence: StoredSilence,
    ) -> Result<StoredSilence, StoreError> {
        let silence = StoredSilence { id: self.id(silence.created), version: 1, ..silence };
        let text = |value: Result<String, _>| value.map_err(StoreError::unreadable);
        let query = query(statements::ADD_SILENCE)
            .bind(silence.id.clone())
            .bind(text(serde_json::to_string(&silence.matchers))?)
            .bind(text(serde_json::to_string(&silence.span))?)
            .bind(silence.author.clone())
            .bind(silence.reason.clone())
            .bind(millis(silence.created))
            .bind(silence.span.until().map_or(0, millis));
        self.execute(query).await?;
        Ok(silence)
    }

    /// Ends a silence; false: it is over, or there is none.
    pub async fn end_silence(&mut self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let query = query(statements::END_SILENCE).bind(id).bind(millis(now));
        Ok(self.execute(query).await? > 0)
    }

    /// Silences that may still hold, oldest first.
    pub async fn open_silences(
        &mut self,
        now: Timestamp,
        most: i64,
    ) -> Result<Vec<StoredSilence>, StoreError> {
        let query = query(statements::OPEN_SILENCES).bind(millis(now)).bind(most);
        self.fetch(query).await?.iter().map(silence).collect()
    }
}

impl Store {
    /// The newest silences, also those that are over.
    pub async fn silences(&self, most: i64) -> Result<Vec<StoredSilence>, StoreError> {
        let rows = query(statements::SILENCES).bind(most).fetch_all(&self.readers).await;
        rows.map_err(|error| self.failed(&error))?.iter().map(silence).collect()
    }

    /// One silence.
    pub async fn silence(&self, id: &str) -> Result<Option<StoredSilence>, StoreError> {
        let row = query(statements::SILENCE).bind(id).fetch_optional(&self.readers).await;
        row.map_err(|error| self.failed(&error))?.as_ref().map(silence).transpose()
    }
}

fn silence(row: &AnyRow) -> Result<StoredSilence, StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        let (matchers, span): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let ended: i64 = row.try_get(6)?;
        let made = StoredSilence {
            id: row.try_get(0)?,
            matchers: Vec::new(),
            span: StoredSpan::UntilResolved { from: Timestamp::default(), alarms: Vec::new() },
            author: row.try_get(3)?,
            reason: row.try_get(4)?,
            created: Timestamp::from_millis(row.try_get(5)?),
            ended: (ended > 0).then(|| Timestamp::from_millis(ended)),
            version: row.try_get(7)?,
        };
        Ok((matchers, span, made))
    };
    let (matchers, span, made) = read().map_err(StoreError::unreadable)?;
    let matchers = serde_json::from_str(&matchers).map_err(StoreError::unreadable)?;
    let span = serde_json::from_str(&span).map_err(StoreError::unreadable)?;
    Ok(StoredSilence { matchers, span, ..made })
}
