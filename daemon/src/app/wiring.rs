//! Wiring: each instance of the plan with its supervisor, status and channels.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use haetae_plugin::Records;
use jiff::tz::TimeZone;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{StartError, judging::Judging, running::RunningSink};
use crate::{
    config::{Kinds, Plan, Sink, Source},
    deliver::{
        commit::Outbox,
        recipient::{Recipient, Recipients},
        render::Voice,
    },
    engine::log::Positions,
    http::{
        self, View,
        counted::Counted,
        reload::{Configuration, Request},
    },
    people::People,
    pipeline::refill::Refill,
    plugin::{
        catalog::Catalog,
        event::Event,
        instance::{Role, Spec},
        lend::{Cells, Shared},
        reader::Closed,
        sink::{Delivery, Outlet},
        status::Status,
        supervisor::{Parts, Supervisor},
    },
    stage::Stages,
    store::{Store, health::Health, reserve::Reserve},
};

/// Transitions that a watcher may lag behind.
const WATCHED: usize = 256;

/// What instances are made with.
pub(super) struct Wiring<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) shared: Shared,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) plan: &'a Plan,
    pub(super) stop: &'a CancellationToken,
}

pub(super) struct Wired {
    pub(super) supervisor: Supervisor,
    pub(super) shown: (Status, Cells),
}

pub(super) struct WiredSink {
    pub(super) supervisor: Supervisor,
    pub(super) shown: (Status, Cells),
    pub(super) plan: Sink,
    pub(super) takes: Vec<Records>,
    pub(super) outlet: Outlet,
    pub(super) deliveries: mpsc::Receiver<Delivery>,
}

impl Wiring<'_> {
    /// What writes down what happens.
    pub(super) fn outbox(
        &self,
        store: &Store,
        reserve: Reserve,
        recipients: watch::Receiver<Recipients>,
        written: watch::Sender<Positions>,
    ) -> Outbox {
        Outbox {
            store: store.clone(),
            health: Health::default(),
            reserve,
            recipients,
            clock: self.shared.clock.clone(),
            watchers: broadcast::channel(WATCHED).0,
            written,
            plan: watch::Sender::new(0),
            events: self.events.clone(),
        }
    }

    /// What the servers show; of the plan nothing yet.
    pub(super) fn view(
        &self,
        file: Option<PathBuf>,
        (store, outbox): (&Store, &Outbox),
        stages: &Stages,
        judging: &Judging,
        reloads: mpsc::Sender<Request>,
    ) -> View {
        let (plan, clock) = (self.plan, &self.shared.clock);
        View::new(http::Parts {
            clock: clock.clone(),
            started: clock.now(),
            shown: watch::Sender::default(),
            configuration: watch::Sender::new(Configuration::of(plan, file, clock.now())),
            reloads,
            engine: judging.questions.clone(),
            heartbeat: judging.heartbeat.clone(),
            stages: stages.clone(),
            store: store.clone(),
            health: outbox.health.clone(),
            directory: Health::default(),
            counted: Counted::default(),
            events: self.events.clone(),
            thresholds: judging.registry(plan, store, clock),
            ready: AtomicBool::new(false),
            people: People::new(store.clone(), clock.clone(), judging.inputs.clone()),
        })
    }

    /// A source of the plan.
    pub(super) fn source(&self, source: &Source) -> Result<Wired, StartError> {
        let spec = self.spec(&source.name, Role::Source, &source.kind, &source.options.0)?;
        Ok(self.supervised(spec, source.deadline))
    }

    /// A sink of the plan.
    pub(super) fn sink(&self, sink: &Sink) -> Result<WiredSink, StartError> {
        let spec = self.spec(&sink.name, Role::Sink, &sink.kind, &sink.options.0)?;
        let Wired { supervisor, shown } = self.supervised(spec, sink.deadline);
        let facts = self.catalog.kind(&sink.kind);
        let takes = facts.ok().and_then(|facts| facts.sink).unwrap_or_default();
        let (outlet, deliveries) = Outlet::new();
        Ok(WiredSink { supervisor, shown, plan: sink.clone(), takes, outlet, deliveries })
    }

    /// How the windows on a source are refilled, if it has a reader and there are any that are longer than
    /// `before`.
    pub(super) fn refill(
        &self,
        source: &Source,
        before: &BTreeMap<String, Duration>,
    ) -> Result<Option<Refill>, StartError> {
        let reads = self.catalog.kind(&source.kind).is_ok_and(|facts| facts.reader);
        let mut windows = windows(self.plan, &source.name);
        windows.retain(|metric, length| before.get(metric).is_none_or(|known| known < length));
        if !reads || windows.is_empty() {
            return Ok(None);
        }
        let name = format!("{}/reader", source.name);
        let spec = self.spec(&name, Role::Reader, &source.kind, &source.options.0)?;
        let reader = Closed { spec, shared: self.shared.clone(), deadline: source.deadline };
        // A source that does not say what it yields may yield anything.
        let metrics = self.catalog.metrics(&source.kind, &source.options.0).unwrap_or_default();
        Ok(Some(Refill { reader, windows: windows.into_iter().collect(), metrics }))
    }

    fn spec(
        &self,
        name: &str,
        role: Role,
        kind: &str,
        options: &serde_json::Value,
    ) -> Result<Spec, StartError> {
        let library = match self.catalog.library(kind) {
            Some(Ok(library)) => library,
            Some(Err(refusal)) => return Err(StartError::Plugin(refusal.to_string())),
            None => return Err(StartError::Plugin(format!("no plugin exports the kind `{kind}`"))),
        };
        Ok(Spec { name: name.into(), role, kind: kind.into(), options: options.clone(), library })
    }

    fn supervised(&self, spec: Spec, deadline: Duration) -> Wired {
        let cells = Cells::default();
        let role = if spec.role == Role::Source { "source" } else { "sink" };
        let status = Status::new(&spec.name, role, &spec.kind, self.shared.clock.now());
        let shown = (status.clone(), cells.clone());
        // A sink ends when nobody can send to it any more, a source when asked to.
        let is_source = spec.role == Role::Source;
        let stop = if is_source { self.stop.child_token() } else { CancellationToken::new() };
        let supervisor = Supervisor::new(Parts {
            spec,
            deadline,
            shared: self.shared.clone(),
            cells,
            status,
            events: self.events.clone(),
            stop,
        });
        Wired { supervisor, shown }
    }
}

/// The metrics of a source that evaluators have a window on, each with the longest of them.
pub(super) fn windows(plan: &Plan, source: &str) -> BTreeMap<String, Duration> {
    let mut windows = BTreeMap::<String, Duration>::new();
    for threshold in plan.thresholds.iter().filter(|one| one.inputs.iter().any(|it| it == source)) {
        if let Some(over) = threshold.over {
            let longest = windows.entry(threshold.metric.clone()).or_default();
            *longest = (*longest).max(over.length);
        }
    }
    windows
}

impl RunningSink {
    /// The sink as delivery sees it.
    pub(super) fn recipient(&self, plan: &Plan) -> Recipient {
        let zone = self.plan.zone.as_ref().or(plan.daemon.zone.as_ref());
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
        Recipient {
            plan: self.plan.clone(),
            takes: self.takes.clone(),
            voice: Voice { language: self.plan.language.unwrap_or(plan.daemon.language), zone },
            outlet: self.outlet.clone(),
            handoff: Arc::clone(&self.handoff),
            wake: Arc::clone(&self.wake),
            metrics: self.metrics.clone(),
        }
    }
}
