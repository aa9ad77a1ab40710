//! Playing a scenario: time goes from one thing that happens to the next.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use haetae_plugin::{Samples, Series, Timestamp};
use tempfile::TempDir;

use super::{
    post::Post,
    rig::{Dispatcher, Rig},
    scenario::{Act, Left, Mood, Person, Scenario},
    told::{Heard, Line, Played, judge},
};
use crate::{
    clock::Clock,
    config::{Plan, Word},
    engine::{
        AlarmView, Effects, Input, Matcher, SYSTEM,
        handling::{self, Handling, Phase},
        next_slot,
        silence::{Silence, Span},
    },
    store::StoreError,
};

/// Where the time of all scenarios starts: the year 2000.
const EPOCH: i64 = 946_684_800;
/// How soon a dispatcher looks again at what it could not deliver.
const NAP: Duration = Duration::from_secs(5);
/// Turns at one time; what leads to more of them is a loop.
const TURNS: usize = 100;
/// Times at which something happens.
const MOMENTS: usize = 2_000_000;

/// Why a scenario can't be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The store does not work.
    #[error("the store of the scenario: {0}")]
    Store(#[from] StoreError),
    /// The temporary directory does not work.
    #[error("the temporary directory of the scenario: {0}")]
    Folder(#[from] std::io::Error),
    /// It names what is not there.
    #[error("{0}")]
    Nothing(String),
    /// It does not come to an end.
    #[error("the scenario does not come to an end: too much happens at {0:?}")]
    Endless(Duration),
}

/// Plays a scenario; `load` reads the plan of a step `reload`.
///
/// The real engine, store, outbox and dispatchers run, with a clock that only goes when nothing
/// is left to do.
pub async fn play(
    plan: Plan,
    scenario: &Scenario,
    load: impl Fn(&PathBuf) -> Result<Plan, String>,
) -> Result<Played, PlayError> {
    let mut stage = Stage::new(plan, scenario).await?;
    let mut steps = scenario.steps.iter().peekable();
    let end = scenario.lasts.unwrap_or_else(|| stage.longest());
    for _ in 0..MOMENTS {
        while let Some(step) = steps.next_if(|step| step.at <= stage.now) {
            stage.act(&step.act, &load).await?;
        }
        stage.speak().await?;
        stage.tick().await?;
        let next = stage.next().await?;
        let next = steps.peek().map_or(next, |step| next.min(step.at.max(stage.now)));
        if next > end {
            stage.now = end;
            return stage.judged(scenario).await;
        }
        stage.now = next;
        stage.set();
    }
    Err(PlayError::Endless(stage.now))
}

struct Stage {
    plan: Plan,
    rig: Option<Rig>,
    folder: TempDir,
    posts: BTreeMap<String, Post>,
    intervals: BTreeMap<String, Duration>,
    nanos: Arc<AtomicI64>,
    clock: Clock,
    start: Timestamp,
    /// The time from the start, of which the daemon's clock may know nothing.
    now: Duration,
    /// How far the daemon's clock is ahead, in seconds.
    ahead: i64,
    sources: BTreeMap<String, Speaker>,
    silences: Vec<Silence>,
    handled: BTreeMap<String, Handling>,
    alarms: BTreeMap<String, AlarmView>,
    heard: Vec<Heard>,
    /// When a slow sink has taken what it holds.
    releases: BTreeMap<String, Duration>,
}

/// A source that says what stands in the scenario.
struct Speaker {
    interval: Duration,
    /// How many times it was due.
    due: u32,
    up: bool,
    series: Vec<(Series, Vec<Word>)>,
}

impl Speaker {
    fn at(&self) -> Duration {
        self.interval.saturating_mul(self.due)
    }
}

impl Stage {
    async fn new(plan: Plan, scenario: &Scenario) -> Result<Self, PlayError> {
        let interval =
            |source: &crate::config::Source| scenario.interval.unwrap_or(source.interval);
        let intervals: BTreeMap<_, _> =
            plan.sources.iter().map(|source| (source.name.clone(), interval(source))).collect();
        let first =
            plan.sources.first().ok_or_else(|| PlayError::Nothing("there is no source".into()))?;
        let start = next_slot(&first.name, interval(first), Timestamp::from_seconds(EPOCH));
        let nanos = Arc::new(AtomicI64::new(start.before(Duration::from_nanos(1)).nanos()));
        let sources = speakers(&plan, scenario, &intervals)?;
        let mut stage = Self {
            posts: BTreeMap::new(),
            rig: None,
            folder: tempfile::Builder::new().prefix("haetae-scenario-").tempdir()?,
            intervals,
            clock: Clock::Set(Arc::clone(&nanos)),
            nanos,
            start,
            now: Duration::ZERO,
            ahead: 0,
            sources,
            silences: Vec::new(),
            handled: BTreeMap::new(),
            alarms: BTreeMap::new(),
            heard: Vec::new(),
            releases: BTreeMap::new(),
            plan,
        };
        stage.wake().await?;
        stage.set();
        Ok(stage)
    }

    fn longest(&self) -> Duration {
        let last = |speaker: &Speaker| {
            let words = speaker.series.iter().map(|(_, words)| words.len()).max().unwrap_or(1);
            speaker
                .interval
                .saturating_mul(u32::try_from(words.saturating_sub(1)).unwrap_or(u32::MAX))
        };
        self.sources.values().map(last).max().unwrap_or_default()
    }

    /// The daemon's clock says so.
    fn set(&self) {
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        let now = self.start.after(self.now);
        let now = if self.ahead < 0 { now.before(ahead) } else { now.after(ahead) };
        self.nanos.store(now.nanos(), Ordering::SeqCst);
    }

    /// How long after the start a time of the daemon's clock is.
    fn since_start(&self, time: Timestamp) -> Duration {
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        let time = if self.ahead < 0 { time.after(ahead) } else { time.before(ahead) };
        time.since(self.start)
    }

    /// The daemon starts.
    async fn wake(&mut self) -> Result<(), PlayError> {
        for sink in &self.plan.sinks {
            self.posts.entry(sink.name.clone()).or_default();
        }
        let (rig, effects) =
            Rig::start(&self.plan, self.folder.path(), &self.clock, &self.posts, &self.intervals)
                .await?;
        self.rig = Some(rig);
        self.keep(effects).await?;
        // The daemon reads them from its store.
        self.input(Input::Silences(self.silences.clone())).await?;
        for (alarm, handling) in self.handled.clone() {
            self.input(Input::Handled { alarm, handling }).await?;
        }
        Ok(())
    }

    async fn sleep(&mut self) {
        if let Some(rig) = self.rig.take() {
            rig.kill(&self.posts).await;
        }
        self.releases.clear();
    }

    async fn input(&mut self, input: Input) -> Result<(), PlayError> {
        let now = self.clock.now();
        let Some(rig) = &mut self.rig else { return Ok(()) };
        let effects = rig.engine.step(input, now);
        self.keep(effects).await
    }

    /// Writes down what happened, as the daemon does before anybody is told.
    async fn keep(&mut self, effects: Effects) -> Result<(), PlayError> {
        for standing in &effects.standings {
            self.alarms.insert(standing.alarm.id.clone(), standing.alarm.clone());
        }
        for withheld in &effects.withheld {
            let Some(why) = &withheld.why else { continue };
            let why = serde_json::to_value(why).ok();
            let why = why.as_ref().and_then(|why| why.get("why")?.as_str()).unwrap_or_default();
            let labels = self.alarms.get(&withheld.alarm).map(|alarm| alarm.labels.clone());
            self.heard.push(Heard {
                at: self.now,
                sink: withheld.sink.clone(),
                why: why.into(),
                withheld: true,
                alarms: labels.into_iter().collect(),
                title: String::new(),
            });
        }
        if let Some(rig) = &self.rig
            && !effects.is_empty()
        {
            rig.outbox.write(&[effects]).await?;
        }
        Ok(())
    }

    async fn act(
        &mut self,
        act: &Act,
        load: &impl Fn(&PathBuf) -> Result<Plan, String>,
    ) -> Result<(), PlayError> {
        match act {
            Act::Restart(length) => {
                self.sleep().await;
                self.now = self.now.saturating_add(*length);
                // Nobody hears what the sources say meanwhile.
                for speaker in self.sources.values_mut() {
                    while speaker.at() < self.now {
                        speaker.due += 1;
                    }
                }
                self.set();
                self.wake().await
            }
            Act::Reload(path) => {
                let plan = load(path).map_err(PlayError::Nothing)?;
                self.sleep().await;
                self.plan = plan;
                self.wake().await
            }
            Act::ClockJump(seconds) => {
                self.ahead = self.ahead.saturating_add(*seconds);
                self.set();
                Ok(())
            }
            Act::Sink(name, mood) => self.mood(name, *mood),
            Act::Source(name, up) => {
                let Some(speaker) = self.sources.get_mut(name) else {
                    return Err(PlayError::Nothing(format!("there is no source `{name}`")));
                };
                speaker.up = *up;
                let (source, reason) = (name.clone(), "it does not answer".into());
                self.input(match up {
                    true => Input::SourceUp { source },
                    false => Input::SourceDown { source, reason },
                })
                .await
            }
            Act::Silence(matchers, person, length) => {
                let now = self.clock.now();
                self.silences.push(Silence {
                    id: format!("silence-{}", self.silences.len() + 1),
                    matchers: matchers.clone(),
                    author: person.by.clone(),
                    reason: person.reason.clone(),
                    span: Span::Between(now, now.after(*length)),
                });
                self.input(Input::Silences(self.silences.clone())).await
            }
            Act::Acknowledge(matchers, person) => self.acknowledge(matchers, person).await,
        }
    }

    fn mood(&mut self, name: &str, mood: Mood) -> Result<(), PlayError> {
        let Some(post) = self.posts.get(name) else {
            return Err(PlayError::Nothing(format!("there is no sink `{name}`")));
        };
        post.turn(mood);
        Ok(())
    }

    async fn acknowledge(
        &mut self,
        matchers: &[Matcher],
        person: &Person,
    ) -> Result<(), PlayError> {
        let alarms = self.rig.as_ref().map(|rig| rig.engine.alarms()).unwrap_or_default();
        let act = handling::Act::Acknowledge { until: None, sticky: false };
        for alarm in alarms.iter().filter(|alarm| alarm.is_firing() && alarm.evaluator != SYSTEM) {
            if !matchers.iter().all(|one| one.matches(label(alarm, one.label()))) {
                continue;
            }
            let before = self.handled.get(&alarm.id).cloned().unwrap_or_default();
            let after = before.after(&act, &person.by, Phase::Firing, self.clock.now());
            if let Ok(handling) = after {
                self.handled.insert(alarm.id.clone(), handling.clone());
                self.input(Input::Handled { alarm: alarm.id.clone(), handling }).await?;
            }
        }
        Ok(())
    }

    /// Every source that is due says what it has to say.
    async fn speak(&mut self) -> Result<(), PlayError> {
        let (now, clock) = (self.now, self.clock.now());
        let mut said = Vec::new();
        for (name, speaker) in &mut self.sources {
            if speaker.at() > now {
                continue;
            }
            let mut samples = Samples::at(clock);
            for (series, words) in &speaker.series {
                match usize::try_from(speaker.due).ok().and_then(|due| words.get(due)) {
                    Some(Word::Value(value)) => samples.push_at(series, *value, clock),
                    Some(Word::End) => samples.end(series, clock),
                    Some(Word::Nothing) | None => {}
                }
            }
            speaker.due += 1;
            if speaker.up {
                said.push(Input::Samples { source: name.clone(), samples });
            }
        }
        for input in said {
            self.input(input).await?;
        }
        Ok(())
    }

    /// The engine and the dispatchers do what is due, until nothing is left to do at this time.
    async fn tick(&mut self) -> Result<(), PlayError> {
        self.release();
        self.input(Input::Tick).await?;
        for _ in 0..TURNS {
            let mut delivered = self.turn().await;
            let mut events = Vec::new();
            if let Some(rig) = &mut self.rig {
                while let Ok(event) = rig.events.try_recv() {
                    events.push(event);
                }
            }
            delivered |= !events.is_empty();
            for event in events {
                let crate::plugin::event::Event { instance, problem, detail } = event;
                self.input(Input::Problem { instance, problem, detail }).await?;
            }
            if !delivered {
                return Ok(());
            }
        }
        Err(PlayError::Endless(self.now))
    }

    fn release(&mut self) {
        let now = self.now;
        for (name, _) in self.releases.extract_if(.., |_, at| *at <= now) {
            if let Some(post) = self.posts.get(&name) {
                post.release();
            }
        }
    }

    /// Each dispatcher does what is due; whether any sink was told anything.
    async fn turn(&mut self) -> bool {
        let Some(rig) = &mut self.rig else { return false };
        for (name, dispatcher) in &mut rig.dispatchers {
            let Some(post) = self.posts.get(name) else { continue };
            if self.releases.contains_key(name) {
                continue;
            }
            let mut task = match std::mem::replace(dispatcher, Dispatcher::Moving) {
                Dispatcher::Busy(task) => task,
                Dispatcher::Idle(idle) => rig.tasks.spawn(async move {
                    let (dispatch, mut work) = *idle;
                    dispatch.turn(&mut work).await;
                    (dispatch, work)
                }),
                Dispatcher::Moving => continue,
            };
            tokio::select! {
                done = &mut task => {
                    if let Ok(idle) = done {
                        *dispatcher = Dispatcher::Idle(Box::new(idle));
                    }
                }
                () = post.holds.notified() => {
                    let length = post.held().unwrap_or_default();
                    self.releases.insert(name.clone(), self.now.saturating_add(length));
                    *dispatcher = Dispatcher::Busy(task);
                }
            }
        }
        let before = self.heard.len();
        for (name, post) in &self.posts {
            for notification in post.taken() {
                let alarms = notification.alarms.iter().map(|alarm| {
                    let mut labels = alarm.labels.clone();
                    labels.insert("severity".into(), alarm.severity.as_str().into());
                    labels
                });
                self.heard.push(Heard {
                    at: self.now,
                    sink: name.clone(),
                    why: notification.reason.as_str().into(),
                    withheld: false,
                    alarms: alarms.collect(),
                    title: notification.title.clone(),
                });
            }
        }
        self.heard.len() > before
    }

    /// When something happens next.
    async fn next(&self) -> Result<Duration, PlayError> {
        let soon = self.now.saturating_add(Duration::from_nanos(1));
        let mut next = self.sources.values().map(Speaker::at).min().unwrap_or(Duration::MAX);
        next = self.releases.values().fold(next, |next, at| next.min(*at));
        let Some(rig) = &self.rig else { return Ok(next) };
        if let Some(due) = rig.engine.next_due() {
            next = next.min(self.since_start(due).max(soon));
        }
        for name in rig.dispatchers.keys().filter(|name| !self.releases.contains_key(*name)) {
            if let Some(due) = rig.outbox.store.next_due(name).await? {
                // What is due already was not taken.
                let due = self.since_start(due);
                let again = self.now.saturating_add(NAP);
                next = next.min(if due > self.now { due } else { again });
            }
        }
        Ok(next.max(soon))
    }

    async fn judged(mut self, scenario: &Scenario) -> Result<Played, PlayError> {
        let mut played = judge(&scenario.expected, &self.heard);
        if let Some(rig) = &self.rig {
            let store = &rig.outbox.store;
            let counts = store.counts().await?;
            let count = |dead| {
                let count =
                    counts.iter().filter(|count| count.dead == dead).map(|count| count.count);
                usize::try_from(count.sum::<i64>()).unwrap_or_default()
            };
            let (open, _) = store.count_obligations().await?;
            let Left { obligations, waiting, dead } = scenario.left;
            let left = [
                ("obligations", obligations, usize::try_from(open).unwrap_or_default()),
                ("waiting", waiting, count(false)),
                ("dead", dead, count(true)),
            ];
            for (name, wanted, is) in left {
                played.lines.extend(wanted.map(|wanted| match wanted == is {
                    true => Line::Met(format!("left: {name} = {is}")),
                    false => {
                        Line::Missing(format!("left: {name} = {wanted}"), format!("there are {is}"))
                    }
                }));
            }
        }
        self.sleep().await;
        Ok(played)
    }
}

/// Each series is said by the first source of the first evaluator that reads it.
fn speakers(
    plan: &Plan,
    scenario: &Scenario,
    intervals: &BTreeMap<String, Duration>,
) -> Result<BTreeMap<String, Speaker>, PlayError> {
    let silent = |(name, interval): (&String, &Duration)| {
        (name.clone(), Speaker { interval: *interval, due: 0, up: true, series: Vec::new() })
    };
    let mut speakers: BTreeMap<_, _> = intervals.iter().map(silent).collect();
    for spoken in &scenario.series {
        let metric = spoken.metric.clone().unwrap_or_default();
        let reader = plan.thresholds.iter().find(|one| one.metric == metric);
        let source = reader.and_then(|one| one.inputs.first());
        let source = plan.sources.iter().find(|one| Some(&one.name) == source);
        let Some((source, speaker)) =
            source.and_then(|source| Some((source, speakers.get_mut(&source.name)?)))
        else {
            return Err(PlayError::Nothing(format!("no evaluator reads `{metric}`")));
        };
        let labels = spoken.labels.iter().chain(&source.labels);
        let builder = labels
            .fold(Series::gauge(metric, &scenario.unit), |series, (name, value)| {
                series.label(name, value)
            });
        speaker.series.push((builder.build(), spoken.words.clone()));
    }
    Ok(speakers)
}

fn label<'a>(alarm: &'a AlarmView, name: &str) -> Option<&'a str> {
    match name {
        "evaluator" => Some(&alarm.evaluator),
        "severity" => Some(alarm.severity.as_str()),
        name => alarm.labels.get(name).map(String::as_str),
    }
}
