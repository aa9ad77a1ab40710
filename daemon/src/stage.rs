//! Stages: the daemon's long-running tasks. Each has an owner that sees at once when it ends.
//!
//! One that ends or panics before the daemon stops is started again, with pauses that grow and
//! without a limit. A critical one can't be: its end is the end of the process.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info};

use crate::{
    clock::{Clock, monotonic},
    retry::Backoff,
};

/// The pauses before a stage is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// So long after it was started again it is well.
const STABLE: Duration = Duration::from_secs(10);

/// A long-running task.
pub trait Stage: Send + 'static {
    /// Works until the daemon stops. After a panic it is called again, and nothing that was under way
    /// is known to be whole.
    fn run(&mut self) -> impl Future<Output = ()> + Send;
}

/// How a stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStatus {
    /// Its name.
    pub name: String,
    /// Whether it runs now.
    pub running: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it ended, until it has run for a while.
    pub failure: Option<String>,
    /// Since when it is so.
    pub since: Timestamp,
}

/// All stages of a daemon.
#[derive(Clone, Debug)]
pub struct Stages {
    clock: Clock,
    stop: CancellationToken,
    known: Arc<Mutex<BTreeMap<String, StageStatus>>>,
    /// Why the process has to end.
    fatal: watch::Sender<Option<String>>,
    /// What is wrong with stages, in words; none: they are well.
    trouble: watch::Sender<Option<String>>,
}

impl Stages {
    /// No stage yet. A stage that ends after `stop` was told to.
    pub fn new(clock: Clock, stop: CancellationToken) -> Self {
        let (fatal, trouble) = (watch::Sender::new(None), watch::Sender::new(None));
        Self { clock, stop, known: Arc::default(), fatal, trouble }
    }

    /// Runs a stage, and starts it again whenever it ends before the daemon stops.
    pub fn spawn(&self, tasks: &TaskTracker, name: impl Into<String>, stage: impl Stage) {
        drop(self.spawn_until(&self.stop, tasks, name, stage));
    }

    /// The same with a stage that may be told to stop before the daemon does.
    pub fn spawn_until(
        &self,
        stop: &CancellationToken,
        tasks: &TaskTracker,
        name: impl Into<String>,
        mut stage: impl Stage,
    ) -> JoinHandle<()> {
        let (stages, name, stop) = (self.clone(), name.into(), stop.clone());
        stages.add(&name);
        tasks.spawn(async move {
            let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            loop {
                let started = monotonic();
                let cause = stages.watched(&name, stage.run()).await;
                if stages.is_over(&name, &stop) {
                    return;
                }
                if started.elapsed() >= STABLE {
                    pause.succeeded();
                }
                let wait = pause.failed();
                error!(stage = name, "a stage {cause}; it is started again in {wait:?}");
                stages.set(&name, false, Some(cause));
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stages.stop.cancelled() => {}
                    () = stop.cancelled() => {}
                }
                if stages.is_over(&name, &stop) {
                    return;
                }
                stages.set(&name, true, None);
            }
        })
    }

    /// Watches a stage that can't be started again: `end` returns when it has ended.
    pub fn spawn_critical(
        &self,
        tasks: &TaskTracker,
        name: impl Into<String>,
        end: impl Future<Output = ()> + Send + 'static,
    ) {
        drop(self.spawn_critical_until(&self.stop, tasks, name, end));
    }

    /// The same with a stage that may be told to stop before the daemon does.
    pub fn spawn_critical_until(
        &self,
        stop: &CancellationToken,
        tasks: &TaskTracker,
        name: impl Into<String>,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let (stages, name, stop) = (self.clone(), name.into(), stop.clone());
        stages.add(&name);
        tasks.spawn(async move {
            let cause = caught(end).await;
            if !stages.is_over(&name, &stop) {
                stages.set(&name, false, Some(cause.clone()));
                // Whoever is first says why.
                stages.fatal.send_if_modified(|fatal| {
                    let is_first = fatal.is_none();
                    fatal.get_or_insert(format!("the stage `{name}` {cause}"));
                    is_first
                });
            }
        })
    }

    /// Waits until a critical stage has ended; why.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.fatal.subscribe();
        let cause = fatal.wait_for(Option::is_some).await.map(|cause| cause.clone());
        cause.ok().flatten().unwrap_or_default()
    }

    /// What is wrong with stages, in words, to be told of each change.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// Each stage that is not well.
    pub fn unwell(&self) -> Vec<StageStatus> {
        self.known().values().filter(|stage| stage.failure.is_some()).cloned().collect()
    }

    /// How often stages were started again.
    pub fn restarts(&self) -> u64 {
        self.known().values().map(|stage| stage.restarts).sum()
    }

    /// Runs to the end, and notes that a stage is well once it has run for a while. Why it ended.
    async fn watched(&self, name: &str, run: impl Future<Output = ()>) -> String {
        let mut run = pin!(caught(run));
        tokio::select! {
            cause = &mut run => return cause,
            () = sleep(STABLE) => self.well(name),
        }
        run.await
    }

    /// Whether a stage that has ended was told to. One of a daemon that goes on is known no more.
    fn is_over(&self, name: &str, stop: &CancellationToken) -> bool {
        let ends = self.stop.is_cancelled();
        if !ends && stop.is_cancelled() {
            self.forget(name);
        }
        ends || stop.is_cancelled()
    }

    /// Knows of a stage no more.
    pub fn forget(&self, name: &str) {
        self.known().remove(name);
        self.report();
    }

    fn add(&self, name: &str) {
        let status = StageStatus {
            name: name.into(),
            running: true,
            restarts: 0,
            failure: None,
            since: self.clock.now(),
        };
        self.known().insert(name.into(), status);
    }

    fn set(&self, name: &str, running: bool, failure: Option<String>) {
        let now = self.clock.now();
        if let Some(stage) = self.known().get_mut(name) {
            (stage.running, stage.since) = (running, now);
            stage.restarts += u64::from(running);
            stage.failure = failure.or(stage.failure.take());
        }
        self.report();
    }

    fn well(&self, name: &str) {
        let failure = self.known().get_mut(name).and_then(|stage| stage.failure.take());
        if failure.is_some() {
            info!(stage = name, "the stage works again");
            self.report();
        }
    }

    fn report(&self) {
        let words: Vec<_> = self.unwell().iter().map(StageStatus::words).collect();
        let words = (!words.is_empty()).then(|| words.join("; "));
        self.trouble.send_if_modified(|trouble| {
            let is_new = *trouble != words;
            *trouble = words;
            is_new
        });
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, StageStatus>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StageStatus {
    /// What is wrong with it.
    pub fn words(&self) -> String {
        let cause = self.failure.as_deref().unwrap_or("is well");
        let now = if self.running { "was started again" } else { "waits to be started again" };
        format!("the stage `{}` {cause}; it {now}", self.name)
    }
}

/// Runs a future to its end; how it ended.
async fn caught(run: impl Future<Output = ()>) -> String {
    let mut run = pin!(run);
    let polled = std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    match polled.await {
        Ok(()) => "ended before it was told to".into(),
        Err(panic) => format!("panicked: {}", message(panic.as_ref())),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stage that panics, then ends, then works.
    struct Unsteady {
        runs: u32,
        stop: CancellationToken,
    }

    impl Stage for Unsteady {
        async fn run(&mut self) {
            self.runs += 1;
            match self.runs {
                1 => panic!("as it is meant to"),
                2 => sleep(Duration::from_secs(1)).await,
                _ => self.stop.cancelled().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_panics_or_ends_is_named_and_started_again() {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stages = Stages::new(Clock::System, stop.clone());
        let mut trouble = stages.trouble();
        stages.spawn(&tasks, "pump a", Unsteady { runs: 0, stop: stop.clone() });
        let mut seen = Vec::new();
        loop {
            trouble.changed().await.unwrap();
            let words = trouble.borrow_and_update().clone();
            if words.is_none() {
                break;
            }
            seen.extend(words);
        }
        assert_eq!(
            seen,
            [
                "the stage `pump a` panicked: as it is meant to; it waits to be started again",
                "the stage `pump a` panicked: as it is meant to; it was started again",
                "the stage `pump a` ended before it was told to; it waits to be started again",
                "the stage `pump a` ended before it was told to; it was started again",
            ]
        );
        assert_eq!((stages.restarts(), stages.unwell()), (2, Vec::new()));
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        assert_eq!(stages.unwell(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_is_told_to_stop_is_not_started_again_nor_known() {
        let tasks = TaskTracker::new();
        let stages = Stages::new(Clock::System, CancellationToken::new());
        let own = CancellationToken::new();
        let stage = Unsteady { runs: 2, stop: own.clone() };
        let running = stages.spawn_until(&own, &tasks, "pump a", stage);
        let end = own.clone().cancelled_owned();
        let critical = stages.spawn_critical_until(&own, &tasks, "queue a", end);
        assert_eq!(stages.known().len(), 2);
        own.cancel();
        running.await.unwrap();
        critical.await.unwrap();
        assert!(stages.known().is_empty());
        assert_eq!(stages.restarts(), 0);
        assert_eq!(*stages.fatal.borrow(), None);
        // One that waits to be started again does not wait any longer.
        let own = CancellationToken::new();
        let stage = Unsteady { runs: 0, stop: own.clone() };
        let failed = stages.spawn_until(&own, &tasks, "pump b", stage);
        let mut trouble = stages.trouble();
        trouble.wait_for(Option::is_some).await.unwrap();
        own.cancel();
        failed.await.unwrap();
        assert_eq!((stages.unwell(), trouble.borrow().clone()), (Vec::new(), None));
    }

    #[tokio::test]
    async fn the_end_of_a_critical_stage_is_fatal_unless_the_daemon_stops() {
        for stopped in [false, true] {
            let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
            let stages = Stages::new(Clock::System, stop.clone());
            let (alive, ended) = tokio::sync::oneshot::channel::<()>();
            stages.spawn_critical(&tasks, "engine", async { drop(ended.await) });
            if stopped {
                stop.cancel();
            }
            drop(alive);
            tasks.close();
            tasks.wait().await;
            assert_eq!(stages.fatal.borrow().is_some(), !stopped);
            if !stopped {
                assert_eq!(stages.fatal().await, "the stage `engine` ended before it was told to");
            }
        }
    }
}
