//! Records on their way: the queue of each source, and what feeds and empties it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::StartError;
use crate::{
    clock::Clock,
    config::{Plan, Source},
    engine::{
        Input,
        log::{LogCursor, Matching, Positions},
    },
    pipeline::{
        feed::{Outputs, QueueWatch},
        log_reader::{LOG_EVALUATORS, LogReader, Said},
        queue::{Damage, Freed, Queue, QueueLimits, WhenFull},
    },
    plugin::event::Event,
    store::reserve::Reserve,
};

/// What is said of a queue whose disk does not do its part.
const KEPT: &str = "its queue keeps what nobody reads until the next reload or start";

/// The queues, by source.
pub(super) struct RecordQueues {
    directory: PathBuf,
    clock: Clock,
    queues: BTreeMap<String, Queue>,
    /// What was set aside when they were opened.
    damage: BTreeMap<String, String>,
    /// Where log evaluators go on.
    cursors: Vec<LogCursor>,
    /// How far they are written.
    written: watch::Sender<Positions>,
    /// The sources that they read.
    read: BTreeMap<String, ReadSource>,
}

/// A source that log evaluators read.
#[derive(Clone, Default)]
struct ReadSource {
    /// That it has spoken.
    said: watch::Sender<Said>,
    /// Whether they go on where they were.
    resumed: Arc<AtomicBool>,
}

/// Queues that are there for a plan, and not yet used.
#[derive(Default)]
pub(super) struct OpenedQueues {
    opened: BTreeMap<String, (Queue, Option<Damage>)>,
    /// Those that have further consumers now.
    enrolled: BTreeMap<String, Queue>,
}

impl RecordQueues {
    /// No queue yet.
    pub(super) fn new(state: &Path, clock: &Clock, cursors: Vec<LogCursor>) -> Self {
        let positions = cursors.iter().map(|cursor| (cursor.of(), cursor.position));
        let written = watch::Sender::new(positions.collect());
        Self {
            directory: state.join("queues"),
            clock: clock.clone(),
            queues: BTreeMap::new(),
            damage: BTreeMap::new(),
            cursors,
            written,
            read: BTreeMap::new(),
        }
    }

    /// Opens the queue of each source whose records go to a sink or to a log evaluator. In one that is open
    /// consumers are added: what waits in it is kept until [`Self::clear`].
    pub(super) async fn open(&self, plan: &Plan) -> Result<OpenedQueues, StartError> {
        let mut queues = OpenedQueues::default();
        for source in &plan.sources {
            let done = self.open_one(plan, source, &mut queues).await;
            if let Err(cause) = done {
                self.undo(queues).await;
                return Err(StartError::Queue { instance: source.name.clone(), cause });
            }
        }
        Ok(queues)
    }

    async fn open_one(
        &self,
        plan: &Plan,
        source: &Source,
        queues: &mut OpenedQueues,
    ) -> Result<(), String> {
        let names = consumers(plan, &source.name);
        let limits = limits(source);
        if names.is_empty() {
            return Ok(());
        }
        let Some(queue) = self.queues.get(&source.name) else {
            let opened = opened(&self.directory, &source.name, limits, names, &self.clock).await?;
            queues.opened.insert(source.name.clone(), opened);
            return Ok(());
        };
        let (mut both, before) = queue.terms();
        both.extend(names.into_iter().filter(|name| !queue.has(name)));
        if queue.terms().0.len() == both.len() && limits == before {
            return Ok(());
        }
        let enrolled = queue.enrol(&both, limits).await.map_err(|error| error.to_string())?;
        queues.enrolled.insert(source.name.clone(), enrolled);
        Ok(())
    }

    /// Leaves the queues as they were.
    pub(super) async fn undo(&self, queues: OpenedQueues) {
        for (queue, _) in queues.opened.values() {
            queue.close().await;
        }
        for (source, queue) in queues.enrolled {
            let Some((names, limits)) = self.queues.get(&source).map(Queue::terms) else {
                continue;
            };
            if let Err(error) = queue.enrol(&names, limits).await {
                warn!(source, %error, "{KEPT}");
            }
        }
    }

    /// Uses the queues that were opened.
    pub(super) fn take(&mut self, plan: &Plan, queues: OpenedQueues) {
        for (source, (queue, damage)) in queues.opened {
            if let Some(Damage { file, why }) = damage {
                let detail = format!("{why}: set aside as {}", file.display());
                error!(source, "{detail}");
                self.damage.insert(source.clone(), detail);
            }
            warn_of_freed(&source, queue.freed());
            self.queues.insert(source, queue);
        }
        self.queues.extend(queues.enrolled);
        for source in &plan.sources {
            if is_read(plan, &source.name) {
                self.read.entry(source.name.clone()).or_default();
            }
        }
        self.read.retain(|source, _| is_read(plan, source));
    }

    /// Closes queues that nobody reads any more, and frees what waits for those that read others no more.
    pub(super) async fn clear(&mut self, plan: &Plan) {
        for (source, queue) in &mut self.queues {
            let names = consumers(plan, source);
            if names.is_empty() {
                queue.close().await;
            } else if queue.terms().0.iter().any(|name| !names.contains(name)) {
                match queue.enrol(&names, queue.terms().1).await {
                    Ok(enrolled) => {
                        let known = queue.freed();
                        let freed = enrolled.freed().iter().filter(|one| !known.contains(one));
                        warn_of_freed(source, freed);
                        *queue = enrolled;
                    }
                    Err(error) => warn!(source, %error, "{KEPT}"),
                }
            }
        }
        self.queues.retain(|source, _| has_queue(plan, source));
        self.damage.retain(|source, _| has_queue(plan, source));
        let reads = |(source, evaluator): &(String, String)| {
            let mut rules = plan.logs.iter().filter(|rule| rule.name == *evaluator);
            rules.any(|rule| rule.inputs.contains(source))
        };
        self.written.send_if_modified(|written| {
            let before = written.len();
            written.retain(|of, _| reads(of));
            written.len() < before
        });
        self.cursors.retain(|cursor| reads(&(cursor.source.clone(), cursor.evaluator.clone())));
    }

    /// Says which queues are there that nobody reads.
    pub(super) fn warn_of_unread(&self) {
        for file in unread(&self.directory, &self.queues) {
            let file = file.display();
            warn!(%file, "no sink reads this queue any more: remove it, or name its source and sinks as before");
        }
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
    pub(super) fn log_readers(
        &self,
        matchings: BTreeMap<String, Arc<Matching>>,
        engine: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) -> Vec<LogReader> {
        let mut readers = Vec::new();
        for (source, matching) in matchings {
            let (Some(ReadSource { said, resumed }), Some(queue)) =
                (self.read.get(&source), self.queues.get(&source))
            else {
                continue;
            };
            let Some(consumer) = queue.consumer(LOG_EVALUATORS) else { continue };
            let own = self.cursors.iter().filter(|cursor| cursor.source == source);
            readers.push(LogReader {
                queue: queue.clone(),
                consumer,
                matching,
                cursors: own.cloned().collect(),
                said: said.subscribe(),
                engine: engine.clone(),
                written: self.written.subscribe(),
                resumed: Arc::clone(resumed),
                stop: stop.child_token(),
                source,
            });
        }
        readers
    }

    /// Where the batches of a source go.
    pub(super) fn outputs(
        &self,
        plan: &Plan,
        source: &str,
        inputs: &mpsc::Sender<Input>,
    ) -> Outputs {
        let judged = plan.thresholds.iter().any(|one| one.inputs.iter().any(|it| it == source));
        Outputs {
            queue: self.queues.get(source).filter(|_| has_queue(plan, source)).cloned(),
            heard: self.read.get(source).map(|read| read.said.clone()),
            engine: judged.then(|| inputs.clone()),
        }
    }

    /// What tells of a queue's problems.
    pub(super) fn watch(
        &self,
        source: &str,
        reserve: &Reserve,
        events: &mpsc::Sender<Event>,
    ) -> Option<QueueWatch> {
        Some(QueueWatch {
            source: source.into(),
            queue: self.queues.get(source)?.clone(),
            damage: self.damage.get(source).cloned(),
            reserve: reserve.clone(),
            events: events.clone(),
        })
    }

    /// Closes all queues; what is in them stays there.
    pub(super) async fn close(&self) {
        for queue in self.queues.values() {
            queue.close().await;
        }
    }
}

/// What log evaluators look for, by source.
pub(super) fn matchings(plan: &Plan) -> Result<BTreeMap<String, Arc<Matching>>, StartError> {
    let mut matchings = BTreeMap::new();
    for source in plan.sources.iter().filter(|source| is_read(plan, &source.name)) {
        let failed = |cause| StartError::Queue { instance: source.name.clone(), cause };
        let matching = Matching::new(&source.name, source.labels.clone(), &plan.logs);
        matchings.insert(source.name.clone(), Arc::new(matching.map_err(failed)?));
    }
    Ok(matchings)
}

/// Who reads the queue of a source.
fn consumers(plan: &Plan, source: &str) -> Vec<String> {
    let reads = |inputs: &[String]| inputs.iter().any(|input| input == source);
    let sinks = plan.sinks.iter().filter(|sink| reads(&sink.inputs));
    let mut names: Vec<_> = sinks.map(|sink| sink.name.clone()).collect();
    if is_read(plan, source) {
        names.push(LOG_EVALUATORS.into());
    }
    names
}

/// Whether anybody does.
pub(super) fn has_queue(plan: &Plan, source: &str) -> bool {
    !consumers(plan, source).is_empty()
}

/// Whether a log evaluator reads a source.
fn is_read(plan: &Plan, source: &str) -> bool {
    let is_there = plan.sources.iter().any(|one| one.name == source);
    is_there && plan.logs.iter().any(|rule| rule.inputs.iter().any(|input| input == source))
}

fn limits(source: &Source) -> QueueLimits {
    let when_full = if source.queue.wait { WhenFull::Wait } else { WhenFull::DropOldest };
    QueueLimits { max_bytes: source.queue.max, when_full }
}

fn warn_of_freed<'a>(source: &str, freed: impl IntoIterator<Item = &'a Freed>) {
    for Freed { consumer, waiting, dead } in freed {
        warn!(
            source,
            sink = consumer,
            waiting,
            dead,
            "a sink reads the queue of a source no more: what waited for it is gone"
        );
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
    source: &str,
    limits: QueueLimits,
    consumers: Vec<String>,
    clock: &Clock,
) -> Result<(Queue, Option<Damage>), String> {
    let (directory, name, clock) = (directory.to_owned(), source.to_owned(), clock.clone());
    let open = move || Queue::open(&directory, &name, limits, &consumers, clock);
    match spawn_blocking(open).await {
        Ok(opened) => opened.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
