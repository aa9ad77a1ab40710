//! The application: wires a plan together, runs it, takes it down in order. Holds no logic.

mod wiring;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    net::{TcpListener, UnixListener},
    runtime::Handle,
    sync::{broadcast, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use self::wiring::{Wired, WiredSink, Wiring};
use crate::{
    clock::Clock,
    config::{Plan, Source},
    deliver::dispatch::Dispatch,
    engine::{Engine, SourceTiming, Transition},
    http::{self, View, api},
    pipeline::{
        evaluation::{self, Request},
        graph::{Graph, Outlet},
    },
    plugin::{
        catalog::Catalog,
        lend::{Cells, Pool, Shared},
        sink, source,
        status::Status,
    },
};

/// Events of supervisors that wait for the graph.
const EVENTS: usize = 64;
/// Transitions that wait for the dispatcher.
const TRANSITIONS: usize = 1024;
/// Batches that wait for one sink.
const BATCHES: usize = 1024;
/// Transitions that a watcher may lag behind.
const WATCHED: usize = 1024;
/// How long the daemon takes to stop at the most.
const STOP: Duration = Duration::from_secs(20);

/// How the daemon is run.
pub struct Options {
    /// What to run.
    pub plan: Plan,
    /// Where its plugins are.
    pub catalog: Arc<Catalog>,
    /// The time.
    pub clock: Clock,
    /// The admin socket; by default `<state>/admin.sock`.
    pub socket: Option<PathBuf>,
    /// A token that lets its holder read alarms over TCP.
    pub token: Option<String>,
    /// Asks the daemon to stop.
    pub stop: CancellationToken,
}

/// A running daemon.
pub struct App {
    view: View,
    address: std::net::SocketAddr,
    watchers: broadcast::Sender<Transition>,
    stop: CancellationToken,
    sources_ended: CancellationToken,
    sources: TaskTracker,
    servers: TaskTracker,
    rest: TaskTracker,
    engine: std::thread::JoinHandle<()>,
    socket: PathBuf,
    _lock: File,
}

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory can't be used.
    #[error("the state directory {} cannot be used: {source}; set [daemon] state to one that this user may write", .path.display())]
    State {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another daemon uses the state directory.
    #[error("another haetae runs on {}: stop it, or set another [daemon] state", .0.display())]
    Taken(PathBuf),
    /// An address can't be bound.
    #[error("cannot listen on {address}: {source}; choose another one in [http] listen")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The admin socket can't be bound.
    #[error("cannot open the admin socket {}: {source}", .path.display())]
    Socket {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A plugin can't be loaded.
    #[error("{0}")]
    Plugin(String),
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl App {
    /// Starts everything that the plan says.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { plan, catalog, clock, socket, token, stop } = options;
        let state = plan.daemon.state.clone();
        let Bound { lock, tcp, address, unix, socket } = bind(&plan, socket).await?;

        let (events, inbox) = mpsc::channel(EVENTS);
        let (requests, asked) = mpsc::channel(evaluation::INPUTS);
        let (transitions, changed) = mpsc::channel(TRANSITIONS);
        let (undelivered, failed) = mpsc::channel(EVENTS);
        let (watchers, _) = broadcast::channel(WATCHED);
        let shared = Shared {
            clock: clock.clone(),
            http: Pool::new(Handle::current()),
            instances: Some(state.join("instances")),
        };
        let wiring = Wiring { catalog: &catalog, shared, events, stop: &stop };
        let sources = plan.sources.iter().map(|source| wiring.source(source));
        let sources: Vec<Wired> = sources.collect::<Result<_, _>>()?;
        let sinks = plan.sinks.iter().map(|sink| wiring.sink(sink));
        let sinks: Vec<WiredSink> = sinks.collect::<Result<_, _>>()?;
        drop(wiring);

        let shown = sources.iter().map(|wired| &wired.shown);
        let shown = shown.chain(sinks.iter().map(|wired| &wired.shown)).cloned().collect();
        let view = view(&catalog, &clock, shown, requests.clone());
        let engine = Engine::new(timings(&plan), plan.thresholds.clone(), clock.now());
        let engine =
            evaluation::start(engine, clock.clone(), asked, transitions, Handle::current())
                .map_err(StartError::Thread)?;
        let outlets: BTreeMap<String, Outlet> = sinks.iter().map(WiredSink::outlet).collect();
        let graph = Graph::new(&plan, &outlets, clock.clone(), requests, undelivered);
        drop(outlets);

        let app = Self {
            view: view.clone(),
            address,
            watchers: watchers.clone(),
            stop,
            sources_ended: CancellationToken::new(),
            sources: TaskTracker::new(),
            servers: TaskTracker::new(),
            rest: TaskTracker::new(),
            engine,
            socket,
            _lock: lock,
        };
        app.rest.spawn(graph.run(inbox, app.sources_ended.clone()));
        let recipients = sinks.iter().map(|wired| wired.recipient(&plan)).collect();
        app.rest.spawn(Dispatch::new(recipients, clock.clone(), watchers).run(changed, failed));
        app.supervise(&plan, sources, sinks, &clock);
        app.serve(tcp, unix, token.as_deref());
        view.set_ready();
        Ok(app)
    }

    /// What it shows.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Where it listens on TCP.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// The admin socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Transitions as they happen; who is too slow skips some.
    pub fn watch(&self) -> broadcast::Receiver<Transition> {
        self.watchers.subscribe()
    }

    /// Waits until asked to stop, then takes everything down: sources, what they yielded, sinks.
    pub async fn finish(self) {
        self.stop.cancelled().await;
        info!("stopping");
        let Self { view, watchers, sources_ended, sources, servers, rest, engine, socket, .. } =
            self;
        drop((view, watchers));
        let down = async {
            for tasks in [&sources, &servers, &rest] {
                tasks.close();
            }
            sources.wait().await;
            servers.wait().await;
            // From here each stage ends because nobody is left to send to it.
            sources_ended.cancel();
            rest.wait().await;
            while !engine.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        if timeout(STOP, down).await.is_err() {
            warn!("some instances did not end in {STOP:?}; their threads are left");
        }
        // It may have been removed by hand.
        drop(fs::remove_file(socket));
        info!("stopped");
    }

    fn supervise(&self, plan: &Plan, sources: Vec<Wired>, sinks: Vec<WiredSink>, clock: &Clock) {
        for wired in sinks {
            self.rest.spawn(sink::run(wired.supervisor, wired.batches, clock.clone()));
        }
        for (wired, source) in sources.into_iter().zip(&plan.sources) {
            self.sources.spawn(source::run(wired.supervisor, source.interval, clock.clone()));
        }
    }

    fn serve(&self, tcp: TcpListener, unix: UnixListener, token: Option<&str>) {
        let mut router = http::public(self.view.clone());
        if let Some(token) = token {
            router = router.merge(api::with_token(self.view.clone(), token));
        }
        let admin = http::public(self.view.clone()).merge(api::router(self.view.clone()));
        let stop = self.stop.clone();
        self.servers.spawn(async move {
            if let Err(error) = http::serve(tcp, router, stop).await {
                warn!(%error, "the HTTP server ended");
            }
        });
        let stop = self.stop.clone();
        self.servers.spawn(async move {
            if let Err(error) = http::serve_socket(unix, admin, stop).await {
                warn!(%error, "the server on the admin socket ended");
            }
        });
    }
}

/// What only one daemon can have.
struct Bound {
    lock: File,
    tcp: TcpListener,
    address: std::net::SocketAddr,
    unix: UnixListener,
    socket: PathBuf,
}

/// Takes the state directory and the sockets, or says which of them can't be had.
async fn bind(plan: &Plan, socket: Option<PathBuf>) -> Result<Bound, StartError> {
    let lock = lock(&plan.daemon.state)?;
    let listen = |source| StartError::Listen { address: plan.http.listen.to_string(), source };
    let tcp = TcpListener::bind(plan.http.listen).await.map_err(listen)?;
    let address = tcp.local_addr().map_err(listen)?;
    let socket = socket.unwrap_or_else(|| plan.daemon.state.join("admin.sock"));
    let unix = http::bind_socket(&socket)
        .map_err(|source| StartError::Socket { path: socket.clone(), source })?;
    Ok(Bound { lock, tcp, address, unix, socket })
}

/// Takes the state directory for this process.
fn lock(state: &Path) -> Result<File, StartError> {
    let unusable = |source| StartError::State { path: state.into(), source };
    fs::create_dir_all(state).map_err(unusable)?;
    let lock = File::create(state.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::Taken(state.into())),
        Err(fs::TryLockError::Error(source)) => Err(unusable(source)),
    }
}

fn view(
    catalog: &Catalog,
    clock: &Clock,
    instances: Vec<(Status, Cells)>,
    engine: mpsc::Sender<Request>,
) -> View {
    View::new(http::Parts {
        clock: clock.clone(),
        started: clock.now(),
        instances,
        refused: catalog.refused().to_vec(),
        engine,
        ready: AtomicBool::new(false),
    })
}

fn timings(plan: &Plan) -> Vec<SourceTiming> {
    let timing = |source: &Source| SourceTiming {
        name: source.name.clone(),
        interval: source.interval,
        deadline: source.deadline,
        max_series: source.limits.max_series,
    };
    plan.sources.iter().map(timing).collect()
}
