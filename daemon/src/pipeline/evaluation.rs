//! The engine's thread: one bounded channel of inputs, the clock, and nothing else.

use std::{
    io,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    clock::Clock,
    engine::{AlarmView, Engine, EvaluatorStatus, Input, Transition},
};

/// Inputs that wait for the engine. Full: whoever sends waits, and so do the sources.
pub const INPUTS: usize = 64;
/// The longest sleep, so that a clock that was set is noticed.
const NAP: Duration = Duration::from_secs(5);

/// What the engine's thread is sent.
#[derive(Debug)]
pub enum Request {
    /// Something to judge.
    Input(Input),
    /// Somebody wants to see.
    Overview(oneshot::Sender<Overview>),
}

/// What the engine knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// All alarms that are not ok, worst first.
    pub alarms: Vec<AlarmView>,
    /// Each evaluator.
    pub evaluators: Vec<EvaluatorStatus>,
}

/// Runs the engine until `requests` closes; `transitions` full means that it waits.
pub fn start(
    mut engine: Engine,
    clock: Clock,
    mut requests: mpsc::Receiver<Request>,
    transitions: mpsc::Sender<Transition>,
    runtime: Handle,
) -> io::Result<JoinHandle<()>> {
    let body = move || {
        loop {
            let wait = engine.next_due().map_or(NAP, |due| clock.until(due).min(NAP));
            let input = match runtime.block_on(async { timeout(wait, requests.recv()).await }) {
                Ok(Some(Request::Input(input))) => input,
                Ok(Some(Request::Overview(reply))) => {
                    let overview =
                        Overview { alarms: engine.alarms(), evaluators: engine.evaluators() };
                    // Whoever asked may have gone.
                    drop(reply.send(overview));
                    continue;
                }
                Ok(None) => return,
                Err(_) => Input::Tick,
            };
            for transition in engine.step(input, clock.now()).transitions {
                if transitions.blocking_send(transition).is_err() {
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("engine".into()).spawn(body)
}
