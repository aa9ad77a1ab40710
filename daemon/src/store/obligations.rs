//! Obligations: who was told that something is wrong, and is to be told of its end.

use std::collections::{BTreeMap, HashSet};

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow, query};

use super::{
    Store, StoreError, Transaction, alarms, millis,
    rows::{Bound, Row as Written, plain},
    statements,
};
use crate::engine::AlarmView;

/// Pairs that are asked about at once.
const CHUNK: usize = 512;

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
pub struct Told<'a> {
    /// The alarm.
    pub alarm: &'a str,
    /// Whether it is to be told of the end.
    pub owes: bool,
    /// The idempotency key of the notification that began it.
    pub root: &'a str,
}

struct Telling<'a> {
    sink: &'a str,
    told: &'a Told<'a>,
    now: Timestamp,
}

struct Ending<'a> {
    now: Timestamp,
    reason: &'a str,
}

/// A sink and an alarm or a group.
pub(super) struct Pair<'a>(pub(super) &'a str, pub(super) &'a str);

impl Written for Telling<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let Self { sink, told, now } = self;
        let query = query.bind(*sink).bind(told.alarm).bind(i64::from(told.owes));
        query.bind(millis(*now)).bind(told.root)
    }
}

impl Written for Ending<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query.bind(millis(self.now)).bind(self.reason)
    }
}

impl Written for Pair<'_> {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query.bind(self.0).bind(self.1)
    }
}

impl Transaction<'_> {
    /// A sink was told of alarms, each for the first time or again.
    pub async fn tell(
        &mut self,
        sink: &str,
        told: &[Told<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = told.iter().map(|told| Telling { sink, told, now }).collect();
        self.each(statements::TELL, &(), &rows).await.map(drop)
    }

    /// A sink was told of the end.
    pub async fn close(
        &mut self,
        sink: &str,
        alarms: &[&str],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let pairs: Vec<_> = alarms.iter().map(|alarm| Pair(sink, alarm)).collect();
        self.each(statements::CLOSE, &Ending { now, reason }, &pairs).await.map(drop)
    }

    /// A sink can't be told of the end.
    pub async fn lose(
        &mut self,
        sink: &str,
        alarms: &[&str],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let pairs: Vec<_> = alarms.iter().map(|alarm| Pair(sink, alarm)).collect();
        let reason = &plain(reason);
        self.each(statements::LOSE, &Ending { now, reason }, &pairs).await.map(drop)
    }

    /// A sink that is gone can't be told of any end.
    pub async fn lose_all(
        &mut self,
        sink: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let query =
            query(statements::LOSE_ALL_OF_SINK).bind(sink).bind(millis(now)).bind(plain(reason));
        self.execute(query).await
    }

    /// Of sinks and alarms, those where the sink knows of the alarm, or will.
    pub async fn known(
        &mut self,
        pairs: &[(&str, &str)],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let mut known = HashSet::new();
        // Rows as they are fetched are many times what is read of them.
        for some in pairs.chunks(CHUNK) {
            let some: Vec<_> = some.iter().map(|(sink, alarm)| Pair(sink, alarm)).collect();
            for row in &self.each(statements::KNOWN, &(), &some).await? {
                known.insert(pair(row)?);
            }
        }
        Ok(known)
    }

    /// Sinks that know of alarms, or will, and that nothing else tells of the end: by alarm and
    /// sink, the thread of what waits for it, empty if nothing does.
    pub async fn knowing(
        &mut self,
        alarms: &[String],
    ) -> Result<BTreeMap<(String, String), String>, StoreError> {
        let rows = self.each(statements::KNOWING, &(), alarms).await?;
        let mut knowing = BTreeMap::new();
        for row in &rows {
            let thread: String = row.try_get(2).map_err(StoreError::unreadable)?;
            let known = knowing.entry(pair(row)?).or_insert_with(String::new);
            if known.is_empty() {
                *known = thread;
            }
        }
        Ok(knowing)
    }

    /// Alarms of whose end a sink is to be told, and nothing that waits says so.
    pub async fn unsettled(&mut self, sink: &str, most: i64) -> Result<Vec<AlarmView>, StoreError> {
        let rows = self.fetch(query(statements::UNSETTLED).bind(sink).bind(most)).await?;
        rows.iter().map(|row| alarms::standing(row).map(|standing| standing.alarm)).collect()
    }

    /// Of these alarms, those whose end the sink is still to be told of.
    pub async fn unsettled_of(
        &mut self,
        sink: &str,
        alarms: &[&str],
    ) -> Result<Vec<AlarmView>, StoreError> {
        let pairs: Vec<_> = alarms.iter().map(|alarm| Pair(sink, alarm)).collect();
        let rows = self.each(statements::UNSETTLED_OF, &(), &pairs).await?;
        rows.iter().map(|row| alarms::standing(row).map(|standing| standing.alarm)).collect()
    }

    /// Forgets those who are owed nothing when their alarms end.
    pub async fn forget_told(&mut self, alarms: &[String]) -> Result<(), StoreError> {
        self.each(statements::FORGET_TOLD, &(), alarms).await.map(drop)
    }

    /// Sinks that told somebody of something that goes on.
    pub async fn sinks_told(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.fetch(query(statements::SINKS_TOLD)).await?;
        rows.iter().map(|row| row.try_get(0).map_err(StoreError::unreadable)).collect()
    }
}

impl Store {
    /// Obligations that are open or lost; with `all` the closed ones too.
    pub async fn obligations(&self, all: bool, most: i64) -> Result<Vec<Debt>, StoreError> {
        let query = query(statements::OBLIGATIONS).bind(i64::from(all)).bind(most);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(debt).collect()
    }

    /// Who was told of an alarm, those who are owed no end among them.
    pub async fn told_of(&self, alarm: &str) -> Result<Vec<Debt>, StoreError> {
        let query = query(statements::DEBTS_OF_ALARM).bind(alarm);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(debt).collect()
    }

    /// How many obligations are open, and how many lost.
    pub async fn count_obligations(&self) -> Result<(i64, i64), StoreError> {
        let rows = query(statements::COUNT_OBLIGATIONS).fetch_all(&self.readers).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        let mut counts = (0, 0);
        for row in &rows {
            let state: String = row.try_get(0).map_err(StoreError::unreadable)?;
            let count: i64 = row.try_get(1).map_err(StoreError::unreadable)?;
            match DebtState::parse(&state)? {
                DebtState::Open => counts.0 = count,
                DebtState::Unreachable => counts.1 = count,
                DebtState::Closed => {}
            }
        }
        Ok(counts)
    }
}

pub(super) fn pair(row: &AnyRow) -> Result<(String, String), StoreError> {
    let read = || -> Result<_, sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    read().map_err(StoreError::unreadable)
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

fn debt(row: &AnyRow) -> Result<Debt, StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        let names: [String; 3] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        let numbers: [i64; 3] = [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?];
        let reason: String = row.try_get(6)?;
        Ok((names, numbers, reason))
    };
    let ([sink, alarm, state], [opened, repeats, ended], reason) =
        read().map_err(StoreError::unreadable)?;
    Ok(Debt {
        sink,
        alarm,
        state: DebtState::parse(&state)?,
        opened: Timestamp::from_millis(opened),
        repeats,
        ended: (ended > 0).then(|| Timestamp::from_millis(ended)),
        reason,
    })
}
