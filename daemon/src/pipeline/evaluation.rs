//! The engine's thread: bounded channels of inputs and questions, the clock, and nothing else.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use haetae_plugin::{Severity, Timestamp};
use prometheus_client::metrics::histogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::sleep,
};
use tracing::warn;

use crate::{
    clock::{Clock, ClockPair, monotonic},
    engine::{
        AlarmView, Effects, Engine, EvaluatorStatus, Input, Override, Preview, Step,
        notify::{Explanation, Why},
        time_in_words as words,
    },
    fault,
    people::thresholds::{PreviewFuture, Previews},
};

/// Inputs that wait for the engine. Full: whoever sends waits, and so do the sources.
pub const INPUTS: usize = 64;
/// Questions that wait. Full: whoever asks waits.
pub const QUESTIONS: usize = 16;
/// Effects that wait for the store. Full: the engine waits, and answers questions meanwhile. Few:
/// in a storm, each is a thousand alarms and more.
pub const EFFECTS: usize = 4;
/// Alarms that effects are about, so many that they wait until nothing else does.
const HEAVY: usize = 256;
/// The longest sleep, so that a clock that was set is noticed.
const NAP: Duration = Duration::from_secs(5);

/// Somebody who wants to see.
#[derive(Debug)]
pub enum EngineQuery {
    /// Everything.
    Overview(oneshot::Sender<Overview>),
    /// The alarms whose ids start so, so many at the most.
    Find(String, usize, oneshot::Sender<Vec<AlarmView>>),
    /// Numbers: of many alarms, everything is much.
    Counts(oneshot::Sender<EngineCounts>),
    /// What other thresholds would do.
    Preview {
        /// All that there would be.
        overrides: Vec<Override>,
        /// The one in question.
        id: String,
        /// Who asks.
        reply: oneshot::Sender<Preview>,
    },
    /// What mutes each of these alarms for every sink, but for how it is handled.
    Muted(Vec<AlarmView>, oneshot::Sender<Vec<Vec<Why>>>),
    /// Why each sink is told of an alarm, by its id, or not.
    Explain(String, oneshot::Sender<Vec<Explanation>>),
}

/// What the engine knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// All alarms that are not ok, worst first.
    pub alarms: Vec<AlarmView>,
    /// Each evaluator.
    pub evaluators: Vec<EvaluatorStatus>,
}

/// What the engine counts.
#[derive(Clone, Debug, Default)]
pub struct EngineCounts {
    /// How many alarms fire, by severity.
    pub firing: Vec<(Severity, usize)>,
    /// Each evaluator.
    pub evaluators: Vec<EvaluatorStatus>,
}

impl EngineCounts {
    /// What an engine counts now.
    pub fn of(engine: &Engine) -> Self {
        let firing = [Severity::Critical, Severity::Warning];
        let firing = firing.map(|severity| (severity, engine.firing(severity))).into();
        Self { firing, evaluators: engine.evaluators() }
    }
}

/// What the engine's thread takes and gives.
pub struct Channels {
    /// What to judge; the engine runs until it closes.
    pub inputs: mpsc::Receiver<Input>,
    /// Who wants to see.
    pub questions: mpsc::Receiver<EngineQuery>,
    /// What follows.
    pub effects: mpsc::Sender<Effects>,
    /// Where it shows that it gets on.
    pub heartbeat: Heartbeat,
    /// Dropped when the thread ends, however it does.
    pub alive: oneshot::Sender<()>,
}

/// Upper limits of how long an input takes, in seconds.
const DURATIONS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// That the engine gets on, and how fast, for whoever looks without asking it.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    started: Instant,
    /// Milliseconds from then to when it last waited for an input.
    last: AtomicU64,
    /// How many milliseconds what was due then was late.
    late: AtomicU64,
    /// How long it took for each input.
    durations: Histogram,
}

impl Default for Heartbeat {
    fn default() -> Self {
        let (last, late) = (AtomicU64::new(0), AtomicU64::new(0));
        let durations = Histogram::new(DURATIONS);
        Self(Arc::new(Beats { started: monotonic(), last, late, durations }))
    }
}

impl Heartbeat {
    /// How far the engine is behind: the age of what is due and not judged.
    pub fn behind(&self) -> Duration {
        let Beats { started, last, late, .. } = &*self.0;
        let silent = milliseconds(started.elapsed()).saturating_sub(last.load(Ordering::Relaxed));
        // It need not wake before the longest sleep is over.
        let silent = silent.saturating_sub(milliseconds(NAP));
        Duration::from_millis(silent.max(late.load(Ordering::Relaxed)))
    }

    /// How long the engine takes for an input and the slots that are due with it.
    pub fn durations(&self) -> Histogram {
        self.0.durations.clone()
    }

    fn beat(&self, late: Duration) {
        self.0.last.store(milliseconds(self.0.started.elapsed()), Ordering::Relaxed);
        self.0.late.store(milliseconds(late), Ordering::Relaxed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Runs the engine; what its restoring led to goes first.
pub fn start(
    mut engine: Engine,
    restored: Effects,
    clock: Clock,
    mut channels: Channels,
    runtime: Handle,
) -> io::Result<JoinHandle<()>> {
    let body = move || {
        runtime.block_on(async {
            // Nobody was to judge the slots of the time that restoring took.
            let mut watch = ClockPair::new(engine.now(), monotonic());
            if !channels.hand_out(restored, &engine).await {
                return;
            }
            loop {
                let Some(input) = channels.next(&engine, &clock).await else {
                    // A clean end leaves nothing to be read twice.
                    let last = engine.last_effects(clock.now());
                    channels.hand_out(last, &engine).await;
                    return;
                };
                fault::point("engine", "");
                let now = clock.now();
                let jump = watch.observe(now, monotonic()).filter(|_| clock.is_real());
                if let Some(from) = jump {
                    let (from, to) = (words(from), words(now));
                    warn!("the clock jumped from {from} to {to}: slots go on from there");
                }
                let jump = jump.map(|from| Input::Jumped { from });
                for input in jump.into_iter().chain([input]) {
                    if !channels.judge(&mut engine, input, now).await {
                        return;
                    }
                }
            }
        });
    };
    thread::Builder::new().name("engine".into()).spawn(body)
}

impl Channels {
    /// The next input, or that time has passed; `None` when no more can come.
    async fn next(&mut self, engine: &Engine, clock: &Clock) -> Option<Input> {
        loop {
            let due = engine.next_due();
            let nap = due.map_or(NAP, |due| clock.until(due).min(NAP));
            self.heartbeat.beat(due.map_or(Duration::ZERO, |due| clock.now().since(due)));
            tokio::select! {
                input = self.inputs.recv() => return input,
                Some(question) = self.questions.recv() => answer(engine, question),
                () = sleep(nap) => return Some(Input::Tick),
            }
        }
    }

    /// Judges an input, and measures it without the time that the store takes. False: nobody takes
    /// what follows.
    async fn judge(&mut self, engine: &mut Engine, input: Input, now: Timestamp) -> bool {
        let mut step = Step::new(input, now);
        let mut elapsed = Duration::ZERO;
        loop {
            let started = monotonic();
            let effects = engine.advance(&mut step);
            elapsed += started.elapsed();
            let Some(effects) = effects else { break };
            if !self.hand_out(effects, engine).await {
                return false;
            }
        }
        self.heartbeat.0.durations.observe(elapsed.as_secs_f64());
        true
    }

    /// Gives effects to the store, and answers while it is behind. False: nobody takes them.
    async fn hand_out(&mut self, effects: Effects, engine: &Engine) -> bool {
        if effects.is_empty() {
            return true;
        }
        let notified = effects.flushes.iter().map(|flush| flush.alarms.len()).sum::<usize>();
        let places = if effects.standings.len() + notified < HEAVY { 1 } else { EFFECTS };
        loop {
            tokio::select! {
                biased;
                places = self.effects.reserve_many(places) => {
                    let place = places.ok().and_then(|mut places| places.next());
                    return place.map(|place| place.send(effects)).is_some();
                }
                Some(question) = self.questions.recv() => answer(engine, question),
            }
        }
    }
}

/// Whoever asked may have gone.
impl Previews for mpsc::Sender<EngineQuery> {
    fn preview(&self, overrides: Vec<Override>, id: String) -> PreviewFuture<'_> {
        Box::pin(async move {
            let (reply, preview) = oneshot::channel();
            self.send(EngineQuery::Preview { overrides, id, reply }).await.ok()?;
            preview.await.ok()
        })
    }
}

fn answer(engine: &Engine, question: EngineQuery) {
    match question {
        EngineQuery::Overview(asker) => {
            let evaluators = engine.evaluators();
            drop(asker.send(Overview { alarms: engine.alarms(), evaluators }));
        }
        EngineQuery::Find(id, most, asker) => drop(asker.send(engine.find(&id, most))),
        EngineQuery::Preview { overrides, id, reply } => {
            drop(reply.send(engine.preview(&overrides, &id)));
        }
        EngineQuery::Counts(asker) => drop(asker.send(EngineCounts::of(engine))),
        EngineQuery::Muted(alarms, asker) => drop(asker.send(engine.muted(&alarms))),
        EngineQuery::Explain(alarm, asker) => {
            drop(asker.send(engine.explain(&alarm, engine.now())));
        }
    }
}
