//! Cases in which the way to the server is what fails: a proxy loses, is slow, cuts.

use std::time::{Duration, Instant};

use crate::{
    chance::Chance,
    postgres::Postgres,
    proxy::{Loses, Pace, Proxy, Then, Way},
    rig::{Rig, for_so_long},
    soaks,
    support::within,
};

const LONG: Duration = Duration::from_mins(1);
/// What is said arrives so much later.
const LATE: Duration = Duration::from_millis(50);
/// How long it may take until some transaction commits.
const BUSY: Duration = Duration::from_secs(30);

/// Half-open: what the daemon says goes nowhere, the ends of its connections neither.
pub fn half_open_there(server: &Postgres) {
    half_open(server, "half_open_there", Way::There);
}

/// Half-open: what the server answers goes nowhere.
pub fn half_open_back(server: &Postgres) {
    half_open(server, "half_open_back", Way::Back);
}

#[expect(clippy::disallowed_methods, reason = "a test measures the real time")]
fn half_open(server: &Postgres, name: &'static str, way: Way) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start(name, &proxy.url(&server.database(name)));
    proxy.set_deaf(&[way]);
    let since = Instant::now();
    rig.fails(since, "half-open", &[&proxy.address()]);
    if soaks() {
        for_so_long(LONG);
    }
    proxy.set_deaf(&[]);
    rig.recovers("it passes again");
    assert!(proxy.counts().deafened > 0, "something was lost");
    rig.finish();
}

/// COMMITs that the server did and whose answer never came, and some that it never heard.
pub fn lost_commits(server: &Postgres) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start("lost_commits", &proxy.url(&server.database("lost_commits")));
    let cut = [(Loses::Answer, Then::Cut); 3];
    let round = [&cut[..], &[(Loses::Request, Then::Cut)]].concat();
    let hang = [(Loses::Answer, Then::Hang), (Loses::Request, Then::Hang)];
    let times = if soaks() { 20 } else { 4 };
    // Each that hangs takes as long as the daemon's patience.
    let hangs = if soaks() { 10 } else { 1 };
    let plan = [round.repeat(times), hang.repeat(hangs)].concat();
    for (at, (loses, then)) in plan.iter().enumerate() {
        proxy.lose_commit(*loses, *then);
        let lost = within(BUSY, || (proxy.counts().commits.len() > at).then_some(()));
        if lost.is_none() || !rig.tells(8) {
            rig.object(format!("nothing goes on at {at}, {loses:?} lost, then {then:?}"));
            break;
        }
    }
    rig.recovers("no more COMMIT is lost");
    let commits = proxy.counts().commits;
    println!("lost_commits: {commits:#?}");
    let answers = commits.iter().filter(|commit| commit.starts_with("Answer")).count();
    if answers < 10 {
        rig.object(format!(
            "the answers of {answers} COMMITs were lost, too few to prove anything"
        ));
    }
    rig.finish();
}

/// Late, cut again and again, and as slow as a trickle.
#[expect(clippy::disallowed_methods, reason = "a test measures the real time")]
pub fn slow(server: &Postgres) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start("slow", &proxy.url(&server.database("slow")));
    let mut chance = Chance::new();
    proxy.set_pace(Pace::Late(LATE));
    rig.recovers("all is late");
    let cuts = if soaks() { 200 } else { 12 };
    for _ in 0..cuts {
        // Drawn by lot, so that some are in the middle of a commit.
        for_so_long(chance.millis(100, 900));
        proxy.cut();
    }
    proxy.set_pace(Pace::Free);
    rig.recovers("it was cut again and again");
    let counts = proxy.counts();
    assert!(counts.cuts >= cuts, "{} connections were cut", counts.cuts);
    proxy.set_pace(Pace::Trickle(LATE));
    let since = Instant::now();
    rig.fails(since, "a trickle", &[&proxy.address()]);
    proxy.set_pace(Pace::Free);
    rig.recovers("it is fast again");
    rig.finish();
}

/// The daemon is asked to end while nothing passes: it does, and what it could not write comes again.
#[expect(clippy::disallowed_methods, reason = "a test measures the real time")]
pub fn closed(server: &Postgres) {
    let proxy = Proxy::start(&server.address());
    let mut rig = Rig::start("closed", &proxy.url(&server.database("closed")));
    let since = Instant::now();
    proxy.set_deaf(&[Way::There, Way::Back]);
    // So that it is in the middle of its work.
    let before = rig.fired();
    let more = within(LONG, || (rig.fired() > before + 10).then_some(()));
    assert!(more.is_some(), "alarms go on");
    rig.stop(since);
    proxy.set_deaf(&[]);
    rig.start_again();
    rig.recovers("it started again");
    rig.finish();
}
