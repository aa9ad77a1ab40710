//! Chance that can be had again: numbers from a seed.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a seed of the time is printed"
)]

use std::time::{Duration, SystemTime};

/// The given seed, `HAETAE_TEST_SEED`, or another one each time.
pub fn seed() -> u64 {
    number("HAETAE_TEST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        u64::try_from(now.as_nanos()).expect("before 2554")
    })
}

/// How many rounds there are: `HAETAE_TEST_ROUNDS`, or `usual`.
pub fn rounds(usual: usize) -> usize {
    number("HAETAE_TEST_ROUNDS")
        .map_or(usual, |rounds| usize::try_from(rounds).expect("not so many"))
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

    /// From the given seed or another one, which is printed.
    pub fn new() -> Self {
        let seed = seed();
        println!("seed: HAETAE_TEST_SEED={seed}");
        Self(seed)
    }

    /// Another stream of numbers.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// From zero to below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("below it")
    }

    /// A place in a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length as u64).expect("below it")
    }

    /// Once in `many` times.
    pub fn once_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }

    /// A time below `end`.
    pub fn time(&mut self, end: Duration) -> Duration {
        Duration::from_micros(self.next() % u64::try_from(end.as_micros()).expect("short"))
    }

    /// From `from` to below `to` milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
