//! How long to wait before the next try.

use std::time::Duration;

/// The longest that a peer may ask us to wait: a wrong clock of its own must not silence us.
pub const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// How long a peer asked to wait, as far as we do.
pub fn asked(wait: Duration) -> Duration {
    wait.min(LONGEST_ASKED)
}

/// Exponential back-off up to a cap, counted from the last success.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits `first` after the first failure, twice as long after each further one, at most `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0 }
    }

    /// Counts a failure and says how long to wait.
    pub fn failed(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// How long to wait after failure number `failures`.
    pub fn nth(first: Duration, cap: Duration, failures: u32) -> Duration {
        Self { first, cap, failures: failures.saturating_sub(1) }.failed()
    }

    /// Starts over.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether the last try was a success: what fails now is a new fault, and is told.
    pub fn is_new(&self) -> bool {
        self.failures == 0
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// Full jitter: any time up to `wait`, so that many who wait do not come back at once.
pub fn jittered(wait: Duration) -> Duration {
    let mut random = [0; 4];
    if getrandom::fill(&mut random).is_err() {
        return wait;
    }
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    wait.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_cap_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..4).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5]);
        assert!(!backoff.is_new());
        backoff.succeeded();
        assert!(backoff.is_new());
        assert_eq!(backoff.failed().as_secs(), 1);
    }

    #[test]
    fn jitter_is_never_longer_and_seldom_the_same() {
        let wait = Duration::from_mins(1);
        let waits: Vec<_> = (0..100).map(|_| jittered(wait)).collect();
        assert!(waits.iter().all(|jittered| *jittered <= wait));
        assert!(waits.iter().any(|jittered| *jittered < wait / 2));
        assert_ne!(waits.iter().min(), waits.iter().max());
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
        let last = (0..1000).map(|_| backoff.failed()).last();
        assert_eq!(last, Some(Duration::from_mins(5)));
    }
}
