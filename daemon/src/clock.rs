//! The one place that reads the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use haetae_plugin::Timestamp;

/// The daemon's clock: the system's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// Nanoseconds since the epoch.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
                let now = SystemTime::now();
                let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_nanos(since.as_nanos().try_into().unwrap_or(i64::MAX))
            }
            Self::Set(nanos) => Timestamp::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    /// How long until `time`.
    pub fn until(&self, time: Timestamp) -> Duration {
        time.since(self.now())
    }
}

/// The monotonic clock, for deadlines and durations.
pub fn monotonic() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    Instant::now()
}
