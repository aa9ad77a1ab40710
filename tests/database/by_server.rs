//! Cases in which the server itself is what fails: stopped, restarted, without room.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::Duration,
};

use crate::{
    image::Mounted,
    rig::{Rig, for_so_long},
    servers::postgres::Postgres,
    soaks,
    support::within,
    watch::now,
};

/// A commit takes so much longer: of the instants of a second, many are in one.
const COMMIT: &str = "20000";
/// The data of a new server, its log of changes, and some more.
const MEBIBYTES: u64 = 160;

/// SIGSTOP while a COMMIT is under way.
pub fn stopped() {
    let server = Postgres::start();
    set(&server, "commit_delay", COMMIT);
    set(&server, "commit_siblings", "0");
    let mut rig = Rig::start("stopped", &server.database("stopped"));
    let committing = within(Duration::from_secs(30), || {
        server.pause();
        let is = server.titles().iter().any(|title| title.ends_with(" COMMIT"));
        if !is {
            server.resume();
        }
        is.then(now)
    });
    let since = committing.expect("some instant is in the middle of a commit");
    rig.expect_failing(since, "SIGSTOP in mid-commit", &[&server.address()]);
    let outage = Duration::from_secs(if soaks() { 60 } else { 20 });
    for_so_long(outage.saturating_sub(since.elapsed()));
    server.resume();
    rig.expect_recovery("SIGCONT");
    rig.finish();
}

/// COMMITs that the server has written down and finishes later, for they wait for a standby: meanwhile
/// nobody sees what they did, and it can't be undone.
pub fn pending_commits() {
    let server = Postgres::start();
    let mut rig = Rig::start("pending_commits", &server.database("pending_commits"));
    set(&server, "synchronous_standby_names", "nobody");
    rig.expect_failing(now(), "commits wait for a standby", &[&server.address()]);
    set(&server, "synchronous_standby_names", "''");
    rig.expect_recovery("commits wait for nobody");
    rig.finish();
}

/// A fast shutdown, and kill -9 of all of it; each time it comes back.
pub fn restarted() {
    let mut server = Postgres::start();
    let mut rig = Rig::start("restarted", &server.database("restarted"));
    for what in ["a fast shutdown", "kill -9"] {
        let since = now();
        if what == "kill -9" {
            server.kill();
        } else {
            server.stop();
        }
        rig.expect_failing(since, what, &[&server.address()]);
        server.start_again();
        rig.expect_recovery(what);
    }
    rig.finish();
}

/// No room where its data are.
pub fn full() {
    let directory = tempfile::Builder::new().prefix("haetae-pg-").tempdir().expect("one");
    // Dropped after the server and before the directory.
    let mounted = Mounted::memory(MEBIBYTES, directory.path());
    let mut server = Postgres::start_in(directory.path());
    let mut rig = Rig::start("full", &server.database("no_room"));
    let ballast = directory.path().join("ballast");
    let no_room = ["No space left", "no room"];
    let address = server.address();
    // A new part of its log begins, and the commit makes its file: then there is room for what it says
    // of rows.
    for statement in ["SELECT pg_switch_wal()", "CREATE TABLE log_goes_on ()"] {
        server.sql(statement).expect("done");
    }
    fill(&ballast);
    rig.expect_failing(now(), "no room for rows", &no_room);
    for_so_long(Duration::from_secs(5));
    fs::remove_file(&ballast).expect("it was there");
    assert!(server.is_running(), "{}", server.log());
    rig.expect_recovery("there is room for rows again");

    // Without room for the next part of its log the server ends.
    fill(&ballast);
    let ended = within(Duration::from_secs(30), || {
        server.sql("SELECT pg_switch_wal()");
        (!server.is_running()).then_some(())
    });
    assert!(ended.is_some(), "it goes on without its log: {}", server.log());
    let causes = [&no_room[..], &[&*address]].concat();
    rig.expect_failing(now(), "no room for its log", &causes);
    fs::remove_file(&ballast).expect("it was there");
    server.start_again();
    rig.expect_recovery("there is room for its log again");
    rig.finish();
    drop((server, mounted));
}

/// Sets a parameter of a server that runs.
fn set(server: &Postgres, name: &str, value: &str) {
    for statement in [&*format!("ALTER SYSTEM SET {name} = {value}"), "SELECT pg_reload_conf()"] {
        server.sql(statement).expect("done");
    }
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the ballast");
    for block in [1 << 20, 4096, 1] {
        let block = vec![0_u8; block];
        while file.write_all(&block).is_ok() {}
    }
}
