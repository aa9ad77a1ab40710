//! Retention: what is old enough is pruned from the store, a little at a time.

use std::time::Duration;

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::outbox::tell_dead_letters;
use crate::{
    clock::{self, Clock},
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
/// The shortest pause between two steps: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Prunes history.
pub struct Retention {
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

impl Stage for Retention {
    /// Prunes until stopped.
    async fn run(&mut self) {
        let mut wait = FIRST;
        while self.passes(wait).await {
            self.turn().await;
            wait = EVERY;
        }
    }
}

impl Retention {
    /// Prunes all that is old enough now, step by step, and says what that was.
    ///
    /// [`Stage::run`] does this again and again; a driver of its own may, when it likes.
    pub async fn turn(&self) -> Pruned {
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
            let told = tell_dead_letters(&self.store, self.sinks.iter(), &self.events);
            if let Err(error) = told.await {
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
    async fn passes(&self, wait: Duration) -> bool {
        let begun = self.clock.now();
        loop {
            let now = self.clock.now();
            let left = wait.saturating_sub(now.since(begun));
            // A clock that went back has nobody wait for it.
            if left.is_zero() || now < begun {
                return true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = sleep(left.min(NAP)) => {}
            }
        }
    }
}
