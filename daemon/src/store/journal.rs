//! The journal: what happened to alarms and who did it; rows are only added.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, Transaction,
    alarms::day,
    database::{Row, parameters, plain},
    statements,
};

/// A row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
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
pub enum JournalEvent {
    /// Its condition changed.
    Changed,
    /// A sink was told.
    Notified,
    /// A sink is not told, or not any more withheld from.
    Withheld,
    /// A notification was given up or rejected.
    Buried,
    /// A dead letter is tried again.
    Redriven,
    /// A dead letter was dropped.
    Dropped,
}

impl JournalEvent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Notified => "told",
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
    pub act: JournalEvent,
    /// More about it in a few words.
    pub detail: String,
}

/// What a person did, or what `haetae` did in their place: a row of the journal.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
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

/// Who acts when no person does.
pub const HAETAE: &str = "haetae";

/// A row of the journal, as it is written.
struct JournalRow<'a> {
    at: Timestamp,
    alarm: &'a str,
    actor: &'a str,
    act: &'a str,
    detail: &'a str,
    before: &'a str,
    after: &'a str,
}

impl Transaction<'_> {
    /// Adds a row; `detail` says more in a few words.
    pub fn record(
        &mut self,
        at: Timestamp,
        alarm: &str,
        actor: &str,
        act: JournalEvent,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.record_all([Record { at, alarm, actor, act, detail: detail.into() }])
    }

    /// Adds rows.
    pub fn record_all<'a>(
        &mut self,
        records: impl IntoIterator<Item = Record<'a>>,
    ) -> Result<(), StoreError> {
        // By alarm, as the rows of a day lie; those of one keep their order.
        let mut records: Vec<_> = records.into_iter().collect();
        records.sort_by(|a, b| a.alarm.cmp(b.alarm));
        for Record { at, alarm, actor, act, detail } in records {
            let (act, detail) = (act.as_str(), plain(&detail));
            let (before, after) = ("", "");
            self.write_line(&JournalRow { at, alarm, actor, act, detail: &detail, before, after })?;
        }
        Ok(())
    }

    /// Adds rows of what people did.
    pub fn record_deeds(&mut self, audit_entries: &[AuditEntry<'_>]) -> Result<(), StoreError> {
        for AuditEntry { at, about, actor, act, detail, before, after } in audit_entries {
            let detail = &plain(detail);
            self.write_line(&JournalRow {
                at: *at,
                alarm: about,
                actor,
                act,
                detail,
                before,
                after,
            })?;
        }
        Ok(())
    }

    /// Rows lie by the day of their names, which only grow.
    fn write_line(&mut self, line: &JournalRow<'_>) -> Result<(), StoreError> {
        let JournalRow { at, alarm, actor, act, detail, before, after } = *line;
        let name = self.name(at);
        let named = Timestamp::from_millis(i64::try_from(name.timestamp_ms()).unwrap_or(i64::MAX));
        let id = name.to_string();
        let row = parameters![day(named), alarm, &id, at, actor, act, detail, before, after];
        self.queue(statements::RECORD, &[row])
    }
}

impl Store {
    /// What happened to an alarm, oldest first.
    pub async fn history(&self, alarm: &str, most: i64) -> Result<Vec<JournalEntry>, StoreError> {
        let alarm = alarm.to_owned();
        self.read(move |connection| {
            connection.all(statements::HISTORY, parameters![&alarm, most], read_entry)
        })
        .await
    }
}

fn read_entry(row: &dyn Row) -> Result<JournalEntry, StoreError> {
    Ok(JournalEntry {
        at: row.time(0)?,
        actor: row.string(1)?,
        act: row.string(2)?,
        detail: row.string(3)?,
        before: row.string(4)?,
        after: row.string(5)?,
    })
}
