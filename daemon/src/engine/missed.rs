//! Missed slots: an evaluator that cannot keep up says so, and when it can again.

use std::time::Duration;

use haetae_plugin::Timestamp;

/// How many slots must be judged in a row before it counts as keeping up.
const CLEAN: u32 = 10;
/// How often the number is told anew: who cannot keep up has better to do.
const TELL: Duration = Duration::from_mins(1);

/// Slots that an evaluator missed because it was too slow.
#[derive(Debug)]
pub(super) struct Misses {
    /// How many, and the first of them; none while it keeps up.
    open: Option<(u64, Timestamp)>,
    /// When that was told.
    told: Option<Timestamp>,
    /// How many slots in a row were judged since; an earlier run may have told of some.
    clean: u32,
}

impl Misses {
    /// What an earlier run told of is over after as many slots as always.
    pub(super) fn new() -> Self {
        Self { open: None, told: None, clean: 0 }
    }

    /// Slots from `first` on were missed; the answer is what is to be said of it.
    pub(super) fn miss(&mut self, slots: u64, first: Timestamp, now: Timestamp) -> Option<String> {
        let (before, since) = self.open.unwrap_or((0, first));
        let count = before.saturating_add(slots);
        self.open = Some((count, since));
        self.clean = 0;
        let recently = self.told.is_some_and(|told| told <= now && now < told.after(TELL));
        if recently {
            return None;
        }
        self.told = Some(now);
        let since = jiff::Timestamp::from_millisecond(since.millis()).unwrap_or_default();
        Some(format!("{count} slots were missed since {since}: the machine is too slow"))
    }

    /// A slot was judged; the answer is whether it keeps up again.
    pub(super) fn judged(&mut self) -> bool {
        self.clean = self.clean.saturating_add(1);
        let over = self.clean == CLEAN;
        if over {
            (self.open, self.told) = (None, None);
        }
        over
    }
}
