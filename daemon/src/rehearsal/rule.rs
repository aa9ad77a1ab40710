//! A rule test: one evaluator, fed from the text, judged slot by slot.

use std::time::Duration;

use haetae_plugin::{Samples, Series, Severity, Timestamp};
use jiff::tz::TimeZone;

use super::{
    happened::Happened,
    timeline::Timeline,
    verdict::{TestResult, judge},
};
use crate::{
    config::{Plan, RuleTest, SeriesWord, Stand},
    deliver::render::Voice,
    engine::{
        AlarmView, Condition, Engine, Input, SourceTiming, Transition, next_slot,
        threshold::rule::Threshold,
    },
};

/// Where the time of all tests starts: the year 2000. Its slot after that is time zero of a test.
const EPOCH: i64 = 946_684_800;

/// Runs a test; `None` if the plan has no such evaluator.
pub fn rehearse(plan: &Plan, test: &RuleTest) -> Option<TestResult> {
    let threshold = plan.thresholds.iter().find(|one| one.name == test.evaluator)?;
    let mut run = RuleRun::new(plan, threshold, test);
    let last = run.last(test);
    let (mut spoken, mut judged) = (0_u32, 0_u32);
    loop {
        let (sample, slot) =
            (test.interval.saturating_mul(spoken), run.every.saturating_mul(judged));
        let at = sample.min(slot);
        if at > last {
            break;
        }
        run.speak(at, (sample == at).then_some(spoken));
        if slot == at {
            run.observe(at, test);
            judged += 1;
        }
        spoken += u32::from(sample == at);
    }
    Some(judge(test, run.happened, run.timeline))
}

/// An engine with one evaluator, and its sources.
struct RuleRun<'a> {
    engine: Engine,
    evaluator: &'a str,
    sources: Vec<String>,
    series: Vec<(Series, &'a [SeriesWord])>,
    start: Timestamp,
    every: Duration,
    voice: Voice,
    happened: Vec<Happened>,
    timeline: Timeline,
}

impl<'a> RuleRun<'a> {
    fn new(plan: &Plan, threshold: &'a Threshold, test: &'a RuleTest) -> Self {
        let sources = plan.sources.iter().filter(|one| threshold.inputs.contains(&one.name));
        let timings: Vec<_> = sources
            .clone()
            .map(|source| SourceTiming {
                name: source.name.clone(),
                interval: test.interval,
                deadline: source.deadline.min(test.interval),
                max_series: source.limits.max_series,
            })
            .collect();
        // The slots are those of the evaluator if it has its own, else of its slowest source; as
        // all are as slow here, the last name decides.
        let slowest = timings.iter().map(|timing| timing.name.as_str()).max();
        let (name, every) = match threshold.every {
            Some(every) => (threshold.name.as_str(), every),
            None => (slowest.unwrap_or_default(), test.interval),
        };
        let start = next_slot(name, every, Timestamp::from_seconds(EPOCH));
        let before = start.before(Duration::from_nanos(1));
        let added = sources.clone().next().map(|source| &source.labels);
        let series = test.series.iter().map(|spoken| {
            let name = spoken.metric.as_deref().unwrap_or(&threshold.metric);
            let labels = spoken.labels.iter().chain(added.into_iter().flatten());
            let builder = labels.fold(Series::gauge(name, &test.unit), |builder, (name, value)| {
                builder.label(name, value)
            });
            (builder.build(), spoken.words.as_slice())
        });
        let sources = timings.iter().map(|timing| timing.name.clone()).collect();
        let mut engine = Engine::new(timings, vec![threshold.clone()], before);
        engine.step(Input::Overrides(plan.numbers()), before);
        Self {
            sources,
            engine,
            evaluator: &threshold.name,
            series: series.collect(),
            start,
            every,
            voice: Voice { language: plan.daemon.language, zone: TimeZone::UTC },
            happened: Vec::new(),
            timeline: Timeline::default(),
        }
    }

    /// The test ends with the slot that judges the end of its longest series, or with what is
    /// expected last.
    fn last(&self, test: &RuleTest) -> Duration {
        let longest = self.series.iter().map(|(_, words)| words.len()).max().unwrap_or_default();
        let samples = u32::try_from(longest.saturating_sub(1)).unwrap_or(u32::MAX);
        let expected = test.expectations.iter().map(|one| one.at).max().unwrap_or_default();
        let series = test.interval.saturating_mul(samples).as_nanos();
        let slots = u32::try_from(series.div_ceil(self.every.as_nanos().max(1)));
        self.every.saturating_mul(slots.unwrap_or(u32::MAX)).max(expected)
    }

    /// The sources say all that there is to say up to a time; the series are the first one's.
    fn speak(&mut self, at: Duration, spoken: Option<u32>) {
        let now = self.start.after(at);
        let spoken = spoken.and_then(|spoken| usize::try_from(spoken).ok());
        for (index, source) in self.sources.clone().into_iter().enumerate() {
            let mut samples = Samples::at(now);
            for (series, words) in self.series.iter().filter(|_| index == 0) {
                match spoken.and_then(|spoken| words.get(spoken)) {
                    Some(SeriesWord::Value(value)) => samples.push_at(series, *value, now),
                    Some(SeriesWord::End) => samples.end(series, now),
                    Some(SeriesWord::Nothing) | None => {}
                }
            }
            let effects = self.engine.step(Input::Samples { source, samples }, now);
            for transition in effects.transitions {
                self.take(&transition);
            }
        }
    }

    fn take(&mut self, transition: &Transition) {
        let Transition { change, alarm, at } = transition;
        // That it comes and goes says nothing of where it stands.
        if alarm.evaluator != self.evaluator || change.is_flapping() {
            return;
        }
        let stand = match (change.is_end(), alarm.severity) {
            (true, _) => Stand::Ok,
            (false, Severity::Warning) => Stand::Warning,
            (false, Severity::Critical) => Stand::Critical,
        };
        let happened = self.shown(alarm, at.since(self.start), stand);
        self.happened.push(happened);
    }

    /// What is asked about between two changes, and one character an alarm for people.
    fn observe(&mut self, at: Duration, test: &RuleTest) {
        let asked = test.expectations.iter().any(|one| one.at == at && !one.stand.is_change());
        if !asked && self.timeline.is_full() {
            return;
        }
        let alarms = self.engine.alarms();
        let own = alarms.iter().filter(|alarm| alarm.evaluator == self.evaluator);
        self.timeline.add(own.clone());
        for alarm in own.filter(|_| asked) {
            let stand = match alarm.condition {
                Condition::Pending => Stand::Pending,
                Condition::Recovering => Stand::Recovering,
                Condition::Ok | Condition::Firing => continue,
            };
            let happened = self.shown(alarm, at, stand);
            self.happened.push(happened);
        }
    }

    fn shown(&self, alarm: &AlarmView, at: Duration, stand: Stand) -> Happened {
        Happened {
            at,
            stand,
            labels: alarm.labels.clone(),
            value: alarm.value,
            summary: self.voice.summary(alarm),
            reason: alarm.reason.clone(),
        }
    }
}
