//! `[evaluators.NAME]`: from the text to the plan.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{expect, rule_test, source::too_short};
use crate::{
    config::{
        file,
        read::{schema, section::Section},
        text::{
            language::Language,
            problem::{Code, Problem, nearest},
        },
    },
    engine::{
        Summaries,
        threshold::rule::{Debounce, Flap, LIMIT, Level, NoData, Over, Side, Threshold},
    },
};

/// An evaluator as far as it could be read.
pub(in crate::config) struct Draft<'a> {
    pub(super) section: Section<'a>,
    pub(in crate::config) threshold: Threshold,
    pub(super) tests: Vec<rule_test::Draft>,
}

/// Reads an evaluator.
pub(in crate::config) fn read<'a>(section: Section<'a>, problems: &mut Vec<Problem>) -> Draft<'a> {
    let judged = schema::own::<file::Evaluator>(&section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    let warning = file.warning.as_ref().and_then(|one| level(&section, "/warning", one, problems));
    let critical =
        file.critical.as_ref().and_then(|one| level(&section, "/critical", one, problems));
    // One that is there and wrong, even misspelt, has been told.
    if nearly_none(section.table, ["warning", "critical"]) {
        problems.push(Problem::new(Code::NoLevel, section.head()).with("section", section));
    }
    if let (Some(warning), Some(critical)) = (&warning, &critical) {
        check_order(&section, warning, critical, problems);
    }
    if section.has("/value") && !section.has("/over") {
        problems.push(Problem::new(Code::ValueWithoutOver, section.key("/value")));
    }
    for (pointer, length) in [("/over", file.over), ("/every", file.every)] {
        let length = length.map_or(Duration::MAX, |length| *length);
        too_short(&section, pointer, length, problems);
    }
    let expect = expect::read(&section, &file, problems);
    let threshold = Threshold {
        name: section.name.into(),
        inputs: file.inputs,
        metric: file.metric,
        matchers: file.matchers.into_iter().map(|matcher| matcher.0).collect(),
        by: file.by,
        across: file.across.into(),
        labels: file.labels,
        warning,
        critical,
        no_data: NoData {
            after: file.no_data.after.map(|after| *after),
            then: file.no_data.then.into(),
        },
        over: file.over.map(|length| Over { length: *length, value: file.value.into() }),
        limit: file.limit.unwrap_or(LIMIT),
        flap: flap(&section, file.flap, problems),
        every: file.every.map(|every| *every),
        summary: summary(file.summary),
        runbook: file.runbook,
        expect,
        judged_by: None,
    };
    let tests = rule_test::read(&section, file.tests, &threshold, problems);
    Draft { section, threshold, tests }
}

fn flap(
    section: &Section<'_>,
    file: Option<file::Flap>,
    problems: &mut Vec<Problem>,
) -> Option<Flap> {
    let file::Score { start, stop, decay } = match file {
        Some(file::Flap::Switch(false)) => return None,
        None | Some(file::Flap::Switch(true)) => file::Score::default(),
        Some(file::Flap::Score(score)) => score,
    };
    if stop > start {
        let at = if section.has("/flap/stop") { "/flap/stop" } else { "/flap/start" };
        let problem = Problem::new(Code::FlapNeverSettles, section.value(at));
        problems.push(problem.with("start", start).with("stop", stop));
    }
    let decay = decay.map(|decay| *decay);
    too_short(section, "/flap/decay", decay.unwrap_or(Duration::MAX), problems);
    Some(Flap { start, stop, decay })
}

pub(super) fn level(
    section: &Section<'_>,
    pointer: &str,
    file: &file::Level,
    problems: &mut Vec<Problem>,
) -> Option<Level> {
    let at = |key: &str| format!("{pointer}/{key}");
    let severity = pointer.trim_start_matches('/');
    let problem =
        |code, key: &str| Problem::new(code, section.key(&at(key))).with("severity", severity);
    if section.has(&at("for")) && section.has(&at("of")) {
        problems.push(problem(Code::ForBesideOf, "for"));
    }
    if let Some((count, slots)) = file.of.filter(|(count, slots)| *count == 0 || count > slots) {
        let problem = Problem::new(Code::ImpossibleOf, section.value(&at("of")));
        problems.push(problem.with("count", count).with("slots", slots));
    }
    let (side, raise) = match (file.above, file.below) {
        (Some(raise), None) => (Side::Above, raise),
        (None, Some(raise)) => (Side::Below, raise),
        (Some(_), Some(_)) => {
            problems.push(problem(Code::BothSides, "below"));
            return None;
        }
        (None, None) => {
            let table = section.table.get(severity).and_then(Value::as_object);
            if table.is_some_and(|table| nearly_none(table, ["above", "below"])) {
                let problem = Problem::new(Code::NoSide, section.key(pointer));
                problems.push(problem.with("severity", severity));
            }
            return None;
        }
    };
    let clear = file.clear.unwrap_or(raise);
    if beyond(side, clear, raise) {
        let problem = Problem::new(Code::ClearOnWrongSide, section.value(&at("clear")));
        let problem = problem.with("clear", clear).with("raise", raise);
        problems.push(match side {
            Side::Above => problem,
            Side::Below => problem.cured_by("below"),
        });
    }
    let debounce = match file.of {
        Some((count, slots)) => Debounce::Of { count: count as usize, slots: slots as usize },
        None => Debounce::For(file.hold.map(|hold| *hold).unwrap_or_default()),
    };
    Some(Level { side, raise, clear, debounce, clear_for: *file.clear_for })
}

/// What two levels must keep to be one evaluator's.
pub(super) fn check_order(
    section: &Section<'_>,
    warning: &Level,
    critical: &Level,
    problems: &mut Vec<Problem>,
) {
    // Of an override that names one of them, the other is the evaluator's.
    let merged = |problem: Problem| {
        let both = section.has("/warning") && section.has("/critical");
        if both { problem } else { problem.cured_by("merged") }
    };
    let (level, side) = if section.has("/warning") {
        ("warning", warning.side)
    } else {
        ("critical", critical.side)
    };
    let key = match side {
        Side::Above => format!("/{level}/above"),
        Side::Below => format!("/{level}/below"),
    };
    let key = key.as_str();
    if warning.side != critical.side {
        problems.push(merged(Problem::new(Code::MixedSides, section.key(key))));
    } else if beyond(warning.side, warning.raise, critical.raise) {
        let problem = Problem::new(Code::WarningBeyondCritical, section.value(key))
            .with("warning", warning.raise)
            .with("critical", critical.raise);
        problems.push(merged(match warning.side {
            Side::Above => problem,
            Side::Below => problem.cured_by("below"),
        }));
    }
}

fn beyond(side: Side, value: f64, limit: f64) -> bool {
    match side {
        Side::Above => value > limit,
        Side::Below => value < limit,
    }
}

/// Whether a table has none of two keys, not even misspelt.
pub(super) fn nearly_none(table: &Map<String, Value>, keys: [&str; 2]) -> bool {
    table.keys().all(|key| nearest(key, keys).is_none())
}

/// A summary, by language.
pub(super) fn summary(file: Option<file::Summary>) -> Summaries {
    let each = |language: Language, text: String| (language.code().to_owned(), text);
    match file {
        None => Summaries::default(),
        Some(file::Summary::Same(text)) => {
            Language::ALL.into_iter().map(|language| each(language, text.clone())).collect()
        }
        Some(file::Summary::Each(texts)) => {
            let texts = [(Language::En, texts.en), (Language::Ko, texts.ko)];
            let given = texts.into_iter().filter_map(|(language, text)| Some((language, text?)));
            given.map(|(language, text)| each(language, text)).collect()
        }
    }
}
