//! `haetae test --scenario`: the whole way from series to sinks, in virtual time.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Common, exit, output};
use crate::{
    config::{Files, Plan},
    rehearsal::{
        ReportLine, RunError, RunReport, kinds, run_scenario,
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
            let report = match runtime.block_on(one(common, scenario)) {
                Ok(report) => report,
                Err((code, error)) => {
                    output::say(format!("{}: {}: {error}", file.display(), scenario.name));
                    return code;
                }
            };
            if report.passed() {
                passed += 1;
            } else {
                failed += 1;
            }
            if common.is_json() {
                answers.push(as_json(file, scenario, &report));
            } else {
                shown(file, scenario, &report, common.style());
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

async fn one(common: &Common, scenario: &Scenario) -> Result<RunReport, (u8, String)> {
    let config = scenario.config.as_deref().unwrap_or_else(|| common.config());
    let plan = plan_of(config).map_err(|text| (exit::CONFIG, text))?;
    let report = run_scenario(plan, scenario, |path| plan_of(path)).await;
    report.map_err(|error| {
        // What it names and is not there is a mistake in a file.
        let code = if matches!(error, RunError::Nothing(_)) { exit::CONFIG } else { exit::FOUND };
        (code, error.to_string())
    })
}

fn plan_of(path: &Path) -> Result<Plan, String> {
    let files = Files::read(path).map_err(|error| format!("{error}: {}", error.source))?;
    let checked = files.plan(&kinds::Any);
    let report = || checked.report(files.language().unwrap_or_default(), false);
    checked.plan.clone().ok_or_else(report)
}

fn shown(file: &Path, scenario: &Scenario, report: &RunReport, style: output::Style) {
    let word = if report.passed() { style.good("ok  ") } else { style.bad("FAIL") };
    let place = style.dim(&file.display().to_string());
    output::line(format!("{word}  {}  {place}", scenario.name));
    if report.passed() {
        return;
    }
    for line in &report.lines {
        output::line(match line {
            ReportLine::Met(text) => format!("          {text}"),
            ReportLine::Missing(text, place) => {
                format!("        {}  {}", style.bad(&format!("- {text}")), style.dim(place))
            }
            ReportLine::Unexpected(text) => format!("        {}", style.bad(&format!("+ {text}"))),
        });
    }
    for text in report.withheld.iter().take(SHOWN) {
        output::line(style.dim(&format!("          {text}")));
    }
    if let Some(more) = report.withheld.len().checked_sub(SHOWN + 1) {
        output::line(style.dim(&format!("          and {} more withheld", more + 1)));
    }
}

fn as_json(file: &Path, scenario: &Scenario, report: &RunReport) -> Value {
    let line = |line: &ReportLine| match line {
        ReportLine::Met(text) => json!({ "is": "met", "text": text }),
        ReportLine::Missing(text, place) => {
            json!({ "is": "missing", "text": text, "place": place })
        }
        ReportLine::Unexpected(text) => json!({ "is": "unexpected", "text": text }),
    };
    json!({
        "file": file, "name": scenario.name, "ok": report.passed(),
        "lines": report.lines.iter().map(line).collect::<Vec<_>>(), "withheld": report.withheld,
    })
}
