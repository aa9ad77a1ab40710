//! Cases in which the network before the server is what fails: it drops bytes, is slow, closes.

use std::time::Duration;

use crate::{
    chance::Chance,
    proxy::{Direction, Lost, Pace, Proxy, Then},
    rig::{Rig, for_so_long},
    servers::postgres::Postgres,
    soaks,
    support::within,
    watch::now,
};

const LONG: Duration = Duration::from_mins(1);
/// What is said arrives so much later.
const DELAY: Duration = Duration::from_millis(50);
/// How long it may take until some transaction commits.
const BUSY: Duration = Duration::from_secs(30);

/// Half-open: what the daemon says goes nowhere, the ends of its connections neither.
pub fn half_open_to_server(server: &Postgres) {
    half_open(server, "half_open_to_server", Direction::ToServer);
}

/// Half-open: what the server answers goes nowhere.
pub fn half_open_to_client(server: &Postgres) {
    half_open(server, "half_open_to_client", Direction::ToClient);
}

fn half_open(server: &Postgres, name: &'static str, direction: Direction) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start(name, &proxy.url(&server.database(name)));
    proxy.drop_packets(&[direction]);
    let since = now();
    rig.expect_failing(since, "half-open", &[&proxy.address()]);
    if soaks() {
        for_so_long(LONG);
    }
    proxy.drop_packets(&[]);
    rig.expect_recovery("it passes again");
    assert!(proxy.counts().black_holes > 0, "nothing was lost");
    rig.finish();
}

/// COMMITs that the server did and whose answer never came, and some that it never heard; each time
/// the connection ends.
pub fn lost_commits(server: &Postgres) {
    let answers = [(Lost::Response, Then::Close); 3];
    let round = [&answers[..], &[(Lost::Request, Then::Close)]].concat();
    let plan = round.repeat(if soaks() { 20 } else { 4 });
    lose_commits(server, "lost_commits", &plan);
}

/// The same on connections that stay open, each for as long as the daemon has patience. Of a COMMIT
/// that it never heard the server keeps the transaction open, with its locks.
pub fn hung_commits(server: &Postgres) {
    let round = [(Lost::Response, Then::Hang), (Lost::Request, Then::Hang)];
    let plan = round.repeat(if soaks() { 5 } else { 1 });
    lose_commits(server, "hung_commits", &plan);
}

fn lose_commits(server: &Postgres, name: &'static str, plan: &[(Lost, Then)]) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start(name, &proxy.url(&server.database(name)));
    for (at, (lost, then)) in plan.iter().enumerate() {
        proxy.lose_commit(*lost, *then);
        let done = within(BUSY, || (proxy.counts().commits.len() > at).then_some(()));
        if done.is_none() || !rig.delivers(8) {
            rig.record_fault(format!("nothing goes on at {at}, {lost:?} lost, then {then:?}"));
            break;
        }
    }
    rig.expect_recovery("no more COMMIT is lost");
    let commits = proxy.counts().commits;
    println!("{name}: {commits:#?}");
    for wanted in [Lost::Response, Lost::Request] {
        let planned = plan.iter().filter(|(lost, _)| *lost == wanted).count();
        let name = format!("{wanted:?}");
        let lost = commits.iter().filter(|commit| commit.starts_with(&name)).count();
        if lost != planned {
            let what = format!("of {planned} COMMITs whose {name} was to be lost {lost} were");
            rig.record_fault(what);
        }
    }
    rig.finish();
}

/// A latency, and connections that are closed again and again.
pub fn slow(server: &Postgres) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start("slow", &proxy.url(&server.database("slow")));
    let mut chance = Chance::new();
    proxy.set_pace(Pace::Latency(DELAY));
    let rounds = if soaks() { 40 } else { 4 };
    for round in 0..rounds {
        if !rig.delivers(4) {
            rig.record_fault(format!("nothing goes on in round {round}"));
            break;
        }
        // Drawn by lot, so that some are in the middle of a commit.
        for_so_long(chance.millis(0, 500));
        proxy.close_connections();
    }
    proxy.set_pace(Pace::Full);
    rig.expect_recovery("connections were closed again and again");
    let closed = proxy.counts().closed;
    assert!(closed >= rounds, "{closed} connections were closed in {rounds} rounds");
    rig.finish();
}

/// A line on which the bytes come one by one: none is lost, and no answer comes in time.
pub fn throttled(server: &Postgres) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start("throttled", &proxy.url(&server.database("throttled")));
    proxy.set_pace(Pace::Throttle(DELAY));
    rig.expect_failing(now(), "a throttled line", &[&proxy.address()]);
    if soaks() {
        for_so_long(LONG);
    }
    proxy.set_pace(Pace::Full);
    rig.expect_recovery("it is fast again");
    rig.finish();
}

/// The daemon is asked to end while nothing passes: it does, and what it could not write comes again.
pub fn closed(server: &Postgres) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start("closed", &proxy.url(&server.database("closed")));
    let since = now();
    proxy.drop_packets(&[Direction::ToServer, Direction::ToClient]);
    // So that it is in the middle of its work.
    let before = rig.fired();
    let more = within(LONG, || (rig.fired() > before + 10).then_some(()));
    assert!(more.is_some(), "alarms go on");
    rig.stop(since);
    proxy.drop_packets(&[]);
    rig.start_again();
    rig.expect_recovery("it started again");
    rig.finish();
}
