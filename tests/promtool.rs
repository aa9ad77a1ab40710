//! Rule tests beside the real `promtool test rules`: what fires when, judged by both.
//!
//! Each rule is made by chance from the part that both have in common: no gaps and no policy for
//! missing data; an end of a series only where nothing keeps an alarm firing after it. What our
//! engine says is handed to promtool as its expectation, at every slot. The seed is printed.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "a wrong index fails the test")]
#![allow(clippy::format_push_string, reason = "a test")]

mod chance;
#[path = "promtool/rule.rs"]
mod rule;

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use chance::Chance;
use haetae::{
    config::{Files, Plan},
    rehearsal::{Compared, kinds, rehearse},
};
use rule::Rule;

/// How many rules are judged by both.
const RULES: usize = 200;

/// Runs promtool over test files; the answer is which of them passed.
fn judged(folder: &Path, names: &[String]) -> BTreeMap<String, (bool, String)> {
    let mut command = Command::new("promtool");
    command.args(["test", "rules"]).args(names).current_dir(folder);
    let output = command.output().expect("promtool of the package prometheus: run tests/setup");
    // What is wrong goes to one of the two, the names to the other.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = BTreeMap::new();
    let parts = text.split("Unit Testing:").skip(1);
    for part in parts {
        let name = part.lines().next().unwrap_or_default().trim().to_owned();
        found.insert(name, (part.contains("SUCCESS"), said.clone()));
    }
    assert_eq!(found.len(), names.len(), "promtool said:\n{text}{said}");
    found
}

fn plan(rules: &[Rule]) -> Plan {
    let text: String = rules.iter().map(Rule::ours).collect();
    let checked = Files::from_texts(vec![("rules.toml".into(), text.clone())]).plan(&kinds::Any);
    checked.plan.unwrap_or_else(|| {
        panic!("{}\n{text}", checked.problems[0].render(haetae::language::Language::En, false))
    })
}

/// Which severity each alarm has at each slot, by our engine.
type Firing = Vec<BTreeMap<BTreeMap<String, String>, &'static str>>;

fn ours(plan: &Plan, rule: &Rule) -> Firing {
    let test = plan.tests.iter().find(|test| test.evaluator == rule.name).expect("its test");
    let outcome = rehearse(plan, test).expect("its evaluator");
    let (mut standing, mut slots) = (BTreeMap::new(), Vec::new());
    let mut entries = outcome.entries.iter().peekable();
    for slot in 0..rule.slots() {
        let at = rule.every() * slot;
        while let Some(Compared::Unexpected(one)) = entries.next_if(|entry| match entry {
            Compared::Unexpected(one) => one.at <= at,
            _ => panic!("nothing is expected"),
        }) {
            match one.stand.as_str() {
                "ok" => standing.remove(&one.labels),
                severity => standing.insert(one.labels.clone(), severity),
            };
        }
        slots.push(standing.clone());
    }
    assert!(entries.next().is_none(), "{} changes after its end", rule.name);
    slots
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("its own folder");
    }

    fn path(&self) -> PathBuf {
        self.0.path().into()
    }
}

fn folder() -> Folder {
    Folder(tempfile::Builder::new().prefix("haetae-promtool-").tempdir().expect("a folder"))
}

#[test]
fn two_hundred_rules_fire_when_promtool_says() {
    let mut chance = Chance::new();
    let rules: Vec<_> = (0..RULES).map(|at| Rule::by(&mut chance, at)).collect();
    let (plan, folder) = (plan(&rules), folder());
    let (mut names, mut controls, mut fired, mut kept) = (Vec::new(), Vec::new(), 0, 0);
    for rule in &rules {
        let firing = ours(&plan, rule);
        folder.write(&format!("{}.rules.yml", rule.name), &rule.theirs());
        let name = format!("{}.yml", rule.name);
        folder.write(&name, &rule.test(&firing));
        names.push(name);
        kept += usize::from(rule.keeps());
        // A control: each change is said to come a slot later than it does.
        let mut late = firing.clone();
        late.rotate_right(1);
        late[0] = firing[0].clone();
        if rule.test(&late) != rule.test(&firing) {
            fired += 1;
            let name = format!("{}-late.yml", rule.name);
            folder.write(&name, &rule.test(&late));
            controls.push(name);
        }
    }
    let verdicts = judged(&folder.path(), &names);
    let apart: Vec<_> = rules
        .iter()
        .filter(|rule| !verdicts[&format!("{}.yml", rule.name)].0)
        .map(|rule| {
            let (_, said) = &verdicts[&format!("{}.yml", rule.name)];
            format!("{}\n{}\n{said}", rule.ours(), rule.theirs())
        })
        .collect();
    assert!(apart.is_empty(), "{} rules differ, the first:\n{}", apart.len(), apart[0]);
    println!("{RULES} rules agree; {fired} of them fire, {kept} keep firing");
    assert!(fired > RULES / 2 && kept > RULES / 10, "too few of them say anything");
    let passed = judged(&folder.path(), &controls);
    let blind: Vec<_> =
        passed.iter().filter(|(_, (passed, _))| *passed).map(|(name, _)| name).collect();
    assert!(blind.is_empty(), "promtool takes what is a slot late: {blind:?}");
}

#[test]
fn the_notation_of_series_means_what_promtool_reads() {
    let mut chance = Chance::new();
    let notations: Vec<_> = (0..50).map(|_| rule::notation(&mut chance)).collect();
    let text = |shift: f64| {
        // Longer than promtool looks back, so that a gap is one.
        let mut text = String::from("evaluation_interval: 10m\ntests:\n");
        for notation in &notations {
            write!(text, "- interval: 10m\n  input_series:\n  - series: m\n    values: '{notation}'\n  promql_expr_test:\n").unwrap();
            for (at, value) in values(notation).into_iter().enumerate() {
                write!(text, "  - expr: m\n    eval_time: {}m\n", at * 10).unwrap();
                if let Some(value) = value {
                    write!(
                        text,
                        "    exp_samples:\n    - labels: m\n      value: {:e}\n",
                        value + shift
                    )
                    .unwrap();
                }
            }
        }
        text
    };
    let folder = folder();
    folder.write("as-read.yml", &text(0.0));
    folder.write("shifted.yml", &text(0.5));
    let verdicts = judged(&folder.path(), &["as-read.yml".into(), "shifted.yml".into()]);
    assert!(verdicts["as-read.yml"].0, "{}", verdicts["as-read.yml"].1);
    assert!(!verdicts["shifted.yml"].0, "promtool takes other values");
}

/// What the plan has of a notation: a value, or none, each interval.
fn values(notation: &str) -> Vec<Option<f64>> {
    let text = format!(
        "[sources.s]\nplugin = \"p\"\n[evaluators.e]\ninputs = [\"s\"]\nmetric = \"m\"\n\
         critical = {{ above = 1 }}\n[[evaluators.e.test]]\nseries = ['m {notation}']\nexpect = []\n"
    );
    let plan = Files::from_texts(vec![("n.toml".into(), text)]).plan(&kinds::Any).plan;
    let plan = plan.unwrap_or_else(|| panic!("`{notation}` is refused"));
    let words = plan.tests[0].series[0].words.iter();
    let value = |word: &haetae::config::SeriesWord| match word {
        haetae::config::SeriesWord::Value(value) => Some(*value),
        _ => None,
    };
    words.map(value).collect()
}
