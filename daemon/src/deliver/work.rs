//! How the work for one sink goes on: how much it is given at once, and when it is left alone.

use std::time::Duration;

use haetae_plugin::Timestamp;

use super::thread::apart;
use crate::{retry::Backoff, store::Claimed};

/// Notifications that a sink is given at once: few at first, so that a daemon that is killed again
/// and again gets on and sends little a second time; then as many as it shows that it can take.
const FEWEST: usize = 4;
const MOST: usize = 256;
/// The longest sleep, so that a clock that was set is noticed.
pub(super) const NAP: Duration = Duration::from_secs(5);
/// The pauses after a sink took nothing at all.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
pub(super) const SINK_PAUSE: Duration = Duration::from_secs(30);
/// How long what lies in the outbox may wait while there is always something handed over.
const LOOK: Duration = Duration::from_secs(1);

/// How the work goes on.
#[derive(Debug)]
pub struct Work {
    /// The time when it was last worked.
    pub(super) seen: Timestamp,
    /// When it was last seen to that all ends that are due are written.
    pub(super) settled: Option<Timestamp>,
    /// How many notifications the sink is given at once.
    pub(super) batch_size: usize,
    /// Whether the sink took nothing when it was last given something.
    pub(super) is_refused: bool,
    /// When it was last looked for what lies in the outbox.
    looked: Timestamp,
    /// Of a sink that took nothing.
    pub(super) pause: Backoff,
    /// Of a store that can't be used: nobody else asks it for what waits, so it is asked soon again.
    pub(super) store: Backoff,
    /// When it took nothing last.
    pub(super) refused: Timestamp,
    /// Until then the sink is left alone.
    pub(super) not_before: Timestamp,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            seen: Timestamp::default(),
            settled: None,
            batch_size: FEWEST,
            is_refused: false,
            looked: Timestamp::default(),
            pause: Backoff::new(FIRST_PAUSE, SINK_PAUSE),
            store: Backoff::new(FIRST_PAUSE, NAP),
            refused: Timestamp::default(),
            not_before: Timestamp::default(),
        }
    }
}

impl Work {
    /// The sink is left alone for so long.
    pub(super) fn leave(&mut self, wait: Duration, now: Timestamp) {
        (self.refused, self.not_before) = (now, now.after(wait));
    }

    /// How many of these rows are given to the sink at once.
    pub(super) fn portion(&self, rows: &[Claimed]) -> usize {
        self.batch_size.min(apart(rows))
    }

    /// How many rows are claimed: none while something is handed over, but now and then.
    pub(super) fn claims(&mut self, is_handoff_empty: bool, now: Timestamp) -> usize {
        let is_long_ago = now < self.looked || self.looked.after(LOOK) <= now;
        if !is_handoff_empty && !is_long_ago {
            return 0;
        }
        self.looked = now;
        self.batch_size
    }

    /// A sink that took all of a batch in a small part of its time is given more at once, one
    /// that needed much of it fewer.
    pub(super) fn record_latency(&mut self, count: usize, time: Duration, deadline: Duration) {
        if time > deadline / 2 {
            self.batch_size = (self.batch_size / 2).max(FEWEST);
        } else if count >= self.batch_size && time < deadline / 8 {
            self.batch_size = (self.batch_size * 2).min(MOST);
        }
    }
}
