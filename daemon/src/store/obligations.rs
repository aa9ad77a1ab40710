//! Obligations: who was told that something is wrong, and is to be told of its end.

use std::collections::{BTreeMap, HashSet};

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, Transaction,
    database::{Parameters, Row, parameters, plain},
    statements,
};
use crate::engine::AlarmView;

/// An obligation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// The sink that told.
    pub sink: String,
    /// The alarm that it told of.
    pub alarm: String,
    /// Where it stands.
    pub state: DebtState,
    /// When it told first.
    pub opened: Timestamp,
    /// How often it told again.
    pub repeats: i64,
    /// When it was closed or lost.
    pub ended: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// Where an obligation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DebtState {
    /// The end was not told yet.
    Open,
    /// It was.
    Closed,
    /// It can't be: the sink is gone, or gave it up.
    Unreachable,
}

/// A sink that was told of an alarm.
#[derive(Clone, Copy, Debug)]
pub struct Notified<'a> {
    /// The alarm.
    pub alarm: &'a str,
    /// Whether it is to be told of the end.
    pub owes: bool,
    /// The idempotency key of the notification that began it.
    pub root: &'a str,
}

impl Transaction<'_> {
    /// A sink was told of alarms, each for the first time or again.
    pub fn owe(
        &mut self,
        sink: &str,
        notified: &[Notified<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<Parameters<'_>> = notified
            .iter()
            .map(|one| parameters![sink, one.alarm, one.owes, now, one.root])
            .collect();
        self.queue(statements::TELL, &rows)
    }

    /// A sink was told of the end.
    pub fn close(
        &mut self,
        sink: &str,
        alarms: &[&str],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for alarm in alarms {
            self.queue(statements::CLOSE, &[parameters![now, reason, sink, *alarm]])?;
            self.archive_obligations(alarm)?;
        }
        Ok(())
    }

    /// What was told of an alarm to its end is history, if the alarm has ended.
    pub(super) fn archive_obligations(&mut self, alarm: &str) -> Result<(), StoreError> {
        self.queue(statements::ARCHIVE_TOLD, &[parameters![alarm]])?;
        self.queue(statements::FORGET_ARCHIVED, &[parameters![alarm]])
    }

    /// A sink can't be told of the end.
    pub fn lose(
        &mut self,
        sink: &str,
        alarms: &[&str],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let reason = plain(reason);
        let rows: Vec<Parameters<'_>> =
            alarms.iter().map(|alarm| parameters![now, &*reason, sink, *alarm]).collect();
        self.queue(statements::LOSE, &rows)
    }

    /// No sink can be told of the end of an alarm.
    pub(super) fn lose_all_of_alarm(
        &mut self,
        alarm: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let reason = plain(reason);
        self.queue(statements::LOSE_ALL_OF_ALARM, &[parameters![alarm, now, &*reason]])
    }

    /// A sink that is gone can't be told of any end.
    pub fn lose_all(
        &mut self,
        sink: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let reason = plain(reason);
        self.execute(statements::LOSE_ALL_OF_SINK, parameters![sink, now, &*reason])
    }

    /// Of sinks and alarms, those where the sink knows of the alarm, or will.
    pub fn known(
        &mut self,
        pairs: &[(&str, &str)],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let rows = pair_rows(pairs);
        let known = self.connection.each(statements::KNOWN, &rows, pair)?;
        Ok(known.into_iter().collect())
    }

    /// Sinks that know of alarms, or will, and that nothing else tells of the end: by alarm and
    /// sink, the thread of what waits for it, empty if nothing does.
    pub fn knowing(
        &mut self,
        alarms: &[String],
    ) -> Result<BTreeMap<(String, String), String>, StoreError> {
        let rows: Vec<Parameters<'_>> = alarms.iter().map(|alarm| parameters![alarm]).collect();
        let mut knowing = BTreeMap::new();
        self.connection.query(statements::KNOWING, &rows, &mut |row| {
            let thread = row.text(2)?;
            let known = knowing.entry(pair(row)?).or_insert_with(String::new);
            if known.is_empty() {
                thread.clone_into(known);
            }
            Ok(())
        })?;
        Ok(knowing)
    }

    /// Alarms of whose end a sink is to be told, and nothing that waits says so; beside them, of how
    /// many it is known now, since of some nothing can be told.
    pub fn unsettled(
        &mut self,
        sink: &str,
        most: i64,
        now: Timestamp,
    ) -> Result<(Vec<AlarmView>, usize), StoreError> {
        let row = parameters![sink, most];
        let alarms = self.connection.all(statements::UNSETTLED, row, |row| row.string(0))?;
        Ok((self.ended_alarms(sink, &alarms, now)?, alarms.len()))
    }

    /// Of these alarms, those whose end the sink is still to be told of.
    pub fn unsettled_of(
        &mut self,
        sink: &str,
        alarms: &[&str],
        now: Timestamp,
    ) -> Result<Vec<AlarmView>, StoreError> {
        let pairs: Vec<_> = alarms.iter().map(|alarm| (sink, *alarm)).collect();
        let rows = pair_rows(&pairs);
        let alarms = self.connection.each(statements::UNSETTLED_OF, &rows, |row| row.string(0))?;
        self.ended_alarms(sink, &alarms, now)
    }

    /// Alarms that have ended; a sink can't be told of the end of one that is not known any more.
    fn ended_alarms(
        &mut self,
        sink: &str,
        alarms: &[String],
        now: Timestamp,
    ) -> Result<Vec<AlarmView>, StoreError> {
        let mut ended = Vec::with_capacity(alarms.len());
        for alarm in alarms {
            match self.ended_alarm(alarm) {
                Ok(Some(standing)) => ended.push(standing.alarm),
                Ok(None) => self.lose(sink, &[alarm], "its alarm is not known any more", now)?,
                Err(StoreError::Unreadable(why)) => self.lose(sink, &[alarm], &why, now)?,
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }

    /// Forgets those who are owed nothing when their alarms end.
    pub fn forget_obligations(&mut self, alarms: &[String]) -> Result<(), StoreError> {
        let rows: Vec<Parameters<'_>> = alarms.iter().map(|alarm| parameters![alarm]).collect();
        self.queue(statements::FORGET_TOLD, &rows)
    }

    /// Sinks that told somebody of something that goes on.
    pub fn notified_sinks(&mut self) -> Result<Vec<String>, StoreError> {
        self.connection.all(statements::SINKS_TOLD, parameters![], |row| row.string(0))
    }
}

impl Store {
    /// Whether a sink is to be told of an end, and nothing that waits says so.
    pub async fn is_unsettled(&self, sink: &str) -> Result<bool, StoreError> {
        let sink = sink.to_owned();
        let found = self.read(move |connection| {
            connection.first(statements::UNSETTLED, parameters![&sink, 1], |_| Ok(()))
        });
        Ok(found.await?.is_some())
    }

    /// Obligations that are open or lost; with `all` the closed ones too, the newest of them.
    pub async fn obligations(&self, all: bool, most: i64) -> Result<Vec<Debt>, StoreError> {
        let found = self.read(move |connection| {
            let mut found =
                connection.all(statements::OBLIGATIONS, parameters![all, most], debt)?;
            let left = most - i64::try_from(found.len()).unwrap_or(most);
            if all && left > 0 {
                let row = parameters![left];
                found.extend(connection.all(statements::ENDED_OBLIGATIONS, row, debt)?);
            }
            Ok(found)
        });
        let mut found = found.await?;
        found.sort_by(|a, b| (a.opened, &a.sink, &a.alarm).cmp(&(b.opened, &b.sink, &b.alarm)));
        Ok(found)
    }

    /// Who was told of an alarm, those who are owed no end among them.
    pub async fn obligations_of(&self, alarm: &str) -> Result<Vec<Debt>, StoreError> {
        let alarm = alarm.to_owned();
        let found = self.read(move |connection| {
            let row = || parameters![&alarm];
            let mut found = connection.all(statements::DEBTS_OF_ALARM, row(), debt)?;
            found.extend(connection.all(statements::ENDED_DEBTS_OF_ALARM, row(), debt)?);
            Ok(found)
        });
        let mut found = found.await?;
        found.sort_by(|a, b| a.sink.cmp(&b.sink));
        Ok(found)
    }

    /// How many obligations are open, and how many lost.
    pub async fn count_obligations(&self) -> Result<(i64, i64), StoreError> {
        let counted = self.read(|connection| {
            connection.first(statements::COUNT_OBLIGATIONS, parameters![], |row| {
                let lost = row.integer(1)?;
                Ok((row.integer(0)? - lost, lost))
            })
        });
        Ok(counted.await?.unwrap_or_default())
    }
}

/// Sinks with alarms or groups, as rows of parameters.
pub(super) fn pair_rows<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<Parameters<'a>> {
    pairs.iter().map(|(sink, other)| parameters![*sink, *other]).collect()
}

pub(super) fn pair(row: &dyn Row) -> Result<(String, String), StoreError> {
    Ok((row.string(0)?, row.string(1)?))
}

impl DebtState {
    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "unreachable" => Ok(Self::Unreachable),
            other => Err(StoreError::unreadable(format!("`{other}` is no state of an obligation"))),
        }
    }
}

pub(super) fn debt(row: &dyn Row) -> Result<Debt, StoreError> {
    let ended = row.integer(5)?;
    Ok(Debt {
        sink: row.string(0)?,
        alarm: row.string(1)?,
        state: DebtState::parse(row.text(2)?)?,
        opened: row.time(3)?,
        repeats: row.integer(4)?,
        ended: (ended > 0).then(|| Timestamp::from_millis(ended)),
        reason: row.string(6)?,
    })
}
