//! Cases in which the server itself is what fails: stopped, restarted, without room.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    image::Mounted,
    postgres::Postgres,
    rig::{Rig, for_so_long},
    soaks,
    support::within,
};

/// A commit takes so much longer: of the instants of a second, many are in one.
const COMMIT: &str = "20000";
/// The data of a new server, its log of changes, and some more.
const MEBIBYTES: u64 = 160;

/// SIGSTOP while a COMMIT is under way.
#[expect(clippy::disallowed_methods, reason = "a test measures the real time")]
pub fn stopped() {
    let server = Postgres::start();
    for (name, value) in [("commit_delay", COMMIT), ("commit_siblings", "0")] {
        server.sql(&format!("ALTER SYSTEM SET {name} = {value}")).expect("set");
    }
    server.sql("SELECT pg_reload_conf()").expect("read");
    let mut rig = Rig::start("stopped", &server.database("stopped"));
    let committing = within(Duration::from_secs(30), || {
        server.pause();
        let is = server.titles().iter().any(|title| title.ends_with(" COMMIT"));
        if !is {
            server.resume();
        }
        is.then(Instant::now)
    });
    let since = committing.expect("some instant is in the middle of a commit");
    rig.fails(since, "SIGSTOP in mid-commit", &[&server.address()]);
    let outage = Duration::from_secs(if soaks() { 60 } else { 20 });
    for_so_long(outage.saturating_sub(since.elapsed()));
    server.resume();
    rig.recovers("SIGCONT");
    rig.finish();
}

/// A fast shutdown, and kill -9 of all of it; each time it comes back.
#[expect(clippy::disallowed_methods, reason = "a test measures the real time")]
pub fn restarted() {
    let mut server = Postgres::start();
    let mut rig = Rig::start("restarted", &server.database("restarted"));
    let ends: [(&str, fn(&mut Postgres)); 2] =
        [("a fast shutdown", Postgres::stop), ("kill -9", Postgres::kill)];
    for (what, end) in ends {
        let since = Instant::now();
        end(&mut server);
        rig.fails(since, what, &[&server.address()]);
        server.start_again();
        rig.recovers(what);
    }
    rig.finish();
}

/// No room where its data are.
#[expect(clippy::disallowed_methods, reason = "a test measures the real time")]
pub fn full() {
    let directory = tempfile::Builder::new().prefix("haetae-pg-").tempdir().expect("one");
    // Dropped after the server and before the directory.
    let mounted = Mounted::memory(MEBIBYTES, directory.path());
    let mut server = Postgres::start_in(directory.path());
    let mut rig = Rig::start("full", &server.database("full"));
    let ballast = directory.path().join("ballast");
    fill(&ballast);
    let since = Instant::now();
    rig.fails(since, "a full disk", &["No space left", "no room"]);
    for_so_long(Duration::from_secs(5));
    fs::remove_file(&ballast).expect("it was there");
    // Without room for its log of changes it ends; whoever made room starts it again.
    let ended = !server.is_running();
    println!("full: the server has ended: {ended}");
    if ended {
        server.start_again();
    }
    rig.recovers("there is room again");
    rig.finish();
    drop((server, mounted));
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the ballast");
    for block in [1 << 20, 4096, 1] {
        let block = vec![0_u8; block];
        while file.write_all(&block).is_ok() {}
    }
}
