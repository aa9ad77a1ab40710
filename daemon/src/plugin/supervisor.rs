//! Supervision: opening, faults, back-off and status of one instance, whatever its role.

mod problems;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicIsize, Ordering},
    },
    time::{Duration, Instant},
};

use haetae_plugin::{Error, Fault};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    event::{Complaint, Event},
    instance::{CallResult, Instance, Spec},
    lend::{Cells, Lent, Shared},
    order::{Order, Reply},
    status::{InstanceState, Status},
};
use crate::{clock, engine::Problem, retry::Backoff};

/// Threads of an instance that may be given up before it is not replaced any more.
const ABANDONED: isize = 3;
/// Panics within [`BREAKER_PERIOD`] that open the circuit breaker for as long.
const BREAKER_PANICS: usize = 5;
const BREAKER_PERIOD: Duration = Duration::from_mins(10);
/// The longest wait before an instance is opened again.
const REOPEN_CAP: Duration = Duration::from_secs(30);
/// How long an instance may take to close.
const CLOSE: Duration = Duration::from_secs(5);

/// Keeps one instance open.
pub struct Supervisor {
    spec: Spec,
    deadline: Duration,
    shared: Shared,
    cells: Cells,
    status: Status,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
    instance: Option<Instance>,
    listens: bool,
    reopen: Backoff,
    not_before: Option<Instant>,
    panics: VecDeque<Instant>,
    abandoned: Arc<AtomicIsize>,
    /// Problems that were told in this run, and not ended yet.
    raised: Vec<Problem>,
    /// Problems that an earlier run may have told of: they end as its own do.
    before: Vec<Problem>,
}

/// What a supervisor is made of.
pub struct Parts {
    /// What to open.
    pub spec: Spec,
    /// How long a call may take.
    pub deadline: Duration,
    /// What is lent.
    pub shared: Shared,
    /// Its metrics.
    pub cells: Cells,
    /// Where its status is kept.
    pub status: Status,
    /// Where its events go; full means that the pipeline is behind: the instance waits.
    pub events: mpsc::Sender<Event>,
    /// Ends it.
    pub stop: CancellationToken,
}

impl Supervisor {
    /// Nothing is opened before the first call.
    pub fn new(parts: Parts) -> Self {
        Self {
            spec: parts.spec,
            deadline: parts.deadline,
            shared: parts.shared,
            cells: parts.cells,
            status: parts.status,
            events: parts.events,
            stop: parts.stop,
            instance: None,
            listens: false,
            reopen: Backoff::new(Duration::from_secs(1), REOPEN_CAP),
            not_before: None,
            panics: VecDeque::new(),
            abandoned: Arc::default(),
            raised: Vec::new(),
            before: Problem::of_calls().to_vec(),
        }
    }

    /// The instance's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its status.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Ends it when cancelled.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Where its events go.
    pub fn events(&self) -> &mpsc::Sender<Event> {
        &self.events
    }

    /// Whether the source listens; known once it is open.
    pub fn listens(&self) -> bool {
        self.listens
    }

    /// Opens the instance unless it is open; false while it has to wait, see [`Self::wait`].
    pub async fn open(&mut self) -> bool {
        self.count_abandoned();
        if let Some(message) = self.instance.as_ref().and_then(Instance::poison) {
            self.panicked(&format!("a thread {message}")).await;
        }
        if self.instance.is_some() {
            return true;
        }
        if self.not_before.is_some_and(|time| clock::monotonic() < time) || self.is_given_up() {
            return false;
        }
        let lent = self.lent();
        let opened =
            Instance::open(self.spec.clone(), Arc::new(lent), self.deadline, &self.abandoned);
        match opened.await {
            Ok(CallResult::Returned(Ok(instance))) => {
                self.listens = instance.listens;
                self.instance = Some(instance);
                self.not_before = None;
                info!(instance = self.spec.name, plugin = self.spec.kind, "opened");
                true
            }
            Ok(CallResult::Returned(Err(error))) if error.fault() == Fault::Panicked => {
                self.panicked(error.message()).await;
                false
            }
            Ok(CallResult::Returned(Err(error))) => {
                self.failed("cannot be opened", &error).await;
                self.wait_for(error.wait());
                false
            }
            Ok(CallResult::Hung) => {
                self.hung("open").await;
                false
            }
            Err(error) => {
                self.failed("has no thread", &error.into()).await;
                self.wait_for(None);
                false
            }
        }
    }

    /// Until when nothing can be done with the instance.
    pub fn wait(&self) -> Instant {
        let soon = clock::monotonic() + Duration::from_secs(1);
        self.not_before.map_or(soon, |time| time.max(soon))
    }

    /// Makes one call on the open instance. An error has been told to everybody already.
    pub async fn call(&mut self, order: Order) -> Result<Reply, Error> {
        let what = match order {
            Order::Collect(_) => "collect",
            Order::Ack => "ack",
            Order::Deliver(_) => "deliver",
            Order::Query(_) => "query",
        };
        let Some(instance) = self.instance.as_mut() else {
            return Err(Error::failed("the instance is not open"));
        };
        match instance.call(order, self.deadline).await {
            CallResult::Returned(Ok(reply)) => {
                self.status.count(|counts| counts.calls += 1);
                Ok(reply)
            }
            CallResult::Returned(Err(error)) if error.fault() == Fault::Panicked => {
                self.panicked(error.message()).await;
                Err(error)
            }
            CallResult::Returned(Err(error)) => {
                self.status.count(|counts| counts.calls += 1);
                self.failed(&format!("{what} failed"), &error).await;
                if error.fault() == Fault::Config {
                    // Credentials that were corrected meanwhile are read when it is opened.
                    self.close().await;
                    self.wait_for(error.wait());
                }
                Err(error)
            }
            CallResult::Hung => {
                self.hung(what).await;
                Err(Error::deadline(format!("{what} did not return within {:?}", self.deadline)))
            }
        }
    }

    /// The last call did what it should: the faults are over.
    pub async fn recovered(&mut self) {
        self.reopen.succeeded();
        self.status.pause(None);
        let is_fault = |problem: &mut Problem| *problem != Problem::LimitExceeded;
        let mut over: Vec<_> = self.raised.extract_if(.., is_fault).collect();
        if !over.is_empty() {
            info!(instance = self.spec.name, "works again");
        }
        over.extend(self.before.extract_if(.., is_fault));
        for problem in over {
            self.report(problem, None).await;
        }
    }

    /// The last batch was taken whole, or with a complaint.
    pub async fn settled(&mut self, complaint: Option<Complaint>) {
        let now = self.shared.clock.now();
        if let Some(complaint) = complaint {
            self.status.count(|counts| {
                counts.dropped += complaint.dropped;
                counts.cut += complaint.cut;
            });
            self.status.fail(InstanceState::Degraded, &complaint.cause, &complaint.cure, now);
            if complaint.dropped + complaint.cut > 0 {
                self.warn(Problem::LimitExceeded, &complaint.cause);
                self.raise(Problem::LimitExceeded, &complaint.cause).await;
            }
            return;
        }
        self.status.enter(InstanceState::Ok, now);
        let is_limit = |problem: &mut Problem| *problem == Problem::LimitExceeded;
        let raised = self.raised.extract_if(.., is_limit).count();
        if raised + self.before.extract_if(.., is_limit).count() > 0 {
            self.report(Problem::LimitExceeded, None).await;
        }
    }

    /// The peer refused what the instance was to deliver, or some of it again and again.
    pub async fn refused(
        &mut self,
        state: InstanceState,
        cause: &str,
        cure: &str,
        asked: Option<Duration>,
    ) {
        self.paused(asked);
        if state == InstanceState::Failing {
            self.status.count(|counts| counts.errors += 1);
        }
        self.broken(state, Problem::SinkFailing, cause, cure).await;
    }

    /// Closes the instance, with a limit.
    pub async fn close(&mut self) {
        if let Some(instance) = self.instance.take() {
            match instance.close(CLOSE).await {
                CallResult::Returned(Ok(())) => {}
                CallResult::Returned(Err(error)) => {
                    warn!(instance = self.spec.name, %error, "closing failed");
                    if error.fault() == Fault::Panicked {
                        self.status.count(|counts| counts.panics += 1);
                    }
                }
                CallResult::Hung => {
                    warn!(instance = self.spec.name, "did not close in time; its thread is left");
                    self.count_hang();
                }
            }
        }
    }

    /// Closes for good.
    pub async fn end(&mut self) {
        self.close().await;
        self.status.enter(InstanceState::Stopped, self.shared.clock.now());
    }

    /// How long its peer asked to be left alone.
    fn paused(&self, asked: Option<Duration>) {
        self.status.pause(asked.map(|wait| self.shared.clock.now().after(wait)));
    }

    /// It is left alone for so long.
    pub fn rests(&self, pause: Duration) {
        self.paused((!pause.is_zero()).then_some(pause));
    }

    async fn failed(&mut self, what: &str, error: &Error) {
        self.paused(error.wait());
        self.status.count(|counts| counts.errors += 1);
        let cause = format!("{what}: {error}");
        let cure = match error.fault() {
            Fault::Config => {
                "it is tried again with growing pauses, and reads its credentials anew when it is opened: correct them; for other options reload"
            }
            _ => "it is tried again with growing pauses; look at its peer",
        };
        self.broken(InstanceState::Failing, self.problem(), &cause, cure).await;
    }

    /// A panic: the instance is dropped and opened anew, with a pause that grows.
    async fn panicked(&mut self, message: &str) {
        let now = clock::monotonic();
        self.panics.push_back(now);
        while self.panics.front().is_some_and(|time| now.duration_since(*time) > BREAKER_PERIOD) {
            self.panics.pop_front();
        }
        self.status.count(|counts| counts.panics += 1);
        self.close().await;
        if self.panics.len() >= BREAKER_PANICS {
            self.not_before = Some(now + BREAKER_PERIOD);
            let cause = format!("{} panics in 10 minutes, the last: {message}", self.panics.len());
            let cure =
                "it is tried again after 10 minutes; report the panic to the plugin's author";
            self.broken(InstanceState::Failing, Problem::PluginPanicked, &cause, cure).await;
        } else {
            self.wait_for(None);
            let cure = "it is opened again; report the panic to the plugin's author";
            self.broken(InstanceState::Failing, Problem::PluginPanicked, message, cure).await;
        }
    }

    /// A hang: the thread is given up. A listener is not replaced, its port is still taken.
    async fn hung(&mut self, what: &str) {
        if let Some(instance) = self.instance.take() {
            instance.abandon();
        }
        self.count_hang();
        self.wait_for(None);
        let cause = format!("{what} did not return within its deadline of {:?}", self.deadline);
        let (state, cure) = if self.is_given_up() {
            (InstanceState::Failing, "restart the daemon; report the hang to the plugin's author")
        } else {
            (InstanceState::Hung, "it is replaced; report the hang to the plugin's author")
        };
        self.broken(state, Problem::Hung, &cause, cure).await;
    }

    fn wait_for(&mut self, asked: Option<Duration>) {
        let wait = self.reopen.failed().max(asked.unwrap_or_default());
        self.not_before = Some(clock::monotonic() + wait);
        self.paused(Some(wait));
    }

    fn is_given_up(&self) -> bool {
        let most = if self.listens { 1 } else { ABANDONED };
        self.abandoned.load(Ordering::SeqCst) >= most
    }

    fn lent(&self) -> Lent {
        let (shared, cells) = (self.shared.clone(), self.cells.clone());
        Lent::new(&self.spec.name, shared, cells, CancellationToken::new())
    }

    fn count_hang(&self) {
        self.status.count(|counts| counts.hangs += 1);
        self.count_abandoned();
    }

    fn count_abandoned(&self) {
        let abandoned = u64::try_from(self.abandoned.load(Ordering::SeqCst)).unwrap_or(0);
        self.status.count(|counts| counts.abandoned = abandoned);
    }
}
