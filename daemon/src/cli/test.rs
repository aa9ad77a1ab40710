//! `haetae test`: the rule tests of the configuration, in virtual time.

use std::{collections::BTreeMap, io::IsTerminal, path::PathBuf, time::Duration};

use clap::Args;
use haetae_plugin::options;
use serde_json::{Value, json};

use super::{Common, exit, fit, output, scenario};
use crate::{
    clock,
    config::{Expectation, Plan, RuleTest},
    rehearsal::{Compared, Happened, TestResult, kinds, rehearse},
};

/// After how long a person wants to see that it goes on.
const LONG: Duration = Duration::from_secs(1);

const AFTER: &str = r#"Examples:
  haetae test
  haetae -c my.toml test --evaluator vm-cpu
  haetae -o json test
  haetae test --scenario night.toml

A test stands beside its rule and lists all that happens, and nothing else:

  [[evaluators.vm-cpu.test]]
  name = "a peak of two minutes is critical"
  interval = "1m"           # of the values; default: the source's interval
  # as promtool: 95 and 3 more, then 60 and 5 more; also 5+10x3, _x2 (gaps), stale
  series = ['vm_cpu{ip="a"} 95x3 60x5']
  # also warning@, pending@, recovering@, and critical@2m{ip="a"}, or as a table:
  # { is = "critical", at = "2m", labels = { ip = "a" }, value = 95, summary = "…" }
  expect = ["critical@2m", "ok@4m"]

A scenario is the whole way: series, rule, mute, group, sink, with a store of its own.
In night.toml:

  [[scenario]]
  name = "the mail server is down for two hours"
  config = "haetae.toml"    # from this file's folder; default: --config
  series = ['vm_cpu{ip="a"} 95x300']    # also interval, unit, lasts = "6h"
  steps = [
    # also sink_up, sink_rejects, sink_slow (for = "10m")
    { at = "10m", do = "sink_down", sink = "mail" },
    # also clock_jump (for, or back), source_down, source_up (source)
    { at = "2h", do = "restart", for = "5m" },
    # the plan is replaced while the daemon runs: windows, groups and timers go on
    { at = "2h30m", do = "reload", config = "next.toml" },
    # also ack (match, by)
    { at = "3h", do = "silence", match = ['ip="a"'], for = "1h", by = "kim" },
  ]
  # every notice; of what is withheld only what is asked
  expect = ["mail first@2h5m..2h10m{ip='a'}", "mail withheld silenced@3h"]
  left = { obligations = 1, waiting = 0, dead = 0 }

Time 0 is a slot of the evaluator, or of the first source. No plugin is opened and no secret
is read; `haetae check` asks the plugins. What people set in a running daemon does not count."#;

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The tests of this evaluator alone; may be repeated
    #[arg(long, value_name = "NAME")]
    evaluator: Vec<String>,
    /// Play the scenarios of this file instead: series, what happens meanwhile, what sinks are told
    #[arg(long, value_name = "FILE", conflicts_with = "evaluator")]
    scenario: Vec<PathBuf>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    if !arguments.scenario.is_empty() {
        return scenario::run(common, &arguments.scenario);
    }
    let files = match common.files() {
        Ok(files) => files,
        Err(code) => return code,
    };
    let checked = files.plan(&kinds::Any);
    let Some(plan) = &checked.plan else {
        let language = files.language().unwrap_or_default();
        if common.is_json() {
            let problems: Vec<_> =
                checked.problems.iter().map(|problem| problem.finding(language)).collect();
            output::json(&json!({ "ok": false, "problems": problems }));
        } else {
            let coloured = common.style_of_talk().is_coloured();
            output::say(checked.report_within(fit::report_width(), language, coloured).trim_end());
        }
        return exit::CONFIG;
    };
    if let Some(unknown) = arguments.evaluator.iter().find(|name| !has(plan, name)) {
        if plan.logs.iter().any(|one| one.name == *unknown) {
            output::say(format!("`{unknown}` is of kind \"log\": rule tests are of thresholds"));
            return exit::NOT_FOUND;
        }
        let known: Vec<_> = plan.thresholds.iter().map(|one| one.name.as_str()).collect();
        output::say(format!("there is no evaluator `{unknown}`; there are {}", known.join(", ")));
        return exit::NOT_FOUND;
    }
    let wanted = |test: &&RuleTest| {
        arguments.evaluator.is_empty() || arguments.evaluator.contains(&test.evaluator)
    };
    let tests: Vec<_> = plan.tests.iter().filter(wanted).collect();
    let ran = rehearsed(plan, &tests, common);
    let failed = ran.iter().filter(|(_, outcome)| !outcome.passed()).count();
    if common.is_json() {
        let tests: Vec<_> = ran.iter().map(|(test, outcome)| as_json(test, outcome)).collect();
        let passed = ran.len() - failed;
        output::json(
            &json!({ "ok": failed == 0, "passed": passed, "failed": failed, "tests": tests }),
        );
    } else if ran.is_empty() {
        none(plan, arguments);
    } else {
        shown(&ran, common.style());
    }
    u8::from(failed > 0) * exit::FOUND
}

fn has(plan: &Plan, name: &str) -> bool {
    plan.thresholds.iter().any(|one| one.name == *name)
}

fn rehearsed<'a>(
    plan: &Plan,
    tests: &[&'a RuleTest],
    common: &Common,
) -> Vec<(&'a RuleTest, TestResult)> {
    let talks = !common.quiet && std::io::stderr().is_terminal();
    let mut shown = clock::monotonic();
    let mut ran = Vec::new();
    for test in tests {
        ran.extend(rehearse(plan, test).map(|outcome| (*test, outcome)));
        if talks && shown.elapsed() > LONG {
            shown = clock::monotonic();
            output::say(format!("{} of {} tests …", ran.len(), tests.len()));
        }
    }
    ran
}

/// Says how to write the first test.
fn none(plan: &Plan, arguments: &Arguments) {
    let first = arguments.evaluator.first().map(String::as_str);
    let threshold = first.and_then(|name| plan.thresholds.iter().find(|one| one.name == name));
    let Some(threshold) = threshold.or(plan.thresholds.first()) else {
        output::line("There is no evaluator to test.");
        return;
    };
    let word = if threshold.critical.is_some() { "critical" } else { "warning" };
    let level = threshold.critical.or(threshold.warning);
    let value = level.map_or(1.0, |level| match level.side {
        crate::engine::threshold::rule::Side::Above => level.raise + 1.0,
        crate::engine::threshold::rule::Side::Below => level.raise - 1.0,
    });
    let labels = threshold.by.iter().flatten().map(|name| format!("{name}=\"a\""));
    let labels = labels.collect::<Vec<_>>().join(", ");
    output::line(format!(
        "There are no tests. Put one below [evaluators.{name}], run `haetae test` again, and it shows what happens when:\n\n  \
         [[evaluators.{name}.test]]\n  \
         series = ['{metric}{{{labels}}} {value}x20']\n  \
         expect = [\"{word}@2m\"]\n\n`haetae test --help` says more.",
        name = threshold.name,
        metric = threshold.metric,
    ));
}

fn shown(ran: &[(&RuleTest, TestResult)], style: output::Style) {
    let mut evaluator = "";
    for (test, outcome) in ran {
        if test.evaluator != evaluator {
            evaluator = &test.evaluator;
            output::line(evaluator);
        }
        let word = if outcome.passed() { style.good("ok  ") } else { style.bad("FAIL") };
        let name = test.name.as_deref().unwrap_or("(no name)");
        output::line(format!("  {word}  {name}  {}", style.dim(&test.place)));
        if !outcome.passed() {
            for entry in &outcome.entries {
                output::line(format!("          {}", line(entry, style)));
            }
            for (labels, row) in outcome.timeline.rows() {
                output::line(style.dim(&format!("          {row}  {}", shown_labels(labels))));
            }
        }
    }
    let failed = ran.iter().filter(|(_, outcome)| !outcome.passed()).count();
    let passed = ran.len() - failed;
    let line = if failed == 0 {
        style.good(&format!("{passed} passed"))
    } else {
        style.bad(&format!("{failed} failed")) + &format!(", {passed} passed")
    };
    output::line(line);
    if failed > 0 {
        output::line(style.dim(
            "- expected, + happened; a character a slot: . ok  p pending  W warning  C critical  r recovering",
        ));
    }
}

/// One line of the timeline.
fn line(entry: &Compared, style: output::Style) -> String {
    match entry {
        Compared::Met(_, happened) => format!("  {}", what(happened)),
        Compared::Missing(expected) => {
            let text = format!("- {}", wanted(expected));
            format!("{}  {}", style.bad(&text), style.dim(&expected.place))
        }
        Compared::Unexpected(happened) => style.bad(&format!("+ {}", what(happened))),
    }
}

fn what(happened: &Happened) -> String {
    let Happened { at, stand, labels, value, summary, reason } = happened;
    happened_json(stand.as_str(), *at, labels, *value, reason.as_deref(), Some(summary.as_str()))
}

fn wanted(expected: &Expectation) -> String {
    let Expectation { at, stand, labels, value, summary, reason, .. } = expected;
    happened_json(stand.as_str(), *at, labels, *value, reason.as_deref(), summary.as_deref())
}

fn happened_json(
    word: &str,
    at: Duration,
    labels: &BTreeMap<String, String>,
    value: Option<f64>,
    reason: Option<&str>,
    summary: Option<&str>,
) -> String {
    let parts = [
        Some(format!("{word}@{}{}", time(at), shown_labels(labels))),
        value.map(|value| value.to_string()),
        reason.map(str::to_owned),
        summary.map(|summary| format!("\"{summary}\"")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn shown_labels(labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn time(at: Duration) -> String {
    options::Duration::from(at).to_string().replace(' ', "")
}

fn as_json(test: &RuleTest, outcome: &TestResult) -> Value {
    let happened = |one: &Happened| {
        json!({
            "is": one.stand.as_str(), "at": time(one.at), "seconds": one.at.as_secs_f64(),
            "labels": one.labels, "value": one.value, "summary": one.summary, "reason": one.reason,
        })
    };
    let expected = |one: &Expectation| {
        json!({
            "is": one.stand.as_str(), "at": time(one.at), "seconds": one.at.as_secs_f64(),
            "labels": one.labels, "value": one.value, "summary": one.summary, "reason": one.reason,
            "place": one.place,
        })
    };
    let entry = |entry: &Compared| match entry {
        Compared::Met(one, other) => {
            json!({ "expected": expected(one), "happened": happened(other) })
        }
        Compared::Missing(one) => json!({ "expected": expected(one), "happened": null }),
        Compared::Unexpected(other) => json!({ "expected": null, "happened": happened(other) }),
    };
    json!({
        "evaluator": test.evaluator, "name": test.name, "place": test.place,
        "ok": outcome.passed(), "entries": outcome.entries.iter().map(entry).collect::<Vec<_>>(),
    })
}
