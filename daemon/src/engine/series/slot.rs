//! Slots: planned times, spread by a hash of a name so that not all happens at once.

use std::time::Duration;

use haetae_plugin::Timestamp;
use sha2::{Digest, Sha256};

/// Shorter intervals are taken as this one, so that no input makes the engine divide by zero.
const SHORTEST: Duration = Duration::from_millis(1);

/// The slots of one name: every `interval`, shifted by a phase that depends on the name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Slots {
    interval: Duration,
    phase: Duration,
}

impl Slots {
    /// The slots of `name`.
    pub(in crate::engine) fn of(name: &str, interval: Duration) -> Self {
        let interval = interval.max(SHORTEST);
        Self { interval, phase: slot_phase(name, interval) }
    }

    /// The time between two slots.
    pub(in crate::engine) fn interval(&self) -> Duration {
        self.interval
    }

    /// The newest slot that is not later than `now`.
    pub(in crate::engine) fn last(&self, now: Timestamp) -> Timestamp {
        let into = now.before(self.phase).nanos().rem_euclid(nanos(self.interval));
        Timestamp::from_nanos(now.nanos().saturating_sub(into))
    }

    /// The first slot that is later than `now`.
    pub(in crate::engine) fn next(&self, now: Timestamp) -> Timestamp {
        self.last(now).after(self.interval)
    }

    /// How many slots follow the slot `from` up to `now`.
    pub(in crate::engine) fn between(&self, from: Timestamp, now: Timestamp) -> u64 {
        let passed = now.since(from).as_nanos() / self.interval.as_nanos();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
}

/// How far the slots of `name` are shifted: a stable hash, in whole milliseconds below `interval`.
pub fn slot_phase(name: &str, interval: Duration) -> Duration {
    let digest = Sha256::digest(name.as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
    // Whole milliseconds: the finest time that every store we read from can tell apart.
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(hash % millis)
}

/// The newest slot of `name` that is not later than `now`.
pub fn last_slot(name: &str, interval: Duration, now: Timestamp) -> Timestamp {
    Slots::of(name, interval).last(now)
}

/// The first slot of `name` that is later than `now`.
pub fn next_slot(name: &str, interval: Duration, now: Timestamp) -> Timestamp {
    Slots::of(name, interval).next(now)
}

fn nanos(duration: Duration) -> i64 {
    duration.as_nanos().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_stable_and_below_the_interval() {
        for (name, millis) in [("paas", 30_000), ("own", 30_000), ("own", 7)] {
            let interval = Duration::from_millis(millis);
            let phase = slot_phase(name, interval);
            assert!(phase < interval, "{name}: {phase:?}");
            assert_eq!(phase, slot_phase(name, interval));
        }
        assert_ne!(
            slot_phase("a", Duration::from_secs(30)),
            slot_phase("b", Duration::from_secs(30))
        );
    }

    #[test]
    fn phases_are_spread_evenly() {
        let mut tenths = [0; 10];
        for index in 0..1000 {
            let phase = slot_phase(&format!("evaluator-{index}"), Duration::from_secs(10));
            tenths[usize::try_from(phase.as_secs()).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (60..140).contains(count)), "{tenths:?}");
    }

    #[test]
    fn now_lies_between_its_last_and_its_next_slot() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_000] {
            for interval in [1, 30, 3600].map(Duration::from_secs) {
                let now = Timestamp::from_nanos(nanos);
                let (last, next) = (last_slot("x", interval, now), next_slot("x", interval, now));
                assert!(last <= now && now < next, "{nanos}");
                assert_eq!(next.since(last), interval);
                assert_eq!(last_slot("x", interval, last), last, "a slot is its own last one");
            }
        }
    }

    #[test]
    fn no_interval_and_no_time_breaks_it() {
        for now in [i64::MIN, i64::MAX, 0].map(Timestamp::from_nanos) {
            for interval in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
                let slots = Slots::of("x", interval);
                assert!(slots.last(now) <= now);
                let _: u64 = slots.between(Timestamp::from_nanos(i64::MIN), now);
            }
        }
    }
}
