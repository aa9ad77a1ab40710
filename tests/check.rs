//! `haetae check`: every mistake at once, each with its place and its cure, in both languages.

#[path = "check/kinds.rs"]
mod kinds;

use std::{path::PathBuf, time::Duration};

use haetae::{
    config::{Checked, Files, Finding, Retention},
    engine::{
        mute::silence::SilenceSpan,
        notify::{GroupBy, Rate},
    },
    language::Language,
};
use kinds::Offered;
use proptest::prelude::*;

const MAIN: &str = r#"[daemon]
langage = "ko"
zone = "Asia/Seoul"

[http]
listen = 9870

[sources.own]
plugin = "host"

[sources.paas]
plugin = "influks"

[sources.db]
plugin = "influx"
chunk = 400

[evaluators.cpu]
inputs = ["onw"]
metric = "cpu_total_used_percent"
match = ['host=~"web-(1|2"']
warning = { above = 95 }
critical = { above = 90, for = "2 minits" }
"#;

const MORE: &str = r#"[evaluators.memory]
inputs = ["own", "db"]
metric = "memory_used_percent"
critical = { above = 90, for = "2m", of = [3, 5] }

[sinks.own]
plugin = "file"
path = "/tmp/a"
inputs = ["memory", "paas"]

[sinks.a]
plugin = "file"
path = "/tmp/a"
inputs = ["memory"]
fallback = "b"

[sinks.b]
plugin = "file"
path = "/tmp/b"
fallback = "a"
"#;

fn check(texts: &[(&str, &str)]) -> Checked {
    let texts = texts.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
    Files::from_texts(texts.collect()).plan(&Offered)
}

fn mistakes() -> Checked {
    check(&[("/etc/haetae/haetae.toml", MAIN), ("/etc/haetae/conf.d/20-more.toml", MORE)])
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("check");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn eleven_mistakes_are_told_at_once() {
    let checked = mistakes();
    let codes: Vec<_> = checked.problems.iter().map(|one| one.finding(Language::En).code).collect();
    let all = [
        "HT0103", "HT0102", "HT0204", "HT0107", "HT0221", "HT0106", "HT0232", "HT0105", "HT0237",
        "HT0201", "HT0227",
    ];
    assert_eq!(codes, all);
    assert!(checked.plan.is_none());
    snapshot("eleven-mistakes-en", &checked.report(Language::En, false));
    snapshot("eleven-mistakes-ko", &checked.report(Language::Ko, false));
    let findings: Vec<_> = checked.problems.iter().map(|one| one.finding(Language::En)).collect();
    snapshot("eleven-mistakes-json", &serde_json::to_string_pretty(&findings).unwrap());
}

#[test]
fn no_value_of_an_option_is_in_any_debug() {
    let url = "http://user:s3cr3t@proxy:3128/";
    let mistaken = format!("[sources.paas]\nplugin = \"influks\"\nproxy = \"{url}\"\n");
    let sound = SOUND.replace("/tmp/a", url);
    for text in [mistaken, sound] {
        let files = Files::from_texts(vec![("f.toml".into(), text)]);
        let shown = format!("{files:?}");
        let checked = files.plan(&Offered);
        let shown = format!("{shown} {checked:?}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert!(shown.contains("f.toml"), "{shown}");
        if let Some(plan) = checked.plan {
            let sink = plan.sinks.iter().find(|sink| sink.name == "sound-file").unwrap();
            assert_eq!(format!("{:?}", sink.options), r#"{"path"}"#);
        }
    }
}

/// One mistake a case: the text, then `code line:column text-at-the-caret` of all that is told.
const CASES: &[(&str, &str)] = &include!("check/cases.in");

/// Instances that a case is added to: it stands from line 1 on, these come after.
const SOUND: &str = r#"
[sources.sound-host]
plugin = "host"
[sources.sound-influx]
plugin = "influx"
[sources.sound-syslog]
plugin = "syslog"
[evaluators.sound-cpu]
inputs = ["sound-host", "sound-influx"]
metric = "any"
critical = { above = 90 }
[sinks.sound-file]
plugin = "file"
path = "/tmp/a"
inputs = ["sound-cpu", "system"]
[sinks.sound-archive]
plugin = "archive"
inputs = ["sound-syslog"]
"#;

#[test]
fn each_mistake_is_told_alone_and_at_its_place() {
    let (mut told, mut wrong) = ([Vec::new(), Vec::new()], Vec::new());
    for (text, expected) in CASES {
        let whole = format!("{text}{SOUND}");
        let checked = check(&[("f.toml", &whole)]);
        let findings = checked.problems.iter().map(|problem| {
            let finding = problem.finding(Language::En);
            let line = whole.lines().nth(finding.line - 1).unwrap_or_default();
            let word: String = line.chars().skip(finding.column - 1).collect();
            let word = word.split([' ', ']', ',', '}']).next().unwrap_or_default().to_owned();
            format!("{} {}:{} {word}", finding.code, finding.line, finding.column)
        });
        let findings: Vec<_> = findings.collect();
        let findings = findings.join("; ");
        if findings != *expected {
            wrong.push(format!("{text}\n    told {findings}\n    not  {expected}\n\n"));
        }
        for problem in &checked.problems {
            for (language, told) in Language::ALL.into_iter().zip(&mut told) {
                let Finding { code, message, label, cure, .. } = problem.finding(language);
                for part in [&message, &label, &cure] {
                    assert!(!part.is_empty() && !part.contains("{$"), "{code} {part}");
                }
                told.push(format!("{code} {message}\n    {label}\n    {cure}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
    for (language, told) in Language::ALL.into_iter().zip(told) {
        snapshot(&format!("each-mistake-{}", language.code()), &told.concat());
    }
}

#[test]
fn what_is_sound_becomes_a_plan_with_its_defaults() {
    let checked = check(&[("f.toml", SOUND)]);
    assert!(checked.problems.is_empty(), "{}", checked.report(Language::En, false));
    let plan = checked.plan.unwrap();
    assert_eq!(plan.daemon.language, Language::En);
    assert_eq!(plan.daemon.state, PathBuf::from("/var/lib/haetae"));
    assert_eq!(plan.http.listen.to_string(), "127.0.0.1:9870");
    let source = &plan.sources[0];
    assert_eq!((source.name.as_str(), source.kind.as_str()), ("sound-host", "host"));
    assert_eq!(source.interval, Duration::from_secs(30));
    assert_eq!(source.deadline, Duration::from_secs(20));
    assert_eq!(source.limits.max_series, 100_000);
    let level = plan.thresholds[0].critical.unwrap();
    assert_eq!((level.raise, level.clear), (90.0, 90.0));
    let sink = plan.sinks.iter().find(|sink| sink.name == "sound-file").unwrap();
    assert_eq!(sink.options.0, serde_json::json!({ "path": "/tmp/a" }));
    assert!(sink.resolved);
    assert_eq!(sink.deadline, Duration::from_secs(20));
    assert_eq!((sink.place.as_str(), sink.notifies), ("f.toml:12", true));
    let notify = &sink.notify;
    assert_eq!(notify.group_by, GroupBy::Labels(vec!["evaluator".into()]));
    assert_eq!(notify.group_wait, Duration::from_secs(30));
    assert_eq!(notify.group_interval, Duration::from_mins(5));
    assert_eq!(notify.repeat, [Duration::from_hours(4)]);
    assert_eq!(notify.rate, Rate { most: 20, per: Duration::from_mins(1) });
    assert!(notify.quiet.is_none() && notify.escalate.is_none());
    let archive = plan.sinks.iter().find(|sink| sink.name == "sound-archive").unwrap();
    assert!(!archive.notifies, "it takes logs alone");
}

#[test]
fn history_is_kept_for_as_long_as_the_configuration_says() {
    let retention = |text: &str| {
        let checked = check(&[("f.toml", &format!("{text}{SOUND}"))]);
        assert!(checked.problems.is_empty(), "{}", checked.report(Language::En, false));
        let Retention { alarms, journal, notices, dead_letters } = checked.plan.unwrap().retention;
        let days = |kept: Option<Duration>| kept.map(|kept| kept.as_secs() / 86_400);
        [alarms, journal, notices, dead_letters].map(days)
    };
    assert_eq!(retention(""), [Some(400), Some(400), Some(90), Some(90)]);
    let some = "[retention]\nalarms = \"forever\"\nnotices = \"1d\"\ndead_letters = \"2w\"\n";
    assert_eq!(retention(some), [None, Some(400), Some(1), Some(14)]);
}

/// A sink that says all that there is to say, and what nobody is to hear.
const TELLING: &str = r#"
[sinks.mail]
plugin = "file"
path = "/tmp/m"
inputs = ["sound-cpu"]
zone = "Asia/Seoul"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
repeat = ["1h", "4h"]
rate = { most = 3 }
quiet = { hours = "22:00-07:00", days = "Mon-Fri", except = ['severity="critical"'] }
escalate = { after = "15m", to = "sound-file", unless = "acknowledged" }

[[inhibit]]
when = ['severity="critical"']
mute = ['severity="warning"']
equal = ["host"]

[[maintenance]]
name = "patch-night"
match = ['host=~"db-.*"']
zone = "Asia/Seoul"
days = "Sun"
hours = "02:00-05:00"
reason = "patches"
[[maintenance]]
name = "move"
match = ['host="a"']
zone = "Asia/Seoul"
from = 2026-12-01T22:00:00
until = "2026-12-01T15:00:00Z"
"#;

#[test]
fn each_part_of_who_is_told_when_has_its_place() {
    let checked = check(&[("etc/f.toml", SOUND), ("etc/conf.d/mail.toml", TELLING)]);
    assert!(checked.problems.is_empty(), "{}", checked.report(Language::En, false));
    let plan = checked.plan.unwrap();
    let mail = plan.sinks.iter().find(|sink| sink.name == "mail").unwrap();
    let notify = &mail.notify;
    assert_eq!((mail.place.as_str(), &notify.group_by), ("mail.toml:2", &GroupBy::Alarm));
    assert!(notify.group_wait.is_zero() && notify.group_interval.is_zero());
    assert_eq!(notify.repeat, [1, 4].map(Duration::from_hours));
    assert_eq!(notify.rate, Rate { most: 3, per: Duration::from_mins(1) });
    let quiet = notify.quiet.as_ref().unwrap();
    assert_eq!(quiet.place, "mail.toml:12");
    assert_eq!(quiet.hours.to_string(), "Mon,Tue,Wed,Thu,Fri 22:00-07:00");
    assert_eq!(quiet.hours.zone().iana_name(), Some("Asia/Seoul"), "the sink's");
    assert_eq!(quiet.except[0].to_string(), r#"severity="critical""#);
    let escalate = notify.escalate.as_ref().unwrap();
    assert_eq!((escalate.place.as_str(), escalate.to.as_str()), ("mail.toml:13", "sound-file"));
    assert_eq!((escalate.after, escalate.unless_acknowledged), (Duration::from_mins(15), true));
    let [inhibit] = &plan.inhibits[..] else { panic!("{:?}", plan.inhibits) };
    assert_eq!(
        (inhibit.place.as_str(), &inhibit.equal[..]),
        ("mail.toml:15", &["host".into()][..])
    );
    let [night, work] = &plan.maintenance[..] else { panic!("{:?}", plan.maintenance) };
    assert_eq!((night.id.as_str(), night.author.as_str()), ("patch-night", "mail.toml:20"));
    assert!(
        matches!(&night.span, SilenceSpan::Recurring(every) if every.to_string() == "Sun 02:00-05:00")
    );
    let SilenceSpan::Between(from, until) = work.span else { panic!("{:?}", work.span) };
    // 22:00 in Seoul is 13:00 in Greenwich.
    assert_eq!((from.seconds(), until.seconds()), (1_796_130_000, 1_796_137_200));
}

#[test]
fn a_warning_does_not_hinder_the_plan() {
    let text = format!("[sources.idle]\nplugin = \"host\"\n{SOUND}");
    let checked = check(&[("f.toml", &text)]);
    assert_eq!(checked.problems[0].code(), haetae::config::Code::UnreadSource);
    assert!(checked.plan.is_some());
    let report = checked.report(Language::En, false);
    assert!(report.ends_with("1 warning in 1 file. Nothing was started, no secret was read.\n"));
}

#[test]
fn more_than_twenty_problems_are_counted() {
    let text = (0..25)
        .map(|at| format!("[sinks.s{at:02}]\nplugin = \"no\"\ninputs = []\n"))
        .collect::<Vec<_>>()
        .concat();
    let report = check(&[("f.toml", &text)]).report(Language::En, false);
    assert_eq!(report.matches("HT0204").count(), 20);
    assert!(report.contains("\nand 5 more\n25 errors in 1 file."), "{report}");
}

#[test]
fn a_broken_file_does_not_silence_the_others_nor_echo_in_them() {
    let broken = "[sources.x]\nplugin = = \"host\"\n[sources.x]\n";
    let other = "[evaluators.e]\ninputs = [\"x\"]\nmetrik = \"m\"\ncritical = { above = 1 }\n";
    let checked = check(&[("a.toml", broken), ("b.toml", other)]);
    let codes: Vec<_> = checked.problems.iter().map(|one| one.finding(Language::En).code).collect();
    assert_eq!(codes, ["HT0101", "HT0101", "HT0103"]);
    let checked = check(&[("a.toml", "sinks = 1")]);
    assert_eq!(checked.problems[0].finding(Language::En).code, "HT0102");
}

#[test]
fn columns_count_characters_and_tables_in_two_files_clash() {
    let first =
        "[sources.\"결제\"]\nplugin = \"host\"\nlabels = { \"이름\" = \"값\", b = 1 }\n[http]\n";
    let checked = check(&[("a.toml", first), ("b.toml", "[http]\n")]);
    let places: Vec<_> = checked
        .problems
        .iter()
        .map(|one| one.finding(Language::Ko))
        .map(|one| format!("{} {} {}:{}", one.code, one.file.display(), one.line, one.column))
        .collect();
    assert_eq!(places, ["HT0301 a.toml 1:10", "HT0102 a.toml 3:28", "HT0210 b.toml 1:2"]);
    assert!(checked.problems[1].render(Language::Ko, false).contains("[a.toml:3:28]"));
}

#[test]
fn a_secret_in_the_text_is_not_shown() {
    let text = "[sources.s]\nplugin = \"influx\"\npassword = \"hunter2\"\n";
    for language in Language::ALL {
        let report = check(&[("f.toml", text)]).report(language, false);
        assert!(report.contains("password = *********"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let directory = std::env::temp_dir().join(format!("haetae-check-{}", std::process::id()));
    let main = directory.join("haetae.toml");
    std::fs::create_dir_all(directory.join("conf.d")).unwrap();
    std::fs::write(&main, "[plugins]\npath = [\"/a\", 1]\nallow = [\"x\"]\n").unwrap();
    for name in ["20.toml", "10.toml", "30.md", ".40.toml"] {
        std::fs::write(directory.join("conf.d").join(name), "").unwrap();
    }
    let files = Files::read(&main).unwrap();
    assert_eq!(files.plugin_paths(), [PathBuf::from("/a")]);
    assert_eq!(files.allowed_plugins(), ["x"]);
    let names = files.plan(&Offered).files;
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["haetae.toml", "10.toml", "20.toml"]);
    std::fs::remove_dir_all(&directory).unwrap();
    let error = Files::read(&main).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {}", main.display()));
}

const DEFAULT: &str = include_str!("../etc/haetae.toml");

#[test]
fn the_default_configuration_passes() {
    let checked = check(&[("etc/haetae.toml", DEFAULT)]);
    assert!(checked.problems.is_empty(), "{}", checked.report(Language::En, false));
    assert!(checked.plan.is_some());
}

#[test]
fn every_commented_key_of_the_default_configuration_is_known() {
    let uncommented: Vec<_> = DEFAULT
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest,
            _ => line,
        })
        .collect();
    let text = format!(
        "{}\n[sinks.other-sink]\nplugin = \"file\"\npath = \"/tmp/o\"\n",
        uncommented.join("\n")
    );
    let checked = check(&[("etc/haetae.toml", &text)]);
    assert!(checked.problems.is_empty(), "{}", checked.report(Language::En, false));
    // The commented values are the defaults, but for those that say otherwise.
    let (mut plain, mut all) =
        (check(&[("etc/haetae.toml", DEFAULT)]).plan.unwrap(), checked.plan.unwrap());
    for plan in [&mut plain, &mut all] {
        (plan.daemon.zone, plan.daemon.store, plan.daemon.socket_group) = (None, None, None);
        plan.sinks.retain(|sink| sink.name != "other-sink");
        plan.places.remove("other-sink");
        for sink in &mut plan.sinks {
            (sink.zone, sink.language, sink.fallback) = (None, None, None);
        }
        for threshold in &mut plan.thresholds {
            let threshold = std::sync::Arc::make_mut(threshold);
            (threshold.every, threshold.runbook) = (None, None);
        }
    }
    assert_eq!(format!("{plain:#?}"), format!("{all:#?}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let checked = check(&[("f.toml", &text)]);
        checked.report(Language::Ko, true);
    }

    #[test]
    fn no_text_of_tomls_characters_makes_it_panic(text in "([a-z.\"'\\[\\]{}=, \n\r\t#0-9한_+-]|sinks|sources|\\[\\[|\"\"\"){0,60}") {
        let checked = check(&[("f.toml", &text)]);
        checked.report(Language::En, false);
    }

    #[test]
    fn no_mutation_of_a_sound_text_makes_it_panic(
        at in any::<prop::sample::Index>(),
        length in 0..30usize,
        with in "[a-z.\"'\\[\\]{}=, \n0-9한\u{feff}-]{0,6}",
    ) {
        let mut text: Vec<char> = format!("{DEFAULT}{MAIN}").chars().collect();
        let start = at.index(text.len());
        let end = text.len().min(start + length);
        text.splice(start..end, with.chars());
        let text: String = text.into_iter().collect();
        let checked = check(&[("f.toml", &text)]);
        let report = checked.report(Language::Ko, false);
        prop_assert!(checked.plan.is_some() || !checked.problems.is_empty(), "{report}");
    }
}
