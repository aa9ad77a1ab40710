//! Judging: the engine on its thread.

use std::sync::Arc;

use std::thread::JoinHandle;

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{StartError, restore::Restored};
use crate::{
    clock::Clock,
    config::Plan,
    engine::{Effects, Input},
    people::thresholds::Registry,
    pipeline::evaluation::{self, Channels, EngineQuery, Heartbeat},
    store::Store,
};

/// What leads to the engine and from it.
pub(super) struct Judging {
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) questions: mpsc::Sender<EngineQuery>,
    pub(super) heartbeat: Heartbeat,
}

/// What the engine takes and gives.
pub(super) struct Ends {
    channels: Channels,
    effects: mpsc::Receiver<Effects>,
    ended: oneshot::Receiver<()>,
}

/// The engine on its thread.
pub(super) struct EngineThread {
    pub(super) thread: JoinHandle<()>,
    /// Closed when the thread has ended.
    pub(super) ended: oneshot::Receiver<()>,
    /// What follows.
    pub(super) effects: mpsc::Receiver<Effects>,
}

impl Judging {
    /// What is said meanwhile waits until the engine is started.
    pub(super) fn new() -> (Self, Ends) {
        let (inputs, judged) = mpsc::channel(evaluation::INPUTS);
        let (questions, asked) = mpsc::channel(evaluation::QUESTIONS);
        let (changed, effects) = mpsc::channel(evaluation::EFFECTS);
        let (alive, ended) = oneshot::channel();
        let heartbeat = Heartbeat::default();
        let channels = Channels {
            inputs: judged,
            questions: asked,
            effects: changed,
            heartbeat: heartbeat.clone(),
            alive,
        };
        (Self { inputs, questions, heartbeat }, Ends { channels, effects, ended })
    }

    /// Where thresholds are changed, of which it is told.
    pub(super) fn registry(&self, plan: &Plan, store: &Store, clock: &Clock) -> Registry {
        let previews = Arc::new(self.questions.clone());
        Registry::new(plan, store.clone(), clock.clone(), (&self.inputs, previews))
    }
}

impl Ends {
    /// Starts an engine; what its restoring led to goes first.
    pub(super) fn start(
        self,
        restored: Restored,
        clock: &Clock,
    ) -> Result<EngineThread, StartError> {
        let Restored { engine, effects } = restored;
        let thread =
            evaluation::start(engine, effects, clock.clone(), self.channels, Handle::current());
        let thread = thread.map_err(StartError::Thread)?;
        Ok(EngineThread { thread, ended: self.ended, effects: self.effects })
    }
}
