//! The overlap of a query without a window: points may reach InfluxDB late, so the time before the
//! window is asked again, and what was yielded of it already is passed over.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use haetae_plugin::{Timestamp, Window};

use crate::query::Key;

/// Points that come later than this are not looked for.
const LATEST: Duration = Duration::from_mins(10);

/// What a query without a window has yielded lately.
#[derive(Default)]
pub(crate) struct Overlap {
    /// How late points may be, if the options say it.
    delay: Option<Duration>,
    /// How late points were, rounded up to the poll that had them.
    seen: Duration,
    /// The shortest window so far: the time between two slots.
    interval: Option<Duration>,
    /// The times of the points that were acknowledged, by series; its newest one is always kept.
    yielded: HashMap<Key, BTreeSet<Timestamp>>,
    /// Those of the last batch, which is not acknowledged yet.
    pending: Vec<(Key, BTreeSet<Timestamp>)>,
}

impl Overlap {
    pub(crate) fn new(delay: Option<Duration>) -> Self {
        Self { delay, ..Self::default() }
    }

    /// How long before `to` all that there is has arrived: slots after that wait for the next poll.
    /// A slot is late two intervals after its time, so nothing waits for longer than one.
    pub(crate) fn held_back(&self, window: Window) -> Duration {
        let interval = self.interval(window);
        self.delay.unwrap_or(interval).min(interval)
    }

    /// The window with the time that is asked again.
    pub(crate) fn widened(&mut self, window: Window) -> Window {
        self.pending.clear();
        self.interval = Some(self.interval(window));
        let delay = self.delay.unwrap_or_default().max(self.seen).max(self.interval(window));
        let from = window.from.before(delay.min(LATEST));
        let oldest = window.to.before(LATEST);
        self.yielded.retain(|_, times| {
            let newest = times.pop_last();
            *times = times.split_off(&from);
            times.extend(newest);
            newest.is_some_and(|newest| newest >= oldest)
        });
        Window { from, ..window }
    }

    /// As far back as points are looked for when there are none.
    pub(crate) fn widest(window: Window) -> Window {
        Window { from: window.from.min(window.to.before(LATEST)), ..window }
    }

    /// Whether a point of a series was not yielded yet; one from further back than `from`, where
    /// the overlap begins, is that if it is newer than all that were.
    pub(crate) fn is_fresh(&self, key: &Key, time: Timestamp, from: Timestamp) -> bool {
        let Some(had) = self.yielded.get(key) else { return true };
        !had.contains(&time) && (time > from || had.last().is_none_or(|newest| time > *newest))
    }

    /// Points of a series are in the batch that was asked for `window`.
    pub(crate) fn yields(&mut self, key: Key, times: BTreeSet<Timestamp>, window: Window) {
        // What came before the first answer was acknowledged is not late: nobody had asked.
        if let (Some(oldest), false) = (times.first(), self.yielded.is_empty())
            && *oldest <= window.from
        {
            self.seen = self.seen.max(window.to.since(*oldest)).min(LATEST);
        }
        self.pending.push((key, times));
    }

    /// The last batch was acknowledged.
    pub(crate) fn acked(&mut self) {
        for (key, times) in self.pending.drain(..) {
            self.yielded.entry(key).or_default().extend(times);
        }
    }

    fn interval(&self, window: Window) -> Duration {
        let length = window.to.since(window.from);
        self.interval.map_or(length, |interval| interval.min(length))
    }
}
