//! The application: wires a plan together, runs it, takes it down in order. Holds no logic.

mod bound;
mod records;
mod restore;
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
    sync::{Notify, broadcast, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use self::bound::location as store_location;
use self::{
    bound::Bound,
    records::Records,
    restore::Restored,
    wiring::{Wired, WiredSink, Wiring},
};
use crate::{
    clock::Clock,
    config::Plan,
    deliver::{dispatch::Dispatch, outbox::Outbox, recipient::Recipients},
    engine::{Input, Transition},
    http::{self, View, api},
    pipeline::{
        evaluation::{self, Channels},
        problems,
    },
    plugin::{
        catalog::Catalog,
        lend::{Pool, Shared},
        sink, source,
    },
    store::{Store, StoreError, health::Health, reserve::Reserve},
};

/// Problems that wait for the engine.
const EVENTS: usize = 64;
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
    written: CancellationToken,
    sources: TaskTracker,
    servers: TaskTracker,
    feeds: TaskTracker,
    outbox: TaskTracker,
    sinks: TaskTracker,
    records: Records,
    store: Store,
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
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password of the store can't be had.
    #[error("the password of the store: {0}")]
    Password(String),
    /// A queue can't be opened.
    #[error("the queue of {instance}: {cause}")]
    Queue {
        /// The source.
        instance: String,
        /// Why.
        cause: String,
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
        let Bound { lock, tcp, address, unix, socket } = bound::bind(&plan, socket).await?;
        let store = Store::open(bound::location(&plan)?, &bound::owner(&state)?).await?;
        let reserve = Reserve::in_state(&state);
        let Restored { engine, effects: restored, raised } =
            restore::restore(&store, &plan, &clock).await?;

        let (events, inbox) = mpsc::channel(EVENTS);
        let (watchers, _) = broadcast::channel(WATCHED);
        let shared = Shared {
            clock: clock.clone(),
            http: Pool::new(Handle::current()),
            instances: Some(state.join("instances")),
        };
        let wiring = Wiring {
            catalog: &catalog,
            shared,
            events: events.clone(),
            stop: &stop,
            raised: &raised,
        };
        let sources = plan.sources.iter().map(|source| wiring.source(source));
        let sources: Vec<Wired> = sources.collect::<Result<_, _>>()?;
        let sinks = plan.sinks.iter().map(|sink| wiring.sink(sink));
        let sinks: Vec<WiredSink> = sinks.collect::<Result<_, _>>()?;

        let (inputs, judged) = mpsc::channel(evaluation::INPUTS);
        let (questions, asked) = mpsc::channel(evaluation::QUESTIONS);
        let (effects, changed) = mpsc::channel(evaluation::EFFECTS);
        let channels = Channels { inputs: judged, questions: asked, effects };
        let engine =
            evaluation::start(engine, restored, clock.clone(), channels, Handle::current())
                .map_err(StartError::Thread)?;

        let records = Records::open(&plan, &sinks, &events, &clock).await?;
        let recipients =
            Recipients::new(sinks.iter().map(|wired| wired.recipient(&plan)).collect());
        let health = Health::default();
        let wakes: BTreeMap<_, _> = recipients
            .iter()
            .map(|sink| (sink.plan.name.clone(), Arc::<Notify>::default()))
            .collect();
        let shown = sources.iter().map(|wired| &wired.shown);
        let shown = shown.chain(sinks.iter().map(|wired| &wired.shown)).cloned().collect();
        let view = View::new(http::Parts {
            clock: clock.clone(),
            started: clock.now(),
            instances: shown,
            refused: catalog.refused().to_vec(),
            engine: questions.clone(),
            store: store.clone(),
            health: health.clone(),
            queues: records.queues().clone(),
            events: events.clone(),
            wakes: wakes.clone(),
            ready: AtomicBool::new(false),
        });

        let app = Self {
            view: view.clone(),
            address,
            watchers: watchers.clone(),
            stop: stop.clone(),
            sources_ended: CancellationToken::new(),
            written: CancellationToken::new(),
            sources: TaskTracker::new(),
            servers: TaskTracker::new(),
            feeds: TaskTracker::new(),
            outbox: TaskTracker::new(),
            sinks: TaskTracker::new(),
            records,
            store: store.clone(),
            engine,
            socket,
            _lock: lock,
        };
        let ended = app.sources_ended.clone();
        app.feeds.spawn(problems::run(inbox, inputs.clone(), ended));
        let outbox = Outbox {
            store: store.clone(),
            health,
            reserve: reserve.clone(),
            recipients: recipients.clone(),
            wakes: wakes.clone(),
            clock: clock.clone(),
            watchers,
            events: events.clone(),
        };
        outbox.adopt().await?;
        app.outbox.spawn(outbox.run(changed));
        let alarms = View::asks(questions);
        for sink in recipients.iter() {
            let dispatch = Dispatch {
                name: sink.plan.name.clone(),
                recipients: recipients.clone(),
                store: store.clone(),
                clock: clock.clone(),
                alarms: Arc::clone(&alarms),
                wakes: wakes.clone(),
                events: events.clone(),
                stop: app.written.clone(),
            };
            app.sinks.spawn(dispatch.run());
        }
        app.supervise(&plan, &wiring, sources, sinks, &clock, &inputs, &reserve)?;
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

    /// Transitions as they become durable; who is too slow skips some.
    pub fn watch(&self) -> broadcast::Receiver<Transition> {
        self.watchers.subscribe()
    }

    /// Waits until asked to stop, then takes everything down, in the order in which things flow.
    pub async fn finish(self) {
        self.stop.cancelled().await;
        info!("stopping");
        let Self { view, watchers, sources_ended, written, engine, socket, store, .. } = self;
        drop((view, watchers));
        let trackers = [&self.sources, &self.servers, &self.feeds, &self.outbox, &self.sinks];
        for tasks in trackers {
            tasks.close();
        }
        let down = async {
            self.sources.wait().await;
            self.servers.wait().await;
            // From here each stage ends because nobody is left to send to it.
            sources_ended.cancel();
            self.records.close().await;
            self.feeds.wait().await;
            self.outbox.wait().await;
            // All that happened is written: what is due of it is tried once more.
            written.cancel();
            self.sinks.wait().await;
            while !engine.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        if timeout(STOP, down).await.is_err() {
            warn!("some instances did not end in {STOP:?}; their threads are left");
        }
        store.close().await;
        // It may have been removed by hand.
        drop(fs::remove_file(socket));
        info!("stopped");
    }

    #[expect(clippy::too_many_arguments, reason = "each is used once, and only here")]
    fn supervise(
        &self,
        plan: &Plan,
        wiring: &Wiring<'_>,
        sources: Vec<Wired>,
        sinks: Vec<WiredSink>,
        clock: &Clock,
        inputs: &mpsc::Sender<Input>,
        reserve: &Reserve,
    ) -> Result<(), StartError> {
        for pump in self.records.pumps(plan, &sinks, &self.stop) {
            self.feeds.spawn(pump.run());
        }
        for wired in sinks {
            self.sinks.spawn(sink::run(wired.supervisor, wired.deliveries, clock.clone()));
        }
        for (wired, source) in sources.into_iter().zip(&plan.sources) {
            let feed =
                self.records.feed(source, plan, wiring, clock, inputs, reserve, &self.stop)?;
            // One batch is in flight.
            let (handovers, batches) = mpsc::channel(1);
            self.feeds.spawn(feed.run(batches));
            let mark =
                source::Mark::within(&plan.daemon.state.join("instances").join(&source.name));
            let run = source::run(
                wired.supervisor,
                source.interval,
                clock.clone(),
                handovers,
                Some(mark),
            );
            self.sources.spawn(run);
        }
        for watch in self.records.watches(&wiring.events) {
            self.feeds.spawn(watch);
        }
        Ok(())
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
