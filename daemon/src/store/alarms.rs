//! Alarms: each occurrence a row, from its first pending slot on; what ended stays as history.

use sqlx::{Row, any::AnyRow, query};

use super::{Store, StoreError, Transaction, millis, statements};
use crate::engine::{Past, Standing};

/// How many identities the engine is told the last occurrence of; of the others, the greatest.
const OCCURRENCES: usize = 10_000;
/// The word for an alarm that has ended; one that is not yet pending or no more is `ok`.
const ENDED: &str = "ended";

impl Transaction<'_> {
    /// Writes an alarm; it replaces what was stored under its id.
    pub async fn save_alarm(&mut self, standing: &Standing) -> Result<(), StoreError> {
        let alarm = &standing.alarm;
        let condition = if alarm.ended.is_some() { ENDED } else { alarm.condition.as_str() };
        let written = serde_json::to_string(standing).map_err(StoreError::unreadable)?;
        let query = query(statements::SAVE_ALARM)
            .bind(&alarm.id)
            .bind(&standing.fingerprint)
            .bind(i64::from(standing.occurrence))
            .bind(&alarm.evaluator)
            .bind(condition)
            .bind(millis(alarm.updated))
            .bind(written);
        self.execute(query).await.map(drop)
    }

    /// Deletes an alarm that never fired.
    pub async fn forget_alarm(&mut self, id: &str) -> Result<(), StoreError> {
        self.execute(query(statements::FORGET_ALARM).bind(id)).await.map(drop)
    }
}

impl Store {
    /// What the engine goes on from.
    pub async fn past(&self) -> Result<Past, StoreError> {
        let failed = |error| self.failed(&error);
        let rows = query(statements::LIVE_ALARMS).fetch_all(&self.writer).await.map_err(failed)?;
        let standings = rows.iter().map(standing).collect::<Result<_, _>>()?;
        let known = query(statements::OCCURRENCES)
            .bind(i64::try_from(OCCURRENCES).unwrap_or(i64::MAX))
            .fetch_all(&self.writer)
            .await;
        let known = known.map_err(failed)?;
        let occurrences: Result<_, sqlx::Error> = known
            .iter()
            .map(|row| Ok((row.try_get::<String, _>(0)?, occurrence(row.try_get(1)?))))
            .collect();
        let greatest = query(statements::GREATEST_OCCURRENCE).fetch_one(&self.writer).await;
        let greatest = greatest.and_then(|row| row.try_get::<i64, _>(0)).map_err(failed)?;
        Ok(Past {
            standings,
            occurrences: occurrences.map_err(failed)?,
            // Below the limit, all that there are are known.
            floor: if known.len() < OCCURRENCES { 0 } else { occurrence(greatest) },
        })
    }

    /// An alarm as it was stored last, also one that has ended.
    pub async fn alarm(&self, id: &str) -> Result<Option<Standing>, StoreError> {
        let row = query(statements::ALARM).bind(id).fetch_optional(&self.readers).await;
        row.map_err(|error| self.failed(&error))?.as_ref().map(standing).transpose()
    }
}

pub(super) fn standing(row: &AnyRow) -> Result<Standing, StoreError> {
    let text: String = row.try_get(0).map_err(StoreError::unreadable)?;
    serde_json::from_str(&text).map_err(StoreError::unreadable)
}

fn occurrence(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
