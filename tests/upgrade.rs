//! A store that an earlier version wrote opens and goes on, on both databases.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

#[path = "upgrade/earlier.rs"]
mod earlier;
#[path = "upgrade/goes_on.rs"]
mod goes_on;
#[path = "upgrade/kept.rs"]
mod kept;
#[path = "upgrade/oldest.rs"]
mod oldest;
mod servers;
mod support;

use std::fs;

use earlier::Earlier;
use servers::postgres::Postgres;
use support::Home;

/// A daemon that is not the one that wrote it.
const OWNER: &str = "01J0000000000000000000NODE";
const PLUGINS: [&str; 4] = ["demo", "file", "lent", "scripted"];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn all_that_was_known_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = Earlier::in_file(&directory.path().join("haetae.db"));
    runtime().block_on(kept::is_all_there(&file));
    let server = Postgres::start();
    runtime().block_on(kept::is_all_there(&Earlier::on_server(&server)));
}

#[test]
fn a_file_goes_on_and_nobody_is_told_twice() {
    let home = Home::with_plugins(&PLUGINS);
    fs::create_dir(home.path("state")).unwrap();
    let earlier = Earlier::in_file(&home.path("state/haetae.db"));
    let home = goes_on::home(&earlier, home);
    goes_on::nobody_is_told_twice_and_everybody_of_the_end(&earlier, &home);
}

#[test]
fn a_server_goes_on_and_nobody_is_told_twice() {
    let server = Postgres::start();
    let earlier = Earlier::on_server(&server);
    let home = goes_on::home(&earlier, Home::with_plugins(&PLUGINS));
    goes_on::nobody_is_told_twice_and_everybody_of_the_end(&earlier, &home);
}
