//! Thresholds: `[[thresholds]]`, and those that people register, judged by the same rules.

use std::{path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::level::{check_order, level, nearly_none};
use crate::{
    config::{
        file::{self, ThresholdText},
        plan,
        read::{
            document::Document,
            schema,
            section::{Section, sections},
        },
        text::problem::{Code, Problem, nearest},
    },
    engine::{Override, threshold::rule::Threshold},
    language::Language,
};

/// `[[thresholds]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["evaluator"]))]
struct File {
    evaluator: String,
    #[serde(rename = "match")]
    matchers: Vec<file::Matcher>,
    warning: Option<file::LevelSection>,
    critical: Option<file::LevelSection>,
    reason: String,
}

/// The evaluators whose numbers can be overridden.
pub(super) struct Known<'a> {
    pub(super) evaluators: Vec<&'a Threshold>,
    /// Log evaluators, whose numbers cannot.
    pub(super) logs: Vec<&'a str>,
    /// Whether none can be missing because its file is broken.
    pub(super) complete: bool,
}

/// Reads one.
pub(super) fn read(
    section: &Section<'_>,
    known: &Known<'_>,
    problems: &mut Vec<Problem>,
) -> Option<plan::Override> {
    let judged = schema::own::<File>(section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    let warning = file.warning.and_then(|one| level(section, "/warning", &one, problems));
    let critical = file.critical.and_then(|one| level(section, "/critical", &one, problems));
    if nearly_none(section.table, ["warning", "critical"]) {
        let problem = Problem::new(Code::OverridesNothing, section.head());
        problems.push(problem.with("section", section));
    }
    let text = ThresholdText {
        evaluator: file.evaluator.clone(),
        matchers: file.matchers.iter().map(|matcher| matcher.0.to_string()).collect(),
        warning: section.table.get("warning").cloned(),
        critical: section.table.get("critical").cloned(),
        reason: file.reason,
    };
    let numbers = Override {
        id: section.head().short(),
        evaluator: file.evaluator,
        matchers: file.matchers.into_iter().map(|matcher| matcher.0).collect(),
        warning,
        critical,
    };
    let Some(own) = known.evaluators.iter().find(|one| one.name == numbers.evaluator) else {
        unknown(section, &numbers.evaluator, known, problems);
        return None;
    };
    let merged = numbers.merged(own);
    // What is wrong with the evaluator alone is told there.
    let overrides = numbers.warning.is_some() || numbers.critical.is_some();
    if let (Some(warning), Some(critical), true) = (&merged.warning, &merged.critical, overrides) {
        check_order(section, warning, critical, problems);
    }
    Some(plan::Override { numbers, text })
}

fn unknown(section: &Section<'_>, name: &str, known: &Known<'_>, problems: &mut Vec<Problem>) {
    if known.logs.contains(&name) {
        let problem = Problem::new(Code::OverridesLog, section.value("/evaluator"));
        problems.push(problem.with("name", name));
        return;
    }
    if !known.complete || !section.has("/evaluator") {
        return;
    }
    let names = || known.evaluators.iter().map(|one| one.name.as_str());
    let all: Vec<_> = names().collect();
    let problem = Problem::new(Code::UnknownEvaluator, section.value("/evaluator"));
    let problem = problem.with("name", name).with("known", all.join(", "));
    problems.push(problem.meant(nearest(name, names())));
}

impl ThresholdText {
    /// Judges it as `haetae check` does where it stands in a file; an error has a text for each
    /// problem. The names of log evaluators, whose numbers cannot be overridden, are in `logs`.
    pub fn numbers(
        &self,
        id: &str,
        evaluators: &[Arc<Threshold>],
        logs: &[String],
        language: Language,
    ) -> Result<Override, Vec<String>> {
        let written = serde_json::to_value(self).unwrap_or_default();
        let text = format!("thresholds = [{}]\n", toml(&written));
        let (document, mut problems) = Document::parse(PathBuf::new(), text);
        let evaluators = evaluators.iter().map(Arc::as_ref).collect();
        let logs = logs.iter().map(String::as_str).collect();
        let known = Known { evaluators, logs, complete: true };
        let sections = sections(&document, &mut problems);
        let read = sections.first().and_then(|section| read(section, &known, &mut problems));
        let worded = |problem: &Problem| {
            let finding = problem.finding(language);
            format!("{} ({}): {}", finding.message, finding.label, finding.cure)
        };
        match read {
            Some(read) if problems.is_empty() => Ok(Override { id: id.into(), ..read.numbers }),
            _ => Err(problems.iter().map(worded).collect()),
        }
    }
}

/// A value as it is written in TOML; JSON's texts, numbers and lists are the same.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{} = {}", Value::from(key.as_str()), toml(value))
            };
            format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        // TOML has no null: as a text it has the wrong type everywhere.
        Value::Null => "\"null\"".into(),
        Value::String(text) => Value::from(text.replace('\u{7f}', "")).to_string(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::threshold::rule::{Debounce, Side};

    fn evaluators() -> Vec<Arc<Threshold>> {
        let text = "[sources.s]\nplugin = \"x\"\n[evaluators.vm-cpu]\ninputs = [\"s\"]\nmetric = \"cpu\"\n\
            by = [\"ip\"]\nwarning = { above = 80 }\ncritical = { above = 90, clear = 85, for = \"2m\" }\n";
        let (document, mut problems) = Document::parse(PathBuf::new(), text.into());
        let sections = sections(&document, &mut problems);
        let evaluator = sections.into_iter().find(|one| one.name == "vm-cpu").unwrap();
        let threshold = crate::config::check::evaluator::read(evaluator, &mut problems).threshold;
        assert!(problems.is_empty());
        vec![threshold.into()]
    }

    fn judge(value: Value) -> Result<Override, Vec<String>> {
        let text: ThresholdText = serde_json::from_value(value).unwrap();
        text.numbers("T", &evaluators(), &["oom".into()], Language::En)
    }

    #[test]
    fn what_people_register_is_read_as_what_stands_in_a_file() {
        let numbers = judge(json!({
            "evaluator": "vm-cpu",
            "match": ["ip=\"10.0.0.1\"", "id=~\"a\\\\d+\""],
            "critical": { "above": 97.5, "clear": 9e1, "of": [3, 5], "clear_for": "1m" },
            "reason": "각 \"x\" \\ \u{7f}\n",
        }))
        .unwrap();
        assert_eq!((numbers.id.as_str(), numbers.matchers.len()), ("T", 2));
        let level = numbers.critical.unwrap();
        assert_eq!((level.side, level.raise, level.clear), (Side::Above, 97.5, 90.0));
        assert_eq!(level.debounce, Debounce::Of { count: 3, slots: 5 });
        assert_eq!(numbers.warning, None);
    }

    #[test]
    fn what_a_file_may_not_say_is_refused() {
        let cases = [
            (
                json!({ "evaluator": "vm-cpv", "critical": { "above": 1 } }),
                "did you mean `vm-cpu`?",
            ),
            (json!({ "evaluator": "oom", "critical": { "above": 1 } }), "has no thresholds"),
            (json!({ "evaluator": "vm-cpu" }), "replaces no level"),
            (json!({ "evaluator": "vm-cpu", "critical": { "above": 70 } }), "`warning` is beyond"),
            (json!({ "evaluator": "vm-cpu", "warning": { "above": 95 } }), "`warning` is beyond"),
            (json!({ "evaluator": "vm-cpu", "critical": { "below": 95 } }), "different sides"),
            (json!({ "evaluator": "vm-cpu", "critical": { "above": 95, "clear": 96 } }), "`clear`"),
            (
                json!({ "evaluator": "vm-cpu", "critical": { "above": 95, "for": "2m", "of": [1, 2] } }),
                "`of`",
            ),
            (json!({ "evaluator": "vm-cpu", "critical": { "abov": 95 } }), "did you mean `above`?"),
            (json!({ "evaluator": "vm-cpu", "critical": { "above": null } }), "number"),
            (json!({ "evaluator": "vm-cpu", "critical": "x" }), "table"),
            (
                json!({ "evaluator": "vm-cpu", "critical": { "above": 95, "for": "2 minits" } }),
                "length of time",
            ),
            (
                json!({ "evaluator": "vm-cpu", "match": ["ip"], "critical": { "above": 95 } }),
                "matcher",
            ),
        ];
        for (value, expected) in cases {
            let problems = judge(value.clone()).unwrap_err().join("\n");
            assert!(problems.contains(expected), "{value}: {problems}");
        }
        // Both at once are judged together, not with the evaluator's.
        let both = json!({ "evaluator": "vm-cpu", "warning": { "above": 96 }, "critical": { "above": 99 } });
        assert!(judge(both).is_ok());
    }
}
