//! A reload in whose midst the store stops, or the daemon is ended.

use std::{
    io::Read,
    process::{Child, Stdio},
    time::Duration,
};

use crate::servers::postgres::Postgres;
use crate::support::{Daemon, Home, LEVELS, within};

const LONG: Duration = Duration::from_mins(1);

/// A source that does not close: a reload that replaces it waits until it is given up, five seconds.
const SLOW: &str = r#"
[sources.slow]
plugin = "faulty"
fault = "sleep_drop"
interval = "1s"
"#;

/// A sink that the reload brings.
const ALSO: &str = r#"
[sinks.also]
plugin = "file"
inputs = ["levels"]
path = "HOME/also.jsonl"
"#;

/// The configuration before the reload, and after it, when more is told.
fn configurations() -> [String; 2] {
    let after = LEVELS.replace("above = 90", "above = 70");
    let other = SLOW.replace("1s", "2s");
    [format!("{LEVELS}{SLOW}"), format!("{after}{other}{ALSO}")]
}

/// A home whose daemon tells of `high`, and does not of `low` before the reload.
fn home() -> Home {
    let home = Home::with_plugins(&["lent", "file", "faulty"]);
    home.write_values(&[("high", 95), ("low", 80)]);
    home
}

fn is_told(home: &Home, id: &str) {
    let told = within(LONG, || (home.notified("id", id) == ["firing"]).then_some(()));
    assert!(told.is_some(), "{id}: {:?}", home.notified("id", id));
}

/// Waits until the reload ends the source: what the store holds was read, and the engine has no new plan.
fn is_ending(daemon: &Daemon) {
    let drops = || daemon.lines().iter().any(|line| line.contains("its drop begins")).then_some(());
    assert!(within(LONG, drops).is_some(), "the source is not closed");
}

/// Asks for a reload without waiting for it.
fn asked(home: &Home) -> Child {
    let mut command = home.command(&["reload"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

/// How it ended, and what it said.
fn ended(mut asked: Child) -> (Option<i32>, String) {
    let status = within(2 * LONG, || asked.try_wait().expect("its own child"));
    let mut said = String::new();
    for stream in [
        asked.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read>),
        asked.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read>),
    ] {
        stream.expect("piped").read_to_string(&mut said).expect("text");
    }
    (status.expect("it is answered").code(), said)
}

#[test]
fn a_reload_whose_store_stops_ends_when_it_is_back() {
    let mut server = Postgres::start();
    let store = format!("store = {{ url = \"{}\" }}", server.database("haetae"));
    let home = home();
    let [one, two] = [LEVELS.to_owned(), LEVELS.replace("above = 90", "above = 70")];
    home.configure_daemon(&store, &one);
    let daemon = home.start();
    is_told(&home, "high");
    // Who asks while the store is away is refused, and nothing has changed.
    server.stop();
    home.configure_daemon(&store, &two);
    let (code, said) = ended(asked(&home));
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("haetae goes on as before, reload again when that is mended"), "{said}");
    server.start_again();
    let ready =
        within(LONG, || home.json(&["status"]).filter(|it| it["store"]["failing"].is_null()));
    assert!(ready.is_some(), "{:#?}", home.json(&["status"]));
    assert_eq!(home.notified("id", "low"), Vec::<String>::new(), "it is as before");
    let (code, said) = ended(asked(&home));
    assert_eq!(code, Some(0), "{said}");
    is_told(&home, "low");
    assert_eq!(home.notified("id", "high"), ["firing"]);
    assert!(daemon.stop());
}

#[test]
fn a_store_that_stops_in_the_midst_of_a_reload_loses_nothing() {
    let mut server = Postgres::start();
    let store = format!("store = {{ url = \"{}\" }}", server.database("haetae"));
    let home = home();
    let [one, two] = configurations();
    home.configure_daemon(&store, &one);
    let daemon = home.start();
    is_told(&home, "high");
    home.instance_when("slow", |shown| shown["state"] == "ok");
    home.configure_daemon(&store, &two);
    let mut reload = asked(&home);
    is_ending(&daemon);
    server.stop();
    let failing =
        within(LONG, || home.json(&["status"]).filter(|it| it["store"]["failing"].is_string()));
    assert!(failing.is_some(), "{:#?}", home.json(&["status"]));
    assert!(reload.try_wait().expect("its own child").is_none(), "it waits for the store");
    server.start_again();
    let (code, said) = ended(reload);
    assert_eq!(code, Some(0), "{said}");
    is_told(&home, "low");
    assert_eq!(home.notified("id", "high"), ["firing"]);
    let also = || (!home.notifications("also.jsonl").is_empty()).then_some(());
    assert!(within(LONG, also).is_some(), "the new sink is told of what fires");
    assert!(daemon.stop());
}

#[test]
fn a_daemon_that_is_ended_in_the_midst_of_a_reload_ends_in_order() {
    let home = home();
    let [one, two] = configurations();
    home.configure(&one);
    let daemon = home.start();
    is_told(&home, "high");
    home.instance_when("slow", |shown| shown["state"] == "ok");
    home.configure(&two);
    let mut reload = asked(&home);
    is_ending(&daemon);
    assert!(reload.try_wait().expect("its own child").is_none(), "it waits for the source");
    assert!(daemon.stop(), "it ends in order");
    let (code, said) = ended(reload);
    assert_ne!(code, Some(0), "{said}");
    // The next one starts by what the reload was to take up.
    let daemon = home.start();
    is_told(&home, "low");
    assert_eq!(home.notified("id", "high"), ["firing"]);
    assert!(daemon.stop());
}
