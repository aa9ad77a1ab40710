//! A wall clock that is set while the daemon runs: it goes on at once, says so, and does not spin.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    fs, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::setting::Setting;
use crate::support::{Daemon, Home, LEVELS, within};
use serde_json::Value;

/// What is soon: slots lie a second apart, and a jump is noticed within five.
const SOON: Duration = Duration::from_secs(15);

/// A daemon whose wall clock the test sets.
struct Set {
    home: Home,
    daemon: Daemon,
    clock: Setting,
    /// By how many seconds it runs ahead.
    offset: i64,
}

impl Set {
    fn start() -> Self {
        let home = Home::with_plugins(&["lent", "file"]);
        home.configure(LEVELS);
        home.write_values(&[("a", 10)]);
        let clock = Setting::of(&home);
        let daemon = home.start_with(|command| clock.prepare(command));
        Self { home, daemon, clock, offset: 0 }
    }

    /// Sets its clock to run so many seconds ahead.
    fn set(&mut self, offset: i64) {
        self.clock.set(offset);
        self.offset = offset;
    }

    /// What it should take for the time.
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        i64::try_from(since.as_secs()).expect("fits") + self.offset
    }

    fn notified(&self, evaluator: &str, status: &str) -> Vec<Value> {
        let is =
            |line: &Value| line["status"] == status && line["alarms"][0]["evaluator"] == evaluator;
        self.home.notifications("told.jsonl").into_iter().filter(is).collect()
    }

    /// Waits until one more of these is told.
    fn one_more(&self, before: usize, evaluator: &str, status: &str, what: &str) -> Value {
        let more = || self.notified(evaluator, status).get(before).cloned();
        within(SOON, more).unwrap_or_else(|| {
            let told = self.home.notifications("told.jsonl");
            let status = self.home.json(&["status"]);
            panic!("{what}: no {status:?}: {told:#?}\n{status:#?}\n{:#?}", self.daemon.lines())
        })
    }

    /// An alarm begins and ends, at the time that the clock shows.
    fn alarms_go_on(&self, what: &str) {
        let before = self.notified("levels", "firing").len();
        self.home.write_values(&[("a", 95)]);
        let fired = self.one_more(before, "levels", "firing", what);
        let since = fired["alarms"][0]["since_ns"].as_i64().expect("a time") / 1_000_000_000;
        assert!((since - self.now()).abs() < 20, "{what}: since {since}, now {}", self.now());
        self.home.write_values(&[("a", 10)]);
        self.one_more(before, "levels", "resolved", what);
        let status = self.home.json(&["status"]).expect("it answers");
        let instance = &status["instances"][0];
        assert_eq!(instance["state"], "ok", "{what}: {instance:#?}");
    }

    /// How much of one processor it takes.
    fn load(&self) -> f64 {
        let ticks = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.daemon.id()));
            let stat = stat.expect("it runs");
            let (_, fields) = stat.rsplit_once(')').expect("its name");
            let fields: Vec<i64> =
                fields.split_whitespace().filter_map(|field| field.parse().ok()).collect();
            // The state, which is first, is no number; user and system time in hundredths.
            fields[10] + fields[11]
        };
        let before = ticks();
        thread::park_timeout(Duration::from_secs(3));
        f64::from(i32::try_from(ticks() - before).expect("few")) / 300.0
    }
}

#[test]
fn alarms_go_on_at_once_after_a_clock_is_set() {
    let mut set = Set::start();
    set.alarms_go_on("as it was");
    let steps = [("59 s", -59), ("10 min", -600), ("1 h", -3600)];
    for (what, step) in steps {
        set.set(set.offset + step);
        set.alarms_go_on(&format!("{what} back"));
    }
    let jumped = &set.one_more(0, "system", "firing", "a jump")["alarms"][0];
    assert_eq!(jumped["labels"]["problem"], "clock-jumped", "{jumped:#?}");
    assert_eq!(jumped["labels"]["instance"], "clock");
    let log = set.daemon.lines();
    assert!(log.iter().any(|line| line.contains("the clock jumped from")), "{log:#?}");
    set.set(set.offset + 3600);
    set.alarms_go_on("1 h ahead");
    // It ends a minute after the last one, and says so.
    let over = within(Duration::from_secs(90), || set.notified("system", "resolved").pop());
    assert!(over.is_some(), "{:#?}", set.home.json(&["alarm", "list"]));
    assert!(set.daemon.stop(), "it ends well");
}

#[test]
fn a_clock_centuries_ahead_and_back_does_not_spin() {
    let mut set = Set::start();
    set.alarms_go_on("as it was");
    set.set(276 * 365 * 86_400);
    let noticed = || set.notified("system", "firing").pop();
    assert!(within(SOON, noticed).is_some(), "{:#?}", set.home.json(&["status"]));
    let load = set.load();
    assert!(load < 0.5, "centuries ahead it takes {load} of a processor");
    set.set(0);
    set.alarms_go_on("centuries back");
    let load = set.load();
    assert!(load < 0.5, "after it, it takes {load} of a processor");
    assert!(set.daemon.stop(), "it ends well");
}
