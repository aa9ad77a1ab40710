//! A daemon on a database, under load; what it says of itself, and what is wrong in the end.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    checker::{self, Found},
    control::Control,
    load::{Ledger, Load, host, lanes},
    receiver::Receiver,
    support::{Daemon, Home, file_sink, scripted_source, sink, within},
    watch::{Watch, now},
};

const LONG: Duration = Duration::from_mins(1);
/// How soon the daemon says that its store fails.
const SOON: Duration = Duration::from_secs(15);
/// Each lane has had its turn, and has ends too.
const WARM: usize = 30;
/// What was delivered is recorded so soon, where it can be.
const RECORDED: Duration = Duration::from_secs(5);
/// The sink whose deliveries are counted; what the daemon says of itself goes to another one.
const SINK: &str = "post";

/// A daemon under load.
pub struct Rig {
    name: &'static str,
    home: Home,
    daemon: Option<Daemon>,
    control: Control,
    receiver: Receiver,
    load: Load,
    watch: Watch,
    /// What was not as it should be: all of it is said in the end.
    wrong: Vec<String>,
    /// From when to when a delivery may have been made that was not recorded.
    excused: Option<(Instant, Instant)>,
}

impl Rig {
    /// Starts it on this database and waits until alarms come and go.
    pub fn start(name: &'static str, url: &str) -> Self {
        let (control, receiver) = (Control::start(), Receiver::start());
        let home = Home::with_plugins(&["scripted", "file"]);
        let store = format!("store = {{ url = \"{url}\" }}");
        home.configure_daemon(&store, &configuration(&control, &receiver));
        let daemon = home.start();
        control.connected();
        let load = Load::start(control.clone(), receiver.clone());
        let watch = Watch::of(home.path("state/admin.sock"));
        let daemon = Some(daemon);
        let wrong = Vec::new();
        let rig = Self { name, home, daemon, control, receiver, load, watch, wrong, excused: None };
        let warm = within(LONG, || (rig.receiver.count() >= WARM).then_some(()));
        assert!(warm.is_some(), "{name}: {} told of: {:#?}", rig.receiver.count(), rig.lines());
        assert_eq!(rig.watch.readiness(LONG), Some(200), "{name}: it is ready");
        rig
    }

    /// The store fails since `since`: `status` and `/readyz` say so soon, with one of these causes.
    pub fn expect_failing(&mut self, since: Instant, what: &str, causes: &[&str]) {
        let end = since + SOON;
        let (status, ready) = thread::scope(|scope| {
            let ready = scope.spawn(|| self.watch.unready(end));
            (self.watch.failing(end), ready.join().expect("no panic"))
        });
        match status {
            Err(last) => self.record_fault(format!(
                "{what}: `status` does not say within {SOON:?} that the store fails, but {last:?}"
            )),
            Ok((cause, at)) => {
                let after = at - since;
                println!("{}: {what}: `status` says after {after:.1?}: {cause}", self.name);
                if !causes.iter().any(|known| cause.contains(known)) {
                    self.record_fault(format!("{what}: `{cause}` names none of {causes:?}"));
                }
            }
        }
        match ready {
            Err(last) => {
                let wrong = format!("{what}: /readyz is not 503 within {SOON:?}, but {last:?}");
                self.record_fault(wrong);
            }
            Ok(at) => {
                let after = at - since;
                println!("{}: {what}: /readyz is 503 after {after:.1?}", self.name);
            }
        }
    }

    /// The store works again, by itself: `status` and `/readyz` say so, and all that fired is told.
    pub fn expect_recovery(&mut self, what: &str) {
        let since = now();
        let fired = self.load.ledger();
        let well = within(LONG, || {
            let status = self.watch.status(LONG)?;
            let well = status["store"]["failing"].is_null() && status["ready"] == true;
            (well && self.watch.readiness(LONG) == Some(200)).then(|| since.elapsed())
        });
        let told = within(LONG, || (self.untold(&fired) == 0).then(|| since.elapsed()));
        match (well, told) {
            (Some(well), Some(told)) => {
                println!("{}: {what}: well after {well:.1?}, all told after {told:.1?}", self.name);
            }
            (well, told) => {
                let untold = self.untold(&fired);
                self.record_fault(format!(
                    "{what}: it does not recover by itself: well after {well:?}, all told after {told:?} ({untold} are not)"
                ));
            }
        }
    }

    /// How many of those that fired nobody was told of.
    fn untold(&self, fired: &Ledger) -> usize {
        let hosts = fired
            .iter()
            .flat_map(|(name, lane)| (0..lane.fired).map(move |index| (name, host(index))));
        hosts.filter(|(name, host)| !self.receiver.has(name, host, "first")).count()
    }

    /// Something was not as it should be.
    pub fn record_fault(&mut self, what: String) {
        println!("{}: wrong: {what}", self.name);
        self.wrong.push(what);
    }

    /// How many were fired so far.
    pub fn fired(&self) -> usize {
        self.load.ledger().values().map(|lane| lane.fired).sum()
    }

    /// Waits until so many more were told of; whether they were.
    pub fn delivers(&self, more: usize) -> bool {
        let before = self.receiver.count();
        within(LONG, || (self.receiver.count() >= before + more).then_some(())).is_some()
    }

    /// Asks the daemon to end, while it can't write; since `since` it could not.
    pub fn stop(&mut self, since: Instant) {
        let asked = now();
        let daemon = self.daemon.take().expect("it runs");
        // It says itself that it did not end within its time.
        let well = daemon.stop();
        let ended = now();
        println!("{}: it ended after {:.1?}, well: {well}", self.name, ended - asked);
        self.excused = Some((since.checked_sub(RECORDED).expect("the machine is up"), ended));
    }

    /// Starts it again, as it was.
    pub fn start_again(&mut self) {
        self.control.forget();
        self.daemon = Some(self.home.start());
        self.control.connected();
    }

    /// Lets nothing more happen, and judges. Panics with all that is wrong.
    pub fn finish(mut self) {
        self.load.quiet();
        let ledger = self.load.ledger();
        let mut found = Found::default();
        let mut faults = vec!["nothing is found".to_owned()];
        let well = within(LONG, || {
            found = self.found()?;
            faults = checker::faults(&ledger, &found, &self.excused(&found));
            faults.is_empty().then_some(())
        });
        let status = self.watch.status(LONG);
        if well.is_none() {
            let lines = self.lines();
            let last = &lines[lines.len().saturating_sub(20)..];
            println!("{}: the daemon's last words: {last:#?}", self.name);
            let many = faults.len();
            faults.truncate(20);
            self.record_fault(format!(
                "{many} faults, such as {faults:#?}\nthe store: {:#?}",
                status.map(|status| status["store"].clone())
            ));
        } else {
            for what in checker::overlooked(&ledger, &found) {
                self.record_fault(what);
            }
        }
        self.ends(&found);
        let alarms: usize = ledger.values().map(|lane| lane.fired).sum();
        let keys: BTreeSet<_> = found.deliveries.iter().map(|one| &one.key).collect();
        let again = found.deliveries.len() - keys.len();
        println!(
            "{}: {alarms} alarms, {} notices, {again} of them again",
            self.name,
            found.deliveries.len()
        );
        assert!(self.wrong.is_empty(), "{}:\n{}\n", self.name, self.wrong.join("\n"));
    }

    /// It still runs, ends well, and tells nothing more.
    fn ends(&mut self, found: &Found) {
        let mut daemon = self.daemon.take().expect("it runs");
        if !daemon.is_running() {
            return self.record_fault(format!("the daemon ended: {:#?}", daemon.lines()));
        }
        if self.wrong.is_empty() {
            if !daemon.stop() {
                self.record_fault("the daemon does not end well".into());
            }
            let told = self.receiver.count();
            if told != found.deliveries.len() {
                self.record_fault(format!(
                    "{told} are told, {} were when all was well",
                    found.deliveries.len()
                ));
            }
        }
    }

    fn found(&self) -> Option<Found> {
        let outbox = self.watch.status(LONG)?["store"]["outbox"].clone();
        let ours = outbox.as_array()?.iter().filter(|count| count["sink"] == SINK);
        let left = ours.filter_map(|count| count["count"].as_u64()).sum();
        let alarms = self.watch.json("/api/v1/alarms", LONG)?;
        let fires =
            |alarm: &&Value| alarm["condition"] == "firing" && alarm["evaluator"] != "system";
        let firing = alarms["alarms"].as_array()?.iter().filter(fires);
        let debts = self.watch.json("/api/v1/obligations?all=true", LONG)?;
        let debts = debts["obligations"].as_array()?.iter().filter(|debt| debt["sink"] == SINK);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Some(Found {
            deliveries: self.receiver.deliveries(),
            firing: firing.map(|alarm| text(&alarm["id"])).collect(),
            debts: debts.map(|debt| (text(&debt["alarm"]), text(&debt["state"]))).collect(),
            left,
        })
    }

    /// Keys of what was told while it could not be recorded, by a daemon that ended then.
    fn excused(&self, found: &Found) -> BTreeSet<String> {
        let Some((from, to)) = self.excused else { return BTreeSet::new() };
        let told = found.deliveries.iter().filter(|one| one.at >= from && one.at <= to);
        told.map(|one| one.key.clone()).collect()
    }

    fn lines(&self) -> Vec<String> {
        self.daemon.as_ref().map(Daemon::lines).unwrap_or_default()
    }
}

fn configuration(control: &Control, receiver: &Receiver) -> String {
    let lanes = lanes();
    let mut text = scripted_source(control.address);
    for name in &lanes {
        text += &format!(
            "[evaluators.{name}]\ninputs = [\"scripted\"]\nmetric = \"scripted\"\nevery = \"1s\"\nflap = false\nmatch = ['lane=\"{name}\"']\ncritical = {{ above = 90 }}\nsummary = \"{{{{host}}}}: {{{{value}}}}\"\n"
        );
    }
    let lanes: Vec<_> = lanes.iter().map(String::as_str).collect();
    let keys = format!("url = \"{}\"\ndeadline = \"5s\"", receiver.url());
    text + &sink(SINK, "post", &lanes, &keys) + &file_sink("aside", &["system"])
}

/// For so long, whatever happens meanwhile.
pub fn for_so_long(time: Duration) {
    // Not to wait for anything: how long it lasts is what is tested.
    thread::sleep(time);
}
