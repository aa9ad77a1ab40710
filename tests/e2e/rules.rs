//! `haetae test`: rule tests beside the rule, as a person and as a program see them.

use std::fs;

use crate::support::Home;
use serde_json::{Value, json};

const RULE: &str = r#"
[sources.paas]
plugin = "not-installed"
interval = "30s"
labels = { plane = "paas" }
token = { file = "/there/is/none" }
[evaluators.vm-cpu]
inputs = ["paas"]
metric = "vm_cpu"
match = ['plane="paas"']
by = ["ip"]
warning = { above = 85, clear = 80, for = "1m" }
critical = { above = 90, clear = 85, for = "2m", clear_for = "1m" }
no_data = { after = "90s", then = "alarm" }
summary = { en = "CPU of {{ip}} at {{value}}", ko = "{{ip}} CPU {{value}}" }
[evaluators.other]
inputs = ["paas"]
metric = "vm_memory"
by = ["ip"]
every = "1m"
critical = { below = 10 }
"#;

const GOOD: &str = r#"
[[evaluators.vm-cpu.test]]
name = "the sketch of the manual"
series = ['vm_cpu{ip="a"} 95x12 85x4 60x4']
expect = ["warning@1m", "critical@2m", "pending@30s", "recovering@7m", "warning@7m30s", "ok@9m"]
[[evaluators.vm-cpu.test]]
name = "silence is an alarm, and an end is none"
interval = "1m"
unit = "percent"
series = ['{ip="a"} 10 _x4 10x1', '{ip="b"} 95x3 stale']
expect = [
    { is = "critical", at = "2m", labels = { ip = "a" }, reason = "no data" },
    "recovering@5m{ip='a'}",
    "ok@6m{ip='a'}",
    "warning@1m{ip='b'}",
    { is = "critical", at = "2m", labels = { ip = "b" }, value = 95, summary = "CPU of b at 95 %" },
    { is = "ok", at = "4m", reason = "ended" },
]
[[evaluators.other.test]]
series = ['{ip="a"} 20-1x20']
expect = ["critical@6m"]
"#;

fn home(text: &str) -> Home {
    let home = Home::with_plugins(&[]);
    home.configure(text);
    home
}

fn entries(answer: &Value, test: usize) -> Vec<String> {
    let entries = answer["tests"][test]["entries"].as_array().expect("a list");
    let short = |one: &Value| {
        if one.is_null() {
            return "nothing".to_owned();
        }
        format!("{}@{}{}", one["is"].as_str().unwrap(), one["at"].as_str().unwrap(), one["labels"])
    };
    entries
        .iter()
        .map(|one| format!("{} / {}", short(&one["expected"]), short(&one["happened"])))
        .collect()
}

#[test]
fn tests_pass_without_a_plugin_and_without_a_secret() {
    let home = home(&format!("{RULE}{GOOD}"));
    let output = home.output(&["test"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let text: String =
        text.lines().map(|line| line.split("  /").next().unwrap().to_owned() + "\n").collect();
    assert_eq!(
        text,
        "other\n  ok    (no name)\n\
         vm-cpu\n  ok    the sketch of the manual\n  ok    silence is an alarm, and an end is none\n\
         3 passed\n"
    );
    assert_eq!(home.json(&["test", "--evaluator", "other"]).unwrap()["passed"], 1);
    let unknown = home.output(&["test", "--evaluator", "vm-cqu"]);
    assert_eq!(unknown.status.code(), Some(3));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(said, "there is no evaluator `vm-cqu`; there are other, vm-cpu\n");
}

#[test]
fn what_differs_is_told_at_its_line_beside_what_happened() {
    // Each is wrong in one way: a slot late, another machine, another value, never, too much.
    let cases = [
        (r#""critical@2m", "warning@1m""#, true),
        (r#""critical@2m30s", "warning@1m""#, false),
        (r#""critical@2m{ip='b'}", "warning@1m""#, false),
        (r#"{ is = "critical", at = "2m", value = 96 }, "warning@1m""#, false),
        (r#"{ is = "critical", at = "2m", value = 95.00000001 }, "warning@1m""#, true),
        (r#"{ is = "critical", at = "2m", summary = "x" }, "warning@1m""#, false),
        (r#"{ is = "critical", at = "2m", reason = "no data" }, "warning@1m""#, false),
        (r#""critical@2m", "warning@1m", "ok@3m""#, false),
        (r#""critical@2m", "warning@1m", "pending@1m30s""#, false),
        (r#""critical@2m""#, false),
        (r#""critical@2m", "critical@2m", "warning@1m""#, false),
    ];
    let tests = cases.map(|(expect, _)| {
        format!("[[evaluators.vm-cpu.test]]\nseries = ['{{ip=\"a\"}} 95x5']\nexpect = [{expect}]\n")
    });
    let home = home(&format!("{RULE}{}", tests.concat()));
    let output = home.output(&["-o", "json", "test"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let passed: Vec<_> =
        answer["tests"].as_array().unwrap().iter().map(|test| test["ok"] == true).collect();
    assert_eq!(passed, cases.map(|(_, passes)| passes));
    assert_eq!((&answer["passed"], &answer["failed"]), (&json!(2), &json!(9)));
    assert_eq!(
        entries(&answer, 1),
        [
            r#"warning@1m{} / warning@1m{"ip":"a"}"#,
            r#"nothing / critical@2m{"ip":"a"}"#,
            "critical@2m30s{} / nothing"
        ]
    );
    let text = String::from_utf8(home.output(&["test"]).stdout).unwrap();
    let line = fs::read_to_string(home.path("haetae.toml")).unwrap();
    let line = line.lines().position(|line| line.contains("critical@2m30s")).unwrap() + 1;
    let place = format!("{}:{line}", home.path("haetae.toml").display());
    assert!(text.contains(&format!("- critical@2m30s  {place}\n")), "{text}");
    assert!(text.contains("+ critical@2m{ip=\"a\"}  95  \"CPU of a at 95\"\n"), "{text}");
    assert!(text.contains("          ppWWCC  {ip=\"a\"}\n"), "{text}");
}

/// Who judges by other numbers in the daemon is judged by them here.
#[test]
fn thresholds_of_the_configuration_count() {
    let home = home(&format!(
        r#"{RULE}
[[thresholds]]
evaluator = "vm-cpu"
match = ['ip="big"']
warning = {{ above = 96 }}
critical = {{ above = 97 }}
[[evaluators.vm-cpu.test]]
series = ['{{ip="big"}} 95x9', '{{ip="a"}} 95x9']
expect = ["warning@1m{{ip='a'}}", "critical@2m{{ip='a'}}"]
"#
    ));
    let answer = home.json(&["test"]).unwrap();
    assert_eq!((&answer["ok"], &answer["passed"]), (&json!(true), &json!(1)), "{answer:#}");
}

#[test]
fn without_tests_it_says_how_to_write_one_and_that_one_can_be_run() {
    let home = home(RULE);
    let output = home.output(&["test", "--evaluator", "vm-cpu"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    home.configure(&format!("{RULE}\n{}\n", lines.join("\n")));
    let answer = home.json(&["test"]).unwrap();
    assert_eq!(entries(&answer, 0)[1], r#"critical@2m{} / critical@2m{"ip":"a"}"#);
    assert_eq!(home.json(&["test"]).unwrap()["failed"], 1, "the warning before it is not expected");
}

#[test]
fn a_configuration_with_mistakes_is_not_tested() {
    let home = home(&format!("{RULE}{}", GOOD.replace("95x12", "95x")));
    let output = home.output(&["test"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(78), &b""[..]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("HT0141") && said.contains("95x 85x4"), "{said}");
    let answer = home.json(&["test"]).unwrap();
    assert_eq!((&answer["ok"], &answer["problems"][0]["code"]), (&json!(false), &json!("HT0141")));
}

#[test]
fn the_tests_of_the_default_configuration_pass() {
    let home = Home::with_plugins(&[]);
    fs::write(home.path("haetae.toml"), include_str!("../../etc/haetae.toml")).unwrap();
    let answer = home.json(&["test"]).unwrap();
    assert_eq!((&answer["ok"], &answer["passed"]), (&json!(true), &json!(1)), "{answer:#}");
}
