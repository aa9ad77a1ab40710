//! Against a server that says what a test wants, and by reading mail back.

mod addresses;
mod decode;
mod delivery;
mod format;
mod scripted;

use std::{sync::Arc, time::Duration};

use haetae_plugin::{
    Alarm, Batch, Call, Notification, Outcome, Reason, Sink, Timestamp, Window, testing::Script,
};
use serde_json::{Value, json};

use super::{EmailSink, Options};

/// Options as TOML has them: these, over the usual ones.
fn options(server: &str, others: &Value) -> Options {
    let mut options = json!({
        "server": server, "from": "haetae <alarm@haetae.example>", "to": ["ops@example.org"],
    });
    for (key, value) in others.as_object().expect("a table") {
        options[key] = value.clone();
    }
    serde_json::from_value(options).expect("options")
}

fn script() -> Arc<Script> {
    let script = Script::new();
    script.secret("PASSWORD", "hunter2");
    script
}

fn sink(port: u16, others: &Value) -> EmailSink {
    let options = options(&format!("smtp://127.0.0.1:{port}"), others);
    EmailSink::open(options, script().context()).unwrap()
}

fn refusal(server: &str, others: &Value) -> String {
    let error = EmailSink::open(options(server, others), script().context()).err();
    let error = error.unwrap_or_else(|| panic!("{server} {others} is accepted"));
    assert_eq!(error.fault(), haetae_plugin::Fault::Config, "{error}");
    error.message().to_owned()
}

fn notification(reason: Reason) -> Notification {
    let since = Timestamp::from_seconds(1_700_000_000);
    let severity = haetae_plugin::Severity::Critical;
    let mut alarm = Alarm::firing("a1-1".into(), "vm-cpu".into(), severity, since);
    alarm.summary = "CPU of vm1 at 95 %".into();
    let mut sent = Notification::of(alarm, reason, Timestamp::from_seconds(1_700_000_123));
    sent.text = "CPU of vm1 at 95 %\nlabels: host=vm1".into();
    sent.language = "en".into();
    sent
}

fn deliver(sink: &mut EmailSink, notifications: Vec<Notification>) -> Outcome {
    deliver_within(sink, notifications, Duration::from_secs(20))
}

fn deliver_within(
    sink: &mut EmailSink,
    notifications: Vec<Notification>,
    time: Duration,
) -> Outcome {
    let batch = Batch::Notifications(notifications);
    sink.deliver(&batch, Call::within(time, Window::default())).unwrap()
}
