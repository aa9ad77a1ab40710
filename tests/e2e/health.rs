//! What the daemon says of itself while its PostgreSQL is not there: at the start, and later.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::servers::postgres::Postgres;
use crate::support::{Daemon, Home, LEVELS, free_port, within};
use crate::watch::Watch;

const LONG: Duration = Duration::from_mins(1);
/// The longest that an answer may take.
const SOON: Duration = Duration::from_secs(2);

/// A daemon on a database, and where it answers over TCP.
fn home(server: &Postgres) -> (Home, SocketAddr) {
    let home = Home::with_plugins(&["lent", "file"]);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let head = format!(
        "[daemon]\nstate = {:?}\nstore = {{ url = {:?} }}\n[http]\nlisten = \"{address}\"\n",
        home.path("state").display().to_string(),
        server.database("haetae"),
    );
    home.write_configuration(&(head + LEVELS));
    home.write_values(&[("a", 1)]);
    (home, address)
}

/// What a path answers over TCP, if it does within [`SOON`].
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let since = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, SOON).ok()?;
    stream.set_read_timeout(Some(SOON)).expect("a time");
    let ask = format!("GET {path} HTTP/1.1\r\nhost: haetae\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    assert!(since.elapsed() < SOON, "{path} took {:?}", since.elapsed());
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn answers(daemon: &mut Daemon, address: SocketAddr, path: &str, code: u16) -> String {
    let answer = within(LONG, || {
        assert!(daemon.is_running(), "it ended: {:#?}", daemon.lines());
        get(address, path).filter(|(found, _)| *found == code)
    });
    answer.unwrap_or_else(|| panic!("{path} is not {code} but {:?}", get(address, path))).1
}

#[test]
fn a_database_that_hangs_at_the_start_does_not_hold_health() {
    let server = Postgres::start();
    let (home, address) = home(&server);
    server.pause();
    let mut daemon = home.spawn();
    let listens = within(LONG, || TcpStream::connect(address).ok());
    assert!(listens.is_some(), "{:#?}", daemon.lines());
    assert_eq!(get(address, "/healthz"), Some((200, "ok\n".into())));
    let unready = (503, "starting: it opens its store\n".into());
    assert_eq!(get(address, "/readyz"), Some(unready));
    server.resume();
    daemon.ready(&home);
    assert!(daemon.stop());
}

#[test]
fn a_database_that_is_not_there_at_the_start_is_waited_for() {
    let mut server = Postgres::start();
    let (home, address) = home(&server);
    server.stop();
    let mut daemon = home.spawn();
    let why = answers(&mut daemon, address, "/readyz", 503);
    assert!(why.contains("it waits for its store") && why.contains("refused"), "{why}");
    assert_eq!(get(address, "/healthz").expect("an answer").0, 200);
    let status = home.output(&["status"]);
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(said.contains("haetae starts: it waits for its store"), "{said}");
    let line = within(LONG, || daemon.lines().into_iter().find(|line| line.contains("waits for")));
    assert!(line.is_some_and(|line| line.contains("it is tried again in")), "and the log says so");
    server.start_again();
    daemon.ready(&home);
    assert_eq!(get(address, "/readyz").expect("an answer").0, 200);
    home.write_values(&[("a", 95)]);
    let fires = within(LONG, || home.notified("id", "a").first().cloned());
    assert_eq!(fires.as_deref(), Some("firing"));
    assert!(daemon.stop());
    server.stop();
    let mut daemon = home.spawn();
    answers(&mut daemon, address, "/readyz", 503);
    let since = Instant::now();
    assert!(daemon.stop(), "whoever waits is stopped in order");
    assert!(since.elapsed() < Duration::from_secs(5), "within {:?}", since.elapsed());
}

#[test]
fn while_the_database_does_not_answer_each_answer_comes_soon_and_says_it() {
    let server = Postgres::start();
    let (home, address) = home(&server);
    let mut daemon = home.start();
    home.write_values(&[("a", 95)]);
    let fires = within(LONG, || home.notified("id", "a").first().cloned());
    assert_eq!(fires.as_deref(), Some("firing"));
    server.pause();
    let since = Instant::now();
    let watch = Watch::of(home.path("state/admin.sock"));
    let unready = thread::scope(|scope| {
        let unready = scope.spawn(|| {
            within(LONG, || {
                let (code, why) = get(address, "/readyz").expect("within 2 s");
                (code == 503).then(|| (since.elapsed(), why))
            })
        });
        while since.elapsed() < Duration::from_secs(20) {
            assert_eq!(
                get(address, "/healthz").expect("within 2 s").0,
                200,
                "no stage is at fault"
            );
            let (code, metrics) = get(address, "/metrics").expect("within 2 s");
            assert!(code == 200 && metrics.contains("haetae_alarms_firing"), "{metrics}");
            let status = watch.status(SOON).expect("within 2 s");
            assert!(status["firing"].as_u64() >= Some(1), "{status}");
            let alarms = watch.json("/api/v1/alarms", SOON).expect("within 2 s");
            let mut alarms = alarms["alarms"].as_array().expect("a list").iter();
            let alarm = alarms.find(|alarm| alarm["labels"]["id"] == "a").expect("it is listed");
            let id = alarm["id"].as_str().expect("an id");
            let alarm = watch.json(&format!("/api/v1/alarms/{id}"), SOON).expect("within 2 s");
            assert_eq!(alarm["id"], id);
        }
        unready.join().expect("no panic")
    });
    let (unready, why) = unready.expect("/readyz says it");
    assert!(why.contains("the store fails"), "{why}");
    let (_, metrics) = get(address, "/metrics").expect("within 2 s");
    assert!(metrics.contains("haetae_store_up 0\n"), "{metrics}");
    assert!(metrics.contains("haetae_ready 0\n"), "{metrics}");
    println!("/readyz says it after {unready:?}");
    assert!(unready < Duration::from_secs(15), "after {unready:?}");
    home.write_values(&[("a", 95), ("b", 95)]);
    let listed = home.output(&["alarm", "list"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    server.resume();
    let told_of = within(LONG, || home.notified("id", "b").first().cloned());
    assert_eq!(told_of.as_deref(), Some("firing"), "what became due meanwhile is told");
    assert_eq!(answers(&mut daemon, address, "/readyz", 200), "ready\n");
    assert!(daemon.stop());
}

#[test]
fn a_daemon_whose_database_stands_still_is_stopped_soon() {
    let server = Postgres::start();
    let (home, address) = home(&server);
    let mut daemon = home.start();
    // At once, and after it has been waited for.
    for is_known in [false, true] {
        server.pause();
        home.write_values(&[("a", 95)]);
        if is_known {
            answers(&mut daemon, address, "/readyz", 503);
        }
        let since = Instant::now();
        assert!(daemon.stop(), "in order");
        println!("it ended after {:?}", since.elapsed());
        assert!(since.elapsed() < Duration::from_secs(10), "after {:?}", since.elapsed());
        server.resume();
        home.write_values(&[("a", 1)]);
        daemon = home.start();
    }
    home.write_values(&[("a", 95)]);
    let fires = within(LONG, || home.notified("id", "a").first().cloned());
    assert_eq!(fires.as_deref(), Some("firing"), "what is due is told by the next one");
    assert!(daemon.stop());
}

#[test]
fn a_database_that_stops_answering_while_a_daemon_starts_is_waited_for() {
    let server = Postgres::start();
    let (home, address) = home(&server);
    let daemon = home.start();
    home.write_values(&[("a", 95)]);
    let fires = within(LONG, || home.notified("id", "a").first().cloned());
    assert_eq!(fires.as_deref(), Some("firing"));
    daemon.kill();
    let holds = "BEGIN; LOCK TABLE alarms; SELECT pg_sleep(20); COMMIT";
    let daemon = thread::scope(|scope| {
        scope.spawn(|| server.sql_in("haetae", holds));
        let locked = "SELECT count(*) FROM pg_locks WHERE relation::regclass::text = 'alarms' AND mode = 'AccessExclusiveLock' AND granted";
        let locked =
            within(LONG, || server.sql_in("haetae", locked).filter(|count| count.trim() == "1"));
        assert!(locked.is_some());
        let mut daemon = home.spawn();
        let ready = within(LONG, || {
            assert!(daemon.is_running(), "it ended: {:#?}", daemon.lines());
            home.json(&["status"]).filter(|status| status["ready"] == true)
        });
        assert!(ready.is_some(), "{:#?}", daemon.lines());
        daemon
    });
    assert_eq!(get(address, "/readyz").expect("an answer").0, 200);
    // The alarm of before goes on: only its end is told.
    home.write_values(&[("a", 1)]);
    let over =
        within(LONG, || (home.notified("id", "a").len() > 1).then(|| home.notified("id", "a")));
    assert_eq!(over.unwrap_or_default(), ["firing", "resolved"]);
    assert!(daemon.stop());
}
