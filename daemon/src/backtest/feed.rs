//! Feeding: what readers answered becomes what sources would have said, slot by slot.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Kind, Point, Samples, Series, Timestamp};

use super::{
    BacktestResult, Progress,
    counts::Counter,
    need::{Needs, Stream},
    recording::{Chunk, Packed},
};
use crate::{
    config::Plan,
    engine::{Engine, Input},
    pipeline::intake::Intake,
};

/// The engines and how far they are.
pub(super) struct Replay {
    sides: Vec<JudgedPlan>,
    voices: Vec<Voice>,
    /// Slots after this time are judged.
    from: Timestamp,
    to: Timestamp,
    progress: Progress,
    complaints: BTreeMap<String, String>,
}

/// One plan's engine and what it did.
struct JudgedPlan {
    engine: Engine,
    counter: Counter,
    now: Timestamp,
}

/// A source whose words are made up.
struct Voice {
    stream: Stream,
    intake: Intake,
    /// The slot that it spoke at last.
    last: Timestamp,
}

impl Replay {
    /// Engines that know nothing yet.
    pub(super) fn new(plans: &[Plan], needs: &Needs) -> Self {
        let judged = |plan: &Plan| {
            let evaluators = plan.thresholds.iter().map(|one| one.name.clone());
            let sinks = plan.sinks.iter().map(|sink| sink.name.clone());
            let timings = plan.sources.iter().map(crate::config::Source::timing).collect();
            let engine = Engine::new(timings, plan.thresholds.clone(), needs.from);
            let (inhibits, maintenance) = (plan.inhibits.clone(), plan.maintenance.clone());
            let mut engine = engine.with_routes(plan.routes(), inhibits, maintenance);
            engine.step(Input::Overrides(plan.numbers()), needs.from);
            JudgedPlan { engine, counter: Counter::new(evaluators, sinks), now: needs.from }
        };
        let voice = |stream: &Stream| Voice {
            intake: Intake::new(&stream.source),
            last: stream.slot(needs.from),
            stream: stream.clone(),
        };
        Self {
            sides: plans.iter().map(judged).collect(),
            voices: needs.streams.iter().map(voice).collect(),
            from: needs.from,
            to: needs.to,
            progress: Progress { until: needs.from, ..Progress::default() },
            complaints: BTreeMap::new(),
        }
    }

    /// Judges a chunk.
    pub(super) fn take(&mut self, chunk: &Chunk) -> Progress {
        let mut said = Vec::new();
        for (at, (voice, answers)) in self.voices.iter_mut().zip(&chunk.answers).enumerate() {
            let (samples, complaint) = voice.hear(answers, chunk.until);
            if let Some(complaint) = complaint {
                self.complaints.entry(voice.stream.source.name.clone()).or_insert(complaint);
            }
            let (past, words) = voice.speak(&samples, chunk.until);
            if !past.points().is_empty() {
                for side in &voice.stream.sides {
                    let source = voice.stream.source.name.clone();
                    let input = Input::History { source, samples: past.clone() };
                    step(self.sides.get_mut(*side), input, self.from);
                }
            }
            said.extend(words.into_iter().map(|(slot, samples)| (slot, at, samples)));
        }
        // Of sources that speak at once the order of their names decides.
        said.sort_by_key(|(slot, at, _)| (*slot, *at));
        for (slot, at, samples) in said {
            let Some(voice) = self.voices.get(at) else { continue };
            for side in &voice.stream.sides {
                let source = voice.stream.source.name.clone();
                let input = Input::Samples { source, samples: samples.clone() };
                step(self.sides.get_mut(*side), input, slot);
            }
        }
        let points = chunk.points();
        self.progress.until = self.progress.until.max(chunk.until);
        self.progress.points += points as u64;
        self.progress.recorded += if chunk.recorded { points as u64 } else { 0 };
        let series = chunk.answers.iter().flatten().map(Vec::len).sum();
        self.progress.series = self.progress.series.max(series);
        self.progress
    }

    /// What came of it.
    pub(super) fn finish(self) -> BacktestResult {
        let (until, finished) = (self.progress.until, self.progress.until >= self.to);
        let sides = self.sides.into_iter().map(|mut judged| {
            judged.tick(until);
            judged.counter.finish(judged.engine.evaluators(), until)
        });
        BacktestResult {
            sides: sides.collect(),
            progress: self.progress,
            complaints: self.complaints.into_iter().collect(),
            finished,
        }
    }
}

fn step(judged: Option<&mut JudgedPlan>, input: Input, now: Timestamp) {
    if let Some(judged) = judged {
        judged.tick(now);
        let effects = judged.engine.step(input, now);
        judged.counter.count(&effects);
    }
}

impl JudgedPlan {
    /// Lets time pass up to `now`, with all that falls due on the way.
    fn tick(&mut self, now: Timestamp) {
        while let Some(due) = self.engine.next_due().filter(|due| *due > self.now && *due < now) {
            let effects = self.engine.step(Input::Tick, due);
            self.counter.count(&effects);
            self.now = due;
        }
        self.now = now;
    }
}

impl Voice {
    /// The answers as the daemon would have taken them: labelled, within the limits.
    fn hear(&mut self, answers: &[Vec<Packed>], until: Timestamp) -> (Samples, Option<String>) {
        let points = answers.iter().flatten().map(Packed::len).sum();
        let mut samples = Samples::with_capacity(until, points);
        for packed in answers.iter().flatten() {
            let series = self.series(packed);
            for (time, value) in packed.points() {
                samples.push_at(&series, value, time);
            }
        }
        let (samples, complaint) = self.intake.admit(&samples, until, until);
        (samples, complaint.map(|complaint| complaint.cause))
    }

    fn series(&self, packed: &Packed) -> Series {
        let known = self.stream.metrics.iter().find(|metric| metric.name == packed.name);
        let counter = known.is_some_and(|metric| metric.kind == Kind::COUNTER.as_str());
        let make = if counter { Series::counter } else { Series::gauge };
        let series = make(packed.name.as_str(), packed.unit.as_str());
        let labels = packed.labels.iter();
        labels.fold(series, |series, (name, value)| series.label(name, value)).build()
    }

    /// What was before the range, and what it says at each of its slots up to `until`.
    fn speak(
        &mut self,
        samples: &Samples,
        until: Timestamp,
    ) -> (Samples, Vec<(Timestamp, Samples)>) {
        let every = self.stream.source.interval;
        let first = self.last.after(every);
        let mut slots = Vec::new();
        while self.last.after(every) <= until {
            self.last = self.last.after(every);
            slots.push((self.last, Vec::<Point>::new()));
        }
        let mut past = Samples::at(self.last);
        let started = first.before(every);
        for point in samples.points() {
            if point.time <= started {
                let series = usize::try_from(point.series).ok();
                if let Some(series) = series.and_then(|at| samples.series().get(at)) {
                    past.push_flagged(series, point.value, point.time, point.flags);
                }
            } else if let Some((_, points)) = slots.get_mut(place(point.time, first, every)) {
                points.push(*point);
            }
        }
        let say = |(slot, points): (Timestamp, Vec<Point>)| {
            let mut said = Samples::with_capacity(slot, points.len());
            for point in points {
                let series = usize::try_from(point.series).ok();
                if let Some(series) = series.and_then(|at| samples.series().get(at)) {
                    said.push_flagged(series, point.value, point.time, point.flags);
                }
            }
            (slot, said)
        };
        (past, slots.into_iter().map(say).collect())
    }
}

/// Which slot a point belongs to: the first that is not before it.
fn place(time: Timestamp, first: Timestamp, every: Duration) -> usize {
    let late = time.since(first).as_nanos();
    usize::try_from(late.div_ceil(every.as_nanos().max(1))).unwrap_or(usize::MAX)
}
