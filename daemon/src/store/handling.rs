//! Handling: what people did about alarms.

use std::collections::BTreeMap;

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AuditEntry, HAETAE, Store, StoreError, Transaction, alarms,
    database::{Parameters, Row, parameters},
    statements,
};
use crate::engine::{Change, Standing, alarm::handling::Handling};

/// How an alarm is handled, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// Where it stands.
    #[serde(flatten)]
    pub handling: Handling,
    /// The last comment or note; empty if there was none.
    #[serde(default)]
    pub note: String,
    /// How often it was changed: who changes it may say what they have seen.
    #[serde(default)]
    pub version: i64,
    /// When it was changed last.
    #[serde(default)]
    pub updated: Timestamp,
}

impl Transaction<'_> {
    /// How these alarms are handled, those that are.
    pub fn handled(&mut self, alarms: &[String]) -> Result<BTreeMap<String, Handled>, StoreError> {
        let rows: Vec<Parameters<'_>> = alarms.iter().map(|alarm| parameters![alarm]).collect();
        let found = self.connection.each(statements::HANDLED, &rows, |row| handled(row, 0))?;
        Ok(found.into_iter().collect())
    }

    /// Writes how alarms are handled, each once; the version of each is one more than the one that
    /// it replaces. Whoever was slower changes nothing: the answer names those that were written.
    pub fn handle(&mut self, changes: &[(&str, &Handled)]) -> Result<Vec<String>, StoreError> {
        let mut written = Vec::new();
        for &(alarm, handled) in changes {
            let Handled { handling, note, version, updated } = handled;
            let state = serde_json::to_string(handling).map_err(StoreError::unreadable)?;
            let word = handling.state.as_str();
            let row = parameters![alarm, word, &state, note, *version, *updated];
            written.extend(self.connection.all(statements::HANDLE, row, |row| row.string(0))?);
        }
        Ok(written)
    }

    /// Writes that the engine ended handlings, with rows of the journal. What a person did
    /// since it decided that stands.
    pub fn lapse<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a (String, Handling)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (alarm, handling) in changes {
            let stored = self.handled(std::slice::from_ref(alarm))?.remove(alarm);
            // Only what can end by itself does: what a person did meanwhile stands.
            let lapses = |stored: &Handled| {
                let by_itself =
                    [stored.handling.after_time(now), stored.handling.after_change(Change::Worse)];
                by_itself.iter().flatten().any(|after| after == handling)
            };
            let Some(before) = stored.filter(lapses) else { continue };
            let after = Handled {
                handling: handling.clone(),
                note: before.note.clone(),
                version: before.version + 1,
                updated: now,
            };
            self.handle(&[(alarm, &after)])?;
            let text = |handled: &Handled| {
                serde_json::to_string(&handled.handling).map_err(StoreError::unreadable)
            };
            let audit_entry = AuditEntry {
                at: now,
                about: alarm,
                actor: HAETAE,
                act: "lapsed",
                detail: before.handling.state.as_str(),
                before: text(&before)?,
                after: text(&after)?,
            };
            self.record_deeds(&[audit_entry])?;
        }
        Ok(())
    }
}

impl Store {
    /// How alarms that have not ended are handled, those that are.
    pub async fn handlings(&self) -> Result<BTreeMap<String, Handled>, StoreError> {
        let read = |row: &dyn Row| handled(row, 0);
        let found = self.read_rows("handling", statements::HANDLINGS, parameters![], read).await?;
        Ok(found.into_iter().collect())
    }

    /// How one alarm is handled.
    pub async fn handling(&self, alarm: &str) -> Result<Handled, StoreError> {
        let alarm = alarm.to_owned();
        let found = self.read(move |connection| {
            connection.first(statements::HANDLED, parameters![&alarm], |row| handled(row, 0))
        });
        Ok(found.await?.map(|(_, handled)| handled).unwrap_or_default())
    }

    /// Alarms that ended after `since`, the newest first, with how they are handled; `unseen`: those
    /// alone that ended while nobody had taken them up and that nobody has looked at.
    pub async fn ended(
        &self,
        since: Timestamp,
        unseen: bool,
        most: i64,
    ) -> Result<Vec<(Standing, Handled)>, StoreError> {
        let statement = if unseen { statements::UNSEEN } else { statements::ENDED };
        self.read(move |connection| {
            connection.all(statement, parameters![since, most], |row| {
                Ok((alarms::standing(row)?, handled(row, 1)?.1))
            })
        })
        .await
    }
}

/// How an alarm is handled: the columns from `first` on. Without a state, it never was.
pub(super) fn handled(row: &dyn Row, first: usize) -> Result<(String, Handled), StoreError> {
    let handling = match row.text(first + 1)? {
        "" => Handling::default(),
        _ => row.json(first + 1)?,
    };
    let note = row.string(first + 2)?;
    let (version, updated) = (row.integer(first + 3)?, row.time(first + 4)?);
    Ok((row.string(first)?, Handled { handling, note, version, updated }))
}
