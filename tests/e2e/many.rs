//! Many firing alarms outlive a kill: all go on, nobody is told twice, and they are judged.
#![expect(clippy::indexing_slicing, reason = "a test")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use crate::control::{Control, last_slot};
use crate::support::{Home, within};
use serde_json::Value;

const ALARMS: usize = 2_000;
const LIMIT: Duration = Duration::from_mins(2);

const PIPELINE: &str = r#"
[sources.scripted]
plugin = "scripted"
interval = "1s"
control = "CONTROL"

[evaluators.many]
inputs = ["scripted"]
metric = "scripted"
every = "1s"
critical = { above = 90 }
limit = 10000

[sinks.log]
plugin = "file"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
inputs = ["many"]
path = "PATH"

[sinks.aside]
plugin = "file"
inputs = ["system"]
path = "PATH.system"
"#;

#[test]
fn many_alarms_go_on_after_a_kill_and_nobody_is_told_twice() {
    let home = Home::with_plugins(&["scripted", "file"]);
    let control = Control::start();
    let path = home.path("out.jsonl");
    let text = PIPELINE.replace("CONTROL", &control.address.to_string());
    home.configure(&text.replace("PATH", &path.display().to_string()));
    let status = |is: &dyn Fn(&Value) -> bool| {
        within(LIMIT, || home.json(&["status"]).filter(|status| is(status)))
            .unwrap_or_else(|| panic!("{:#?}", home.json(&["status"])))
    };
    // What a busy machine has the daemon say of itself: each fires, and is owed to the sink `aside`.
    let own = || {
        let of_itself = ["--match", "evaluator=system", "--match", "condition=firing"];
        let listed = home.json(&[&["alarm", "list"][..], &of_itself].concat());
        listed.map_or(0, |listed| listed["alarms"].as_array().map_or(0, Vec::len))
    };
    let waits = |status: &Value| status["store"]["outbox"].as_array().is_none_or(|o| !o.is_empty());
    let say = |value: f64, count: usize| control.say(last_slot("many"), "many", 0, count, value);

    let daemon = home.start();
    control.connected();
    let fired = within(LIMIT, || {
        say(99.0, ALARMS);
        (told(&path, "firing").len() == ALARMS).then_some(())
    });
    assert!(fired.is_some(), "{} were told", told(&path, "firing").len());
    // What was told and not yet recorded would be told again.
    status(&|status| !waits(status));
    control.forget();
    drop(daemon);

    let daemon = home.start();
    status(&|status| status["firing"] == ALARMS + own());
    control.connected();
    // One of them clears; the others wait for a word of theirs.
    let cleared = within(LIMIT, || {
        say(10.0, 1);
        (!told(&path, "resolved").is_empty()).then_some(())
    });
    assert!(cleared.is_some(), "it is judged: {:#?}", daemon.lines());
    status(&|status| {
        let open = ALARMS - 1 + own();
        let owed = &status["store"]["open_obligations"];
        !waits(status) && status["firing"] == open && *owed == open
    });
    let firing = told(&path, "firing");
    let aside = || fs::read_to_string(path.with_added_extension("system"));
    assert_eq!(firing.len(), ALARMS, "{:#?}\n{:?}", daemon.lines(), aside());
    assert!(firing.values().all(|times| *times == 1), "somebody was told twice");
    assert_eq!(told(&path, "resolved").into_values().collect::<Vec<_>>(), [1]);
    assert!(daemon.stop(), "it ends well");
}

/// How often each alarm was told of so.
fn told(path: &Path, status: &str) -> BTreeMap<String, u32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut told = BTreeMap::new();
    // The last line may be half written.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["type"] == "notification" && line["status"] == status {
            let id = line["alarms"][0]["id"].to_string();
            *told.entry(id).or_default() += 1;
        }
    }
    told
}
