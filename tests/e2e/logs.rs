//! kill -9 during a stream of log lines: count, absence and new value lose and repeat no alarm, and
//! what was counted is what another count of the same stream says.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

mod kept;
mod reckoning;

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use crate::chance::Chance;
use crate::stream::{Line, Stream};
use crate::support::{Daemon, Home, nanos, within};
use haetae_plugin::{Timestamp, Window};
use kept::Kept;

const RATE: u32 = 200;
const CYCLE: Duration = Duration::from_secs(4);
const LONG: Duration = Duration::from_mins(1);

/// The given seed, or another one each time.
fn seed() -> u64 {
    let given = std::env::var("HAETAE_TEST_SEED").ok();
    given.map_or_else(
        || u64::try_from(now().nanos()).expect("after 1970"),
        |text| text.parse().expect("a number"),
    )
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_nanos(i64::try_from(now.as_nanos()).expect("before 2262"))
}

fn home(seed: u64) -> Home {
    home_with(seed, &["demo"], "")
}

fn home_with(seed: u64, plugins: &[&str], more: &str) -> Home {
    let home = Home::with_plugins(plugins);
    home.configure(&format!(
        r#"
[sources.stream]
plugin = "demo-log"
interval = "1s"
per_second = {RATE}
cycle = "4s"
seed = {seed}
[evaluators.killed]
kind = "log"
inputs = ["stream"]
pattern = 'Out of memory: Killed process (?P<pid>\d+)'
by = ["application"]
critical = {{ at_least = 2, within = "1s" }}
[evaluators.heartbeat]
kind = "log"
inputs = ["stream"]
match = ['application="router"']
pattern = "^heartbeat"
by = ["host"]
critical = {{ absent_for = "2s" }}
[evaluators.version]
kind = "log"
inputs = ["stream"]
pattern = 'started version=(?P<version>\S+)'
by = ["application"]
new = "version"
learn = "0s"
warning = {{ within = "1500ms" }}
{more}"#
    ));
    home
}

/// Waits until all evaluators have judged what was said up to `time`.
fn judged(home: &Home, daemon: &Daemon, time: Timestamp) {
    let done = within(LONG, || {
        let status = home.json(&["status"])?;
        let evaluators = status["evaluators"].as_array()?;
        let slot = |one: &serde_json::Value| nanos(&one["judged_slot"]).unwrap_or(0);
        (evaluators.len() == 3 && evaluators.iter().all(|one| slot(one) >= time.nanos()))
            .then_some(())
    });
    assert!(done.is_some(), "it does not get there: {:#?}", daemon.lines());
}

/// A daemon that has judged some of the stream, and is killed.
fn begun(seed: u64) -> Home {
    let home = home(seed);
    let daemon = home.start();
    judged(&home, &daemon, Timestamp::from_nanos(1));
    assert!(
        within(LONG, || home.path("state/instances/stream/acked").exists().then_some(())).is_some()
    );
    daemon.kill();
    home
}

/// As a kill between the queue's commit and the acknowledgement leaves it: the source is asked
/// again for what is in the queue.
fn say_again(home: &Home, seconds: u32) -> bool {
    let mark = home.path("state/instances/stream/acked");
    let before: i64 = fs::read_to_string(&mark).expect("a mark").parse().expect("a number");
    let nanos = i64::from(seconds) * 1_000_000_000;
    fs::write(mark, (before - nanos).to_string()).is_ok()
}

/// Lets the daemon catch up and end; what it kept, and the lines that it must have had.
fn finish(home: &Home, seed: u64) -> (Kept, Vec<Line>) {
    let daemon = home.start();
    judged(home, &daemon, now());
    assert!(daemon.stop(), "it ends well");
    let kept = Kept::read(&home.path("state/haetae.db"));
    let stream = Stream::new(RATE, CYCLE, seed).expect("it can be");
    let from = Timestamp::from_nanos(kept.begun.nanos() - 1);
    let lines = stream.lines(Window { from, to: kept.until }).collect();
    (kept, lines)
}

#[test]
fn kills_lose_and_repeat_no_log_alarm() {
    let kills =
        std::env::var("HAETAE_TEST_KILLS").map_or(20, |text| text.parse().expect("a number"));
    let seed = seed();
    println!("{kills} kills, HAETAE_TEST_SEED={seed}");
    let (home, mut chance) = (begun(seed), Chance::of(seed));
    let (mut waiting, mut again) = (0, 0);
    for _ in 1..kills {
        let daemon = home.spawn();
        // Not to wait for anything: the instant of the kill is what is drawn by lot.
        thread::park_timeout(chance.time(Duration::from_millis(2_500)));
        daemon.kill();
        let queue = home.path("state/queues/stream.db");
        waiting += usize::from(kept::is_behind(&home.path("state/haetae.db"), &queue));
        if chance.below(3) == 0 {
            again += usize::from(say_again(&home, 1 + chance.below(2)));
        }
    }
    let (kept, lines) = finish(&home, seed);
    let faults = reckoning::faults(&lines, &kept);
    println!(
        "{} lines from {} to {}; {} alarms, matches {:?}; {waiting} kills while the store was behind the queue, {again} times the source says lines again",
        lines.len(),
        kept.begun.nanos(),
        kept.until.nanos(),
        kept.alarms.len(),
        kept.matches,
    );
    assert!(faults.is_empty(), "HAETAE_TEST_SEED={seed}: {faults:#?}");
    for name in ["killed", "heartbeat", "version"] {
        assert!(kept.alarms.iter().any(|alarm| alarm.evaluator == name), "no alarm of {name}");
    }
    // Controls: with one line less, and with one line twice, the same run must be found wrong.
    for text in ["Out of memory", "heartbeat", "started version"] {
        let at = lines.iter().position(|line| line.message.contains(text)).expect("there are some");
        let mut less = lines.clone();
        less.remove(at);
        assert!(!reckoning::faults(&less, &kept).is_empty(), "a line less: {text}");
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        assert!(!reckoning::faults(&twice, &kept).is_empty(), "a line twice: {text}");
    }
}

/// A control: the source leaves out some seconds of the stream, all else as in the test above.
#[test]
fn lines_that_the_source_drops_are_missed() {
    let seed = seed();
    let home = begun(seed);
    // Not to wait for anything: these are the seconds that it leaves out.
    thread::park_timeout(Duration::from_secs(5));
    fs::write(home.path("state/instances/stream/acked"), now().nanos().to_string())
        .expect("a file");
    let (kept, lines) = finish(&home, seed);
    let faults = reckoning::faults(&lines, &kept);
    assert!(faults.iter().any(|fault| fault.contains("matches")), "{faults:#?}");
}

/// A control: the store's cursor is set back, so that batches are judged again. A sink that takes
/// nothing makes the queue keep them, and they are more than a cycle of the stream.
#[test]
fn batches_that_are_judged_twice_are_found() {
    let seed = seed();
    let sink = "[sinks.never]\nplugin = \"faulty\"\nfault = \"error\"\ninputs = [\"stream\"]\n";
    let home = home_with(seed, &["demo", "faulty"], sink);
    let daemon = home.start();
    judged(&home, &daemon, now().after(2 * CYCLE));
    assert!(daemon.stop(), "it ends well");
    kept::set_back(&home.path("state/haetae.db"), 6);
    let (kept, lines) = finish(&home, seed);
    let faults = reckoning::faults(&lines, &kept);
    assert!(faults.iter().any(|fault| fault.contains("matches")), "{faults:#?}");
}
