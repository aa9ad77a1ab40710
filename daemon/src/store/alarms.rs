//! Alarms: each that goes on a row, from its first pending slot on; what ended is history.

use std::collections::{BTreeMap, HashSet};

use haetae_plugin::Timestamp;
use tracing::warn;

use super::{
    PageSender, Store, StoreError, Transaction,
    database::{Connection, Parameters, Row, parameters},
    statements,
};
use crate::engine::{Past, Standing};

/// Alarms that ended last, whose occurrences the engine is told; of the others, the greatest.
const OCCURRENCES: i64 = 10_000;
/// The mark of the greatest occurrence.
const OCCURRENCE: &str = "occurrence";
/// The mark of the last day of which ended alarms were pruned.
pub(super) const PRUNED: &str = "pruned";
/// Standings that are read at once.
const PAGE: i64 = 1_000;

/// The day of a time, by which history is kept: days since 1970.
pub(super) fn day(time: Timestamp) -> i64 {
    time.millis().div_euclid(86_400_000)
}

/// Some standings of an earlier run, and those that can't be read.
#[derive(Debug, Default)]
pub struct Standings {
    /// What the engine goes on with.
    pub standings: Vec<Standing>,
    /// Ids of alarms, and why they can't be read.
    pub unreadable: Vec<(String, String)>,
}

/// Which occurrences there were.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// Fingerprints of those that ended last.
    pub known: Vec<(String, u32)>,
    /// No occurrence of any other was greater.
    pub floor: u32,
}

impl Transaction<'_> {
    /// Writes alarms, each once; it replaces what was stored under its id.
    pub fn save_alarms<'a>(
        &mut self,
        standings: impl IntoIterator<Item = &'a Standing>,
    ) -> Result<(), StoreError> {
        let mut text = Vec::new();
        let mut greatest = 0;
        for standing in standings {
            text.clear();
            serde_json::to_writer(&mut text, standing).map_err(StoreError::unreadable)?;
            let written = std::str::from_utf8(&text).map_err(StoreError::unreadable)?;
            let Standing { fingerprint, occurrence, alarm, .. } = standing;
            if alarm.ended.is_none() {
                self.queue(statements::SAVE_ALARM, &[parameters![&alarm.id, written]])?;
                continue;
            }
            let occurrence = i64::from(*occurrence);
            greatest = occurrence.max(greatest);
            let (day, updated) = (day(alarm.updated), alarm.updated);
            let row = parameters![day, &alarm.id, fingerprint, occurrence, updated, written];
            self.queue(statements::END_ALARM, &[row])?;
            self.queue(statements::FORGET_ALARM, &[parameters![&alarm.id]])?;
            // What was told to its end before is history with it.
            self.archive_told(&alarm.id)?;
        }
        if greatest > 0 {
            self.queue(statements::RAISE_MARK, &[parameters![OCCURRENCE, greatest]])?;
        }
        Ok(())
    }

    /// Deletes alarms that never fired.
    pub fn forget_alarms(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let rows: Vec<Parameters<'_>> = ids.iter().map(|id| parameters![id]).collect();
        self.queue(statements::FORGET_ALARM, &rows)
    }

    /// Of these alarms, those that have ended as far as is stored.
    pub(super) fn ended_alarm(&mut self, id: &str) -> Result<Option<Standing>, StoreError> {
        self.connection.first(statements::ENDED_ALARM, parameters![id], standing)
    }

    /// Sets alarms aside that can't be read: they are deleted, and nobody is told of their end.
    pub fn set_aside(
        &mut self,
        unreadable: &[(String, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (id, why) in unreadable {
            self.lose_all_of_alarm(id, why, now)?;
            self.queue(statements::FORGET_ALARM, &[parameters![id]])?;
        }
        Ok(())
    }
}

impl Store {
    /// What the engine goes on from, but for the standings.
    pub async fn past(&self) -> Result<Past, StoreError> {
        let Occurrences { known, floor } = self.read(occurrences).await?;
        let cursors = self.log_cursors().await?;
        Ok(Past { cursors, occurrences: known, floor, ..Past::default() })
    }

    /// Reads the standings that have not ended, by id, in pages: as they are stored, a hundred
    /// thousand are ten times what the engine makes of them. They are decoded on the thread that
    /// reads, beside whoever takes them.
    pub async fn standings(&self, pages: PageSender<Standings>) -> Result<(), StoreError> {
        let read = self.read(move |connection| {
            let (mut after, mut seen) = (String::new(), HashSet::new());
            let mut passed_over = Vec::new();
            while let Some(Page { rows, mut standings, nameless }) = page(connection, &mut after)? {
                passed_over.extend(nameless);
                standings.standings.retain(|one| seen.insert(one.alarm.id.clone()));
                standings.unreadable.retain(|(id, _)| seen.insert(id.clone()));
                let is_last = rows < PAGE;
                // With nothing new it would go round in circles.
                if !is_last && standings.standings.is_empty() && standings.unreadable.is_empty() {
                    passed_over.push("rows of alarms are out of order: some can't be read".into());
                    break;
                }
                if !pages.send(standings) || is_last {
                    break;
                }
            }
            Ok(passed_over)
        });
        self.pass_over(read.await?);
        Ok(())
    }

    /// An alarm as it was stored last, also one that has ended.
    pub async fn alarm(&self, id: &str) -> Result<Option<Standing>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            if let Some(live) = connection.first(statements::ALARM, parameters![&id], standing)? {
                return Ok(Some(live));
            }
            connection.first(statements::ENDED_ALARM, parameters![&id], standing)
        })
        .await
    }
}

/// Rows of alarms that follow each other.
#[derive(Default)]
struct Page {
    rows: i64,
    standings: Standings,
    /// Why the ids of others can't be read.
    nameless: Vec<String>,
}

/// The next page after the id `after`; none: all were read before.
fn page(connection: &mut dyn Connection, after: &mut String) -> Result<Option<Page>, StoreError> {
    let mut page = Page::default();
    page.standings.standings.reserve_exact(usize::try_from(PAGE).unwrap_or_default());
    let mut last = None;
    connection.query(statements::ALARMS, &[parameters![&*after, PAGE]], &mut |row| {
        page.rows += 1;
        let id = match row.string(0) {
            Ok(id) => id,
            Err(error) => {
                page.nameless.push(format!("the id of an alarm can't be read: {error}"));
                return Ok(());
            }
        };
        match row.json(1) {
            Ok(standing) => page.standings.standings.push(standing),
            Err(error) => page.standings.unreadable.push((id.clone(), error.to_string())),
        }
        last = Some(id);
        Ok(())
    })?;
    if page.rows == 0 {
        return Ok(None);
    }
    // After one that has no id that can be read, there is no next page.
    *after = last.unwrap_or_default();
    Ok(Some(page))
}

fn occurrences(connection: &mut dyn Connection) -> Result<Occurrences, StoreError> {
    let mut known = BTreeMap::new();
    let mut rows = 0;
    connection.query(statements::OCCURRENCES, &[parameters![OCCURRENCES]], &mut |row| {
        rows += 1;
        let (Ok(fingerprint), Ok(number)) = (row.string(0), row.integer(1)) else {
            warn!("which alarm an ended one was can't be read: see `haetae db check`");
            return Ok(());
        };
        let number = occurrence(number);
        let greatest = known.entry(fingerprint).or_insert(number);
        *greatest = number.max(*greatest);
        Ok(())
    })?;
    let mut mark =
        |name| connection.first(statements::MARK, parameters![name], |row| row.integer(0));
    let (pruned, greatest) = (mark(PRUNED)?, mark(OCCURRENCE)?);
    // As long as all that there were are known, others begin with the first.
    let all = rows < OCCURRENCES && pruned == Some(0);
    let floor = if all { 0 } else { occurrence(greatest.unwrap_or(i64::MAX)) };
    Ok(Occurrences { known: known.into_iter().collect(), floor })
}

pub(super) fn standing(row: &dyn Row) -> Result<Standing, StoreError> {
    row.json(0)
}

fn occurrence(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
