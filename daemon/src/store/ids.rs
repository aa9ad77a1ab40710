//! Names of rows: ULIDs that only grow, also when the clock goes back and across restarts.

use std::sync::{Mutex, PoisonError};

use haetae_plugin::Timestamp;
use ulid::Ulid;

/// Gives names.
#[derive(Debug, Default)]
pub(super) struct Ids(Mutex<Ulid>);

impl Ids {
    /// Names greater than `last`.
    pub(super) fn after(last: Ulid) -> Self {
        Self(Mutex::new(last))
    }

    /// The next name.
    pub(super) fn next(&self, now: Timestamp) -> Ulid {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.timestamp_ms();
        if millis <= before
            && let Ok(next) = last.increment()
        {
            *last = next;
            return next;
        }
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            // Names still grow; only those of two daemons could now be the same.
            random = [0; 16];
        }
        *last = Ulid::from_parts(millis.max(before + 1), u128::from_be_bytes(random));
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_grow_whatever_the_clock_does() {
        let ids = Ids::default();
        let mut last = Ulid::nil();
        for second in [5, 5, 5, 4, 1, 6, 6, 0, 7] {
            let next = ids.next(Timestamp::from_seconds(second));
            assert!(next > last, "{second}");
            last = next;
        }
        assert!(Ids::after(last).next(Timestamp::from_seconds(1)) > last);
    }
}
