//! A daemon that is started on one store after another, and what must come of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use serde_json::Value;

use crate::{
    control::{Control, last_slot},
    hurt::{LOG, STORE},
    support::{Daemon, Home, scripted_source, sink, within},
    webhook::Webhook,
};

/// For all that is to come soon.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Alarms whose notices wait.
pub const ALARMS: usize = 12;

const PIPELINE: &str = r#"
[evaluators.levels]
inputs = ["scripted"]
metric = "scripted"
every = "1s"
critical = { above = 90 }

[sinks.aside]
plugin = "post"
group_wait = "0s"
group_interval = "0s"
inputs = ["system"]
url = "http://ADDRESS/aside"
"#;

/// The notices that wait: by idempotency key, the host that each is about.
pub type Keys = BTreeMap<String, String>;

/// A place where daemons run one after the other.
pub struct Harness {
    pub home: Home,
    pub control: Control,
    pub webhook: Webhook,
}

/// What came of a store.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The daemon refused it.
    Refused,
    /// It notified of all but what was about this host.
    AllBut(String),
    /// It notified of all.
    All,
}

impl Harness {
    pub fn new() -> Self {
        let harness = Self {
            home: Home::with_plugins(&["scripted"]),
            control: Control::start(),
            webhook: Webhook::start(),
        };
        let webhook = harness.webhook.address.to_string();
        let notices =
            sink("webhook", "post", &["levels"], &format!("url = \"http://{webhook}/webhook\""));
        let source = scripted_source(harness.control.address);
        harness.home.configure(&[source, PIPELINE.replace("ADDRESS", &webhook), notices].concat());
        fs::create_dir(harness.home.path("state")).expect("the state");
        harness
    }

    /// Copies the files of a store to another folder, with what it is to be known by.
    pub fn copy(from: &Path, to: &Path) {
        for name in files(to) {
            fs::remove_file(to.join(name)).expect("a file of a store");
        }
        for name in files(from) {
            fs::copy(from.join(&name), to.join(name)).expect("a file of a store");
        }
    }

    pub fn state(&self) -> PathBuf {
        self.home.path("state")
    }

    /// The first series have this value.
    pub fn say(&self, count: usize, value: f64) -> bool {
        self.control.say(last_slot("levels"), "main", 0, count, value)
    }

    /// Starts the daemon; an error is how it ended instead.
    pub fn start(&self, arguments: &[&str]) -> Result<Daemon, Output> {
        self.control.forget();
        let mut daemon = self.home.spawn_with(|command| {
            command.args(arguments);
        });
        let mut status = None;
        let ready = within(LIMIT, || {
            status = daemon.ended();
            let is_ready = || self.home.json(&["status"]).is_some_and(|it| it["ready"] == true);
            (status.is_some() || is_ready()).then_some(())
        });
        let Some(status) = status else {
            assert!(ready.is_some(), "it neither starts nor ends: {:#?}", daemon.lines());
            return Ok(daemon);
        };
        // Its log ends where the process does.
        let stderr = daemon.log.iter().collect::<Vec<_>>().join("\n").into_bytes();
        Err(Output { status, stdout: Vec::new(), stderr })
    }

    /// Starts the daemon on a store; what came of it, or what is wrong with that.
    pub fn judge(&self, store: &Path, keys: &Keys) -> Result<Outcome, String> {
        Self::copy(store, &self.state());
        self.webhook.refuses(false);
        match self.start(&[]) {
            Err(output) => self.refused(store, &output).map(|()| Outcome::Refused),
            Ok(daemon) => {
                let hurt = self.goes_on(keys).map_err(|text| with_log(&text, &daemon))?;
                drop(daemon);
                if hurt.as_ref().is_some_and(|row| row.dead.is_some()) {
                    Self::copy(store, &self.state());
                    self.is_found(STORE)?;
                }
                Ok(hurt.map_or(Outcome::All, |row| Outcome::AllBut(row.host)))
            }
        }
    }

    /// A refusal names the file and the cures, changes nothing, and one of the cures is tried.
    fn refused(&self, store: &Path, output: &Output) -> Result<(), String> {
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        let name = self.state().join(STORE).display().to_string();
        must(output.status.code() == Some(1), || format!("{}: {says}", output.status))?;
        for part in [&*name, "haetae db backup", "put a backup in its place", "--accept-loss"] {
            must(says.contains(part), || format!("the refusal does not say `{part}`: {says}"))?;
        }
        for file in [STORE, LOG] {
            let (before, after) =
                (fs::read(store.join(file)).ok(), fs::read(self.state().join(file)).ok());
            // An empty log holds nothing that could be missed.
            let before = before.filter(|bytes| file == STORE || !bytes.is_empty());
            let is_same = before.is_none() && file == LOG || before == after;
            must(is_same, || format!("the refusal changed {file}: {says}"))?;
        }
        self.is_found(&name)?;
        Self::copy(store, &self.state());
        self.webhook.refuses(false);
        let daemon = self.start(&["--accept-loss"]).map_err(|output| {
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("it does not start with --accept-loss either: {says}")
        })?;
        let notified = within(LIMIT, || {
            let of_store = |line: &&Value| {
                let labels = &line["alarms"][0]["labels"];
                let text = line["text"].as_str().unwrap_or_default();
                labels["instance"] == "store" && ["lost", "loss"].iter().any(|it| text.contains(it))
            };
            self.webhook.aside().iter().find(of_store).map(drop)
        });
        let texts =
            || self.webhook.aside().iter().map(|line| line["text"].clone()).collect::<Vec<_>>();
        let silent = || format!("no system alarm says what was accepted: {:#?}", texts());
        must(notified.is_some(), silent).map_err(|text| with_log(&text, &daemon))?;
        self.new_alarm().map_err(|text| with_log(&text, &daemon))?;
        drop(daemon);
        // From there on it is a store as any other.
        self.start(&[]).map(drop).map_err(|output| {
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("after --accept-loss it does not start without: {says}")
        })
    }

    /// `db check` says the same of a store as it is now.
    fn is_found(&self, name: &str) -> Result<(), String> {
        let output = self.home.output(&["db", "check"]);
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        // Of a store that is gone it says that it is not there.
        let code = if self.state().join(STORE).exists() { 1 } else { 3 };
        let is = output.status.code() == Some(code) && says.contains(name);
        must(is, || format!("db check, {}: {says}", output.status))
    }

    /// All that waited is notified, but for one row at the most, and the daemon works; which row.
    fn goes_on(&self, keys: &Keys) -> Result<Option<Row>, String> {
        let mut row = None;
        let notified = within(LIMIT, || {
            row = self.row(keys).ok()?;
            Some(())
        });
        if notified.is_none() {
            self.row(keys)?;
        }
        self.new_alarm()?;
        // Again: nobody is notified twice either.
        let row = self.row(keys)?;
        let dead = row.as_ref().and_then(|row| row.dead.clone());
        // Where nothing is dead it says that there is no such row.
        let expected = if dead.is_some() { 0 } else { 3 };
        let id = dead.unwrap_or_else(|| "0".repeat(26));
        let output = self.home.output(&["outbox", "drop", &id]);
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        let is = output.status.code() == Some(expected);
        must(is, || format!("outbox drop {id}, {}: {says}", output.status))?;
        let empty = within(LIMIT, || {
            let status = self.home.json(&["status"])?;
            let waits = status["store"]["outbox"].as_array()?.iter();
            (waits.filter(|count| count["sink"] == "webhook").count() == 0).then_some(())
        });
        must(empty.is_some(), || format!("something waits still: {}", self.store()))?;
        Ok(row)
    }

    /// The row that is not notified as it was, if any; an error: there is more than one, or it is
    /// neither notified in another form nor listed as dead with its reason.
    fn row(&self, keys: &Keys) -> Result<Option<Row>, String> {
        let mut times: BTreeMap<&str, usize> = keys.keys().map(|key| (&**key, 0)).collect();
        let mut hosts = BTreeSet::new();
        let notified = self.webhook.taken();
        for line in &notified {
            let key = line["idempotency_key"].as_str().unwrap_or_default();
            let host = line["labels"]["host"].as_str().unwrap_or_default();
            match times.get_mut(key) {
                Some(times) => *times += 1,
                None if host == name(ALARMS) => {}
                None => drop(hosts.insert(host.to_owned())),
            }
        }
        let in_other_form = hosts.clone();
        hosts.extend(
            times.iter().filter(|(_, times)| **times != 1).map(|(key, _)| keys[*key].clone()),
        );
        let listed = self.home.json(&["outbox", "list"]).ok_or("outbox list does not answer")?;
        let mut listed = listed["notifications"].as_array().cloned().unwrap_or_default();
        for row in &mut listed {
            // Long, and said elsewhere.
            row.as_object_mut().expect("a row").remove("notification");
        }
        let dead: Vec<_> = listed.iter().filter(|row| row["dead"] == true).collect();
        must(hosts.len() <= 1 && dead.len() <= 1, || {
            format!("more than one row is hurt: {hosts:?}, {} dead, {times:?}", dead.len())
        })?;
        let reason = dead.first().map(|row| row["reason"].as_str().unwrap_or_default());
        must(reason != Some(""), || format!("dead without a reason: {dead:?}"))?;
        let id = dead.first().map(|row| row["id"].as_str().unwrap_or_default().to_owned());
        let Some(host) = hosts.pop_first() else {
            must(dead.is_empty(), || format!("all are notified, and one is dead: {dead:?}"))?;
            return Ok(None);
        };
        let missing = times.values().any(|times| *times == 0);
        let is_known = !missing || id.is_some() || in_other_form.contains(&host);
        must(is_known, || {
            format!("what is about {host} is not notified, nor dead: {}", Value::from(listed))
        })?;
        Ok(Some(Row { host, dead: id }))
    }

    /// What the daemon says of its store.
    fn store(&self) -> Value {
        self.home.json(&["status"]).map_or(Value::Null, |status| status["store"].clone())
    }

    /// An alarm that is yet to come is notified, and it and the others fire.
    fn new_alarm(&self) -> Result<(), String> {
        self.control.connected();
        let new = name(ALARMS);
        let notified = within(LIMIT, || {
            self.say(ALARMS + 1, 99.0);
            let is = |line: &&Value| line["labels"]["host"] == *new;
            self.webhook.taken().iter().find(is).map(drop)
        });
        must(notified.is_some(), || format!("{new} is not notified: {}", self.store()))?;
        let mut firing = BTreeSet::<String>::new();
        let fire = within(LIMIT, || {
            let listed = self.home.json(&["alarm", "list", "--match", "condition=firing"])?;
            let hosts = listed["alarms"].as_array()?.iter().map(|it| it["labels"]["host"].clone());
            firing = hosts.filter_map(|host| host.as_str().map(Into::into)).collect();
            (0..=ALARMS).all(|at| firing.contains(&name(at))).then_some(())
        });
        must(fire.is_some(), || format!("only these fire: {firing:?}"))
    }
}

/// A row that is not notified as it was.
#[derive(Debug)]
struct Row {
    host: String,
    /// Its id in the outbox, if it is dead.
    dead: Option<String>,
}

/// The label of a series of the source.
pub fn name(index: usize) -> String {
    format!("host-{index}.example.com")
}

/// The files of a store that are in a folder, and the name by which it knows its owner.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(STORE) || name == "node").collect()
}

fn must(is: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if is { Ok(()) } else { Err(text()) }
}

fn with_log(text: &str, daemon: &Daemon) -> String {
    format!("{text}\n{:#?}", daemon.lines())
}
