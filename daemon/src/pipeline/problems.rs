//! Problems of instances, on their way to the engine.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    engine::{Input, Problem},
    plugin::event::Event,
};

/// Passes problems on, in order, until the instances have ended.
pub async fn run(
    mut events: mpsc::Receiver<Event>,
    engine: mpsc::Sender<Input>,
    ended: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = ended.cancelled() => None,
        };
        let Some(event) = event else { return };
        if engine.send(input(event)).await.is_err() {
            warn!("the engine has stopped");
            return;
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
