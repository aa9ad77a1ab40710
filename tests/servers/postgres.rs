//! A PostgreSQL of the test's own: durable as a real one, on a free port, in a temporary directory.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{free_port, within};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; ended when dropped.
pub struct Postgres {
    child: Child,
    user: Option<u32>,
    port: u16,
    /// The data, and the socket beside them.
    path: PathBuf,
    /// What the server says: a file, which does not fill up and hold it as a pipe would.
    log: File,
    /// Removed with the server, if the place is its own.
    directory: Option<TempDir>,
}

impl Postgres {
    /// Makes a database and starts its server.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("haetae-pg-").tempdir().expect("one");
        let mut server = Self::start_in(directory.path());
        server.directory = Some(directory);
        server
    }

    /// The same in a directory that the caller removes.
    pub fn start_in(path: &Path) -> Self {
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
        let (port, log) = (free_port(), tempfile::tempfile().expect("a file"));
        let child = serve(user, port, path, &log);
        let mut server = Self { child, user, port, path: path.into(), log, directory: None };
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

    /// Kills it and its children at once, without a chance to write anything.
    pub fn kill(&mut self) {
        // Stopped first: the postmaster would start others in the place of those that are killed.
        self.pause();
        let children = self.children();
        signal(self.child.id(), Signal::KILL);
        signal_all(&children, Signal::KILL);
        self.child.wait().expect("its own child");
        let gone = || children.iter().all(|child| is(*child, 'Z')).then_some(());
        assert!(within(PATIENCE, gone).is_some(), "children of its outlive SIGKILL");
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.child = serve(self.user, self.port, &self.path, &self.log);
        self.ready();
    }

    /// SIGSTOP to all of it: connections stay open and nothing answers.
    pub fn pause(&self) {
        // The postmaster first: then no child comes that would be overlooked.
        let postmaster = self.child.id();
        signal(postmaster, Signal::STOP);
        let stopped = || is(postmaster, 'T').then_some(());
        assert!(within(PATIENCE, stopped).is_some(), "the postmaster does not stop");
        let children = self.children();
        signal_all(&children, Signal::STOP);
        let stopped = || children.iter().all(|child| is(*child, 'T')).then_some(());
        assert!(within(PATIENCE, stopped).is_some(), "its children do not stop");
    }

    /// SIGCONT to all of it.
    pub fn resume(&self) {
        signal_all(&self.children(), Signal::CONT);
        signal(self.child.id(), Signal::CONT);
    }

    /// What each of its children says that it does: `postgres: haetae DATABASE ADDRESS COMMIT`.
    pub fn titles(&self) -> Vec<String> {
        let title = |child: &u32| fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let text = |bytes: Vec<u8>| {
            String::from_utf8_lossy(&bytes).trim_end_matches(['\0', ' ']).to_owned()
        };
        self.children().iter().map(title).map(text).collect()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its own").is_none()
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn children(&self) -> Vec<u32> {
        let parent = self.child.id().to_string();
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let ids = processes.filter_map(|one| one.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| stat(*id).get(1) == Some(&parent)).collect()
    }

    fn ready(&mut self) {
        let ready = within(PATIENCE, || {
            assert!(self.is_running(), "{}", self.log());
            self.sql("SELECT 1").filter(|answer| answer.trim() == "1")
        });
        assert!(ready.is_some(), "it does not answer: {}", self.log());
        // Another server on this port would have other data.
        let data = self.sql("SHOW data_directory").expect("it answers");
        assert_eq!(Path::new(data.trim()), self.path.join("data"), "not our own");
    }

    /// A new database's URL.
    pub fn database(&self, name: &str) -> String {
        let made = self.sql(&format!("CREATE DATABASE {name}"));
        assert!(made.is_some(), "there is no database {name}: {}", self.log());
        format!("postgres://haetae@{}/{name}", self.address())
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

    /// What it has said so far.
    pub fn log(&self) -> String {
        let length = self.log.metadata().map_or(0, |log| log.len());
        let mut text = vec![0; usize::try_from(length).expect("it fits")];
        // Read at a place: the server shares the file's position, and writes there.
        drop(self.log.read_exact_at(&mut text, 0));
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // One that a failed test left stopped would not hear that it is to end.
            self.resume();
            self.stop();
        }
    }
}

/// Starts a server on the data in a directory.
fn serve(user: Option<u32>, port: u16, path: &Path, log: &File) -> Child {
    let log = log.try_clone().expect("the log, twice");
    let mut command = run(user, "postgres");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-D"]).arg(path.join("data"));
    command.arg("-k").arg(path).stdout(Stdio::null()).stderr(log);
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

/// The fields of `/proc/ID/stat` from the state on; none once it is gone.
fn stat(id: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').map(Into::into).collect()
}

/// Whether a process is in a state. One that is gone is as good as a zombie, and as one that stopped.
fn is(id: u32, state: char) -> bool {
    let now = stat(id).first().and_then(|state| state.chars().next());
    now.is_none_or(|now| now == state || now == 'Z')
}

fn signal_all(ids: &[u32], what: Signal) {
    for id in ids {
        signal(*id, what);
    }
}

fn signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("the id of a process");
    // It may have ended meanwhile.
    kill_process(id, signal).ok();
}
