//! The application: wires a plan together, runs it, takes it down in order. Holds no logic.

mod bound;
mod crowding;
mod directory;
mod judging;
mod opening;
mod records;
mod refusal;
mod restore;
mod serving;
mod stages;
mod wiring;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

pub use self::{bound::location as store_location, refusal::StartError};
use self::{
    judging::{Ends, Judging, Running},
    opening::Meanwhile,
    records::Records,
    restore::Restored,
    wiring::{Wired, WiredSink, Wiring},
};
use crate::{
    clock::Clock,
    config::Plan,
    engine::{Effects, Transition},
    http::{self, View, counted::Counted},
    people::People,
    pipeline::evaluation::Counts,
    plugin::{
        catalog::Catalog,
        lend::{Cells, Pool, Shared},
        status::Status,
    },
    stage::Stages,
    store::{Loss, Opened, Store, health::Health, reserve::Reserve},
};

/// Problems that wait for the engine.
const EVENTS: usize = 64;
/// How long the daemon takes to stop at the most.
const STOP: Duration = Duration::from_secs(20);

/// How long it waits meanwhile for a store that does not answer.
const UNANSWERED: Duration = Duration::from_secs(3);

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

/// The end of a stage that can't be started again, in words.
#[derive(Debug)]
pub struct Fatal(pub String);

/// What runs, in the order in which it is waited for.
#[derive(Default)]
struct Tasks {
    sources: TaskTracker,
    servers: TaskTracker,
    sources_ended: CancellationToken,
    feeds: TaskTracker,
    outbox: TaskTracker,
    /// All that happened is written.
    written: CancellationToken,
    sinks: TaskTracker,
}

/// A running daemon.
pub struct App {
    view: View,
    address: std::net::SocketAddr,
    watchers: broadcast::Sender<Transition>,
    stop: CancellationToken,
    stages: Stages,
    tasks: Tasks,
    records: Records,
    store: Store,
    engine: Option<std::thread::JoinHandle<()>>,
    socket: PathBuf,
    lock: File,
}

impl App {
    /// Starts everything that the plan says.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { plan, catalog, clock, socket, token, if_lost, stop } = options;
        let state = plan.daemon.state.clone();
        let bound = bound::bind(&plan, socket).await?;
        let reserve = Reserve::in_state(&state);
        let location = bound::location(&plan.daemon)?;
        let meanwhile = Meanwhile::begin(&bound.listeners, &location, &stop)?;
        let Opened { store, lost } = opening::store(location, &state, if_lost, &meanwhile).await?;
        let (restored, cursors) = opening::engine(&store, &plan, &clock, &meanwhile).await?;
        let (events, inbox) = mpsc::channel(EVENTS);
        let shared = shared(&clock, &state);
        let wiring = Wiring { catalog: &catalog, shared, events, plan: &plan, stop: &stop };
        let (sources, sinks) = (wiring.sources()?, wiring.sinks()?);
        let (judging, ends) = Judging::new();
        let records = Records::open(&plan, &sinks, &clock, cursors).await?;
        let stages = Stages::new(clock.clone(), stop.clone());
        let outbox = wiring.outbox(&store, reserve, &sinks, records.written());
        let view = View::new(http::Parts {
            clock: clock.clone(),
            started: clock.now(),
            instances: shown(&sources, &sinks),
            refused: catalog.refused().to_vec(),
            engine: judging.questions.clone(),
            heartbeat: judging.heartbeat.clone(),
            recipients: outbox.recipients.clone(),
            stages: stages.clone(),
            store: store.clone(),
            health: outbox.health.clone(),
            directory: Health::default(),
            counted: Counted::default(),
            queues: records.queues().clone(),
            events: wiring.events.clone(),
            wakes: outbox.wakes.clone(),
            thresholds: judging.registry(&plan, &store, &clock),
            places: plan.places.clone(),
            ready: AtomicBool::new(false),
            people: People::new(store.clone(), clock.clone(), judging.inputs.clone()),
        });
        let mut app = Self {
            view,
            address: bound.address,
            watchers: outbox.watchers.clone(),
            stop: stop.clone(),
            stages,
            tasks: Tasks::default(),
            records,
            store,
            engine: None,
            socket: bound.listeners.socket.clone(),
            lock: bound.lock,
        };
        app.report(inbox, &wiring, &judging.inputs)?;
        // Sources speak while alarms are read: the first slot need not be waited for.
        app.collect(&wiring, &outbox, sources, sinks, &judging.inputs)?;
        let effects = app.judge(ends, &wiring, restored, &meanwhile).await?;
        opening::adopt(&outbox, lost, meanwhile).await?;
        app.commit(outbox, effects, &wiring);
        app.serve(bound.listeners, token.as_deref());
        Ok(app)
    }

    /// Starts the engine once it goes on with the alarms of an earlier run.
    async fn judge(
        &mut self,
        ends: Ends,
        wiring: &Wiring<'_>,
        restored: Restored,
        meanwhile: &Meanwhile,
    ) -> Result<mpsc::Receiver<Effects>, StartError> {
        let (plan, clock) = (wiring.plan, &wiring.shared.clock);
        let restored = opening::alarms(&self.store, plan, clock, restored, meanwhile).await?;
        self.view.parts().counted.begin(Counts::of(&restored.engine));
        let Running { thread, ended, effects } = ends.start(restored, clock)?;
        self.engine = Some(thread);
        self.guard(ended);
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
    ///
    /// An error is the end of a critical stage: what is durable is all that there is to go on from, so
    /// nothing is taken down and the process is to end.
    pub async fn finish(self) -> Result<(), Fatal> {
        tokio::select! {
            () = self.stop.cancelled() => {}
            cause = self.stages.fatal() => {
                error!("{cause}: nothing goes on without it, haetae ends; what happened is durable");
                // It may have been removed by hand.
                drop(http::remove_socket(&self.socket).await);
                return Err(Fatal(cause));
            }
        }
        info!("stopping");
        let Self { view, watchers, tasks, engine, socket, store, lock: _lock, .. } = self;
        let silent = silent(view.parts().health.clone(), store.clone());
        drop((view, watchers));
        let Tasks { sources, servers, sources_ended, feeds, outbox, written, sinks } = tasks;
        for tracker in [&sources, &servers, &feeds, &outbox, &sinks] {
            tracker.close();
        }
        let down = async {
            sources.wait().await;
            servers.wait().await;
            // From here each stage ends because nobody is left to send to it.
            sources_ended.cancel();
            self.records.close().await;
            feeds.wait().await;
            outbox.wait().await;
            // All that happened is written: what is due of it is tried once more.
            written.cancel();
            sinks.wait().await;
            while engine.as_ref().is_some_and(|engine| !engine.is_finished()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = timeout(STOP, down) => if ended.is_err() {
                warn!("some instances did not end in {STOP:?}; their threads are left");
            },
            () = silent => warn!("the store does not answer: what waits for it is left, and is due again"),
        }
        store.close().await;
        // It may have been removed by hand, or be another's by now.
        drop(http::remove_socket(&socket).await);
        info!("stopped");
        Ok(())
    }
}

/// Waits until the store is seen to fail, or to give no answer, while the daemon stops.
async fn silent(health: Health, store: Store) {
    sleep(UNANSWERED).await;
    while health.failing().is_none() && store.busy() < UNANSWERED {
        sleep(Duration::from_millis(100)).await;
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
