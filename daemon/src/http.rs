//! The HTTP servers: health and metrics on TCP, the API on the admin socket.

mod admin;
mod alarm;
mod answer;
pub mod api;
pub mod counted;
pub mod explain;
mod health;
pub mod metrics;
pub mod outbox;
mod peer;
pub mod people;
pub mod problem;
pub mod reload;
mod request;
mod server;
pub mod shown;
pub mod thresholds;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::HeaderMap, routing::get};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use self::counted::Counted;
pub use self::{
    admin::{bind_socket, open_to_group, remove_socket},
    server::Connections,
};
use crate::{
    clock::Clock,
    deliver::recipient::Recipients,
    descriptors,
    engine::{
        AlarmView,
        notify::{Explanation, Why},
    },
    people::{CANDIDATES, People},
    pipeline::{
        evaluation::{EngineQuery, Heartbeat, Overview},
        queue::Queue,
    },
    plugin::{
        event::Event,
        lend::Cells,
        refusal::Refusal,
        status::{InstanceStatus, Status},
    },
    stage::Stages,
    store::{Store, health::Health},
};
use haetae_plugin::Timestamp;

/// A write that takes longer says that the store fails.
const UNANSWERED: Duration = Duration::from_secs(6);

/// What the servers show.
#[derive(Clone)]
pub struct View {
    parts: Arc<Parts>,
    tcp: Arc<Connections>,
    socket: Arc<Connections>,
    scraped: Arc<metrics::Scraped>,
}

/// What a [`View`] is made of.
pub struct Parts {
    /// The daemon's clock.
    pub clock: Clock,
    /// When it started.
    pub started: Timestamp,
    /// What is shown of the plan.
    pub shown: watch::Sender<Arc<Shown>>,
    /// The engine.
    pub engine: mpsc::Sender<EngineQuery>,
    /// That the engine gets on.
    pub heartbeat: Heartbeat,
    /// The daemon's tasks.
    pub stages: Stages,
    /// The store.
    pub store: Store,
    /// Whether it can be written.
    pub health: Health,
    /// Whether the state directory is where it was.
    pub directory: Health,
    /// What was counted in it last.
    pub counted: Counted,
    /// Where it is told that dead letters are gone.
    pub events: mpsc::Sender<Event>,
    /// Numbers that override those of evaluators.
    pub thresholds: crate::people::thresholds::Registry,
    /// Where what people do goes.
    pub people: People,
    /// What it runs by.
    pub configuration: watch::Sender<reload::Configuration>,
    /// Where it is asked to reload its configuration.
    pub reloads: mpsc::Sender<reload::Request>,
    /// Set once it evaluates.
    pub ready: AtomicBool,
}

/// What is shown of the plan; another one comes with each reload.
#[derive(Default)]
pub struct Shown {
    /// Each instance with its metrics.
    pub instances: Vec<(Status, Cells)>,
    /// Plugin files that are not loaded.
    pub refused: Vec<Refusal>,
    /// The queue of each source that has one.
    pub queues: BTreeMap<String, Queue>,
    /// The sinks that are told of alarms.
    pub recipients: Recipients,
    /// Where each source, evaluator and sink stands in the configuration.
    pub places: BTreeMap<String, String>,
}

impl View {
    /// A view of these parts.
    pub fn new(parts: Parts) -> Self {
        // A quarter and an eighth of all files: sinks, sources and the store have the rest.
        let tcp = Connections::new("tcp", descriptors::share(4, 256));
        let socket = Connections::new("socket", descriptors::share(8, 64));
        Self { parts: Arc::new(parts), tcp, socket, scraped: Arc::default() }
    }

    /// Who is connected over TCP.
    pub fn tcp(&self) -> Arc<Connections> {
        Arc::clone(&self.tcp)
    }

    /// Who is connected to the admin socket.
    pub fn socket(&self) -> Arc<Connections> {
        Arc::clone(&self.socket)
    }

    /// What the engine knows; `None` while it stops.
    pub async fn overview(&self) -> Option<Overview> {
        let (reply, overview) = oneshot::channel();
        self.parts.engine.send(EngineQuery::Overview(reply)).await.ok()?;
        overview.await.ok()
    }

    /// The alarms whose ids start so, one more than are named at the most; `None` while it stops.
    pub async fn find(&self, id: &str) -> Option<Vec<AlarmView>> {
        let (reply, found) = oneshot::channel();
        self.parts.engine.send(EngineQuery::Find(id.into(), CANDIDATES + 1, reply)).await.ok()?;
        found.await.ok()
    }

    /// What mutes each of these alarms for every sink, but for how it is handled; `None` while it stops.
    pub async fn muted(&self, alarms: Vec<AlarmView>) -> Option<Vec<Vec<Why>>> {
        let (reply, muted) = oneshot::channel();
        self.parts.engine.send(EngineQuery::Muted(alarms, reply)).await.ok()?;
        muted.await.ok()
    }

    /// Why each sink is told of an alarm or not; `None` while it stops.
    pub async fn explain(&self, alarm: &str) -> Option<Vec<Explanation>> {
        let (reply, explanations) = oneshot::channel();
        self.parts.engine.send(EngineQuery::Explain(alarm.into(), reply)).await.ok()?;
        explanations.await.ok()
    }

    /// What is shown of the plan now.
    pub fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.parts.shown.borrow())
    }

    /// Each instance as it is now.
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.shown().instances.iter().map(|(status, _)| status.snapshot()).collect()
    }

    /// Where the store is.
    pub fn store(&self) -> String {
        self.parts.store.location().to_string()
    }

    /// Says that the daemon evaluates.
    pub fn set_ready(&self) {
        self.parts.ready.store(true, Ordering::SeqCst);
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Why nothing can be written, and since when: the last write failed, or one has been waiting.
    pub(crate) fn store_failing(&self) -> Option<(String, Timestamp)> {
        let busy = self.parts.store.busy();
        let waits = || {
            let text = format!("{}: no answer for {} s", self.store(), busy.as_secs());
            (busy >= UNANSWERED).then(|| (text, self.parts.clock.now().before(busy)))
        };
        let directory = || self.parts.directory.failing();
        self.parts.health.failing().or_else(waits).or_else(directory)
    }

    fn is_ready(&self) -> bool {
        self.parts.ready.load(Ordering::SeqCst)
    }
}

/// What everybody may see: health, readiness, metrics.
pub fn public(view: View) -> Router {
    Router::new()
        .route("/healthz", get(|State(view): State<View>| async move { view.health() }))
        .route("/readyz", get(|State(view): State<View>| async move { view.readiness() }))
        .route(
            "/metrics",
            get(|State(view): State<View>, headers: HeaderMap| metrics::answer(view, headers)),
        )
        .with_state(view)
}

/// Serves on TCP until `stop`; an error ends it before.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    stop: CancellationToken,
) -> io::Result<()> {
    server::serve(listener, router, connections, stop).await
}

/// Serves on the admin socket until `stop`; an error ends it before.
pub async fn serve_socket(
    listener: UnixListener,
    router: Router,
    connections: Arc<Connections>,
    stop: CancellationToken,
) -> io::Result<()> {
    server::serve(listener, router, connections, stop).await
}
