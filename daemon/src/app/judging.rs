//! Judging: the engine on its thread, with what it knew when the process before this one ended.

use std::{collections::BTreeSet, thread::JoinHandle};

use tokio::{runtime::Handle, sync::mpsc};

use super::StartError;
use crate::{
    clock::Clock,
    config::{Plan, Source},
    deliver::outbox::STORE,
    engine::{Effects, Engine, Input, Past, SourceTiming},
    pipeline::evaluation::{self, Channels, Question},
};

/// The engine at work, and what leads to it and from it.
pub(super) struct Judging {
    pub(super) engine: JoinHandle<()>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) effects: mpsc::Receiver<Effects>,
}

impl Judging {
    /// Restores what was stored, before the first evaluation.
    pub(super) fn start(plan: &Plan, past: Past, clock: &Clock) -> Result<Self, StartError> {
        let mut engine = Engine::new(timings(plan), plan.thresholds.clone(), clock.now());
        let restored = engine.restore(past, &instances(plan), clock.now());
        let (inputs, judged) = mpsc::channel(evaluation::INPUTS);
        let (questions, asked) = mpsc::channel(evaluation::QUESTIONS);
        let (changed, effects) = mpsc::channel(evaluation::EFFECTS);
        let channels = Channels { inputs: judged, questions: asked, effects: changed };
        let engine =
            evaluation::start(engine, restored, clock.clone(), channels, Handle::current());
        Ok(Self { engine: engine.map_err(StartError::Thread)?, inputs, questions, effects })
    }
}

fn timings(plan: &Plan) -> Vec<SourceTiming> {
    let timing = |source: &Source| SourceTiming {
        name: source.name.clone(),
        interval: source.interval,
        deadline: source.deadline,
        max_series: source.limits.max_series,
    };
    plan.sources.iter().map(timing).collect()
}

/// What system alarms may be about.
fn instances(plan: &Plan) -> BTreeSet<String> {
    let sources = plan.sources.iter().map(|source| &source.name);
    let names = sources.chain(plan.sinks.iter().map(|sink| &sink.name)).cloned();
    names.chain([STORE.to_owned()]).collect()
}
