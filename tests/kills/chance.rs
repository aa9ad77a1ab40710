//! Chance that can be had again: a generator from a seed.
#![allow(dead_code, clippy::disallowed_methods, reason = "each test uses a part of it")]

use std::time::{Duration, SystemTime};

/// The given seed, or another one each time.
pub fn seed() -> u64 {
    number("HAETAE_TEST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        u64::try_from(now.as_nanos()).expect("before 2554")
    })
}

/// A number that was given by a variable.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// A generator (`SplitMix64`).
pub struct Chance(u64);

impl Chance {
    /// The same seed, the same numbers.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }

    /// A time below `end`.
    pub fn time(&mut self, end: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(end.as_micros()).expect("short")))
    }
}
