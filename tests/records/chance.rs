//! Chance with a seed that is printed, so that a run can be had again.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use std::time::{Duration, SystemTime};

/// How many rounds there are: `HAETAE_TEST_ROUNDS`, or `usual`.
pub fn rounds(usual: usize) -> usize {
    let given = std::env::var("HAETAE_TEST_ROUNDS").ok();
    given.map_or(usual, |text| text.parse().expect("HAETAE_TEST_ROUNDS is a number"))
}

/// Numbers from a seed (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// The seed is `HAETAE_TEST_SEED`, or the time.
    pub fn new() -> Self {
        let given = std::env::var("HAETAE_TEST_SEED").ok();
        let given = given.map(|text| text.parse().expect("HAETAE_TEST_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.map_or(0, |now| now.as_secs() ^ u64::from(now.subsec_nanos()))
        });
        println!("seed: HAETAE_TEST_SEED={seed}");
        Self(seed)
    }

    /// Another stream of numbers.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// From `from` to below `to` milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }

    /// Once in `many` times.
    pub fn once_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }

    /// From zero to below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("below it")
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
