//! What is started of a plan: each stage under its name, and what sees that it goes on.

use tokio::sync::{mpsc, oneshot};

use super::{
    App, StartError, bound,
    crowding::ConnectionWatch,
    directory::DirectoryWatch,
    serving::{Listeners, Server},
    wiring::{Wired, WiredSink, Wiring},
};
use crate::{
    deliver::{commit::Outbox, dispatch::Dispatch, retention::Retention},
    engine::{Effects, Input},
    http::{self, api},
    pipeline::problems::{Problems, StageWatch},
    plugin::{
        event::Event,
        sink::Deliverer,
        source::{Caller, Mark},
    },
};

impl App {
    /// Runs what tells the engine of problems.
    pub(super) fn report(
        &self,
        events: mpsc::Receiver<Event>,
        wiring: &Wiring<'_>,
        inputs: &mpsc::Sender<Input>,
    ) -> Result<(), StartError> {
        let ended = self.tasks.sources_ended.clone();
        let problems = Problems { events, engine: inputs.clone(), ended };
        self.stages.spawn(&self.tasks.feeds, "problems", problems);
        let watch = StageWatch {
            trouble: self.stages.trouble(),
            events: wiring.events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.feeds, "stage watch", watch);
        let watch = ConnectionWatch {
            listeners: [self.view.tcp(), self.view.socket()],
            events: wiring.events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.feeds, "connection watch", watch);
        let state = &wiring.plan.daemon.state;
        let unusable = |source| StartError::State { path: state.clone(), source };
        let watch = DirectoryWatch {
            lock: bound::lock_of(state),
            ours: DirectoryWatch::identity(&self.lock).map_err(unusable)?,
            health: self.view.parts().directory.clone(),
            clock: wiring.shared.clock.clone(),
            events: wiring.events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.feeds, "state directory", watch);
        Ok(())
    }

    /// Runs the sources and what leads from them to the engine and to sinks.
    pub(super) fn collect(
        &self,
        wiring: &Wiring<'_>,
        outbox: &Outbox,
        sources: Vec<Wired>,
        sinks: Vec<WiredSink>,
        inputs: &mpsc::Sender<Input>,
    ) -> Result<(), StartError> {
        let (plan, clock, stages) = (wiring.plan, &wiring.shared.clock, &self.stages);
        for pump in self.records.pumps(plan, &sinks, &self.stop) {
            let name = format!("pump {} to {}", pump.wanted.source, pump.consumer.name());
            stages.spawn(&self.tasks.feeds, name, pump);
        }
        for reader in self.records.readers(plan, inputs, &self.stop)? {
            stages.spawn(&self.tasks.feeds, format!("log reader {}", reader.source), reader);
        }
        for WiredSink { supervisor, deliveries, .. } in sinks {
            let name = format!("sink {}", supervisor.name());
            let deliverer = Deliverer { supervisor, deliveries, clock: clock.clone() };
            stages.spawn(&self.tasks.sinks, name, deliverer);
        }
        for (wired, source) in sources.into_iter().zip(&plan.sources) {
            // One batch is in flight.
            let (handovers, batches) = mpsc::channel(1);
            let feed = self.records.feed(source, wiring, inputs, &outbox.reserve, batches)?;
            stages.spawn(&self.tasks.feeds, format!("feed {}", source.name), feed);
            let directory = plan.daemon.state.join("instances").join(&source.name);
            let mark = Some(Mark::within(&directory));
            let caller =
                Caller::new(wired.supervisor, source.interval, clock.clone(), handovers, mark);
            stages.spawn(&self.tasks.sources, format!("source {}", source.name), caller);
        }
        for watch in self.records.watches(&outbox.reserve, &wiring.events) {
            stages.spawn(&self.tasks.feeds, format!("queue watch {}", watch.source), watch);
        }
        for (source, queue) in self.records.queues() {
            let (queue, stop) = (queue.clone(), self.stop.clone());
            let ended = async move {
                tokio::select! {
                    () = queue.ended() => {}
                    () = stop.cancelled() => {}
                }
            };
            stages.spawn_critical(&self.tasks.feeds, format!("queue {source}"), ended);
        }
        Ok(())
    }

    /// Runs what leads from the engine to people.
    pub(super) fn commit(
        &self,
        outbox: Outbox,
        effects: mpsc::Receiver<Effects>,
        wiring: &Wiring<'_>,
    ) {
        for sink in outbox.recipients.iter() {
            let name = sink.plan.name.clone();
            let dispatch = Dispatch {
                name: name.clone(),
                recipients: outbox.recipients.clone(),
                store: outbox.store.clone(),
                clock: outbox.clock.clone(),
                wakes: outbox.wakes.clone(),
                events: wiring.events.clone(),
                stop: self.tasks.written.clone(),
            };
            self.stages.spawn(&self.tasks.sinks, format!("dispatcher {name}"), dispatch);
        }
        let retention = Retention {
            keep: wiring.plan.retention,
            store: outbox.store.clone(),
            clock: outbox.clock.clone(),
            sinks: outbox.recipients.iter().map(|sink| sink.plan.name.clone()).collect(),
            events: wiring.events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.outbox, "retention", retention);
        let stop = self.stop.clone();
        let written = async move {
            outbox.run(effects).await;
            // It ends because the engine has: that is said already.
            stop.cancelled().await;
        };
        self.stages.spawn_critical(&self.tasks.outbox, "outbox", written);
    }

    /// Sees to it that the engine and the thread that writes go on.
    pub(super) fn guard(&self, engine: oneshot::Receiver<()>) {
        let (store, stop) = (self.store.clone(), self.stop.clone());
        let writer = async move {
            tokio::select! {
                () = store.writer_ended() => {}
                () = stop.cancelled() => {}
            }
        };
        self.stages.spawn_critical(&self.tasks.feeds, "store writer", writer);
        // Nothing is ever sent.
        self.stages.spawn_critical(&self.tasks.feeds, "engine", async { drop(engine.await) });
    }

    /// Answers on TCP and on the admin socket, from now on as ready.
    pub(super) fn serve(&self, listeners: Listeners, token: Option<&str>) {
        let mut router = http::public(self.view.clone());
        if let Some(token) = token {
            router = router.merge(api::with_token(self.view.clone(), token));
        }
        let all = http::public(self.view.clone()).merge(api::router(self.view.clone()));
        for (name, listener, router, connections) in [
            ("HTTP server", listeners.tcp, router, self.view.tcp()),
            ("admin socket", listeners.admin, all, self.view.socket()),
        ] {
            let server = Server { listener, router, connections, stop: self.stop.clone() };
            self.stages.spawn(&self.tasks.servers, name, server);
        }
        self.view.set_ready();
    }
}
