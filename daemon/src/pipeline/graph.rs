//! The graph: each batch to the evaluators and sinks that take it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use haetae_plugin::{Batch, Samples, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{evaluation::Request, intake::Intake};
use crate::{
    clock::Clock,
    config::Plan,
    engine::{Input, Problem},
    plugin::{
        event::{Complaint, Event},
        status::Status,
    },
};

/// The edges of the pipeline, and what waits on them.
pub struct Graph {
    clock: Clock,
    intakes: HashMap<String, Intake>,
    /// Sources that an evaluator reads.
    judged: Vec<String>,
    /// For each source, the sinks that take its records.
    outlets: HashMap<String, Vec<Outlet>>,
    engine: mpsc::Sender<Request>,
    undelivered: mpsc::Sender<(String, Batch, String)>,
}

/// A sink as the graph sees it.
#[derive(Clone)]
pub struct Outlet {
    /// Where its batches go. Full: the batch is dropped and counted, until there is a queue.
    pub inbox: mpsc::Sender<Batch>,
    /// Where that is counted.
    pub status: Status,
}

impl Graph {
    /// The graph of a plan.
    pub fn new(
        plan: &Plan,
        outlets: &BTreeMap<String, Outlet>,
        clock: Clock,
        engine: mpsc::Sender<Request>,
        undelivered: mpsc::Sender<(String, Batch, String)>,
    ) -> Self {
        let intakes = plan.sources.iter().map(|source| (source.name.clone(), Intake::new(source)));
        let judged = plan.thresholds.iter().flat_map(|evaluator| evaluator.inputs.clone());
        let mut edges: HashMap<String, Vec<Outlet>> = HashMap::new();
        for sink in &plan.sinks {
            for input in &sink.inputs {
                if let Some(outlet) = outlets.get(&sink.name) {
                    edges.entry(input.clone()).or_default().push(outlet.clone());
                }
            }
        }
        Self {
            clock,
            intakes: intakes.collect(),
            judged: judged.collect(),
            outlets: edges,
            engine,
            undelivered,
        }
    }

    /// Passes on what happens until the sources have ended.
    pub async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        sources_ended: CancellationToken,
    ) {
        loop {
            let event = tokio::select! {
                biased;
                event = events.recv() => event,
                () = sources_ended.cancelled() => None,
            };
            let Some(event) = event else { return };
            match event {
                Event::Batch { source, batch, until, taken } => {
                    let complaint = self.batch(&source, batch, until).await;
                    // The supervisor is gone only while the daemon stops.
                    drop(taken.send(complaint));
                }
                Event::Problem { instance, problem, detail } => {
                    self.problem(instance, problem, detail).await;
                }
                Event::Undelivered { sink, batch, reason } => {
                    if self.undelivered.send((sink, batch, reason)).await.is_err() {
                        warn!("a notification was given up: the daemon stops");
                    }
                }
            }
        }
    }

    async fn batch(
        &mut self,
        source: &Arc<str>,
        batch: Batch,
        until: Timestamp,
    ) -> Option<Complaint> {
        let Batch::Samples(samples) = batch else {
            self.to_sinks(source, &batch);
            return None;
        };
        let intake = self.intakes.get_mut(&**source)?;
        let (samples, complaint) = intake.admit(&samples, until, self.clock.now());
        if !samples.points().is_empty() {
            self.to_sinks(source, &Batch::Samples(samples.clone()));
        }
        self.judge(source, samples).await;
        complaint
    }

    fn to_sinks(&self, source: &str, batch: &Batch) {
        for outlet in self.outlets.get(source).into_iter().flatten() {
            if outlet.inbox.try_send(batch.clone()).is_err() {
                let records = batch.len() as u64;
                outlet.status.count(|counts| counts.dropped += records);
            }
        }
    }

    async fn judge(&self, source: &str, samples: Samples) {
        if self.judged.iter().any(|judged| judged == source) {
            self.tell(Input::Samples { source: source.into(), samples }).await;
        }
    }

    async fn problem(&self, instance: String, problem: Problem, detail: Option<String>) {
        let input = match (problem, detail) {
            (Problem::SourceDown, Some(reason)) => Input::SourceDown { source: instance, reason },
            (Problem::SourceDown, None) => Input::SourceUp { source: instance },
            (problem, detail) => Input::Problem { instance, problem, detail },
        };
        self.tell(input).await;
    }

    async fn tell(&self, input: Input) {
        if self.engine.send(Request::Input(input)).await.is_err() {
            warn!("the engine has stopped");
        }
    }
}
