//! What is known of each instance: state, last error, counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

/// The states of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Being opened for the first time.
    Starting,
    /// Working.
    Ok,
    /// Working, but some of what it yields is dropped.
    Degraded,
    /// Not working; it is tried again.
    Failing,
    /// A call passed its deadline and has not returned.
    Hung,
    /// Closed.
    Stopped,
}

/// What is known of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `source`, `sink` or `reader`.
    pub role: String,
    /// `plugin = "…"`.
    pub kind: String,
    /// Its state.
    pub state: InstanceState,
    /// Since when.
    pub since: Timestamp,
    /// Until when nothing is asked of its peer: it asked for that, or failed.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
    /// The last thing that went wrong, and what to do.
    pub last_error: Option<LastError>,
    /// What it did.
    pub counts: InstanceCounts,
}

/// The last thing that went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// What happened.
    pub cause: String,
    /// What to do about it.
    pub cure: String,
    /// When.
    pub at: Timestamp,
}

/// What an instance did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCounts {
    /// Calls that returned.
    pub calls: u64,
    /// Records collected or delivered.
    pub records: u64,
    /// Records dropped: over a limit, malformed, or the next stage was full.
    pub dropped: u64,
    /// Log records that were over a limit and were cut.
    #[serde(default)]
    pub cut: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Panics.
    pub panics: u64,
    /// Calls that passed their deadline.
    pub hangs: u64,
    /// Threads that have not returned from such a call.
    pub abandoned: u64,
    /// Slots that were not collected.
    pub missed: u64,
}

/// The status of one instance, shared between its supervisor and those who show it.
#[derive(Clone, Debug)]
pub struct Status(Arc<Mutex<InstanceStatus>>);

impl Status {
    /// The status of an instance that starts `now`.
    pub fn new(name: &str, role: &str, kind: &str, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(InstanceStatus {
            name: name.into(),
            role: role.into(),
            kind: kind.into(),
            state: InstanceState::Starting,
            since: now,
            paused_until: None,
            last_error: None,
            counts: InstanceCounts::default(),
        })))
    }

    /// What is known now.
    pub fn snapshot(&self) -> InstanceStatus {
        self.locked().clone()
    }

    /// Enters `state`; `since` moves only if it is another one.
    pub fn enter(&self, state: InstanceState, now: Timestamp) {
        let mut status = self.locked();
        if status.state != state {
            status.state = state;
            status.since = now;
        }
    }

    /// Enters `state` because of an error.
    pub fn fail(&self, state: InstanceState, cause: &str, cure: &str, now: Timestamp) {
        self.enter(state, now);
        self.locked().last_error =
            Some(LastError { cause: cause.into(), cure: cure.into(), at: now });
    }

    /// Its peer asked to be left alone until then; none: it did not, or the pause is over.
    pub fn pause(&self, until: Option<Timestamp>) {
        self.locked().paused_until = until;
    }

    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut InstanceCounts)) {
        change(&mut self.locked().counts);
    }

    fn locked(&self) -> MutexGuard<'_, InstanceStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
