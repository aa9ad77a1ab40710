//! Judging: the engine on its thread.

use std::thread::JoinHandle;

use tokio::{runtime::Handle, sync::mpsc};

use super::StartError;
use crate::{
    clock::Clock,
    config::Plan,
    engine::{Effects, Engine, Input},
    http::thresholds::registry::Registry,
    pipeline::evaluation::{self, Channels, Question},
    store::Store,
};

/// The engine at work, and what leads to it and from it.
pub(super) struct Judging {
    pub(super) engine: JoinHandle<()>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) effects: mpsc::Receiver<Effects>,
}

impl Judging {
    /// Where thresholds are changed, of which it is told.
    pub(super) fn registry(&self, plan: &Plan, store: &Store, clock: &Clock) -> Registry {
        let engine = (&self.inputs, self.questions.clone());
        Registry::new(plan, store.clone(), clock.clone(), engine)
    }

    /// Starts an engine; what its restoring led to goes first.
    pub(super) fn start(
        engine: Engine,
        restored: Effects,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let (inputs, judged) = mpsc::channel(evaluation::INPUTS);
        let (questions, asked) = mpsc::channel(evaluation::QUESTIONS);
        let (changed, effects) = mpsc::channel(evaluation::EFFECTS);
        let channels = Channels { inputs: judged, questions: asked, effects: changed };
        let engine =
            evaluation::start(engine, restored, clock.clone(), channels, Handle::current());
        Ok(Self { engine: engine.map_err(StartError::Thread)?, inputs, questions, effects })
    }
}
