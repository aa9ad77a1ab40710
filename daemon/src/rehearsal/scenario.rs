//! A scenario: series, what happens meanwhile, and what each sink is told, as a file has it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use haetae_plugin::options::Duration;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{config::Spoken, engine::Matcher};

use super::notified::ExpectedNotice;

/// A story that is played in virtual time.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The configuration; `None`: the one that the command line names.
    pub config: Option<PathBuf>,
    /// How often all sources speak; `None`: each as it is configured.
    pub interval: Option<std::time::Duration>,
    /// The unit of the values.
    pub unit: String,
    /// What the sources say.
    pub series: Vec<Spoken>,
    /// When it ends; `None`: with the longest series.
    pub lasts: Option<std::time::Duration>,
    /// What happens meanwhile, in the order of time.
    pub steps: Vec<Step>,
    /// All that sinks are told, and some of what is withheld from them.
    pub expected: Vec<ExpectedNotice>,
    /// What is left at the end.
    pub left: Left,
}

/// What is left at the end; `None`: whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Left {
    /// Ends that are still to be told.
    pub obligations: Option<usize>,
    /// Notices that wait.
    pub waiting: Option<usize>,
    /// Dead letters.
    pub dead: Option<usize>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: std::time::Duration,
    /// What.
    pub act: ScenarioEvent,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum ScenarioEvent {
    /// The daemon ends at once and starts again after a while.
    Restart(std::time::Duration),
    /// Another configuration takes over while the daemon runs: its plan is replaced.
    Reload(PathBuf),
    /// The daemon's clock goes forward, or back if it is negative: seconds.
    ClockJump(i64),
    /// A sink stops taking anything, takes all again, refuses each for good, or needs a while.
    Sink(String, Mood),
    /// A source stops answering, or answers again.
    Source(String, bool),
    /// A person silences alarms for a while.
    Silence(Vec<Matcher>, Person, std::time::Duration),
    /// A person acknowledges the alarms that fire.
    Acknowledge(Vec<Matcher>, Person),
}

/// Who does it, and why.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// How a sink takes what it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// At once.
    #[default]
    Takes,
    /// It is not there.
    Down,
    /// It will never take it.
    Rejects,
    /// It takes each after a while.
    Slow(std::time::Duration),
}

/// Why a file holds no scenarios.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It can't be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It says something that is none.
    #[error("{0}: {1}")]
    Wrong(String, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Spanned<FileScenario>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileScenario {
    name: String,
    config: Option<PathBuf>,
    interval: Option<Duration>,
    #[serde(default)]
    unit: String,
    series: Vec<Spanned<String>>,
    lasts: Option<Duration>,
    #[serde(default)]
    steps: Vec<Spanned<FileStep>>,
    expect: Vec<Spanned<String>>,
    #[serde(default)]
    left: Left,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    at: Duration,
    #[serde(rename = "do")]
    act: EventWord,
    sink: Option<String>,
    source: Option<String>,
    config: Option<PathBuf>,
    #[serde(rename = "match", default)]
    matchers: Vec<String>,
    #[serde(rename = "for")]
    length: Option<Duration>,
    back: Option<Duration>,
    by: Option<String>,
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EventWord {
    Restart,
    Reload,
    ClockJump,
    SinkDown,
    SinkUp,
    SinkRejects,
    SinkSlow,
    SourceDown,
    SourceUp,
    Silence,
    Ack,
}

/// Reads the scenarios of a file; paths in it are seen from its folder.
pub fn read(path: &Path) -> Result<Vec<Scenario>, ScenarioError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ScenarioError::Unreadable(path.to_owned(), error))?;
    let reading = Reading { path, text: &text };
    let file: File = toml::from_str(&text)
        .map_err(|error| ScenarioError::Wrong(path.display().to_string(), error.to_string()))?;
    file.scenario.into_iter().map(|one| reading.scenario(one.into_inner())).collect()
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reading<'_> {
    fn scenario(&self, file: FileScenario) -> Result<Scenario, ScenarioError> {
        let mut steps = Vec::new();
        for step in file.steps {
            let place = self.place(step.span().start);
            let at = *step.get_ref().at;
            let act = self.act(step.into_inner());
            steps.push(Step { at, act: act.map_err(|why| ScenarioError::Wrong(place, why))? });
        }
        steps.sort_by_key(|step| step.at);
        let series = file.series.iter().map(|text| {
            let wrong = |why| ScenarioError::Wrong(self.place(text.span().start), why);
            Spoken::read(text.get_ref()).map_err(wrong)
        });
        let expected = file.expect.iter().map(|text| {
            let place = self.place(text.span().start);
            let read = ExpectedNotice::read(text.get_ref(), &place);
            read.map_err(|why| ScenarioError::Wrong(place, why))
        });
        Ok(Scenario {
            series: series.collect::<Result<_, _>>()?,
            expected: expected.collect::<Result<_, _>>()?,
            name: file.name,
            config: file.config.map(|path| self.beside(&path)),
            interval: file.interval.map(|interval| *interval),
            unit: file.unit,
            lasts: file.lasts.map(|lasts| *lasts),
            steps,
            left: file.left,
        })
    }

    fn act(&self, step: FileStep) -> Result<ScenarioEvent, String> {
        let needs = |key: &str| format!("this step needs `{key}`");
        let sink = step.sink.ok_or_else(|| needs("sink"));
        let source = step.source.ok_or_else(|| needs("source"));
        let length = step.length.map(|length| *length).ok_or_else(|| needs("for"));
        let person = || Person {
            by: step.by.clone().unwrap_or_else(|| "somebody".into()),
            reason: step.reason.clone().unwrap_or_default(),
        };
        let matchers = || {
            step.matchers
                .iter()
                .map(|text| Matcher::parse(text).map_err(|_| format!("`{text}` is no matcher")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match step.act {
            EventWord::Restart => ScenarioEvent::Restart(length.unwrap_or_default()),
            EventWord::Reload => {
                ScenarioEvent::Reload(self.beside(&step.config.ok_or_else(|| needs("config"))?))
            }
            EventWord::ClockJump => match (length, step.back) {
                (_, Some(back)) => ScenarioEvent::ClockJump(-seconds(*back)),
                (length, None) => ScenarioEvent::ClockJump(seconds(length?)),
            },
            EventWord::SinkDown => ScenarioEvent::Sink(sink?, Mood::Down),
            EventWord::SinkUp => ScenarioEvent::Sink(sink?, Mood::Takes),
            EventWord::SinkRejects => ScenarioEvent::Sink(sink?, Mood::Rejects),
            EventWord::SinkSlow => ScenarioEvent::Sink(sink?, Mood::Slow(length?)),
            EventWord::SourceDown => ScenarioEvent::Source(source?, false),
            EventWord::SourceUp => ScenarioEvent::Source(source?, true),
            EventWord::Silence => ScenarioEvent::Silence(matchers()?, person(), length?),
            EventWord::Ack => ScenarioEvent::Acknowledge(matchers()?, person()),
        })
    }

    fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

fn seconds(length: std::time::Duration) -> i64 {
    length.as_secs().try_into().unwrap_or(i64::MAX)
}
