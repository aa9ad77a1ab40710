//! Retention: what is old enough is pruned from the store, a little at a time.

use std::time::{Duration, Instant};

use haetae_plugin::Timestamp;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::commit::report_dead_letters;
use crate::{
    clock::{self, Clock, ClockPair},
    config,
    plugin::event::Event,
    stage::Stage,
    store::{History, Pruned, Store, StoreError},
};

/// After a start there is other work at first.
const FIRST: Duration = Duration::from_mins(5);
/// How often it is seen whether something is old enough.
const EVERY: Duration = Duration::from_hours(1);
/// The longest sleep, so that a clock that was set is noticed.
const NAP: Duration = Duration::from_mins(1);
/// For how long a clock that jumped ahead is not believed: what is pruned does not come back.
const DOUBT: Duration = Duration::from_hours(24);
/// The shortest pause between two steps: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Prunes history.
pub struct Pruner {
    /// For how long it is kept.
    pub keep: config::Retention,
    /// Where it is.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Sinks that may have dead letters.
    pub sinks: Vec<String>,
    /// Where it is told that dead letters are gone.
    pub events: mpsc::Sender<Event>,
    /// Asks it to stop.
    pub stop: CancellationToken,
}

impl Stage for Pruner {
    /// Prunes until stopped.
    async fn run(&mut self) {
        let mut trust = Trust::new(self.clock.now(), clock::monotonic());
        let mut wait = FIRST;
        while self.passes(wait, &mut trust).await {
            if trust.is_given(clock::monotonic()) {
                self.prune_some().await;
            }
            wait = EVERY;
        }
    }
}

impl Pruner {
    /// Prunes all that is old enough now, step by step, and says what that was.
    ///
    /// [`Stage::run`] does this again and again; a driver of its own may, when it likes.
    pub async fn prune_some(&self) -> Pruned {
        let now = self.clock.now();
        let before = |keep: Option<Duration>| keep.map(|keep| now.before(keep));
        let until = History {
            alarms: before(self.keep.alarms),
            journal: before(self.keep.journal),
            notices: before(self.keep.notices),
            dead_letters: before(self.keep.dead_letters),
        };
        let mut gone = Pruned::default();
        if let Err(error) = self.prune(until, &mut gone).await {
            warn!(%error, "history cannot be pruned now: it is tried again in an hour");
        }
        if !gone.is_nothing() {
            let Pruned { alarms, journal, notices, dead_letters } = gone;
            info!(alarms, journal, notices, dead_letters, "history that was old enough is pruned");
        }
        if gone.dead_letters > 0 {
            let reported = report_dead_letters(&self.store, self.sinks.iter(), &self.events);
            if let Err(error) = reported.await {
                warn!(%error, "how many dead letters are left cannot be read now");
            }
        }
        gone
    }

    async fn prune(&self, until: History, gone: &mut Pruned) -> Result<(), StoreError> {
        while !self.stop.is_cancelled() {
            let started = clock::monotonic();
            let step = self.store.prune(until).await?;
            if step.is_nothing() {
                break;
            }
            gone.add(step);
            // Half of the time at the most is taken from others.
            let pause = started.elapsed().max(PAUSE);
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
        Ok(())
    }

    /// Whether so much time passes before it is to stop.
    async fn passes(&self, wait: Duration, trust: &mut Trust) -> bool {
        let begun = clock::monotonic();
        loop {
            trust.see(self.clock.now(), clock::monotonic());
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = sleep(left.min(NAP)) => {}
            }
        }
    }
}

/// Whether the clock may be believed.
struct Trust {
    watch: ClockPair,
    /// Since when it is not, after a jump ahead.
    doubted: Option<Instant>,
}

impl Trust {
    fn new(now: Timestamp, monotonic: Instant) -> Self {
        Self { watch: ClockPair::new(now, monotonic), doubted: None }
    }

    fn see(&mut self, now: Timestamp, monotonic: Instant) {
        if let Some(expected) = self.watch.observe(now, monotonic) {
            // One that was put back was put right.
            self.doubted = (now > expected).then_some(monotonic);
        }
    }

    fn is_given(&self, monotonic: Instant) -> bool {
        self.doubted.is_none_or(|since| monotonic.saturating_duration_since(since) >= DOUBT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_pruned_for_a_day_after_a_jump_ahead() {
        let (start, begun) = (Timestamp::from_seconds(1_700_000_000), clock::monotonic());
        let hours = |hours: u64| Duration::from_hours(hours);
        // How far the wall's clock and the monotonic one have run, and whether it is believed then.
        let cases: [(&[(u64, u64)], bool); 5] = [
            (&[(1, 1), (2, 2)], true),
            (&[(1, 1), (8760, 2)], false),
            (&[(1, 1), (8760, 2), (8783, 25)], false),
            (&[(1, 1), (8760, 2), (8784, 26)], true),
            (&[(1, 1), (8760, 2), (3, 3)], true),
        ];
        for (seen, believed) in cases {
            let mut trust = Trust::new(start, begun);
            for (wall, passed) in seen {
                trust.see(start.after(hours(*wall)), begun + hours(*passed));
            }
            let last = seen.last().map_or(0, |(_, passed)| *passed);
            assert_eq!(trust.is_given(begun + hours(last)), believed, "{seen:?}");
        }
    }
}
