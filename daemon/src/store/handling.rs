//! Handling: what people did about alarms, and their acts in the journal.

use std::collections::BTreeMap;

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow, query};

use super::{
    HAETAE, Store, StoreError, Transaction, alarms, millis,
    rows::{Bound, Row as Written},
    statements,
};
use crate::engine::{Change, Standing, handling::Handling};

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

/// What a person did, or what `haetae` did in their place: a row of the journal.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// When.
    pub at: Timestamp,
    /// The alarm, the silence, what it is about.
    pub about: &'a str,
    /// Who.
    pub actor: &'a str,
    /// What, in a word.
    pub act: &'a str,
    /// In their words, or a few of ours.
    pub detail: &'a str,
    /// What it was before, as JSON.
    pub before: String,
    /// What it is now, as JSON.
    pub after: String,
}

struct Named<'a>(String, &'a Deed<'a>);

impl Written for Named<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let Self(id, deed) = self;
        let query = query.bind(id.as_str()).bind(millis(deed.at)).bind(deed.about);
        let query = query.bind(deed.actor).bind(deed.act).bind(deed.detail);
        query.bind(deed.before.as_str()).bind(deed.after.as_str())
    }
}

/// A row of handling, and the version that it must have been before.
struct Kept<'a> {
    alarm: &'a str,
    word: &'static str,
    state: String,
    handled: &'a Handled,
}

impl Written for Kept<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let query = query.bind(self.alarm).bind(self.word).bind(self.state.as_str());
        let query = query.bind(self.handled.note.as_str()).bind(self.handled.version);
        query.bind(millis(self.handled.updated))
    }
}

impl Transaction<'_> {
    /// Adds rows of what people did.
    pub async fn record_deeds(&mut self, deeds: &[Deed<'_>]) -> Result<(), StoreError> {
        let named: Vec<_> = deeds.iter().map(|deed| Named(self.id(deed.at), deed)).collect();
        self.each(statements::RECORD_DEED, &(), &named).await.map(drop)
    }

    /// How these alarms are handled, those that are.
    pub async fn handled(
        &mut self,
        alarms: &[String],
    ) -> Result<BTreeMap<String, Handled>, StoreError> {
        let rows = self.each(statements::HANDLED, &(), alarms).await?;
        rows.iter().map(|row| handled(row, 0)).collect()
    }

    /// Writes how alarms are handled, each once; the version of each is one more than the one that
    /// it replaces. Whoever was slower changes nothing: the answer names those that were written.
    pub async fn handle(
        &mut self,
        changes: &[(&str, &Handled)],
    ) -> Result<Vec<String>, StoreError> {
        let (mut rows, mut written) = (Vec::with_capacity(changes.len()), Vec::new());
        for &(alarm, handled) in changes {
            let state = serde_json::to_string(&handled.handling).map_err(StoreError::unreadable)?;
            let word = handled.handling.state.as_str();
            rows.push(Kept { alarm, word, state, handled });
        }
        for row in self.each(statements::HANDLE, &(), &rows).await? {
            written.push(row.try_get(0).map_err(StoreError::unreadable)?);
        }
        Ok(written)
    }

    /// Writes that the engine ended handlings, with rows of the journal. What a person did
    /// since it decided that stands.
    pub async fn lapse<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a (String, Handling)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (alarm, handling) in changes {
            let stored = self.handled(std::slice::from_ref(alarm)).await?.remove(alarm);
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
            self.handle(&[(alarm, &after)]).await?;
            let text = |handled: &Handled| {
                serde_json::to_string(&handled.handling).map_err(StoreError::unreadable)
            };
            let deed = Deed {
                at: now,
                about: alarm,
                actor: HAETAE,
                act: "lapsed",
                detail: before.handling.state.as_str(),
                before: text(&before)?,
                after: text(&after)?,
            };
            self.record_deeds(&[deed]).await?;
        }
        Ok(())
    }
}

impl Store {
    /// How alarms that have not ended are handled, those that are.
    pub async fn handlings(&self) -> Result<BTreeMap<String, Handled>, StoreError> {
        let rows = query(statements::HANDLINGS).fetch_all(&self.readers).await;
        rows.map_err(|error| self.failed(&error))?.iter().map(|row| handled(row, 0)).collect()
    }

    /// How one alarm is handled.
    pub async fn handling(&self, alarm: &str) -> Result<Handled, StoreError> {
        let row = query(statements::HANDLED).bind(alarm).fetch_optional(&self.readers).await;
        let row = row.map_err(|error| self.failed(&error))?;
        let found = row.as_ref().map(|row| handled(row, 0)).transpose()?;
        Ok(found.map(|(_, handled)| handled).unwrap_or_default())
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
        let query = query(statement).bind(millis(since)).bind(most);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        let both = |row| Ok((alarms::standing(row)?, handled(row, 1)?.1));
        rows.iter().map(both).collect()
    }
}

/// How an alarm is handled: the columns from `first` on. Without a state, it never was.
fn handled(row: &AnyRow, first: usize) -> Result<(String, Handled), StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        let (alarm, state) = (row.try_get(first)?, row.try_get::<String, _>(first + 1)?);
        let note = row.try_get(first + 2)?;
        let updated = Timestamp::from_millis(row.try_get(first + 4)?);
        let handling = Handling::default();
        Ok((alarm, state, Handled { handling, note, version: row.try_get(first + 3)?, updated }))
    };
    let (alarm, state, mut handled) = read().map_err(StoreError::unreadable)?;
    if !state.is_empty() {
        handled.handling = serde_json::from_str(&state).map_err(StoreError::unreadable)?;
    }
    Ok((alarm, handled))
}
