//! PostgreSQL that is stopped, restarted, full, or behind a network that loses, delays and cuts: no
//! alarm and no obligation is lost, nothing is told twice, and the daemon says that its store fails.
//!
//! `HAETAE_TEST_SOAK` makes outages longer and faults more; `HAETAE_TEST_CASE` chooses one case.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]
#![allow(clippy::format_push_string, reason = "a test")]

#[path = "database/by_network.rs"]
mod by_network;
#[path = "database/by_server.rs"]
mod by_server;
mod chance;
#[path = "database/checker.rs"]
mod checker;
mod control;
#[path = "records/image.rs"]
mod image;
#[path = "database/load.rs"]
mod load;
#[path = "servers/proxy.rs"]
mod proxy;
#[path = "database/receiver.rs"]
mod receiver;
#[path = "database/rig.rs"]
mod rig;
mod servers;
mod support;
#[path = "database/watch.rs"]
mod watch;
#[path = "../daemon/benches/rig/webhook.rs"]
mod webhook;
#[path = "servers/wire.rs"]
mod wire;

use std::{env, thread};

use servers::postgres::Postgres;

/// Whether outages are as long as an issue says, and not as long as the gate can wait.
fn soaks() -> bool {
    env::var_os("HAETAE_TEST_SOAK").is_some()
}

/// What fails, and what follows.
struct Case<'a> {
    name: &'static str,
    run: Box<dyn FnOnce() + Send + 'a>,
}

fn case<'a>(name: &'static str, run: impl FnOnce() + Send + 'a) -> Case<'a> {
    Case { name, run: Box::new(run) }
}

/// One test, for all of them mostly wait: side by side they take as long as the longest.
#[test]
fn failing_database_loses_nothing_and_delivers_nothing_twice() {
    let shared = Postgres::start();
    let cases = [
        case("stopped", by_server::stopped),
        case("pending_commits", by_server::pending_commits),
        case("restarted", by_server::restarted),
        case("full", by_server::full),
        case("half_open_to_server", || by_network::half_open_to_server(&shared)),
        case("half_open_to_client", || by_network::half_open_to_client(&shared)),
        case("lost_commits", || by_network::lost_commits(&shared)),
        case("hung_commits", || by_network::hung_commits(&shared)),
        case("slow", || by_network::slow(&shared)),
        case("throttled", || by_network::throttled(&shared)),
        case("closed", || by_network::closed(&shared)),
    ];
    let wanted = env::var("HAETAE_TEST_CASE").ok();
    let failed: Vec<&str> = thread::scope(|scope| {
        let mut running = Vec::new();
        for case in cases {
            if wanted.as_ref().is_none_or(|wanted| case.name == wanted) {
                running.push((case.name, scope.spawn(case.run)));
            }
        }
        assert!(!running.is_empty(), "HAETAE_TEST_CASE: there is no {wanted:?}");
        let ended = running.into_iter().map(|(name, case)| (name, case.join()));
        // What is wrong is in its panic, which is printed.
        ended.filter_map(|(name, ended)| ended.is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "these cases failed, each says above why: {failed:?}");
}
