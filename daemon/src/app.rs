//! The application: wires a plan together, runs it, takes it down in order. Holds no logic.

mod bound;
mod crowding;
mod directory;
mod judging;
mod opening;
mod records;
mod refusal;
mod reload;
mod restore;
mod running;
mod serving;
mod stages;
mod starting;
mod wiring;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

pub use self::{bound::location as store_location, refusal::StartError};
use self::{
    judging::{Ends, EngineThread, Judging},
    opening::Meanwhile,
    records::RecordQueues,
    reload::Prepared,
    restore::Restored,
    running::RunningPlan,
    wiring::Wiring,
};
use crate::{
    clock::Clock,
    config::Plan,
    deliver::recipient::Recipients,
    engine::{Effects, Input, Transition},
    http::{
        self, View,
        reload::{REQUESTS, Request},
    },
    pipeline::evaluation::EngineCounts,
    plugin::{
        catalog::{Catalog, Libraries},
        event::Event,
        lend::{Pool, Shared},
        refusal::Refusal,
    },
    stage::Stages,
    store::{Loss, OpenedStore, Store, health::Health, reserve::Reserve},
    systemd,
};

/// Problems that wait for the engine.
const EVENTS: usize = 64;
/// How long the daemon takes to stop at the most.
const STOP: Duration = Duration::from_secs(20);

/// How long it waits meanwhile for a store that does not answer.
const UNANSWERED: Duration = Duration::from_secs(3);

/// How the daemon is run.
pub struct RunOptions {
    /// What to run.
    pub plan: Plan,
    /// Where it was read from, and is read again when it is reloaded.
    pub file: Option<PathBuf>,
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
    /// Who asks for a reload, and may before it has started.
    pub reloads: Reloads,
    /// Asks the daemon to stop.
    pub stop: CancellationToken,
}

/// Both ends of where a reload is asked for.
pub struct Reloads {
    /// Where it is asked.
    pub ask: mpsc::Sender<Request>,
    /// Where it is heard.
    pub asked: mpsc::Receiver<Request>,
}

impl Default for Reloads {
    fn default() -> Self {
        let (ask, asked) = mpsc::channel(REQUESTS);
        Self { ask, asked }
    }
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

/// What leads from part to part, whatever the plan is.
struct Channels {
    events: mpsc::Sender<Event>,
    inputs: mpsc::Sender<Input>,
    recipients: watch::Sender<Recipients>,
    /// The newest plan of which what follows is written.
    written: watch::Receiver<u64>,
    reserve: Reserve,
}

/// A running daemon.
pub struct App {
    plan: Plan,
    /// How many plans there were.
    number: u64,
    file: Option<PathBuf>,
    asked: mpsc::Receiver<Request>,
    libraries: Libraries,
    refused: Vec<Refusal>,
    shared: Shared,
    channels: Channels,
    running: RunningPlan,
    view: View,
    address: std::net::SocketAddr,
    watchers: broadcast::Sender<Transition>,
    stop: CancellationToken,
    stages: Stages,
    tasks: Tasks,
    records: RecordQueues,
    store: Store,
    engine: Option<std::thread::JoinHandle<()>>,
    socket: PathBuf,
    lock: File,
}

impl App {
    /// Starts everything that the plan says.
    pub async fn start(options: RunOptions) -> Result<Self, StartError> {
        let RunOptions { plan, file, catalog, clock, socket, token, if_lost, reloads, stop } =
            options;
        let state = plan.daemon.state.clone();
        let bound = bound::bind(&plan, socket).await?;
        let reserve = Reserve::in_state(&state);
        let location = bound::location(&plan.daemon)?;
        let meanwhile = Meanwhile::begin(&bound.listeners, &location, &stop)?;
        let OpenedStore { store, lost } =
            opening::store(location, &state, if_lost, &meanwhile).await?;
        let (restored, cursors) = opening::engine(&store, &plan, &clock, &meanwhile).await?;
        let (events, inbox) = mpsc::channel(EVENTS);
        let shared = shared(&clock, &state);
        let (judging, ends) = Judging::new();
        let records = RecordQueues::new(&state, &clock, cursors);
        let stages = Stages::new(clock.clone(), stop.clone());
        let recipients = watch::Sender::new(Recipients::default());
        let wiring =
            Wiring { catalog: &catalog, shared: shared.clone(), events, plan: &plan, stop: &stop };
        let outbox =
            wiring.outbox(&store, reserve.clone(), recipients.subscribe(), records.written());
        let view = wiring.view(file.clone(), (&store, &outbox), &stages, &judging, reloads.ask);
        let channels = Channels {
            events: wiring.events.clone(),
            inputs: judging.inputs,
            recipients,
            written: outbox.plan.subscribe(),
            reserve,
        };
        let mut app = Self {
            plan,
            number: 0,
            file,
            asked: reloads.asked,
            libraries: catalog.libraries(),
            refused: catalog.refused().to_vec(),
            shared,
            channels,
            running: RunningPlan::default(),
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
        app.report(inbox)?;
        // Sources speak while alarms are read: the first slot need not be waited for.
        app.collect(&catalog).await?;
        let effects = app.judge(ends, restored, &meanwhile).await?;
        opening::adopt(&outbox, lost, meanwhile).await?;
        app.commit(outbox, effects);
        app.serve(bound.listeners, token.as_deref());
        Ok(app)
    }

    /// Runs the sources and what leads from them to the engine and to sinks.
    async fn collect(&mut self, catalog: &Catalog) -> Result<(), StartError> {
        let plan = self.plan.clone();
        let Prepared { sources, sinks, refills, queues, matchings } =
            self.prepare(&plan, catalog).await?;
        self.records.take(&plan, queues);
        self.records.warn_of_unread();
        for sink in sinks {
            let (name, deliverer) = self.add_sink(sink);
            self.start_deliverer(&name, deliverer);
        }
        self.channels.recipients.send_replace(self.recipients());
        self.start_pumps();
        self.read_logs(matchings);
        self.start_sources(sources, refills);
        self.start_queue_watches();
        self.show();
        Ok(())
    }

    /// Starts the engine once it goes on with the alarms of an earlier run.
    async fn judge(
        &mut self,
        ends: Ends,
        restored: Restored,
        meanwhile: &Meanwhile,
    ) -> Result<mpsc::Receiver<Effects>, StartError> {
        let (plan, clock) = (&self.plan, &self.shared.clock);
        let restored = opening::alarms(&self.store, plan, clock, restored, meanwhile).await?;
        self.view.parts().counted.begin(EngineCounts::of(&restored.engine));
        let EngineThread { thread, ended, effects } = ends.start(restored, clock)?;
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

    /// Runs, and reloads its configuration when asked to, until it is asked to stop; then takes everything
    /// down, in the order in which things flow.
    ///
    /// An error is the end of a critical stage: what is durable is all that there is to go on from, so
    /// nothing is taken down and the process is to end.
    pub async fn finish(mut self) -> Result<(), Fatal> {
        let (stop, stages) = (self.stop.clone(), self.stages.clone());
        tokio::select! {
            () = stop.cancelled() => {}
            cause = stages.fatal() => {
                error!("{cause}: nothing goes on without it, haetae ends; what happened is durable");
                // It may have been removed by hand.
                drop(http::remove_socket(&self.socket).await);
                return Err(Fatal(cause));
            }
            // What of a reload is not done yet ends with the rest.
            () = Box::pin(self.reload_when_asked()) => {}
        }
        systemd::stopping();
        info!("stopping");
        let Self { view, watchers, tasks, engine, socket, store, records, lock: _lock, .. } = self;
        let silent = silent(view.parts().health.clone(), store.clone());
        // Whoever could send to what is to end.
        drop((view, watchers, self.channels, self.running, self.asked));
        let Tasks { sources, servers, sources_ended, feeds, outbox, written, sinks } = tasks;
        for tracker in [&sources, &servers, &feeds, &outbox, &sinks] {
            tracker.close();
        }
        let down = async {
            sources.wait().await;
            servers.wait().await;
            // From here each stage ends because nobody is left to send to it.
            sources_ended.cancel();
            records.close().await;
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
