//! The one place that reads the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use haetae_plugin::Timestamp;

/// 2200-01-01: where a clock that is set further stands still, so that no sum with a time overflows.
const LATEST: Timestamp = Timestamp::from_seconds(7_258_118_400);

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
                let nanos = since.as_nanos().try_into().unwrap_or(i64::MAX);
                Timestamp::from_nanos(nanos).min(LATEST)
            }
            Self::Set(nanos) => Timestamp::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    /// Whether it runs by itself; one that is set jumps all the time.
    pub fn is_real(&self) -> bool {
        matches!(self, Self::System)
    }

    /// How long until `time`.
    pub fn until(&self, time: Timestamp) -> Duration {
        time.since(self.now())
    }
}

/// How far the two clocks may drift apart between two looks before it is a jump.
const DRIFT: Duration = Duration::from_secs(2);

/// Two clocks side by side: the wall's jumps when it is set, the other one stands still while the
/// machine is suspended, and either is seen as one running ahead of the other.
#[derive(Clone, Copy, Debug)]
pub struct ClockPair {
    wall: Timestamp,
    monotonic: Instant,
}

impl ClockPair {
    /// Begins to watch.
    pub fn new(wall: Timestamp, monotonic: Instant) -> Self {
        Self { wall, monotonic }
    }

    /// Where the wall clock would stand if it had not jumped since the last look; `None` if it
    /// has not.
    pub fn observe(&mut self, wall: Timestamp, monotonic: Instant) -> Option<Timestamp> {
        let passed = monotonic.saturating_duration_since(self.monotonic);
        let expected = self.wall.after(passed);
        *self = Self { wall, monotonic };
        let apart = wall.since(expected).max(expected.since(wall));
        (apart > DRIFT).then_some(expected)
    }
}

/// The monotonic clock, for deadlines and durations.
pub fn monotonic() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the wall clock and the monotonic one have run, in seconds.
    type Reading = (i64, u64);

    #[test]
    fn a_clock_that_was_set_and_a_suspended_machine_are_jumps_and_drift_is_none() {
        let start = Timestamp::from_seconds(1_700_000_000);
        let begun = monotonic();
        // Seconds that each clock has run when it is looked at, and where the wall's should be.
        let cases: [(&[Reading], Option<i64>); 8] = [
            (&[(5, 5)], None),
            (&[(3600, 3600)], None),
            (&[(7, 5)], None),
            (&[(3, 5)], None),
            (&[(3605, 5)], Some(5)),
            (&[(-3595, 5)], Some(5)),
            // Suspended for an hour: the monotonic clock stood still.
            (&[(5, 5), (3606, 6)], Some(6)),
            // Drift is never added up.
            (&[(6, 5), (12, 10), (18, 15), (24, 20)], None),
        ];
        for (looks, expected) in cases {
            let mut watch = ClockPair::new(start, begun);
            let mut seen = None;
            for (wall, passed) in looks {
                let wall = Timestamp::from_seconds(start.seconds() + wall);
                seen = watch.observe(wall, begun + Duration::from_secs(*passed));
            }
            let expected = expected.map(|at| Timestamp::from_seconds(start.seconds() + at));
            assert_eq!(seen, expected, "{looks:?}");
        }
    }
}
