//! The stage of a scenario: the daemon, its clock, and the sources and sinks around it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use haetae_plugin::{Samples, Series, Timestamp};
use tempfile::TempDir;

use super::{
    error::RunError,
    fake_sink::FakeSink,
    notified::Notified,
    rig::{Rig, Surroundings},
    scenario::Scenario,
};
use crate::{
    clock::Clock,
    config::{Plan, SeriesWord},
    engine::{
        AlarmView, Effects, Input, alarm::handling::Handling, mute::silence::Silence, next_slot,
    },
};

/// Where the time of all scenarios starts: the year 2000.
const EPOCH: i64 = 946_684_800;

/// The daemon in a scenario, and the world around it.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rig: Option<Rig>,
    pub(super) folder: TempDir,
    pub(super) fake_sinks: BTreeMap<String, FakeSink>,
    pub(super) intervals: BTreeMap<String, Duration>,
    pub(super) nanos: Arc<AtomicI64>,
    pub(super) clock: Clock,
    pub(super) start: Timestamp,
    /// The time from the start, of which the daemon's clock may know nothing.
    pub(super) now: Duration,
    /// How far the daemon's clock is ahead, in seconds.
    pub(super) ahead: i64,
    pub(super) sources: BTreeMap<String, Speaker>,
    pub(super) silences: Vec<Silence>,
    pub(super) handled: BTreeMap<String, Handling>,
    pub(super) alarms: BTreeMap<String, AlarmView>,
    pub(super) heard: Vec<Notified>,
    /// When a slow sink has taken what it holds.
    pub(super) releases: BTreeMap<String, Duration>,
}

/// A source that says what stands in the scenario.
pub(super) struct Speaker {
    pub(super) interval: Duration,
    /// How many times it was due.
    pub(super) due: u32,
    pub(super) up: bool,
    pub(super) series: Vec<(Series, Vec<SeriesWord>)>,
}

impl Speaker {
    pub(super) fn at(&self) -> Duration {
        self.interval.saturating_mul(self.due)
    }
}

impl World {
    pub(super) async fn new(plan: Plan, scenario: &Scenario) -> Result<Self, RunError> {
        let interval =
            |source: &crate::config::Source| scenario.interval.unwrap_or(source.interval);
        let intervals: BTreeMap<_, _> =
            plan.sources.iter().map(|source| (source.name.clone(), interval(source))).collect();
        let first =
            plan.sources.first().ok_or_else(|| RunError::Nothing("there is no source".into()))?;
        let start = next_slot(&first.name, interval(first), Timestamp::from_seconds(EPOCH));
        let nanos = Arc::new(AtomicI64::new(start.before(Duration::from_nanos(1)).nanos()));
        let sources = speakers(&plan, scenario, &intervals)?;
        let mut world = Self {
            fake_sinks: BTreeMap::new(),
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
        world.wake().await?;
        world.set();
        Ok(world)
    }

    pub(super) fn longest(&self) -> Duration {
        let last = |speaker: &Speaker| {
            let words = speaker.series.iter().map(|(_, words)| words.len()).max().unwrap_or(1);
            speaker
                .interval
                .saturating_mul(u32::try_from(words.saturating_sub(1)).unwrap_or(u32::MAX))
        };
        self.sources.values().map(last).max().unwrap_or_default()
    }

    /// The daemon's clock says so.
    pub(super) fn set(&self) {
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        let now = self.start.after(self.now);
        let now = if self.ahead < 0 { now.before(ahead) } else { now.after(ahead) };
        self.nanos.store(now.nanos(), Ordering::SeqCst);
    }

    /// How long after the start a time of the daemon's clock is.
    pub(super) fn since_start(&self, time: Timestamp) -> Duration {
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        let time = if self.ahead < 0 { time.after(ahead) } else { time.before(ahead) };
        time.since(self.start)
    }

    fn surroundings(&self) -> Surroundings<'_> {
        let Self { folder, clock, fake_sinks, .. } = self;
        Surroundings { folder: folder.path(), clock, fake_sinks }
    }

    /// The daemon starts.
    pub(super) async fn wake(&mut self) -> Result<(), RunError> {
        for sink in &self.plan.sinks {
            self.fake_sinks.entry(sink.name.clone()).or_default();
        }
        let (rig, effects) = Rig::start(&self.plan, self.surroundings(), &self.intervals).await?;
        self.rig = Some(rig);
        self.keep(effects).await?;
        // The daemon reads them from its store.
        self.input(Input::Silences(self.silences.clone())).await?;
        for (alarm, handling) in self.handled.clone() {
            self.input(Input::Handled { alarm, handling }).await?;
        }
        Ok(())
    }

    /// The plan is replaced while the daemon runs.
    pub(super) async fn reload(&mut self, plan: Plan) -> Result<(), RunError> {
        let Some(rig) = self.rig.take() else { return Ok(()) };
        self.plan = plan;
        for sink in &self.plan.sinks {
            self.fake_sinks.entry(sink.name.clone()).or_default();
        }
        // What is under way is begun again.
        self.releases.clear();
        let (rig, effects) = rig.reload(&self.plan, self.surroundings(), &self.intervals).await?;
        self.rig = Some(rig);
        self.keep(effects).await
    }

    pub(super) async fn sleep(&mut self) {
        if let Some(rig) = self.rig.take() {
            rig.kill(&self.fake_sinks).await;
        }
        self.releases.clear();
    }

    pub(super) async fn input(&mut self, input: Input) -> Result<(), RunError> {
        let now = self.clock.now();
        let Some(rig) = &mut self.rig else { return Ok(()) };
        let effects = rig.engine.step(input, now);
        self.keep(effects).await
    }

    /// Writes down what happened, as the daemon does before anybody is told.
    pub(super) async fn keep(&mut self, effects: Effects) -> Result<(), RunError> {
        for standing in &effects.standings {
            self.alarms.insert(standing.alarm.id.clone(), standing.alarm.clone());
        }
        for withheld in &effects.withheld {
            let Some(why) = &withheld.why else { continue };
            let why = serde_json::to_value(why).ok();
            let why = why.as_ref().and_then(|why| why.get("why")?.as_str()).unwrap_or_default();
            let labels = self.alarms.get(&withheld.alarm).map(|alarm| alarm.labels.clone());
            self.heard.push(Notified {
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
            rig.outbox.write(Arc::new(vec![effects])).await?;
        }
        Ok(())
    }
    /// Every source that is due says what it has to say.
    pub(super) async fn speak(&mut self) -> Result<(), RunError> {
        let (now, clock) = (self.now, self.clock.now());
        let mut said = Vec::new();
        for (name, speaker) in &mut self.sources {
            if speaker.at() > now {
                continue;
            }
            let mut samples = Samples::at(clock);
            for (series, words) in &speaker.series {
                match usize::try_from(speaker.due).ok().and_then(|due| words.get(due)) {
                    Some(SeriesWord::Value(value)) => samples.push_at(series, *value, clock),
                    Some(SeriesWord::End) => samples.end(series, clock),
                    Some(SeriesWord::Nothing) | None => {}
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
}

/// Each series is said by the first source of the first evaluator that reads it.
fn speakers(
    plan: &Plan,
    scenario: &Scenario,
    intervals: &BTreeMap<String, Duration>,
) -> Result<BTreeMap<String, Speaker>, RunError> {
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
            return Err(RunError::Nothing(format!("no evaluator reads `{metric}`")));
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
