//! The alarm path: from a value that crosses, over a durable alarm, to a webhook.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use super::{
    control::{Control, await_slot},
    webhook::Webhook,
};

/// Evaluators that judge each second, each at a time of its own.
pub const LANES: usize = 10;
/// Values of the label `group`.
pub const GROUPS: usize = 40;
/// The evaluator of many alarms at once.
const STORM: &str = "storm";
const LIMIT: Duration = Duration::from_mins(1);

/// Both ends of a daemon: what its source says, and what its sink is told.
pub struct AlarmPath {
    pub webhook: Webhook,
    control: Control,
    lanes: Vec<String>,
}

impl AlarmPath {
    pub fn start() -> Self {
        let lanes = (0..LANES).map(|lane| format!("lane-{lane}")).collect();
        Self { webhook: Webhook::start(), control: Control::start(), lanes }
    }

    /// The source, the evaluators, and a sink with these keys.
    pub fn configuration(&self, sink: &str) -> String {
        let address = self.control.address;
        let mut text = format!(
            "[sources.scripted]\nplugin = \"scripted\"\ninterval = \"1s\"\ncontrol = \"{address}\"\ngroups = {GROUPS}\n"
        );
        let names = self.lanes.iter().map(String::as_str).chain([STORM]);
        let names: Vec<&str> = names.collect();
        for name in &names {
            write!(
                text,
                "[evaluators.{name}]\ninputs = [\"scripted\"]\nmetric = \"scripted\"\nevery = \"1s\"\nlimit = 200_000\nmatch = ['lane=\"{name}\"']\ncritical = {{ above = 90 }}\nsummary = \"{{{{host}}}}: {{{{value}}}}\"\n"
            )
            .expect("a text");
        }
        let url = self.webhook.url();
        write!(
            text,
            "[sinks.post]\nplugin = \"post\"\n{sink}\ngroup_wait = \"0s\"\ninputs = {names:?}\nurl = \"{url}\"\n"
        )
        .expect("a text");
        text
    }

    /// Before a daemon starts: an earlier one's source is not its.
    pub fn forget(&self) {
        self.control.forget();
    }

    /// Waits until the daemon's source listens.
    pub fn connected(&self) {
        self.control.connected();
    }

    /// How long one alarm takes.
    pub fn one(&self, number: usize) -> Duration {
        self.fire(&self.lanes, number, 1)
    }

    /// How long so many at once take, until the last one was told.
    pub fn storm(&self, first: usize, count: usize) -> Duration {
        self.fire(&[STORM.into()], first, count)
    }

    fn fire(&self, names: &[String], first: usize, count: usize) -> Duration {
        self.webhook.only(first..first + count);
        let (lane, slot) = await_slot(names);
        let start = Instant::now();
        assert!(self.control.say(slot, &names[lane], first, count, 99.0), "the source is gone");
        self.webhook.heard(count, LIMIT).expect("all arrive") - start
    }
}
