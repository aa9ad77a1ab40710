//! The journal: what happened to alarms and who did it; rows are only added.

use haetae_plugin::Timestamp;
use sqlx::query;

use super::{StoreError, Transaction, millis, statements};

/// What happened to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its condition changed.
    Changed,
    /// A sink was told.
    Told,
    /// A notification was given up or rejected.
    Buried,
    /// A dead letter is tried again.
    Redriven,
    /// A dead letter was dropped.
    Dropped,
}

impl Act {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Told => "told",
            Self::Buried => "buried",
            Self::Redriven => "redriven",
            Self::Dropped => "dropped",
        }
    }
}

/// Who acts when no person does.
pub const HAETAE: &str = "haetae";

impl Transaction<'_> {
    /// Adds a row; `detail` says more in a few words.
    pub async fn record(
        &mut self,
        at: Timestamp,
        alarm: &str,
        actor: &str,
        act: Act,
        detail: &str,
    ) -> Result<(), StoreError> {
        let query = query(statements::RECORD)
            .bind(self.id(at))
            .bind(millis(at))
            .bind(alarm)
            .bind(actor)
            .bind(act.as_str())
            .bind(detail);
        self.execute(query).await.map(drop)
    }
}
