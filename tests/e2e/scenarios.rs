//! Scenarios: the whole way from series to sinks in virtual time, through `haetae test --scenario`.

use std::{fs, process::Output};

use crate::support::Home;
use serde_json::Value;

const PLAN: &str = include_str!("scenarios/haetae.toml");
const RENAMED: &str = include_str!("scenarios/renamed.toml");
const MEAN: &str = include_str!("scenarios/mean.toml");
const LOWER: &str = include_str!("scenarios/lower.toml");
const ENDLESS: &str = include_str!("scenarios/endless.toml");

fn played(text: &str) -> Output {
    let home = Home::with_plugins(&[]);
    let plans = [("haetae", PLAN), ("renamed", RENAMED), ("mean", MEAN), ("lower", LOWER)];
    let plans = plans.into_iter().chain([("endless", ENDLESS), ("s", text)]);
    for (name, text) in plans {
        let name = &format!("{name}.toml");
        fs::write(home.path(name), text).unwrap();
    }
    let file = home.path("s.toml");
    home.output(&["test", "--scenario", file.to_str().unwrap()])
}

#[test]
fn sinks_that_fail_lose_nothing() {
    let output = played(include_str!("scenarios/faults.toml"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("0 failed, 3 passed\n"), "{text}");
}

#[test]
fn people_reloads_restarts_and_clocks_do_what_they_are_meant_to() {
    let output = played(include_str!("scenarios/people.toml"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("0 failed, 6 passed\n"), "{text}");
}

/// A control: with a restart in place of the reload, or a reload to what is there already, they fail.
#[test]
fn a_reload_replaces_the_plan_of_the_engine_that_runs() {
    let reloads = include_str!("scenarios/reload.toml");
    let output = played(reloads);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("0 failed, 4 passed\n"), "{text}");
    let doctored = [
        ("do = \"reload\", config = \"lower.toml\"", "do = \"restart\"", "- mail first@31m30s"),
        ("config = \"lower.toml\"", "config = \"mean.toml\"", "- mail first@31m30s"),
        ("config = \"renamed.toml\"", "config = \"haetae.toml\"", "- ops closed@10m10s"),
    ];
    for (from, to, told) in doctored {
        let output = played(&reloads.replace(from, to));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{from}");
        assert!(shown.contains(told), "{told} in\n{shown}");
    }
}

/// Each expectation of the scenarios is needed: without it, or a little off, they fail.
#[test]
fn a_notice_more_or_less_fails_a_scenario() {
    let faults = include_str!("scenarios/faults.toml");
    let doctored = [
        ("\"mail some-resolved@41m{ip='a'}\",", "", "+ mail some-resolved@41m"),
        ("\"mail resolved@54m{ip='b'}\"", "\"mail resolved@53m{ip='b'}\"", "- mail resolved@53m"),
        ("ops first@2m30s{ip='a'}", "ops first@2m30s{ip='c'}", "- ops first@2m30s{ip=\"c\"}"),
        ("log first@2m30s{ip='a'}", "log withheld silenced@2m30s", "- log withheld silenced@2m30s"),
        ("dead = 1", "dead = 0", "- left: dead = 0  there are 1"),
        ("obligations = 2", "obligations = 0", "- left: obligations = 0  there are 2"),
    ];
    for (from, to, told) in doctored {
        let text = faults.replace(from, to);
        assert_ne!(text, faults, "{from}");
        let output = played(&text);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{from}");
        assert!(shown.contains(told), "{told} in\n{shown}");
    }
}

#[test]
fn what_is_no_scenario_is_told_at_its_line() {
    let head = "[[scenario]]\nname = \"n\"\nconfig = \"haetae.toml\"\n";
    let cases = [
        ("series = ['vm_cpu 1x']\nexpect = []\n", "s.toml:4: `1x`: no value"),
        ("series = []\nexpect = [\"mail\"]\n", "s.toml:5: `mail`: write sink, reason and time"),
        ("series = []\nexpect = []\nstep = []\n", "unknown field `step`"),
        (
            "series = []\nsteps = [{ at = \"1m\", do = \"sink_down\" }]\nexpect = []\n",
            "s.toml:5: this step needs `sink`",
        ),
        ("series = ['disk 1']\nexpect = []\n", "no evaluator reads `disk`"),
        (
            "series = ['vm_cpu 1']\nexpect = []\nsteps = [{ at = \"0s\", do = \"sink_down\", sink = \"x\" }]\n",
            "there is no sink `x`",
        ),
    ];
    for (text, told) in cases {
        let output = played(&format!("{head}{text}"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(told), "{told} in\n{said}");
    }
}

#[test]
fn thresholds_of_the_configuration_count() {
    let home = Home::with_plugins(&[]);
    let threshold = "[[thresholds]]\nevaluator = \"vm-cpu\"\nmatch = ['ip=\"big\"']\ncritical = { above = 97 }\n";
    fs::write(home.path("haetae.toml"), format!("{PLAN}{threshold}")).unwrap();
    let file = home.path("s.toml");
    let text = "[[scenario]]\nname = \"n\"\nconfig = \"haetae.toml\"\nseries = ['vm_cpu{ip=\"big\"} 95x9', 'vm_cpu{ip=\"a\"} 20x4 95x5']\nexpect = [\"ops first@7m30s\", \"mail first@7m30s\"]\n";
    fs::write(&file, text).unwrap();
    let output = home.output(&["test", "--scenario", file.to_str().unwrap()]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
}

#[test]
fn programs_get_every_line() {
    let home = Home::with_plugins(&[]);
    fs::write(home.path("haetae.toml"), PLAN).unwrap();
    let file = home.path("s.toml");
    let text = "[[scenario]]\nname = \"n\"\nseries = ['vm_cpu{ip=\"a\"} 95x4']\nexpect = [\"ops first@2m30s\"]\n";
    fs::write(&file, text).unwrap();
    let answer: Value = home.json(&["test", "--scenario", file.to_str().unwrap()]).unwrap();
    let lines = answer["scenarios"][0]["lines"].as_array().unwrap();
    let lines: Vec<_> = lines.iter().map(|line| line["is"].as_str().unwrap()).collect();
    assert_eq!((answer["ok"].as_bool(), lines), (Some(false), vec!["met", "unexpected"]));
}
