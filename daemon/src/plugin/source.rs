//! Running a source: when it is called, and with which window.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use haetae_plugin::{Batch, Timestamp, Window};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::sleep_until,
};
use tracing::debug;

use super::{
    event::{Complaint, Handover, Taken},
    order::{Order, Reply},
    supervisor::Supervisor,
};
use crate::{
    clock::{self, Clock},
    engine::last_slot,
    fault,
    retry::Backoff,
    stage::Stage,
};

/// The longest window that a poller is asked for at once.
const WINDOW: Duration = Duration::from_mins(10);
/// The longest pause of a poller whose calls fail, unless its interval is longer.
const POLL_CAP: Duration = Duration::from_secs(30);
/// How often it is written down where a source got to: a listener gets on all the time.
const MARK: Duration = Duration::from_secs(1);
/// The longest and the shortest sleep before a slot: the wall clock may be set, or the machine
/// suspended, meanwhile.
const NAP: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(1);
/// The pause after an empty batch that came before the deadline: a listener must not spin.
const IDLE: Duration = Duration::from_millis(10);

/// Calls a source: a poller at its slots, a listener again at once.
pub struct Caller {
    supervisor: Supervisor,
    calls: Calls,
}

impl Caller {
    /// One batch is in flight: `feed` answers when it is where it belongs.
    pub fn new(
        supervisor: Supervisor,
        interval: Duration,
        clock: Clock,
        feed: mpsc::Sender<Handover>,
        mark: Option<Mark>,
    ) -> Self {
        let calls = Calls::new(supervisor.name(), interval, clock, feed, mark);
        Self { supervisor, calls }
    }
}

impl Stage for Caller {
    /// Calls it until told to stop.
    async fn run(&mut self) {
        let Self { supervisor, calls } = self;
        // A call that was under way when the stage failed is nobody's any more.
        supervisor.close().await;
        let stop = supervisor.stop().clone();
        loop {
            let work = async {
                fault::point("source", supervisor.name());
                if supervisor.open().await {
                    if supervisor.listens() {
                        calls.listen(supervisor).await;
                    } else {
                        calls.poll(supervisor).await;
                    }
                } else {
                    sleep_until(supervisor.wait().into()).await;
                }
            };
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => break,
            }
        }
        supervisor.end().await;
    }
}

struct Calls {
    name: String,
    interval: Duration,
    clock: Clock,
    /// The end of the last window whose batch was acknowledged, and when that was.
    acked: Option<(Timestamp, Instant)>,
    /// The slot that was called last, whether it failed or not.
    called: Option<Timestamp>,
    pause: Backoff,
    feed: mpsc::Sender<Handover>,
    mark: Option<Mark>,
    /// What it says.
    marked: Option<Timestamp>,
}

/// Where a source got to: the end of the last window that was acknowledged, in a file.
///
/// It is not synced: an older mark makes a window longer, and what comes twice is the same.
#[derive(Clone, Debug)]
pub struct Mark(PathBuf);

impl Mark {
    /// The mark in an instance's directory.
    pub fn within(directory: &Path) -> Self {
        Self(directory.join("acked"))
    }

    fn read(&self) -> Option<Timestamp> {
        fs::read_to_string(&self.0).ok()?.trim().parse().ok().map(Timestamp::from_nanos)
    }

    fn write(&self, time: Timestamp) {
        let beside = self.0.with_extension("new");
        let written = self.0.parent().map_or(Ok(()), fs::create_dir_all);
        let written = written.and_then(|()| fs::write(&beside, time.nanos().to_string()));
        if let Err(error) = written.and_then(|()| fs::rename(&beside, &self.0)) {
            debug!(file = %self.0.display(), %error, "the mark of a source was not written");
        }
    }
}

impl Calls {
    fn new(
        name: &str,
        interval: Duration,
        clock: Clock,
        feed: mpsc::Sender<Handover>,
        mark: Option<Mark>,
    ) -> Self {
        // A mark of the future is of a clock that was wrong.
        let acked = mark.as_ref().and_then(Mark::read).filter(|time| *time <= clock.now());
        let acked = acked.map(|time| (time, clock::monotonic()));
        let pause = Backoff::new(interval, POLL_CAP.max(interval));
        Self {
            name: name.into(),
            interval,
            clock,
            acked,
            called: None,
            pause,
            feed,
            mark,
            marked: None,
        }
    }

    async fn poll(&mut self, supervisor: &mut Supervisor) {
        let to = self.slot(supervisor).await;
        let from = self.acked.map_or_else(|| to.before(self.interval), |(time, _)| time);
        let from = from.max(to.before(WINDOW));
        self.called = Some(to);
        match supervisor.call(Order::Collect(Window { from, to })).await {
            Ok(Reply::Batch(batch)) => {
                if self.hand_over(supervisor, batch, to, true).await {
                    self.acked_up_to(to).await;
                    self.pause.succeeded();
                }
            }
            Ok(_) => {}
            Err(error) => {
                let pause = match error.wait() {
                    // What its peer asked for, and not our own pause on top of it.
                    Some(asked) if !asked.is_zero() => asked,
                    // The first failure costs no more than its slot.
                    _ => self.pause.failed().saturating_sub(self.interval),
                };
                supervisor.rests(pause);
                sleep_until((clock::monotonic() + pause).into()).await;
            }
        }
    }

    /// Waits for the next slot. The first is the one that has just been, so that a daemon that
    /// starts has something to show; slots that went by meanwhile are counted, not made up for.
    async fn slot(&mut self, supervisor: &Supervisor) -> Timestamp {
        loop {
            let now = self.clock.now();
            self.follow_clock(now);
            let newest = last_slot(&self.name, self.interval, now);
            let Some(called) = self.called else { return newest };
            if newest > called {
                let missed = newest.since(called).as_nanos() / self.interval.as_nanos().max(1);
                let missed = u64::try_from(missed).unwrap_or(u64::MAX).saturating_sub(1);
                supervisor.status().count(|counts| counts.missed += missed);
                return newest;
            }
            let step = newest.after(self.interval).since(now).clamp(SHORTEST, NAP);
            sleep_until((clock::monotonic() + step).into()).await;
        }
    }

    /// A clock that went back makes nobody wait until it is there again: slots go on from `now`,
    /// and a window begins as long ago as the last one was acknowledged.
    fn follow_clock(&mut self, now: Timestamp) {
        self.called = self.called.filter(|called| *called <= now);
        if let Some((acked, at)) = self.acked.filter(|(acked, _)| *acked > now) {
            // A slot is called a little after its time.
            let since = at.elapsed().saturating_add(self.interval);
            debug!(source = self.name, "the clock went back: it had got to {}", acked.millis());
            self.acked = Some((now.before(since), at));
        }
    }

    async fn listen(&mut self, supervisor: &mut Supervisor) {
        let to = self.clock.now();
        self.follow_clock(to);
        let from = self.acked.map_or(to, |(time, _)| time).max(to.before(WINDOW));
        let started = clock::monotonic();
        match supervisor.call(Order::Collect(Window { from, to })).await {
            Ok(Reply::Batch(batch)) => {
                let empty = batch.is_empty();
                if self.hand_over(supervisor, batch, to, false).await {
                    self.acked_up_to(to).await;
                    self.pause.succeeded();
                }
                if empty && started.elapsed() < IDLE {
                    sleep_until((started + IDLE).into()).await;
                }
            }
            Ok(_) => {}
            Err(_) => sleep_until(supervisor.wait().into()).await,
        }
    }

    async fn acked_up_to(&mut self, to: Timestamp) {
        self.acked = Some((to, clock::monotonic()));
        let Some(mark) = &self.mark else { return };
        if self.marked.is_some_and(|marked| to >= marked && to.since(marked) < MARK) {
            return;
        }
        self.marked = Some(to);
        // A rename may wait for the disk, and nobody else is to wait for that.
        let mark = mark.clone();
        drop(spawn_blocking(move || mark.write(to)).await);
    }

    /// Gives the batch to the pipeline, waits until it is where it belongs, and says so.
    async fn hand_over(
        &self,
        supervisor: &mut Supervisor,
        batch: Batch,
        until: Timestamp,
        is_polled: bool,
    ) -> bool {
        let records = batch.len() as u64;
        // Before the batch: its evaluators must know that their source is back.
        supervisor.recovered().await;
        let (taken, done) = oneshot::channel();
        if self.feed.send(Handover { batch, until, is_polled, taken }).await.is_err() {
            return false;
        }
        let complaint = match done.await {
            Ok(Taken::Whole(complaint)) => complaint,
            Ok(Taken::Judged) => {
                let cause = "there is no room to keep its records: they are judged and not kept";
                let cure =
                    "make room on the disk of [daemon] state, or see to the sinks of its queue";
                let (cause, cure) = (cause.into(), cure.into());
                supervisor.settled(Some(Complaint { dropped: 0, cut: 0, cause, cure })).await;
                return false;
            }
            Err(_) => return false,
        };
        supervisor.status().count(|counts| counts.records += records);
        if !matches!(supervisor.call(Order::Ack).await, Ok(Reply::Acked)) {
            return false;
        }
        supervisor.settled(complaint).await;
        true
    }
}
