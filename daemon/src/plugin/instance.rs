//! An instance: one role on a thread of its own, called through bounded channels.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicIsize, AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use haetae_plugin::{
    Call, Error, Result, Window,
    abi::{Library, ReaderInstance, SinkInstance, SourceInstance},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{error::Elapsed, timeout},
};

use super::{
    incoming,
    lend::Lent,
    order::{Order, Reply},
};

/// What the thread may overrun a deadline by before it counts as hung.
pub const GRACE: Duration = Duration::from_secs(1);

/// What is opened: a role of a kind, with its options.
#[derive(Clone)]
pub struct Spec {
    /// The instance's name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// `plugin = "…"`.
    pub kind: String,
    /// The plugin's own keys.
    pub options: serde_json::Value,
    /// The library that exports the kind.
    pub library: Library,
}

/// The roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Produces records.
    Source,
    /// Takes records away.
    Sink,
    /// Answers questions.
    Reader,
}

/// A running thread with an opened role.
pub struct Instance {
    orders: mpsc::Sender<OrderRequest>,
    closed: oneshot::Receiver<Result<()>>,
    leave: Leave,
    lent: Arc<Lent>,
    /// Whether the source listens.
    pub listens: bool,
}

/// What became of a call.
#[derive(Debug)]
pub enum CallResult<T> {
    /// It returned.
    Returned(Result<T>),
    /// It passed its deadline and the grace; its thread is on its own now.
    Hung,
}

enum OpenedRole {
    Source(SourceInstance),
    Sink(SinkInstance),
    Reader(ReaderInstance),
}

impl Instance {
    /// Opens the role on a new thread. `abandoned` counts the threads that are on their own.
    pub async fn open(
        spec: Spec,
        lent: Arc<Lent>,
        within: Duration,
        abandoned: &Arc<AtomicIsize>,
    ) -> io::Result<CallResult<Self>> {
        // One call is under way at a time, so one place is enough.
        let (orders, inbox) = mpsc::channel(1);
        let (opened, outcome) = oneshot::channel();
        let (done, closed) = oneshot::channel();
        let leave = Leave::new(abandoned);
        let body = InstanceThread { spec, lent: Arc::clone(&lent), inbox };
        let watch = leave.clone();
        thread::Builder::new().name(body.spec.name.clone()).spawn(move || {
            let closed = body.run(opened);
            watch.ended();
            // Nobody waits if the thread was given up.
            drop(done.send(closed));
        })?;
        match answer_of(outcome, within, &lent).await {
            Ok(Ok(Ok(listens))) => {
                Ok(CallResult::Returned(Ok(Self { orders, closed, leave, lent, listens })))
            }
            Ok(Ok(Err(error))) => {
                Ok(CallResult::Returned(Err(incoming::failure(error, lent.secrets()))))
            }
            Ok(Err(_)) => Ok(CallResult::Returned(Err(Error::failed("its thread ended")))),
            Err(_) => {
                lent.cancel();
                leave.give_up();
                Ok(CallResult::Hung)
            }
        }
    }

    /// Makes one call. After [`CallResult::Hung`] the instance is useless: [`Instance::abandon`] it.
    pub async fn call(&mut self, order: Order, within: Duration) -> CallResult<Reply> {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(OrderRequest { order, within, reply }).await.is_err() {
            return CallResult::Returned(Err(Error::failed("its thread ended")));
        }
        match answer_of(answer, within, &self.lent).await {
            Ok(Ok(result)) => CallResult::Returned(incoming::reply(result, self.lent.secrets())),
            Ok(Err(_)) => CallResult::Returned(Err(Error::failed("its thread ended"))),
            Err(_) => CallResult::Hung,
        }
    }

    /// With what a thread of the instance panicked between calls.
    pub fn poison(&self) -> Option<String> {
        self.lent.poison().map(Into::into)
    }

    /// Cancels, drops the role and joins its threads; abandons it if that takes too long.
    pub async fn close(self, within: Duration) -> CallResult<()> {
        let Self { orders, closed, leave, lent, .. } = self;
        lent.cancel();
        drop(orders);
        let Ok(ended) = answer_of(closed, within, &lent).await else {
            leave.give_up();
            return CallResult::Hung;
        };
        let ended = ended.unwrap_or(Ok(()));
        CallResult::Returned(ended.map_err(|error| incoming::failure(error, lent.secrets())))
    }

    /// Leaves the thread to itself; it closes its role if it ever returns.
    pub fn abandon(self) {
        self.lent.cancel();
        self.leave.give_up();
    }
}

/// Waits for an answer until the deadline, and with grace. If it does not come, the sockets that the
/// instance has lent are shut down, so that a thread that blocks on one returns after all.
async fn answer_of<T>(
    mut answer: oneshot::Receiver<T>,
    within: Duration,
    lent: &Lent,
) -> Result<Result<T, oneshot::error::RecvError>, Elapsed> {
    match timeout(within + GRACE, &mut answer).await {
        Err(_) if lent.shut_sockets() => timeout(GRACE, answer).await,
        answered => answered,
    }
}

/// Whether a thread was given up or has ended, and how many of its kind are given up now.
#[derive(Clone)]
struct Leave {
    state: Arc<AtomicU8>,
    abandoned: Arc<AtomicIsize>,
}

const RUNNING: u8 = 0;
const GIVEN_UP: u8 = 1;
const ENDED: u8 = 2;

impl Leave {
    fn new(abandoned: &Arc<AtomicIsize>) -> Self {
        Self { state: Arc::new(AtomicU8::new(RUNNING)), abandoned: Arc::clone(abandoned) }
    }

    /// Counted before the state says so: a thread that ends just now then takes itself off.
    fn give_up(&self) {
        self.abandoned.fetch_add(1, Ordering::SeqCst);
        let was = self.state.swap(GIVEN_UP, Ordering::SeqCst);
        if was != RUNNING {
            self.abandoned.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn ended(&self) {
        if self.state.swap(ENDED, Ordering::SeqCst) == GIVEN_UP {
            self.abandoned.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

struct InstanceThread {
    spec: Spec,
    lent: Arc<Lent>,
    inbox: mpsc::Receiver<OrderRequest>,
}

/// A call that the thread is to make.
struct OrderRequest {
    order: Order,
    /// How long it may take.
    within: Duration,
    reply: oneshot::Sender<Result<Reply>>,
}

impl InstanceThread {
    /// Opens, serves calls until the channel closes, then closes.
    fn run(mut self, opened: oneshot::Sender<Result<bool>>) -> Result<()> {
        let mut role = match self.opened() {
            Ok(role) => role,
            Err(error) => {
                // Nobody waits if the opening was given up.
                drop(opened.send(Err(error)));
                return Ok(());
            }
        };
        let listens = match &mut role {
            OpenedRole::Source(source) => source.listens(),
            OpenedRole::Sink(_) | OpenedRole::Reader(_) => false,
        };
        if opened.send(Ok(listens)).is_ok() {
            while let Some(OrderRequest { order, within, reply }) = self.inbox.blocking_recv() {
                // Nobody waits if the call was given up; then the channel is closed too.
                drop(reply.send(role.serve(order, within)));
            }
        }
        role.close()
    }

    fn opened(&self) -> Result<OpenedRole> {
        let Spec { role, kind, options, library, .. } = &self.spec;
        let options = options.to_string();
        let lent = Arc::<Lent>::clone(&self.lent);
        Ok(match role {
            Role::Source => OpenedRole::Source(library.open_source(kind, &options, lent)?),
            Role::Sink => OpenedRole::Sink(library.open_sink(kind, &options, lent)?),
            Role::Reader => OpenedRole::Reader(library.open_reader(kind, &options, lent)?),
        })
    }
}

impl OpenedRole {
    fn serve(&mut self, order: Order, within: Duration) -> Result<Reply> {
        let call = |window| Call::within(within, window);
        match (self, order) {
            (Self::Source(source), Order::Collect(window)) => {
                source.collect(call(window)).map(Reply::Batch)
            }
            (Self::Source(source), Order::Ack) => source.ack().map(|()| Reply::Acked),
            (Self::Sink(sink), Order::Deliver(batch)) => {
                sink.deliver(batch, call(Window::default())).map(Reply::Outcome)
            }
            (Self::Reader(reader), Order::Query(question)) => {
                reader.query(&question, call(Window::default())).map(Reply::Answer)
            }
            _ => Err(Error::failed("a call for another role")),
        }
    }

    fn close(self) -> Result<()> {
        match self {
            Self::Source(source) => source.close(),
            Self::Sink(sink) => sink.close(),
            Self::Reader(reader) => reader.close(),
        }
    }
}
