//! Alarms: each occurrence a row, from its first pending slot on; what ended stays as history.

use sqlx::{Row, any::AnyRow, query};

use super::{
    Store, StoreError, Transaction, millis,
    rows::{Bound, Row as Written},
    statements,
};
use crate::engine::{Past, Standing};

/// How many identities the engine is told the last occurrence of; of the others, the greatest.
const OCCURRENCES: usize = 10_000;
/// Standings whose texts are made at once.
const CHUNK: usize = 512;
/// Standings that are read at once.
const PAGE: i64 = 2_000;
/// The word for an alarm that has ended; one that is not yet pending or no more is `ok`.
const ENDED: &str = "ended";

/// A standing as it is written.
struct Saved<'a> {
    standing: &'a Standing,
    written: String,
}

impl Written for Saved<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let Standing { fingerprint, occurrence, alarm, .. } = self.standing;
        let condition = if alarm.ended.is_some() { ENDED } else { alarm.condition.as_str() };
        query
            .bind(alarm.id.as_str())
            .bind(fingerprint.as_str())
            .bind(i64::from(*occurrence))
            .bind(alarm.evaluator.as_str())
            .bind(condition)
            .bind(millis(alarm.updated))
            .bind(self.written.as_str())
    }
}

impl Transaction<'_> {
    /// Writes alarms, each once; it replaces what was stored under its id.
    pub async fn save_alarms(
        &mut self,
        standings: impl IntoIterator<Item = &Standing>,
    ) -> Result<(), StoreError> {
        let written = |standing| {
            let written = serde_json::to_string(standing).map_err(StoreError::unreadable)?;
            Ok(Saved { standing, written })
        };
        let standings: Vec<&Standing> = standings.into_iter().collect();
        // Of very many, the texts of some at a time.
        for some in standings.chunks(CHUNK) {
            let saved: Vec<_> = some.iter().copied().map(written).collect::<Result<_, _>>()?;
            self.each(statements::SAVE_ALARM, &(), &saved).await?;
        }
        Ok(())
    }

    /// Deletes alarms that never fired.
    pub async fn forget_alarms(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.each(statements::FORGET_ALARM, &(), ids).await.map(drop)
    }
}

/// Some standings as they are stored: to read them takes longer than to fetch them.
#[derive(Default)]
pub struct Page(Vec<AnyRow>);

impl Page {
    /// The last id; none: all were read before.
    pub fn last(&self) -> Option<String> {
        self.0.last().and_then(|row| row.try_get(1).ok())
    }

    /// Reads them.
    pub fn standings(&self) -> Result<Vec<Standing>, StoreError> {
        self.0.iter().map(standing).collect()
    }
}

impl Store {
    /// What the engine goes on from, but for the standings.
    pub async fn past(&self) -> Result<Past, StoreError> {
        let failed = |error| self.failed(&error);
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
            standings: Vec::new(),
            cursors: self.log_cursors().await?,
            occurrences: occurrences.map_err(failed)?,
            // Below the limit, all that there are are known.
            floor: if known.len() < OCCURRENCES { 0 } else { occurrence(greatest) },
            ..Past::default()
        })
    }

    /// The next standings that have not ended, after the id `after`, by id.
    ///
    /// In pages: as they are stored, a hundred thousand are ten times what the engine makes of
    /// them.
    pub async fn standings(&self, after: &str) -> Result<Page, StoreError> {
        let query = query(statements::LIVE_ALARMS).bind(after).bind(PAGE);
        query.fetch_all(&self.writer).await.map(Page).map_err(|error| self.failed(&error))
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
