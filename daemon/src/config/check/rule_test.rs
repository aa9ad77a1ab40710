//! `[[evaluators.NAME.test]]`: from the text to the plan.

use std::{collections::BTreeMap, time::Duration};

use super::length::too_short;
use crate::{
    config::{
        file,
        read::section::Section,
        text::{
            notation::{Expected, NotationError, Spoken, Stand},
            problem::{Code, Place, Problem},
        },
    },
    engine::threshold::rule::Threshold,
};

/// A test that takes longer than this many slots is a slip of the pen.
const MOST_SLOTS: u128 = 1_000_000;

/// A test of one evaluator, ready to run.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// The evaluator.
    pub evaluator: String,
    /// What it is about.
    pub name: Option<String>,
    /// Where it stands: `haetae.toml:12`.
    pub place: String,
    /// How often the series speak.
    pub interval: Duration,
    /// The unit of their values.
    pub unit: String,
    /// What the source says.
    pub series: Vec<Spoken>,
    /// All that is to happen.
    pub expectations: Vec<Expectation>,
}

/// What is to happen at one time.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Where it stands: `haetae.toml:12`.
    pub place: String,
    /// The time from the start of the test.
    pub at: Duration,
    /// Where an alarm is to stand from then on.
    pub stand: Stand,
    /// Labels that the alarm has, among others.
    pub labels: BTreeMap<String, String>,
    /// The value that was judged.
    pub value: Option<f64>,
    /// Its summary, filled in.
    pub summary: Option<String>,
    /// Why: `no data`, `ended` …
    pub reason: Option<String>,
}

/// A test as far as it could be read.
pub(in crate::config) struct TestDraft {
    test: RuleTest,
    /// Its place among the evaluator's tests.
    index: usize,
    /// `None`: the interval of the evaluator's slowest source.
    interval: Option<Duration>,
}

/// Reads the tests of an evaluator.
pub(super) fn read(
    section: &Section<'_>,
    files: Vec<file::RuleTest>,
    threshold: &Threshold,
    problems: &mut Vec<Problem>,
) -> Vec<TestDraft> {
    let files = files.into_iter().enumerate();
    files.map(|(index, file)| draft(section, index, file, threshold, problems)).collect()
}

fn draft(
    section: &Section<'_>,
    index: usize,
    file: file::RuleTest,
    threshold: &Threshold,
    problems: &mut Vec<Problem>,
) -> TestDraft {
    let at = |rest: String| format!("/test/{index}{rest}");
    if let Some(interval) = file.interval {
        too_short(section, &at("/interval".into()), *interval, problems);
    }
    let mut series = Vec::new();
    for (number, text) in file.series.iter().enumerate() {
        let place = section.value(&at(format!("/series/{number}")));
        match Spoken::parse(text) {
            Ok(spoken) => {
                other_metric(&spoken, text, &place, threshold, problems);
                series.push(spoken);
            }
            Err(wrong) => problems.push(unreadable(Code::BadSeries, &place, text, &wrong)),
        }
    }
    let mut expectations = Vec::new();
    for (number, file) in file.expect.into_iter().enumerate() {
        let place = section.value(&at(format!("/expect/{number}")));
        match expectation(file, &place) {
            Ok(expectation) => {
                no_such_level(&expectation, &place, threshold, problems);
                expectations.push(expectation);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let test = RuleTest {
        evaluator: section.name.into(),
        name: file.name,
        place: section.value(&at(String::new())).line(),
        interval: Duration::ZERO,
        unit: file.unit,
        series,
        expectations,
    };
    TestDraft { test, index, interval: file.interval.map(|interval| *interval) }
}

fn expectation(file: file::ExpectEntry, place: &Place) -> Result<Expectation, Problem> {
    let line = place.line();
    match file {
        file::ExpectEntry::Short(text) => match Expected::parse(&text) {
            Ok(Expected { stand, at, labels }) => Ok(Expectation {
                place: line,
                at,
                stand,
                labels,
                value: None,
                summary: None,
                reason: None,
            }),
            Err(wrong) => Err(unreadable(Code::BadExpectation, place, &text, &wrong)),
        },
        file::ExpectEntry::Long(file) => Ok(Expectation {
            place: line,
            at: *file.at,
            stand: file.is.into(),
            labels: file.labels,
            value: file.value,
            summary: file.summary,
            reason: file.reason,
        }),
    }
}

fn unreadable(code: Code, place: &Place, text: &str, wrong: &NotationError) -> Problem {
    let problem = Problem::new(code, place.within(text, &wrong.span)).with("given", text);
    problem.with_words("cause", vec![wrong.cause]).meant(wrong.meant)
}

/// A series that its evaluator does not read makes a test that says nothing.
fn other_metric(
    spoken: &Spoken,
    text: &str,
    place: &Place,
    threshold: &Threshold,
    problems: &mut Vec<Problem>,
) {
    let Some(metric) = spoken.metric.as_deref().filter(|metric| *metric != threshold.metric) else {
        return;
    };
    let start = text.find(metric).unwrap_or_default();
    let place = place.within(text, &(start..start + metric.len()));
    let problem = Problem::new(Code::TestOfOtherMetric, place).with("given", metric);
    problems.push(problem.with("metric", &threshold.metric));
}

fn no_such_level(
    expectation: &Expectation,
    place: &Place,
    threshold: &Threshold,
    problems: &mut Vec<Problem>,
) {
    let missing = match expectation.stand {
        Stand::Warning => threshold.warning.is_none(),
        Stand::Critical => threshold.critical.is_none(),
        Stand::Ok | Stand::Pending | Stand::Recovering => false,
    };
    // One that is there and wrong has been told.
    if missing && (threshold.warning.is_some() || threshold.critical.is_some()) {
        let problem = Problem::new(Code::TestOfNoLevel, place.clone());
        problems.push(problem.with("severity", expectation.stand.as_str()));
    }
}

impl TestDraft {
    /// The test, once the interval of its evaluator's slowest source is known. What is expected
    /// between two slots can't happen.
    pub(super) fn finish(
        self,
        section: &Section<'_>,
        slowest: Duration,
        every: Option<Duration>,
        problems: &mut Vec<Problem>,
    ) -> RuleTest {
        let interval = self.interval.unwrap_or(slowest).max(Duration::from_millis(1));
        let every = every.unwrap_or(interval).max(Duration::from_millis(1));
        let values = self.test.series.iter().map(|series| series.words.len()).max();
        let values = u32::try_from(values.unwrap_or_default()).unwrap_or(u32::MAX);
        let expected = self.test.expectations.iter().map(|one| one.at).max().unwrap_or_default();
        let length = interval.saturating_mul(values).max(expected);
        if length.as_nanos() / every.min(interval).as_nanos() > MOST_SLOTS {
            let place = section.value(&format!("/test/{}/expect", self.index));
            let problem = Problem::new(Code::TestTooLong, place).with("most", MOST_SLOTS);
            problems.push(problem.with("every", show(every.min(interval))));
        }
        for (number, expectation) in self.test.expectations.iter().enumerate() {
            let beyond = expectation.at.as_nanos() % every.as_nanos();
            // Where one could not be read, the rest has other numbers, and there is no run anyhow.
            if beyond == 0 || self.test.expectations.len() != self.written(section) {
                continue;
            }
            let place = section.value(&format!("/test/{}/expect/{number}", self.index));
            let before = expectation.at.saturating_sub(nanos(beyond));
            problems.push(
                Problem::new(Code::TestBetweenSlots, place)
                    .with("at", show(expectation.at))
                    .with("every", show(every))
                    .with("before", show(before))
                    .with("after", show(before.saturating_add(every))),
            );
        }
        RuleTest { interval, ..self.test }
    }

    fn written(&self, section: &Section<'_>) -> usize {
        let tests = section.table.get("test").and_then(|tests| tests.get(self.index));
        let expect =
            tests.and_then(|test| test.get("expect")).and_then(serde_json::Value::as_array);
        expect.map_or(0, Vec::len)
    }
}

fn show(time: Duration) -> String {
    haetae_plugin::options::Duration::from(time).to_string()
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl From<file::Stand> for Stand {
    fn from(stand: file::Stand) -> Self {
        match stand {
            file::Stand::Ok => Self::Ok,
            file::Stand::Pending => Self::Pending,
            file::Stand::Warning => Self::Warning,
            file::Stand::Critical => Self::Critical,
            file::Stand::Recovering => Self::Recovering,
        }
    }
}
