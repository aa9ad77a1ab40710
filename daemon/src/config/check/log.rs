//! `[evaluators.NAME]` of kind `log`: from the text to the plan.

use std::time::Duration;

use serde_json::Value;

use super::{evaluator::summary, length::too_short, level::nearly_none};
use crate::{
    config::{
        file,
        read::{schema, section::Section},
        text::problem::{Code, Problem},
    },
    engine::{
        log::{Count, Levels, LogCondition, LogRule},
        threshold::rule::LIMIT,
    },
};

/// For how long values become known without an alarm.
const LEARN: Duration = Duration::from_hours(1);
/// After how long a value that was not seen is new again.
const FORGET: Duration = Duration::from_hours(30 * 24);

/// A log evaluator as far as it could be read.
pub(in crate::config) struct LogDraft<'a> {
    pub(super) section: Section<'a>,
    pub(in crate::config) rule: LogRule,
}

/// Whether a section says that it is one.
pub(in crate::config) fn is_log(section: &Section<'_>) -> bool {
    section.table.get("kind").and_then(Value::as_str) == Some("log")
}

/// Reads a log evaluator.
pub(in crate::config) fn read<'a>(
    section: Section<'a>,
    problems: &mut Vec<Problem>,
) -> LogDraft<'a> {
    let judged = schema::own::<file::LogEvaluator>(&section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    // One that is there and wrong, even misspelt, has been told.
    if nearly_none(section.table, ["warning", "critical"]) {
        let problem = Problem::new(Code::NoLevel, section.head()).cured_by("log");
        problems.push(problem.with("section", section));
    }
    for (pointer, length) in [("/learn", file.learn), ("/forget", file.forget)] {
        if section.has(pointer) && !section.has("/new") {
            let problem = Problem::new(Code::WithoutNew, section.key(pointer));
            problems.push(problem.with("key", pointer.trim_start_matches('/')));
        }
        // Nothing to learn is a choice.
        if pointer == "/forget" {
            too_short(&section, pointer, length.map_or(Duration::MAX, |length| *length), problems);
        }
    }
    let watch = watch(&section, &file, problems);
    let rule = LogRule {
        name: section.name.into(),
        inputs: file.inputs,
        matchers: file.matchers.into_iter().map(|matcher| matcher.0).collect(),
        pattern: file.pattern.map(|pattern| pattern.0),
        by: file.by,
        labels: file.labels,
        watch,
        limit: file.limit.unwrap_or(LIMIT),
        summary: summary(file.summary),
        runbook: file.runbook,
    };
    LogDraft { section, rule }
}

/// What a level looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Count,
    Absence,
    New,
}

fn watch(
    section: &Section<'_>,
    file: &file::LogEvaluator,
    problems: &mut Vec<Problem>,
) -> LogCondition {
    let levels = [("/warning", &file.warning), ("/critical", &file.critical)];
    let mut mode = section.has("/new").then_some(Mode::New);
    for (pointer, level) in levels {
        let Some(level) = level else { continue };
        let own = level_mode(section, pointer, level, mode, problems);
        mode = mode.or(own);
    }
    let within = |level: &file::LogLevel| level.within.map(|within| *within);
    let count = |level: &file::LogLevel| {
        Some(Count { at_least: level.at_least? as usize, within: within(level)? })
    };
    match mode {
        Some(Mode::New) => LogCondition::New {
            label: file.new.clone().unwrap_or_default(),
            learn: file.learn.map_or(LEARN, |learn| *learn),
            forget: file.forget.map_or(FORGET, |forget| *forget),
            levels: both(file, within),
        },
        Some(Mode::Absence) => {
            let levels = both(file, |level| level.absent_for.map(|absent| *absent));
            if let (Some(warning), Some(critical)) = (levels.warning, levels.critical)
                && warning >= critical
            {
                let place = section.value("/warning/absent_for");
                let problem = Problem::new(Code::WarningBeyondCritical, place);
                let shown = |length: Duration| haetae_plugin::options::Duration::from(length);
                let problem = problem.with("warning", shown(warning));
                problems.push(problem.with("critical", shown(critical)));
            }
            LogCondition::Absence(levels)
        }
        Some(Mode::Count) | None => {
            let levels = both(file, count);
            if let (Some(warning), Some(critical)) = (levels.warning, levels.critical)
                && warning.within <= critical.within
                && warning.at_least >= critical.at_least
            {
                let place = section.value("/warning/at_least");
                let problem = Problem::new(Code::WarningBeyondCritical, place);
                let problem = problem.with("warning", warning.at_least);
                problems.push(problem.with("critical", critical.at_least));
            }
            LogCondition::Count(levels)
        }
    }
}

fn both<T>(file: &file::LogEvaluator, read: impl Fn(&file::LogLevel) -> Option<T>) -> Levels<T> {
    Levels {
        warning: file.warning.as_ref().and_then(&read),
        critical: file.critical.as_ref().and_then(&read),
    }
}

/// What a level looks for; it must look for one thing, and the same as the others.
fn level_mode(
    section: &Section<'_>,
    pointer: &str,
    level: &file::LogLevel,
    others: Option<Mode>,
    problems: &mut Vec<Problem>,
) -> Option<Mode> {
    let key = |key: &str| section.key(&format!("{pointer}/{key}"));
    let severity = pointer.trim_start_matches('/');
    for (name, length) in [("within", level.within), ("absent_for", level.absent_for)] {
        let at = format!("{pointer}/{name}");
        too_short(section, &at, length.map_or(Duration::MAX, |length| *length), problems);
    }
    let table = section.table.get(severity).and_then(Value::as_object);
    let lacks = |key: &str| table.is_some_and(|table| nearly_none(table, [key, key]));
    let mode = match (level.at_least, level.absent_for) {
        (Some(_), None) => Some(Mode::Count),
        (None, Some(_)) => Some(Mode::Absence),
        (Some(_), Some(_)) => {
            problems.push(Problem::new(Code::MixedModes, key("absent_for")));
            return others;
        }
        (None, None) => others.filter(|mode| *mode == Mode::New),
    };
    match (mode, others) {
        (Some(mode), Some(others)) if mode != others => {
            let name = if mode == Mode::Count { "at_least" } else { "absent_for" };
            problems.push(Problem::new(Code::MixedModes, key(name)));
        }
        (Some(Mode::Absence), _) if level.within.is_some() => {
            problems.push(Problem::new(Code::MixedModes, key("within")));
        }
        (Some(Mode::Count | Mode::New), _) if lacks("within") => {
            let problem = Problem::new(Code::MissingKey, section.value(pointer));
            problems.push(problem.with("key", "within").with("section", section));
        }
        (None, _) if lacks("at_least") && lacks("absent_for") => {
            let problem = Problem::new(Code::NoMode, section.key(pointer));
            problems.push(problem.with("severity", severity));
        }
        _ => {}
    }
    mode
}
