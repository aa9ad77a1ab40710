//! `haetae test --scenario`: the whole way from series to sinks, in virtual time.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Common, exit, output};
use crate::{
    config::{Files, Plan},
    rehearsal::{
        Line, PlayError, Played, kinds, play,
        scenario::{Scenario, read},
    },
};

/// What is withheld of a scenario that failed is shown up to here.
const SHOWN: usize = 20;

pub(super) fn run(common: &Common, files: &[PathBuf]) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(format!("cannot start: {error}"));
            return exit::FOUND;
        }
    };
    let (mut passed, mut failed, mut answers) = (0, 0, Vec::new());
    for file in files {
        let scenarios = match read(file) {
            Ok(scenarios) => scenarios,
            Err(error) => {
                output::say(error.to_string());
                return exit::CONFIG;
            }
        };
        for scenario in &scenarios {
            let played = match runtime.block_on(one(common, scenario)) {
                Ok(played) => played,
                Err((code, error)) => {
                    output::say(format!("{}: {}: {error}", file.display(), scenario.name));
                    return code;
                }
            };
            if played.passed() {
                passed += 1;
            } else {
                failed += 1;
            }
            if common.is_json() {
                answers.push(as_json(file, scenario, &played));
            } else {
                shown(file, scenario, &played, common.style());
            }
        }
    }
    if common.is_json() {
        output::json(&json!({
            "ok": failed == 0, "passed": passed, "failed": failed, "scenarios": answers,
        }));
    } else {
        output::line(format!("{failed} failed, {passed} passed"));
    }
    u8::from(failed > 0) * exit::FOUND
}

async fn one(common: &Common, scenario: &Scenario) -> Result<Played, (u8, String)> {
    let config = scenario.config.as_deref().unwrap_or_else(|| common.config());
    let plan = plan_of(config).map_err(|text| (exit::CONFIG, text))?;
    let played = play(plan, scenario, |path| plan_of(path)).await;
    played.map_err(|error| {
        // What it names and is not there is a mistake in a file.
        let code = if matches!(error, PlayError::Nothing(_)) { exit::CONFIG } else { exit::FOUND };
        (code, error.to_string())
    })
}

fn plan_of(path: &Path) -> Result<Plan, String> {
    let files = Files::read(path).map_err(|error| format!("{error}: {}", error.source))?;
    let checked = files.plan(&kinds::Any);
    let report = || checked.report(files.language().unwrap_or_default(), false);
    checked.plan.clone().ok_or_else(report)
}

fn shown(file: &Path, scenario: &Scenario, played: &Played, style: output::Style) {
    let word = if played.passed() { style.good("ok  ") } else { style.bad("FAIL") };
    let place = style.dim(&file.display().to_string());
    output::line(format!("{word}  {}  {place}", scenario.name));
    if played.passed() {
        return;
    }
    for line in &played.lines {
        output::line(match line {
            Line::Met(text) => format!("          {text}"),
            Line::Missing(text, place) => {
                format!("        {}  {}", style.bad(&format!("- {text}")), style.dim(place))
            }
            Line::Unexpected(text) => format!("        {}", style.bad(&format!("+ {text}"))),
        });
    }
    for text in played.withheld.iter().take(SHOWN) {
        output::line(style.dim(&format!("          {text}")));
    }
    if let Some(more) = played.withheld.len().checked_sub(SHOWN + 1) {
        output::line(style.dim(&format!("          and {} more withheld", more + 1)));
    }
}

fn as_json(file: &Path, scenario: &Scenario, played: &Played) -> Value {
    let line = |line: &Line| match line {
        Line::Met(text) => json!({ "is": "met", "text": text }),
        Line::Missing(text, place) => json!({ "is": "missing", "text": text, "place": place }),
        Line::Unexpected(text) => json!({ "is": "unexpected", "text": text }),
    };
    json!({
        "file": file, "name": scenario.name, "ok": played.passed(),
        "lines": played.lines.iter().map(line).collect::<Vec<_>>(), "withheld": played.withheld,
    })
}
