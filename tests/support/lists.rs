//! What the verbs say, and what the reading ones list, one by one.

use serde_json::Value;

use super::Home;

impl Home {
    /// The alarms that `alarm list` says, if it answers.
    pub fn alarms(&self, arguments: &[&str]) -> Option<Vec<Value>> {
        self.list(&["alarm", "list"], arguments, "alarms")
    }

    /// The first alarm of an evaluator, if it is there.
    pub fn alarm_of(&self, evaluator: &str) -> Option<Value> {
        self.alarms(&[])?.into_iter().find(|alarm| alarm["evaluator"] == evaluator)
    }

    /// The system alarm about a problem of an instance, if it is there.
    pub fn system_alarm(&self, instance: &str, problem: &str) -> Option<Value> {
        let is = |alarm: &Value| {
            alarm["evaluator"] == "system"
                && alarm["labels"]["instance"] == instance
                && alarm["labels"]["problem"] == problem
        };
        self.alarms(&[])?.into_iter().find(is)
    }

    /// The obligations, if the daemon answers: those that are open, with `--all` the closed ones too.
    pub fn obligations(&self, arguments: &[&str]) -> Option<Vec<Value>> {
        self.list(&["alarm", "obligations"], arguments, "obligations")
    }

    /// The notifications that `outbox list` says, if it answers.
    pub fn outbox(&self, arguments: &[&str]) -> Option<Vec<Value>> {
        self.list(&["outbox", "list"], arguments, "notifications")
    }

    /// The thresholds: those of the configuration first.
    pub fn thresholds(&self) -> Vec<Value> {
        self.list(&["threshold", "list"], &[], "thresholds").expect("a list")
    }

    /// How a verb ended, and what it said on stdout and on stderr.
    pub fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.output(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("it ends by itself");
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn list(&self, verb: &[&str], arguments: &[&str], key: &str) -> Option<Vec<Value>> {
        self.json(&[verb, arguments].concat())?[key].as_array().cloned()
    }
}
