//! Records on their way: the queue of each source, and what feeds and empties it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    StartError,
    wiring::{WiredSink, Wiring},
};
use crate::{
    clock::Clock,
    config::{Plan, Source},
    engine::{
        Input,
        log::{LogCursor, Matching, Positions},
    },
    pipeline::{
        feed::{Feed, QueueWatch},
        intake::Intake,
        log_reader::{LOG_EVALUATORS, LogReader, Said},
        part::Wanted,
        pump::Pump,
        queue::{Damage, Freed, Limits, Queue, WhenFull},
    },
    plugin::event::{Event, Handover},
    store::reserve::Reserve,
};

/// The queues, by source.
pub(super) struct Records {
    queues: BTreeMap<String, Queue>,
    /// What was set aside when they were opened.
    damage: BTreeMap<String, String>,
    /// Where log evaluators go on.
    cursors: Vec<LogCursor>,
    /// How far they are written.
    written: watch::Sender<Positions>,
    /// That sources which they read have spoken.
    said: BTreeMap<String, watch::Sender<Said>>,
}

impl Records {
    /// Opens the queue of each source whose records go to a sink or to a log evaluator.
    pub(super) async fn open(
        plan: &Plan,
        sinks: &[WiredSink],
        clock: &Clock,
        cursors: Vec<LogCursor>,
    ) -> Result<Self, StartError> {
        let directory = plan.daemon.state.join("queues");
        let (mut queues, mut damages) = (BTreeMap::new(), BTreeMap::new());
        let mut said = BTreeMap::new();
        for source in &plan.sources {
            let readers = sinks.iter().filter(|sink| sink.plan.inputs.contains(&source.name));
            let mut names: Vec<_> = readers.map(|sink| sink.plan.name.clone()).collect();
            if plan.logs.iter().any(|rule| rule.inputs.contains(&source.name)) {
                names.push(LOG_EVALUATORS.into());
                said.insert(source.name.clone(), watch::Sender::new(Said::default()));
            }
            if names.is_empty() {
                continue;
            }
            let (queue, damage) = opened(&directory, source, names, clock).await?;
            if let Some(Damage { file, why }) = damage {
                let detail = format!("{why}: set aside as {}", file.display());
                error!(source = source.name, "{detail}");
                damages.insert(source.name.clone(), detail);
            }
            for Freed { consumer, waiting, dead } in queue.freed() {
                let source = &source.name;
                warn!(
                    source,
                    sink = consumer,
                    waiting,
                    dead,
                    "a sink reads the queue of a source no more: what waited for it is gone"
                );
            }
            queues.insert(source.name.clone(), queue);
        }
        for file in unread(&directory, &queues) {
            let file = file.display();
            warn!(%file, "no sink reads this queue any more: remove it, or name its source and sinks as before");
        }
        let positions = cursors.iter().map(|cursor| (cursor.of(), cursor.position));
        let written = watch::Sender::new(positions.collect());
        Ok(Self { queues, damage: damages, cursors, written, said })
    }

    /// The queues, by source.
    pub(super) fn queues(&self) -> &BTreeMap<String, Queue> {
        &self.queues
    }

    /// Where it is told how far log evaluators are written.
    pub(super) fn written(&self) -> watch::Sender<Positions> {
        self.written.clone()
    }

    /// What leads from the queues to log evaluators.
    pub(super) fn readers(
        &self,
        plan: &Plan,
        engine: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) -> Result<Vec<LogReader>, StartError> {
        let mut readers = Vec::new();
        for source in &plan.sources {
            let (Some(said), Some(queue)) =
                (self.said.get(&source.name), self.queues.get(&source.name))
            else {
                continue;
            };
            let failed = |cause| StartError::Queue { instance: source.name.clone(), cause };
            let matching = Matching::new(&source.name, source.labels.clone(), &plan.logs);
            let Some(consumer) = queue.consumer(LOG_EVALUATORS) else { continue };
            readers.push(LogReader {
                source: source.name.clone(),
                queue: queue.clone(),
                consumer,
                matching: Arc::new(matching.map_err(failed)?),
                cursors: self.cursors_of(&source.name),
                said: said.subscribe(),
                engine: engine.clone(),
                written: self.written.subscribe(),
                resumed: false,
                stop: stop.clone(),
            });
        }
        Ok(readers)
    }

    fn cursors_of(&self, source: &str) -> Vec<LogCursor> {
        self.cursors.iter().filter(|cursor| cursor.source == source).cloned().collect()
    }

    /// What empties the queues.
    pub(super) fn pumps(
        &self,
        plan: &Plan,
        sinks: &[WiredSink],
        stop: &CancellationToken,
    ) -> Vec<Pump> {
        let mut pumps = Vec::new();
        for source in &plan.sources {
            let Some(queue) = self.queues.get(&source.name) else { continue };
            for sink in sinks.iter().filter(|sink| sink.plan.inputs.contains(&source.name)) {
                let Some(consumer) = queue.consumer(&sink.plan.name) else {
                    warn!(source = source.name, sink = sink.plan.name, "no consumer of that name");
                    continue;
                };
                pumps.push(Pump {
                    consumer,
                    outlet: sink.outlet.clone(),
                    wanted: Wanted {
                        source: source.name.clone(),
                        labels: source.labels.clone(),
                        matchers: sink.plan.matchers.clone(),
                    },
                    status: sink.shown.0.clone(),
                    stop: stop.clone(),
                });
            }
        }
        pumps
    }

    /// What fills the queue of a source, and its evaluators.
    pub(super) fn feed(
        &self,
        source: &Source,
        wiring: &Wiring<'_>,
        inputs: &mpsc::Sender<Input>,
        reserve: &Reserve,
        batches: mpsc::Receiver<Handover>,
    ) -> Result<Feed, StartError> {
        let judged = wiring.plan.thresholds.iter().any(|one| one.inputs.contains(&source.name));
        Ok(Feed {
            source: source.name.clone(),
            intake: Intake::new(source),
            queue: self.queues.get(&source.name).cloned(),
            heard: self.said.get(&source.name).cloned(),
            engine: judged.then(|| inputs.clone()),
            refill: wiring.refill(source)?,
            reserve: reserve.clone(),
            clock: wiring.shared.clock.clone(),
            batches,
            stop: wiring.stop.clone(),
        })
    }

    /// What tells of the queues' problems.
    pub(super) fn watches(
        &self,
        reserve: &Reserve,
        events: &mpsc::Sender<Event>,
    ) -> Vec<QueueWatch> {
        let watch = |(source, queue): (&String, &Queue)| QueueWatch {
            source: source.clone(),
            queue: queue.clone(),
            damage: self.damage.get(source).cloned(),
            reserve: reserve.clone(),
            events: events.clone(),
        };
        self.queues.iter().map(watch).collect()
    }

    /// Closes all queues; what is in them stays there.
    pub(super) async fn close(&self) {
        for queue in self.queues.values() {
            queue.close().await;
        }
    }
}

/// The files of queues that are not opened.
fn unread(directory: &Path, queues: &BTreeMap<String, Queue>) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = files.map(|file| file.path()).filter(|path| {
        let is_queue = path.extension().is_some_and(|extension| extension == "db");
        let source = path.file_stem().and_then(|stem| stem.to_str());
        is_queue && source.is_some_and(|source| !queues.contains_key(source))
    });
    files.collect()
}

/// Opening may look through a large file: not on a thread that others wait for.
async fn opened(
    directory: &Path,
    source: &Source,
    consumers: Vec<String>,
    clock: &Clock,
) -> Result<(Queue, Option<Damage>), StartError> {
    let (directory, name, clock) = (directory.to_owned(), source.name.clone(), clock.clone());
    let when_full = if source.queue.wait { WhenFull::Wait } else { WhenFull::DropOldest };
    let limits = Limits { max_bytes: source.queue.max, when_full };
    let open = move || Queue::open(&directory, &name, limits, &consumers, clock);
    let failed = |cause| StartError::Queue { instance: source.name.clone(), cause };
    match spawn_blocking(open).await {
        Ok(opened) => opened.map_err(|error| failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
