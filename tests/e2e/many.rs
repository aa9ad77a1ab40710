//! Many firing alarms outlive a kill: all go on, nobody is told twice, and they are judged.
#![expect(clippy::indexing_slicing, reason = "a test")]

use std::{collections::BTreeMap, fs, time::Duration};

use crate::control::{Control, last_slot};
use crate::support::{Home, eventually, file_sink, scripted_source, within};
use serde_json::Value;

const ALARMS: usize = 2_000;
const LIMIT: Duration = Duration::from_mins(2);

const PIPELINE: &str = r#"
[evaluators.many]
inputs = ["scripted"]
metric = "scripted"
every = "1s"
critical = { above = 90 }
limit = 10000

[sinks.aside]
plugin = "file"
inputs = ["system"]
path = "HOME/aside.jsonl"
"#;

#[test]
fn many_alarms_outlive_a_kill_without_repeats() {
    let home = Home::with_plugins(&["scripted", "file"]);
    let control = Control::start();
    let source = scripted_source(control.address);
    home.configure(&[&source, PIPELINE, &file_sink("log", &["many"])].concat());
    let notified = |status: &str| notified(&home, status);
    let status = |is: &dyn Fn(&Value) -> bool| {
        within(LIMIT, || home.json(&["status"]).filter(|status| is(status)))
            .unwrap_or_else(|| panic!("{:#?}", home.json(&["status"])))
    };
    // What a busy machine has the daemon say of itself: each fires, and is owed to the sink `aside`.
    let own = || {
        let of_itself = ["--match", "evaluator=system", "--match", "condition=firing"];
        home.alarms(&of_itself).map_or(0, |alarms| alarms.len())
    };
    let waits = |status: &Value| status["store"]["outbox"].as_array().is_none_or(|o| !o.is_empty());
    let say = |value: f64, count: usize| control.say(last_slot("many"), "many", 0, count, value);

    let daemon = home.start();
    control.connected();
    let fired = eventually(LIMIT, || {
        say(99.0, ALARMS);
        notified("firing").len() == ALARMS
    });
    assert!(fired, "{} were notified", notified("firing").len());
    // What was notified and not yet recorded would be notified again.
    status(&|status| !waits(status));
    control.forget();
    drop(daemon);

    let daemon = home.start();
    status(&|status| status["firing"] == ALARMS + own());
    control.connected();
    // One of them clears; the others wait for a word of theirs.
    let cleared = eventually(LIMIT, || {
        say(10.0, 1);
        !notified("resolved").is_empty()
    });
    assert!(cleared, "it is judged: {:#?}", daemon.lines());
    status(&|status| {
        let open = ALARMS - 1 + own();
        let owed = &status["store"]["open_obligations"];
        !waits(status) && status["firing"] == open && *owed == open
    });
    let firing = notified("firing");
    let aside = || fs::read_to_string(home.path("aside.jsonl"));
    assert_eq!(firing.len(), ALARMS, "{:#?}\n{:?}", daemon.lines(), aside());
    assert!(firing.values().all(|times| *times == 1), "somebody was notified twice");
    assert_eq!(notified("resolved").into_values().collect::<Vec<_>>(), [1]);
    assert!(daemon.stop(), "it ends well");
}

/// How often each alarm was notified so.
fn notified(home: &Home, status: &str) -> BTreeMap<String, u32> {
    let mut times = BTreeMap::new();
    for line in home.notifications("log.jsonl") {
        if line["status"] == status {
            let id = line["alarms"][0]["id"].to_string();
            *times.entry(id).or_default() += 1;
        }
    }
    times
}
