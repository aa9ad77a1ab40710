//! Each kind of peer does each bad thing: it is named soon, the others go on, nothing is lost, and it is
//! over soon after its end. `HAETAE_TEST_SOAK` has the deadlines that a user has.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it says what it saw and when")]

#[path = "matrix/daemon.rs"]
mod daemon;
#[path = "matrix/listener.rs"]
mod listener;
mod servers;
#[path = "clock/setting.rs"]
mod setting;
mod support;
#[path = "matrix/words.rs"]
mod words;

use std::{
    thread,
    time::{Duration, Instant},
};

use daemon::{SECRET, Watched};
use listener::Clients;
use servers::{
    faulty_proxy::{Fault, FaultyProxy},
    influx::Influx,
    postgres::Postgres,
    smtp_sink::SmtpSink,
};
use setting::Setting;
use support::{Home, evaluator, influx_query, influx_source, mail_sink, within};
use words::{HTTP, POSTGRESQL, SMTP};

/// So soon after it is known a system alarm is told, and so soon after its end all is well.
const SOON: Duration = Duration::from_secs(30);
/// So soon health says that the store fails.
const SAID: Duration = Duration::from_secs(15);
/// So long a store is away at the least.
const AWAY: Duration = Duration::from_secs(10);

fn is_soak() -> bool {
    std::env::var_os("HAETAE_TEST_SOAK").is_some()
}

/// The deadline of a plugin's call, and what of it stands in the configuration.
fn deadline() -> (Duration, &'static str) {
    if is_soak() { (SOON, "") } else { (Duration::from_secs(2), "deadline = \"2s\"\n") }
}

/// The interval of a source, which is not shorter than its deadline.
fn interval() -> &'static str {
    if is_soak() { "10s" } else { "2s" }
}

/// The load of each host, asked of an InfluxDB, and judged.
fn load(url: &str, interval: &str, keys: &str) -> String {
    [
        influx_source("paas", url, "cf", interval, keys),
        influx_query("paas", "load", "SELECT value FROM load WHERE $window GROUP BY host", ""),
        evaluator("load", "paas", "load", "by = ['host']\ncritical = { above = 90 }"),
    ]
    .concat()
}

#[test]
fn a_source_whose_peer_is_bad() {
    let server = Influx::start();
    server.execute("CREATE DATABASE cf");
    let proxy = FaultyProxy::start(&server.address, HTTP);
    let (known_after, deadline) = deadline();
    let home = Home::with_plugins(&["lent", "file", "influx"]);
    let mut watched = Watched::start(
        home,
        &load(
            &format!("http://{}", proxy.address()),
            interval(),
            &format!("username = 'haetae'\npassword = {{ file = 'HOME/secret' }}\n{deadline}"),
        ),
    );
    watched.is_well("paas");
    for fault in Fault::ALL {
        let begun = Instant::now();
        proxy.set(fault);
        watched.system_alarm_is_told("paas", "source-down", known_after + SOON);
        println!("source {fault:?}: told after {:.1?}", begun.elapsed());
        watched.goes_on(&format!("source-{fault:?}"));
        watched.says_what_is_wrong("paas", true);
        proxy.set(Fault::None);
        let ended = Instant::now();
        watched.system_alarm_ends("paas", SOON);
        watched.is_well("paas");
        println!("source {fault:?}: well after {:.1?}", ended.elapsed());
        watched.is_bounded();
    }
    watched.stop();
}

#[test]
fn a_sink_whose_peer_is_bad() {
    let home = Home::with_plugins(&["lent", "file", "email"]);
    let mails = home.path("mails");
    let server = SmtpSink::start(&mails, &[format!("login=haetae:{SECRET}")]);
    let proxy = FaultyProxy::start(&format!("127.0.0.1:{}", server.port()), SMTP);
    let (known_after, deadline) = deadline();
    let mut watched = Watched::start(
        home,
        &format!(
            "{}starttls = 'never'\nusername = 'haetae'\npassword = {{ file = 'HOME/secret' }}\n{deadline}",
            mail_sink(proxy.address().port(), &["levels"]),
        ),
    );
    watched.is_well("mail");
    let mut number = 0;
    for fault in Fault::ALL {
        let begun = Instant::now();
        proxy.set(fault);
        // An alarm, told elsewhere at once, and the mail of which waits.
        watched.goes_on(&format!("sink-{fault:?}"));
        watched.system_alarm_is_told("mail", "sink-failing", known_after + SOON);
        println!("sink {fault:?}: told after {:.1?}", begun.elapsed());
        watched.goes_on(&format!("sink-{fault:?}-more"));
        watched.says_what_is_wrong("mail", true);
        proxy.set(Fault::None);
        let ended = Instant::now();
        number += 2;
        let all = within(SOON, || (server.accepted().len() >= number).then_some(()));
        assert!(all.is_some(), "{fault:?}: {} of {number} mails", server.accepted().len());
        watched.system_alarm_ends("mail", SOON);
        watched.is_well("mail");
        println!("sink {fault:?}: well after {:.1?}", ended.elapsed());
        watched.is_bounded();
    }
    watched.stop();
}

#[test]
fn a_store_that_is_bad() {
    // Side by side: each fault lasts for a while.
    let (first, second) = Fault::ALL.split_at(4);
    thread::scope(|scope| {
        scope.spawn(|| a_store_with(first));
        scope.spawn(|| a_store_with(second));
    });
}

fn a_store_with(faults: &[Fault]) {
    let server = Postgres::start();
    let proxy = FaultyProxy::start(&server.address(), POSTGRESQL);
    let url = server.database("haetae").replace(&server.address(), &proxy.address().to_string());
    let home = Home::with_plugins(&["lent", "file"]);
    let store = format!("store = {{ url = \"{url}\", password = {{ file = \"HOME/secret\" }} }}");
    let mut watched = Watched::start_on(home, &store, "");
    for fault in faults {
        let id = format!("store-{fault:?}");
        let begun = Instant::now();
        proxy.set(*fault);
        watched.fires(&id);
        let said = watched.store_is_failing(SAID);
        println!("store {fault:?}: said after {said:.1?}");
        assert!(said < SAID, "{fault:?}: said after {said:?}");
        assert_eq!(watched.home.notified("id", &id), Vec::<String>::new(), "it is not committed");
        // It is away for a while.
        watched.goes_on_answering_until(begun + AWAY);
        proxy.set(Fault::None);
        let ended = Instant::now();
        watched.is_told(&id, SOON);
        watched.is_ready(SOON);
        println!("store {fault:?}: well after {:.1?}", ended.elapsed());
        watched.is_bounded();
    }
    watched.stop();
}

#[test]
fn a_listener_whose_clients_are_bad() {
    let home = Home::with_plugins(&["lent", "file"]);
    let mut watched = Watched::start(home, "");
    // A client that refuses is none.
    for fault in { Fault::ALL }.into_iter().filter(|fault| *fault != Fault::Refuses) {
        let socket = watched.home.path("state/admin.sock");
        let clients = Clients::start(fault, watched.address, socket);
        watched.goes_on(&format!("listener-{fault:?}"));
        let is_crowded = matches!(fault, Fault::Hangs | Fault::HalfOpen | Fault::Floods);
        if is_crowded {
            watched.system_alarm_is_told("haetae", "limit-exceeded", SOON);
        }
        watched.goes_on(&format!("listener-{fault:?}-more"));
        watched.keeps_the_secret();
        drop(clients);
        let ended = Instant::now();
        watched.system_alarm_ends("haetae", SOON);
        watched.is_ready(SOON);
        println!("listener {fault:?}: well after {:.1?}", ended.elapsed());
        watched.is_bounded();
    }
    watched.stop();
}

/// Each kind of peer at once, and the clock steps back.
#[test]
fn a_clock_that_steps_back() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE cf");
    let home = Home::with_plugins(&["lent", "file", "influx", "email"]);
    let server = SmtpSink::start(&home.path("mails"), &[]);
    let database = Postgres::start();
    let clock = Setting::of(&home);
    let store = format!("store = {{ url = \"{}\" }}", database.database("haetae"));
    let text = load(&influx.url(), "1s", "") + &mail_sink(server.port(), &["levels"]);
    let mut watched = Watched::start_as(home, &store, &text, |command| clock.prepare(command));
    let mut offset = 0;
    for step in [59, 600, 3600] {
        let mails = server.accepted().len();
        offset -= step;
        clock.set(offset);
        watched.goes_on(&format!("back-{step}"));
        watched.system_alarm_is_told("clock", "clock-jumped", SOON);
        let mailed = within(SOON, || (server.accepted().len() > mails).then_some(()));
        assert!(mailed.is_some(), "{step}: it is mailed");
        for instance in ["paas", "mail"] {
            watched.is_well(instance);
        }
        watched.is_ready(SOON);
        println!("clock {step} s back: well");
    }
    watched.is_bounded();
    watched.stop();
}
