//! The application: wires a plan together, runs it, takes it down in order. Holds no logic.

mod bound;
mod judging;
mod records;
mod refusal;
mod restore;
mod wiring;

use std::{
    fs::{self, File},
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

pub use self::{bound::location as store_location, refusal::StartError};
use self::{
    judging::{Ends, Judging},
    records::Records,
    restore::Restored,
    wiring::{Wired, WiredSink, Wiring},
};
use crate::{
    clock::Clock,
    config::Plan,
    deliver::{dispatch::Dispatch, outbox::Outbox, retention::Retention},
    engine::{Effects, Input, Transition},
    http::{self, View, api},
    people::People,
    pipeline::problems,
    plugin::{
        catalog::Catalog,
        lend::{Cells, Pool, Shared},
        sink, source,
        status::Status,
    },
    store::{Loss, Opened, Store, reserve::Reserve},
};

/// Problems that wait for the engine.
const EVENTS: usize = 64;
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
    /// What is done about a store that has lost something.
    pub if_lost: Loss,
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
    engine: Option<std::thread::JoinHandle<()>>,
    socket: PathBuf,
    _lock: File,
}

impl App {
    /// Starts everything that the plan says.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { plan, catalog, clock, socket, token, if_lost, stop } = options;
        let state = plan.daemon.state.clone();
        let bound = bound::bind(&plan, socket).await?;
        let reserve = Reserve::in_state(&state);
        let location = bound::location(&plan.daemon)?;
        let Opened { store, lost } =
            Store::open_with(location, &bound::owner(&state)?, if_lost).await?;
        let (restored, cursors) = restore::begin(&store, &plan, &clock).await?;
        let (events, inbox) = mpsc::channel(EVENTS);
        let shared = shared(&clock, &state);
        let wiring = Wiring { catalog: &catalog, shared, events, plan: &plan, stop: &stop };
        let (sources, sinks) = (wiring.sources()?, wiring.sinks()?);
        let (judging, ends) = Judging::new();
        let records = Records::open(&plan, &sinks, &clock, cursors).await?;
        let outbox = wiring.outbox(&store, reserve, &sinks, records.written());
        let view = View::new(http::Parts {
            clock: clock.clone(),
            started: clock.now(),
            instances: shown(&sources, &sinks),
            refused: catalog.refused().to_vec(),
            engine: judging.questions.clone(),
            store: store.clone(),
            health: outbox.health.clone(),
            queues: records.queues().clone(),
            events: wiring.events.clone(),
            wakes: outbox.wakes.clone(),
            thresholds: judging.registry(&plan, &store, &clock),
            places: plan.places.clone(),
            ready: AtomicBool::new(false),
            people: People::new(store.clone(), clock.clone(), judging.inputs.clone()),
        });
        let mut app = Self {
            view: view.clone(),
            address: bound.address,
            watchers: outbox.watchers.clone(),
            stop: stop.clone(),
            sources_ended: CancellationToken::new(),
            written: CancellationToken::new(),
            sources: TaskTracker::new(),
            servers: TaskTracker::new(),
            feeds: TaskTracker::new(),
            outbox: TaskTracker::new(),
            sinks: TaskTracker::new(),
            records,
            store,
            engine: None,
            socket: bound.socket,
            _lock: bound.lock,
        };
        app.feeds.spawn(problems::run(inbox, judging.inputs.clone(), app.sources_ended.clone()));
        // Sources speak while alarms are read: the first slot need not be waited for.
        app.supervise(&wiring, &outbox, sources, sinks, &judging.inputs)?;
        let effects = app.judge(ends, &plan, &clock, restored).await?;
        outbox.adopt(lost).await?;
        app.tell(outbox, effects, &wiring);
        app.serve(bound.tcp, bound.unix, token.as_deref());
        view.set_ready();
        Ok(app)
    }

    /// Starts the engine once it goes on with the alarms of an earlier run.
    async fn judge(
        &mut self,
        ends: Ends,
        plan: &Plan,
        clock: &Clock,
        restored: Restored,
    ) -> Result<mpsc::Receiver<Effects>, StartError> {
        let restored = restore::alarms(&self.store, plan, clock, restored).await?;
        let (engine, effects) = ends.start(restored, clock)?;
        self.engine = Some(engine);
        Ok(effects)
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
            while engine.as_ref().is_some_and(|engine| !engine.is_finished()) {
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

    /// Runs the sources and what leads from them to the engine and to sinks.
    fn supervise(
        &self,
        wiring: &Wiring<'_>,
        outbox: &Outbox,
        sources: Vec<Wired>,
        sinks: Vec<WiredSink>,
        inputs: &mpsc::Sender<Input>,
    ) -> Result<(), StartError> {
        let (plan, clock) = (wiring.plan, &wiring.shared.clock);
        for pump in self.records.pumps(plan, &sinks, &self.stop) {
            self.feeds.spawn(pump.run());
        }
        for reader in self.records.readers(plan, inputs, &self.stop)? {
            self.feeds.spawn(reader.run());
        }
        for wired in sinks {
            self.sinks.spawn(sink::run(wired.supervisor, wired.deliveries, clock.clone()));
        }
        for (wired, source) in sources.into_iter().zip(&plan.sources) {
            let feed = self.records.feed(source, wiring, inputs, &outbox.reserve)?;
            // One batch is in flight.
            let (handovers, batches) = mpsc::channel(1);
            self.feeds.spawn(feed.run(batches));
            let directory = plan.daemon.state.join("instances").join(&source.name);
            let mark = Some(source::Mark::within(&directory));
            let run =
                source::run(wired.supervisor, source.interval, clock.clone(), handovers, mark);
            self.sources.spawn(run);
        }
        for watch in self.records.watches(&outbox.reserve, &wiring.events) {
            self.feeds.spawn(watch);
        }
        Ok(())
    }

    /// Runs what leads from the engine to people.
    fn tell(&self, outbox: Outbox, effects: mpsc::Receiver<Effects>, wiring: &Wiring<'_>) {
        for sink in outbox.recipients.iter() {
            let dispatch = Dispatch {
                name: sink.plan.name.clone(),
                recipients: outbox.recipients.clone(),
                store: outbox.store.clone(),
                clock: outbox.clock.clone(),
                wakes: outbox.wakes.clone(),
                events: wiring.events.clone(),
                stop: self.written.clone(),
            };
            self.sinks.spawn(dispatch.run());
        }
        let retention = Retention {
            keep: wiring.plan.retention,
            store: outbox.store.clone(),
            clock: outbox.clock.clone(),
            sinks: outbox.recipients.iter().map(|sink| sink.plan.name.clone()).collect(),
            events: wiring.events.clone(),
            stop: self.stop.clone(),
        };
        self.outbox.spawn(retention.run());
        self.outbox.spawn(outbox.run(effects));
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

/// What all instances share.
fn shared(clock: &Clock, state: &Path) -> Shared {
    let instances = Some(state.join("instances"));
    Shared { clock: clock.clone(), http: Pool::new(Handle::current()), instances }
}

fn shown(sources: &[Wired], sinks: &[WiredSink]) -> Vec<(Status, Cells)> {
    let sources = sources.iter().map(|wired| &wired.shown);
    sources.chain(sinks.iter().map(|wired| &wired.shown)).cloned().collect()
}
