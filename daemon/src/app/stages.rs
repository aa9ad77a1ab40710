//! What is started of a plan: each stage under its name, and what sees that it goes on.

use tokio::sync::{mpsc, oneshot};

use super::{
    App, Channels, StartError, bound,
    crowding::ConnectionWatch,
    directory::DirectoryWatch,
    serving::{Listeners, Server},
};
use crate::{
    deliver::commit::Outbox,
    engine::Effects,
    http::{self, api},
    pipeline::problems::{Problems, StageWatch},
    plugin::event::Event,
};

impl App {
    /// Runs what tells the engine of problems.
    pub(super) fn report(&self, problems: mpsc::Receiver<Event>) -> Result<(), StartError> {
        let ended = self.tasks.sources_ended.clone();
        let Channels { events, inputs, .. } = &self.channels;
        let problems = Problems { events: problems, engine: inputs.clone(), ended };
        self.stages.spawn(&self.tasks.feeds, "problems", problems);
        let watch = StageWatch {
            trouble: self.stages.trouble(),
            events: events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.feeds, "stage watch", watch);
        let watch = ConnectionWatch {
            listeners: [self.view.tcp(), self.view.socket()],
            events: events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.feeds, "connection watch", watch);
        let state = &self.plan.daemon.state;
        let unusable = |source| StartError::State { path: state.clone(), source };
        let watch = DirectoryWatch {
            lock: bound::lock_of(state),
            ours: DirectoryWatch::identity(&self.lock).map_err(unusable)?,
            health: self.view.parts().directory.clone(),
            clock: self.shared.clock.clone(),
            events: events.clone(),
            stop: self.stop.clone(),
        };
        self.stages.spawn(&self.tasks.feeds, "state directory", watch);
        Ok(())
    }

    /// Runs what leads from the engine to people.
    pub(super) fn commit(&mut self, outbox: Outbox, effects: mpsc::Receiver<Effects>) {
        self.start_dispatchers();
        self.start_retention();
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
