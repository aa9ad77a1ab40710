//! A PostgreSQL of the test's own: durable as a real one, on a free port, in a temporary directory.
#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "each test uses a part of it")]

use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::within;

/// A running server; ended when dropped.
pub struct Postgres {
    child: Child,
    user: Option<u32>,
    port: u16,
    directory: TempDir,
}

impl Postgres {
    /// Makes a database and starts its server.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("haetae-pg-").tempdir().expect("one");
        let path = directory.path();
        // PostgreSQL refuses root: then its own user runs it.
        let user = rustix::process::getuid().is_root().then(|| {
            let line = passwd("postgres").expect("the user `postgres`; run tests/setup");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("readable");
            chown(path, Some(line), None).expect("given");
            line
        });
        let made = run(user, "initdb")
            .args(["-A", "trust", "-U", "haetae", "--no-sync", "-E", "UTF8", "--locale=C", "-D"])
            .arg(path.join("data"))
            .output()
            .expect("initdb: run tests/setup");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let child = serve(user, port, path);
        let mut server = Self { child, user, port, directory };
        server.ready();
        server
    }

    /// Shuts it down; its data stay.
    pub fn stop(&mut self) {
        // SIGINT: fast shutdown, which ends its children too.
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        drop(asked);
        drop(self.child.wait());
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.child = serve(self.user, self.port, self.directory.path());
        self.ready();
    }

    fn ready(&mut self) {
        let ready = within(Duration::from_secs(30), || {
            assert!(self.child.try_wait().expect("its own").is_none(), "{}", self.log());
            self.sql("SELECT 1").filter(|answer| answer.trim() == "1")
        });
        assert!(ready.is_some(), "it does not answer");
        // Another server on this port would have other data.
        let data = self.sql("SHOW data_directory").expect("it answers");
        assert_eq!(Path::new(data.trim()), self.directory.path().join("data"), "not our own");
    }

    /// A new database's URL.
    pub fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}")).expect("created");
        format!("postgres://haetae@127.0.0.1:{}/{name}", self.port)
    }

    /// What a statement answers, without head.
    pub fn sql(&self, statement: &str) -> Option<String> {
        self.sql_in("postgres", statement)
    }

    /// The same in one of its databases.
    pub fn sql_in(&self, database: &str, statement: &str) -> Option<String> {
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "haetae"])
            .args(["-d", database, "-X", "-At", "-c", statement])
            .output()
            .expect("psql: run tests/setup");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Executes a file of statements in one of its databases.
    pub fn run_file(&self, database: &str, file: &Path) {
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "haetae"])
            .args(["-d", database, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(file)
            .output()
            .expect("psql: run tests/setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn log(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            drop(stderr.read_to_string(&mut text));
        }
        text
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.stop();
        }
    }
}

/// Starts a server on the data in a directory.
fn serve(user: Option<u32>, port: u16, path: &Path) -> Child {
    let mut command = run(user, "postgres");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-D"]).arg(path.join("data"));
    command.arg("-k").arg(path).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("postgres: run tests/setup")
}

/// A program of PostgreSQL's, which Debian keeps out of the path, as another user.
fn run(user: Option<u32>, name: &str) -> Command {
    let newest = fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
        let paths = versions.flatten().map(|version| version.path().join("bin").join(name));
        paths.filter(|path| path.exists()).max()
    });
    let mut command = Command::new(newest.unwrap_or_else(|| PathBuf::from(name)));
    command.current_dir("/");
    if let Some(user) = user {
        std::os::unix::process::CommandExt::uid(&mut command, user);
    }
    command
}

/// The id of a user.
fn passwd(name: &str) -> Option<u32> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
