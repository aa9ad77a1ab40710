//! One reload after another under load, good and bad ones at random.
//!
//! `HAETAE_TEST_RELOADS` is how many there are, `HAETAE_TEST_SEED` which; `tests/soak reload` does 200.

use std::{
    fmt, fs,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use super::{LONG, chance::Chance, given, grows, hang_up, has_all, is_told, levels, numbers};
use crate::support::{Daemon, Home, every, file_sink, sink, within};

/// Of the gate.
const RELOADS: usize = 30;
/// How often what fires is told again to the sink `again`.
const REPEAT: Duration = Duration::from_secs(10);

/// What the process has.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: usize,
    files: usize,
    kilobytes: usize,
}

impl Held {
    fn of(daemon: &Daemon) -> Self {
        let process = format!("/proc/{}", daemon.id());
        let status = fs::read_to_string(format!("{process}/status")).expect("it runs");
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
            line.split_whitespace().next().expect("a number").parse().expect("a number")
        };
        let files = fs::read_dir(format!("{process}/fd")).expect("it runs").count();
        Self { threads: number("Threads:"), files, kilobytes: number("VmRSS:") }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, files, kilobytes } = self;
        write!(f, "{threads} threads, {files} files, {kilobytes} KiB")
    }
}

/// What is always there: what must miss nothing, what waits to fire, what is told again.
fn always(home: &Home, chance: &mut Chance) -> String {
    let slow = "[evaluators.slow]\ninputs = [\"written\"]\nmetric = \"written_value\"\nby = [\"id\"]\n\
        critical = { above = 90, for = \"2h\" }\n";
    let path = home.path("lines");
    let lines =
        format!("[sources.lines]\nplugin = \"lines\"\npath = {path:?}\ninterval = \"1s\"\n");
    let taken = home.path("taken-lines");
    let taken =
        format!("[sinks.lines-kept]\nplugin = \"lines\"\npath = {taken:?}\ninputs = [\"lines\"]\n");
    let label = ["", "labels = { plane = \"x\" }", "labels = { plane = \"y\" }"];
    let label = label[chance.index(3)];
    let deadline = ["", "deadline = \"25s\"\n", "deadline = \"15s\"\n"][chance.index(3)];
    let number = 85 + chance.below(9);
    levels(home, "").replace("above = 90", &format!("above = {number}"))
        + slow
        + &numbers(home, label)
        + &file_sink("kept", &["numbers"])
        + deadline
        + &lines
        + &taken
        + deadline
        + &file_sink("again", &["levels"])
        + "repeat = \"10s\"\n"
}

/// What may be there or not.
fn sometimes(home: &Home, chance: &mut Chance) -> String {
    let mut text = String::new();
    if chance.once_in(2) {
        let log = home.path("others.log");
        text +=
            &format!("[sources.others]\nplugin = \"numbered\"\nlog = {log:?}\nevery = \"20ms\"\n");
        if chance.once_in(2) {
            text +=
                &sink("others-kept", "file", &["others", "numbers"], "path = 'HOME/others.jsonl'");
        }
    }
    if chance.once_in(2) {
        text += "[evaluators.numbered]\ninputs = [\"numbers\"]\nmetric = \"numbered\"\nover = \"5s\"\n\
            value = \"count\"\nwarning = { above = 1e12 }\n";
    }
    if chance.once_in(2) {
        let at_least = 2 + chance.below(50);
        text += &format!(
            "[evaluators.line-count]\nkind = \"log\"\ninputs = [\"lines\"]\npattern = 'line'\n\
             warning = {{ at_least = {at_least}, within = \"1h\" }}\n"
        );
    }
    if chance.once_in(2) {
        text += "[retention]\njournal = \"30d\"\n";
    }
    text
}

/// What nobody may take up.
fn broken(home: &Home, good: &str, chance: &mut Chance) {
    let text = match chance.below(4) {
        0 => good.replacen("critical =", "critcal =", 1),
        1 => good.replacen("plugin = \"file\"", "plugin = \"none\"", 1),
        2 => good.to_owned() + "[sinks.\n",
        _ => good.to_owned() + "[plugins]\npath = [\"/tmp\"]\n",
    };
    home.configure(&text);
}

fn say(home: &Home, line: usize) {
    let file = fs::OpenOptions::new().append(true).create(true).open(home.path("lines"));
    writeln!(file.expect("its own"), "host line {line} .").expect("its own");
}

/// The alarm that waits to fire: since when, and its id.
fn waits(home: &Home) -> Option<(String, String)> {
    let list = home.json(&["alarm", "list", "--all"])?;
    let alarms = list["alarms"].as_array()?.clone();
    let own = alarms
        .into_iter()
        .find(|one| one["evaluator"] == "slow" && one["condition"] == "pending")?;
    Some((own["since"].to_string(), own["id"].to_string()))
}

/// Two reloads of one text, after which nothing is under way.
fn at_rest(home: &Home, daemon: &Daemon, text: &str) {
    for _ in 0..2 {
        home.configure(text);
        let now = hang_up(home, daemon);
        assert!(now["failed"].is_null(), "{now:#}");
    }
}

#[test]
fn under_load_reloads_lose_and_reset_nothing() {
    let reloads = std::env::var("HAETAE_TEST_RELOADS").ok();
    let reloads = reloads.map_or(RELOADS, |text| text.parse().expect("a number"));
    let mut chance = Chance::new();
    let home = Home::with_plugins(&["lent", "file", "numbered"]);
    home.write_values(&[("a", 95), ("b", 10)]);
    let base = always(&home, &mut chance);
    home.configure(&base);
    let daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    let begun = Instant::now();
    let waiting = within(LONG, || waits(&home)).expect("it waits to fire");
    at_rest(&home, &daemon, &base);
    let (mut before, mut good) = (Held::of(&daemon), 0);
    for round in 0..reloads {
        say(&home, round);
        let text = always(&home, &mut chance) + &sometimes(&home, &mut chance);
        let is_good = !chance.once_in(3);
        if is_good {
            home.configure(&text);
        } else {
            broken(&home, &text, &mut chance);
        }
        let now = hang_up(&home, &daemon);
        assert_eq!(now["failed"].is_null(), is_good, "round {round}: {now:#}\n{text}");
        good += usize::from(is_good);
        assert_eq!(home.notified("id", "a"), ["firing"], "round {round}");
        assert_eq!(waits(&home).as_ref(), Some(&waiting), "round {round}");
        if round == reloads / 4 {
            // What comes once and stays is there by now.
            at_rest(&home, &daemon, &base);
            before = Held::of(&daemon);
        }
    }
    at_rest(&home, &daemon, &base);
    let lasted = begun.elapsed();
    let repeats = home.notifications("again.jsonl").len();
    let due = usize::try_from(lasted.as_secs() / REPEAT.as_secs()).expect("few");
    // One at its beginning; one that is late puts off those after it.
    assert!(
        (due / 2..=due + 2).contains(&repeats),
        "{repeats} notices in {lasted:?}, {due} repeats are due"
    );
    grows(&home, "kept.jsonl");
    has_all(&home, "kept.jsonl", 0);
    let all_lines = || {
        let text = fs::read_to_string(home.path("taken-lines")).ok()?;
        (0..reloads).all(|line| text.contains(&format!("host line {line} ."))).then_some(())
    };
    assert!(
        within(LONG, all_lines).is_some(),
        "{:#?}",
        fs::read_to_string(home.path("taken-lines"))
    );
    // Threads that have nothing to do end after a while.
    let mut after = Held::of(&daemon);
    let settled = every(Duration::from_secs(1), LONG, || {
        after = Held::of(&daemon);
        (after.threads <= before.threads + 2 && after.files <= before.files + 4).then_some(())
    });
    println!(
        "{reloads} reloads in {lasted:?}, {good} good; {repeats} notices of {due} repeats; {} numbers taken; before: {before}; after: {after}",
        given(&home, "kept.jsonl").len()
    );
    assert!(settled.is_some(), "before: {before}; after: {after}");
    assert!(after.kilobytes < before.kilobytes * 5 / 4 + 8192, "before: {before}; after: {after}");
    assert!(daemon.stop());
}

#[test]
fn a_kill_during_a_reload_is_a_restart() {
    let mut chance = Chance::new();
    let home = Home::with_plugins(&["lent", "file", "numbered"]);
    home.write_values(&[("a", 95)]);
    home.configure(&always(&home, &mut chance));
    let mut daemon = home.start();
    is_told(&home, "id", "a", &["firing"]);
    for _ in 0..5 {
        home.configure(&(always(&home, &mut chance) + &sometimes(&home, &mut chance)));
        let sent =
            std::process::Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        thread::park_timeout(chance.millis(0, 400));
        daemon.kill();
        daemon = home.start();
    }
    grows(&home, "kept.jsonl");
    has_all(&home, "kept.jsonl", 0);
    assert_eq!(home.notified("id", "a"), ["firing"]);
    assert!(daemon.stop());
}
