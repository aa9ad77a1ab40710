//! The rig of a scenario: one life of the daemon, from its start to a restart.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use haetae_plugin::{Records, Timestamp};
use jiff::tz::TimeZone;
use tokio::{
    sync::{Notify, broadcast, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{error::RunError, fake_sink::FakeSink};
use crate::{
    clock::Clock,
    config::{Plan, Sink, Source},
    deliver::{
        commit::{Outbox, STORE},
        dispatch::Dispatch,
        handoff::Handoff,
        metrics::DeliveryMetrics,
        recipient::{Recipient, Recipients},
        render::Voice,
        work::Work,
    },
    engine::{CLOCK, Effects, Engine, Input, Past, Setting, SourceTiming, log::Positions},
    plugin::event::Event,
    store::{Location, Standings, Store, health::Health, pages, reserve::Reserve},
};

/// The name of the daemon on its store.
const NODE: &str = "01J0000000000000000000NODE";
/// Events that wait; the driver takes them after each turn.
const EVENTS: usize = 1000;

/// The real parts between evidence and sinks.
pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) outbox: Outbox,
    pub(super) dispatchers: BTreeMap<String, Dispatcher>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) tasks: TaskTracker,
}

/// A dispatcher, at work or not.
pub(super) enum Dispatcher {
    Idle(Box<(Dispatch, Work)>),
    Busy(JoinHandle<(Dispatch, Work)>),
    /// Between the two.
    Moving,
}

/// What a daemon has that another one after it has too.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) folder: &'a Path,
    pub(super) clock: &'a Clock,
    pub(super) fake_sinks: &'a BTreeMap<String, FakeSink>,
}

impl Rig {
    /// Starts as the daemon does: alarms and groups go on, leases are taken over. The answer has
    /// what going on led to.
    pub(super) async fn start(
        plan: &Plan,
        surroundings: Surroundings<'_>,
        intervals: &BTreeMap<String, std::time::Duration>,
    ) -> Result<(Self, Effects), RunError> {
        let store =
            Store::open(Location::File(surroundings.folder.join("haetae.db")), NODE).await?;
        let (engine, effects) = engine(&store, plan, surroundings.clock.now(), intervals).await?;
        Ok((Self::around(engine, store, plan, surroundings).await?, effects))
    }

    /// Goes on with another plan while the engine runs. The answer has what that led to.
    pub(super) async fn reload(
        self,
        plan: &Plan,
        surroundings: Surroundings<'_>,
        intervals: &BTreeMap<String, std::time::Duration>,
    ) -> Result<(Self, Effects), RunError> {
        let (mut engine, store) = self.halt(surroundings.fake_sinks).await;
        let effects = engine.reload(setting(plan, intervals), surroundings.clock.now());
        Ok((Self::around(engine, store, plan, surroundings).await?, effects))
    }

    /// All that follows from an engine's effects.
    async fn around(
        engine: Engine,
        store: Store,
        plan: &Plan,
        Surroundings { folder, clock, fake_sinks }: Surroundings<'_>,
    ) -> Result<Self, RunError> {
        let (sender, events) = mpsc::channel(EVENTS);
        let tasks = TaskTracker::new();
        let recipient = |sink: &Sink| Recipient {
            plan: sink.clone(),
            takes: vec![Records::Notifications],
            voice: Voice {
                language: sink.language.unwrap_or(plan.daemon.language),
                zone: zone(sink, plan),
            },
            outlet: fake_sinks.get(&sink.name).cloned().unwrap_or_default().outlet(
                &sink.name,
                sender.clone(),
                &tasks,
            ),
            handoff: Arc::<Handoff>::default(),
            metrics: DeliveryMetrics::default(),
            wake: Arc::<Notify>::default(),
        };
        let recipients = Recipients::new(plan.sinks.iter().map(recipient).collect());
        // Another plan is another rig.
        let current = watch::channel(recipients.clone()).1;
        let dispatcher = |sink: &Recipient| {
            let dispatch = Dispatch {
                name: sink.plan.name.clone(),
                recipients: current.clone(),
                store: store.clone(),
                clock: clock.clone(),
                events: sender.clone(),
                stop: CancellationToken::new(),
            };
            (dispatch.name.clone(), Dispatcher::Idle(Box::new((dispatch, Work::default()))))
        };
        let dispatchers = recipients.iter().map(dispatcher).collect();
        let outbox = Outbox {
            store,
            health: Health::default(),
            // Made where nothing is ever short of room.
            reserve: Reserve::in_state(folder),
            recipients: current,
            clock: clock.clone(),
            watchers: broadcast::channel(16).0,
            // Nobody reads a queue here.
            written: watch::channel(Positions::default()).0,
            plan: watch::Sender::new(0),
            events: sender,
        };
        outbox.adopt(None).await?;
        Ok(Self { engine, outbox, dispatchers, events, tasks })
    }

    /// Ends at once: what was claimed stays claimed, and a delivery under way is never recorded.
    pub(super) async fn kill(self, fake_sinks: &BTreeMap<String, FakeSink>) {
        let (_, store) = self.halt(fake_sinks).await;
        store.close().await;
    }

    /// Ends all but the engine and the store.
    async fn halt(mut self, fake_sinks: &BTreeMap<String, FakeSink>) -> (Engine, Store) {
        for dispatcher in std::mem::take(&mut self.dispatchers).into_values() {
            if let Dispatcher::Busy(task) = dispatcher {
                task.abort();
                // It was aborted just now.
                drop(task.await);
            }
        }
        for sink in fake_sinks.values() {
            sink.forget();
        }
        let Self { engine, outbox, events, tasks, .. } = self;
        let store = outbox.store.clone();
        drop((outbox, events));
        tasks.close();
        tasks.wait().await;
        (engine, store)
    }
}

/// What the engine takes from a plan; nobody reads logs here.
fn setting(plan: &Plan, intervals: &BTreeMap<String, std::time::Duration>) -> Setting {
    let timing = |source: &Source| {
        let interval = intervals.get(&source.name).copied().unwrap_or(source.interval);
        SourceTiming {
            name: source.name.clone(),
            interval,
            deadline: source.deadline.min(interval),
            max_series: source.limits.max_series,
        }
    };
    Setting {
        sources: plan.sources.iter().map(timing).collect(),
        thresholds: plan.thresholds.clone(),
        overrides: plan.numbers(),
        logs: Vec::new(),
        routes: plan.routes(),
        inhibits: plan.inhibits.clone(),
        maintenance: plan.maintenance.clone(),
        ..Setting::default()
    }
}

async fn engine(
    store: &Store,
    plan: &Plan,
    now: Timestamp,
    intervals: &BTreeMap<String, std::time::Duration>,
) -> Result<(Engine, Effects), RunError> {
    let Setting { sources, thresholds, overrides, routes, inhibits, maintenance, .. } =
        setting(plan, intervals);
    let engine = Engine::new(sources, thresholds, now);
    let mut engine = engine.with_routes(routes, inhibits, maintenance);
    engine.step(Input::Overrides(overrides), now);
    let sources = plan.sources.iter().map(|source| source.name.clone());
    let instances = sources.chain(plan.sinks.iter().map(|sink| sink.name.clone()));
    let instances: BTreeSet<_> = instances.chain([STORE, CLOCK].map(Into::into)).collect();
    let past = Past { groups: store.groups().await?, ..store.past().await? };
    let mut effects = engine.restore(past, &instances, now);
    let (read, mut pages) = pages();
    let restore = async {
        while let Some(page) = pages.next().await {
            effects.extend(engine.restore_alarms(&Standings::of(&page).standings, &instances, now));
        }
    };
    let ((), read) = tokio::join!(restore, store.standings(read));
    read?;
    Ok((engine, effects))
}

fn zone(sink: &Sink, plan: &Plan) -> TimeZone {
    let name = sink.zone.as_ref().or(plan.daemon.zone.as_ref());
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}
