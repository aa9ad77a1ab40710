//! Problems of instances and of stages, on their way to the engine.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    engine::{Input, Problem},
    plugin::event::Event,
    stage::Stage,
};

/// The daemon itself as an instance of system alarms.
pub const HAETAE: &str = "haetae";

/// The way of problems.
pub struct Problems {
    /// What happens to instances.
    pub events: mpsc::Receiver<Event>,
    /// The engine.
    pub engine: mpsc::Sender<Input>,
    /// The instances have ended.
    pub ended: CancellationToken,
}

impl Stage for Problems {
    /// Passes problems on, in order, until the instances have ended.
    async fn run(&mut self) {
        loop {
            let event = tokio::select! {
                biased;
                event = self.events.recv() => event,
                () = self.ended.cancelled() => None,
            };
            let Some(event) = event else { return };
            if self.engine.send(input(event)).await.is_err() {
                warn!("the engine has stopped");
                return;
            }
        }
    }
}

/// Tells of stages that end before they are told to.
pub struct StageWatch {
    /// What is wrong with them.
    pub trouble: watch::Receiver<Option<String>>,
    /// Where it is told.
    pub events: mpsc::Sender<Event>,
    /// Asks it to stop.
    pub stop: CancellationToken,
}

impl Stage for StageWatch {
    async fn run(&mut self) {
        loop {
            // At first nothing: what an earlier run told of is over.
            let detail = self.trouble.borrow_and_update().clone();
            let event = Event { instance: HAETAE.into(), problem: Problem::StageFailed, detail };
            if self.events.send(event).await.is_err() {
                return;
            }
            tokio::select! {
                changed = self.trouble.changed() => if changed.is_err() { return },
                () = self.stop.cancelled() => return,
            }
        }
    }
}

fn input(event: Event) -> Input {
    let Event { instance, problem, detail } = event;
    match (problem, detail) {
        (Problem::SourceDown, Some(reason)) => Input::SourceDown { source: instance, reason },
        (Problem::SourceDown, None) => Input::SourceUp { source: instance },
        (problem, detail) => Input::Problem { instance, problem, detail },
    }
}
