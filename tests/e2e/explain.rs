//! `haetae explain` of a running daemon: each reason why a sink was told of an alarm or was not, with
//! the line of the configuration or the person that is the cause.

use std::{fs, time::Duration};

use crate::support::{BROKEN, Home, user, within};
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

const CONFIGURATION: &str = r#"
[sources.one]
plugin = "written"
path = "HOME/values"
interval = "1s"

[sources.two]
plugin = "written"
path = "HOME/others"
interval = "1s"

[evaluators.load]
inputs = ["one"]
metric = "written_value"
by = ["id"]
critical = { above = 90 }

[evaluators.other]
inputs = ["two"]
metric = "written_value"
by = ["id"]
critical = { above = 90 }

[[inhibit]]
when = ['id="boss"']
mute = ['id="child"']

[sinks.prompt]
plugin = "file"
path = "HOME/prompt.jsonl"
inputs = ["load", "other"]
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
repeat = "4h"

[sinks.patient]
plugin = "file"
path = "HOME/patient.jsonl"
inputs = ["load"]
group_wait = "1h"

[sinks.night]
plugin = "file"
path = "HOME/night.jsonl"
inputs = ["load"]
group_by = "alarm"
group_wait = "0s"
quiet = { zone = "Asia/Seoul", hours = "00:00-24:00" }

[sinks.choosy]
plugin = "file"
path = "HOME/choosy.jsonl"
inputs = ["load"]
match = ['id="nobody"']

[sinks.rejects]
plugin = "faulty"
fault = "reject"
inputs = ["load"]
group_by = "alarm"
group_wait = "0s"
fallback = "spare"

[sinks.spare]
plugin = "file"
path = "HOME/spare.jsonl"
inputs = []
"#;

struct Explained {
    home: Home,
    /// The configuration as it was written.
    text: String,
}

impl Explained {
    fn new() -> Self {
        let home = Home::with_plugins(&["lent", "file", "scripted", "faulty"]);
        home.configure(&format!("{CONFIGURATION}{BROKEN}"));
        let text = fs::read_to_string(home.path("haetae.toml")).expect("just written");
        Self { home, text }
    }

    /// `haetae.toml:12` of the first line that begins so.
    fn line(&self, start: &str) -> String {
        let at = self.text.lines().position(|line| line.starts_with(start));
        format!("haetae.toml:{}", at.expect("a line of it") + 1)
    }

    /// The id of the alarm with this label, once it fires.
    fn alarm(&self, id: &str) -> String {
        let matcher = format!("id={id:?}");
        let firing = ["alarm", "list", "--match", &matcher, "--match", "condition=firing"];
        let found = within(LONG, || {
            let alarms = self.home.json(&firing)?;
            Some(alarms["alarms"][0]["id"].as_str()?.to_owned())
        });
        found.unwrap_or_else(|| panic!("{id} does not fire"))
    }

    /// What is said of one sink in the end.
    fn says(&self, alarm: &str, sink: &str, wanted: &[&str]) -> String {
        let arguments = ["explain", alarm, "--sink", sink];
        let ask = || String::from_utf8(self.home.output(&arguments).stdout).expect("UTF-8");
        let said = within(LONG, || {
            let text = ask();
            wanted.iter().all(|words| text.contains(words)).then_some(text)
        });
        said.unwrap_or_else(|| panic!("{sink}: {wanted:?} is not in\n{}", ask()))
    }
}

#[test]
fn each_reason_names_its_line_or_its_person() {
    let it = Explained::new();
    let me = user();
    it.home.write_values(&[("calm", 10)]);
    fs::copy(it.home.path("values"), it.home.path("others")).expect("a copy");
    let daemon = it.home.start();
    let silence = ["silence", "add", "--match", "id=hush", "--for", "2h", "--reason", "disk swap"];
    assert!(it.home.output(&silence).status.success());
    // The one that explains the other is there first.
    it.home.write_values(&[("told", 95), ("boss", 95)]);
    let (told, boss) = (it.alarm("told"), it.alarm("boss"));
    it.home.write_values(&[("told", 95), ("boss", 95), ("hush", 95), ("child", 95)]);
    let (hush, child) = (it.alarm("hush"), it.alarm("child"));

    let prompt = it.line("[sinks.prompt]");
    // Told, and not yet again.
    let text = it.says(
        &told,
        "prompt",
        &["told at ", "next, if nothing changes: it is told at ", &prompt],
    );
    assert!(text.contains(" that it still fires\n"), "{text}");
    assert!(text.contains(&format!("judged by load ({})", it.line("[evaluators.load]"))), "{text}");
    // Silenced by a person.
    it.says(
        &hush,
        "prompt",
        &["not told yet\n", &format!("nothing is told now: {me} silenced it until "), "disk swap"],
    );
    // Inhibited by a line, and which alarm explains it.
    let inhibit = format!("alarm {boss} explains it ({})", it.line("[[inhibit]]"));
    it.says(&child, "prompt", &["not told\n", &inhibit]);
    // Its group waits.
    let text = it.says(&told, "patient", &["not told yet\n", "its group waits until "]);
    assert!(text.contains(&it.line("[sinks.patient]")), "{text}");
    // Quiet hours.
    let text = it.says(&told, "night", &["not told", "these are quiet hours"]);
    assert!(
        text.contains(&it.line("quiet = ")) || text.contains(&it.line("[sinks.night]")),
        "{text}"
    );
    // Left out by its matchers.
    it.says(
        &told,
        "choosy",
        &["not told\n", &format!("is not told of this alarm ({})", it.line("[sinks.choosy]"))],
    );
    // The sink fails.
    let broken = it.line("[sinks.broken]");
    it.says(
        &told,
        "broken",
        &["not told yet", "the notice that it fires cannot be delivered: ", "; try ", &broken],
    );
    let text = it.says(&told, "broken", &["; try "]);
    assert!(!text.contains("try 0") && !text.contains("given up"), "{text}");
    assert!(!text.contains("nothing is told now: "), "nobody there heard it: {text}");
    // It rejects: its fallback, which no evaluator names, is told.
    let (rejects, spare) = (it.line("[sinks.rejects]"), it.line("[sinks.spare]"));
    let given_up =
        ["not told", "the notice that it fires was given up: rejected", "outbox show", &rejects];
    it.says(&told, "rejects", &given_up);
    it.says(&told, "spare", &["told at ", &spare]);
    // A person has it in hand.
    assert!(it.home.output(&["alarm", "ack", &told, "--for", "1h"]).status.success());
    it.says(&told, "prompt", &["told at ", &format!("{me} acknowledged it until ")]);

    source_down(&it);
    backward(&it, &hush, &told);
    // It ends, and that is told.
    it.home.write_values(&[("told", 10), ("boss", 95), ("hush", 95), ("child", 95)]);
    it.says(&told, "prompt", &["ended at ", "told at ", "; told of its end at "]);
    assert!(daemon.stop());
}

/// The source of an alarm goes down: that is told, and nothing of what rests on it.
fn source_down(it: &Explained) {
    // Whole at once, and never where the other source reads: it would have the alarm too.
    fs::write(it.home.path("others.beside"), "values\nfar 95\n").expect("its own file");
    fs::rename(it.home.path("others.beside"), it.home.path("others")).expect("its own file");
    let far = it.alarm("far");
    it.says(&far, "prompt", &["told at "]);
    fs::remove_file(it.home.path("others")).expect("its own file");
    let place = it.line("[sources.two]");
    let text = it.says(&far, "prompt", &[&format!("its source two ({place}) is down")]);
    assert!(text.contains("its source is down since "), "{text}");
}

/// How it was, after the journal.
fn backward(it: &Explained, hush: &str, told: &str) {
    let text =
        |arguments: &[&str]| String::from_utf8(it.home.output(arguments).stdout).expect("UTF-8");
    let far = text(&["explain", hush, "--sink", "prompt", "--at", "2200-01-01T00:00"]);
    assert!(far.contains("withheld at ") && far.contains("disk swap"), "{far}");
    let far = text(&["explain", told, "--sink", "prompt", "--at", "2200-01-01T00:00:00Z"]);
    assert!(far.contains("told at ") || far.contains("withheld at "), "{far}");
    let other = text(&["explain", told, "--sink", "choosy", "--at", "2200-01-01T00:00"]);
    assert!(other.contains("nothing was told or withheld until then"), "{other}");
    let long_ago = text(&["explain", told, "--sink", "prompt", "--at", "2000-01-01T00:00"]);
    assert!(long_ago.contains("nothing was told or withheld until then"), "{long_ago}");
    let answer = it.home.json(&["explain", told]).expect("JSON");
    let sinks: Vec<_> = answer["sinks"].as_array().unwrap().iter().map(|it| &it["sink"]).collect();
    for sink in ["prompt", "patient", "night", "choosy", "broken"] {
        assert!(sinks.contains(&&Value::from(sink)), "{sinks:?}");
    }
    assert_eq!(it.home.output(&["explain", "nothing"]).status.code(), Some(3));
    assert_eq!(it.home.output(&["explain", told, "--sink", "none"]).status.code(), Some(3));
    assert_eq!(it.home.output(&["explain", told, "--at", "soon"]).status.code(), Some(2));
}
