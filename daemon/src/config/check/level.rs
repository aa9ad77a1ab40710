//! `warning` and `critical`: from the text to the plan.

use serde_json::{Map, Value};

use crate::{
    config::{
        file,
        read::section::Section,
        text::problem::{Code, Problem, nearest},
    },
    engine::threshold::rule::{Debounce, Level, Side},
};

/// Reads one of the two.
pub(super) fn level(
    section: &Section<'_>,
    pointer: &str,
    file: &file::LevelSection,
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
