//! Wiring: each instance of the plan with its supervisor, status and channels.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::Records;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::{
    config::{Kinds, Plan, Sink, Source},
    deliver::{
        commit::Outbox,
        metrics::DeliveryMetrics,
        recipient::{Recipient, Recipients},
        render::Voice,
    },
    engine::log::Positions,
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
    /// Each source of the plan.
    pub(super) fn sources(&self) -> Result<Vec<Wired>, StartError> {
        self.plan.sources.iter().map(|source| self.source(source)).collect()
    }

    /// Each sink of the plan.
    pub(super) fn sinks(&self) -> Result<Vec<WiredSink>, StartError> {
        self.plan.sinks.iter().map(|sink| self.sink(sink)).collect()
    }

    /// What writes down what happens, and whom it concerns.
    pub(super) fn outbox(
        &self,
        store: &Store,
        reserve: Reserve,
        sinks: &[WiredSink],
        written: watch::Sender<Positions>,
    ) -> Outbox {
        let recipients = sinks.iter().map(|wired| wired.recipient(self.plan)).collect();
        let recipients = Recipients::new(recipients);
        let wake = |sink: &Recipient| (sink.plan.name.clone(), Arc::<Notify>::default());
        Outbox {
            store: store.clone(),
            health: Health::default(),
            reserve,
            wakes: recipients.iter().map(wake).collect(),
            recipients,
            clock: self.shared.clock.clone(),
            watchers: broadcast::channel(WATCHED).0,
            written,
            events: self.events.clone(),
        }
    }

    fn source(&self, source: &Source) -> Result<Wired, StartError> {
        let spec = self.spec(&source.name, Role::Source, &source.kind, &source.options.0)?;
        Ok(self.supervised(spec, source.deadline))
    }

    fn sink(&self, sink: &Sink) -> Result<WiredSink, StartError> {
        let spec = self.spec(&sink.name, Role::Sink, &sink.kind, &sink.options.0)?;
        let Wired { supervisor, shown } = self.supervised(spec, sink.deadline);
        let facts = self.catalog.kind(&sink.kind);
        let takes = facts.ok().and_then(|facts| facts.sink).unwrap_or_default();
        let (outlet, deliveries) = Outlet::new();
        Ok(WiredSink { supervisor, shown, plan: sink.clone(), takes, outlet, deliveries })
    }

    /// How the windows on a source are refilled, if it has a reader and there are any.
    pub(super) fn refill(&self, source: &Source) -> Result<Option<Refill>, StartError> {
        let reads = self.catalog.kind(&source.kind).is_ok_and(|facts| facts.reader);
        let mut windows = BTreeMap::<String, Duration>::new();
        for threshold in self.plan.thresholds.iter().filter(|one| one.inputs.contains(&source.name))
        {
            if let Some(over) = threshold.over {
                let longest = windows.entry(threshold.metric.clone()).or_default();
                *longest = (*longest).max(over.length);
            }
        }
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
        let stop =
            if spec.role == Role::Source { self.stop.clone() } else { CancellationToken::new() };
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

impl WiredSink {
    pub(super) fn recipient(&self, plan: &Plan) -> Recipient {
        let zone = self.plan.zone.as_ref().or(plan.daemon.zone.as_ref());
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
        Recipient {
            plan: self.plan.clone(),
            takes: self.takes.clone(),
            voice: Voice { language: self.plan.language.unwrap_or(plan.daemon.language), zone },
            outlet: self.outlet.clone(),
            handoff: Arc::default(),
            metrics: DeliveryMetrics::default(),
        }
    }
}
