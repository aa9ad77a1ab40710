//! What the end-to-end tests share: a daemon of their own in a directory of their own.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]
#![allow(clippy::format_push_string, clippy::unnecessary_debug_formatting, reason = "a test")]

#[path = "support/instances.rs"]
mod instances;
#[path = "support/lists.rs"]
mod lists;

pub use instances::*;

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with the program, the plugins beside it, a configuration and a state.
pub struct Home {
    directory: TempDir,
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    /// Lines of its log, as they come.
    pub log: mpsc::Receiver<String>,
    socket: PathBuf,
}

impl Home {
    /// A home whose program finds these plugins beside itself.
    pub fn with_plugins(names: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("haetae-").tempdir().expect("a directory");
        let home = Self { directory };
        fs::create_dir(home.path("bin")).expect("bin");
        // The one that `command` names: a missing one is an error of every verb.
        fs::write(home.path("haetae.toml"), "").expect("an empty configuration");
        // By another process: what this one has open for writing has, for a moment, each child that
        // another thread starts meanwhile open too, and a program that is open so does not run.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_haetae"));
        copy.args(names.iter().map(|name| built().join(format!("libhaetae_{name}.so"))));
        let copied = copy.arg(home.path("bin")).status().expect("cp");
        assert!(copied.success(), "the program and the plugins {names:?} were built");
        home
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the configuration; `[daemon] state` and `[http] listen` are added, and HOME is the home.
    pub fn configure(&self, text: &str) {
        self.configure_daemon("", text);
    }

    /// The same, with further keys of `[daemon]`.
    pub fn configure_daemon(&self, keys: &str, text: &str) {
        let state = self.path("state");
        let head =
            format!("[daemon]\nstate = {state:?}\n{keys}\n[http]\nlisten = \"127.0.0.1:0\"\n");
        self.write_configuration(&(head + text));
    }

    /// Writes the whole configuration, in which HOME is the home.
    pub fn write_configuration(&self, text: &str) {
        let text = text.replace("HOME", &self.directory.path().display().to_string());
        fs::write(self.path("haetae.toml"), text).expect("the configuration");
    }

    /// Writes, whole, the values that the kind `written` yields from the file `values`.
    pub fn write_values(&self, values: &[(&str, u32)]) {
        let mut text = String::from("values\n");
        for (id, value) in values {
            text.push_str(&format!("{id} {value}\n"));
        }
        let beside = self.path("values.beside");
        fs::write(&beside, text).expect("its own file");
        fs::rename(beside, self.path("values")).expect("its own file");
    }

    /// The notifications that a sink of the kind `file` was given, oldest first; what it writes just now is none yet.
    pub fn notifications(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let lines = whole.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|line| line["type"] == "notification").collect()
    }

    /// The statuses notified of the alarms with such a label, oldest first. What came twice counts once, as it
    /// does for a receiver: a sink that isn't known to have taken it is notified again.
    pub fn notified(&self, label: &str, value: &str) -> Vec<String> {
        let mut keys = HashSet::new();
        let lines = self.notifications("told.jsonl").into_iter();
        let about = lines.filter(|line| line["labels"][label] == value);
        let once = about.filter(|line| keys.insert(line["idempotency_key"].to_string()));
        once.map(|line| line["status"].as_str().expect("a status").to_owned()).collect()
    }

    /// The program with the configuration and without what the environment may say.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("bin/haetae"));
        command.arg("--config").arg(self.path("haetae.toml")).args(arguments);
        command.env_remove("RUNTIME_DIRECTORY").stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&self) -> Daemon {
        self.start_with(|_| {})
    }

    /// The same; `prepare` sets its environment.
    pub fn start_with(&self, prepare: impl FnOnce(&mut Command)) -> Daemon {
        let mut daemon = self.spawn_with(prepare);
        daemon.ready(self);
        daemon
    }

    /// Starts the daemon and does not wait.
    pub fn spawn(&self) -> Daemon {
        self.spawn_with(|_| {})
    }

    /// The same; `prepare` may add arguments too.
    pub fn spawn_with(&self, prepare: impl FnOnce(&mut Command)) -> Daemon {
        let mut command = self.command(&["run"]);
        prepare(&mut command);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stderr = child.stderr.take().expect("piped");
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Daemon { child, log, socket: self.path("state/admin.sock") }
    }

    /// What a reading verb answers as JSON, if it answers.
    pub fn json(&self, arguments: &[&str]) -> Option<Value> {
        let output = self.output(&[&["-o", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The status of one instance.
    pub fn instance(&self, name: &str) -> Option<Value> {
        let status = self.json(&["status"])?;
        let instances = status["instances"].as_array()?;
        instances.iter().find(|instance| instance["name"] == name).cloned()
    }

    /// Waits until the status of an instance is as wanted, and returns it.
    pub fn instance_when(&self, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found =
            within(Duration::from_mins(1), || self.instance(name).filter(|found| is(found)));
        found.unwrap_or_else(|| panic!("{name} is {:#?}", self.instance(name)))
    }
}

impl Daemon {
    /// Waits until it answers.
    pub fn ready(&mut self, home: &Home) {
        let ready = within(Duration::from_secs(30), || {
            assert!(self.is_running(), "it ended: {:#?}", self.lines());
            home.json(&["status"]).filter(|status| status["ready"] == true)
        });
        assert!(ready.is_some(), "it does not get ready: {:#?}", self.lines());
    }

    /// Kills it at once, without a chance to write anything.
    pub fn kill(mut self) {
        self.child.kill().expect("its own child");
        self.child.wait().expect("its own child");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its own child").is_none()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its own child")
    }

    /// The lines logged so far that nobody took.
    pub fn lines(&self) -> Vec<String> {
        self.log.try_iter().collect()
    }

    /// Sends SIGTERM and waits for the end; whether it ended well.
    pub fn stop(mut self) -> bool {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(asked.expect("kill").success());
        let ended =
            within(Duration::from_secs(40), || self.child.try_wait().expect("its own child"));
        let ended = ended.expect("it ends when asked to");
        assert!(!self.socket.exists(), "the socket is left behind");
        ended.success()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where cargo put the plugins: beside the test itself.
pub fn built() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    test.parent().map(Path::to_path_buf).expect("target/…/deps")
}

/// Nanoseconds of a time in the JSON of the command line.
pub fn nanos(time: &Value) -> Option<i64> {
    let time: jiff::Timestamp = time.as_str()?.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// Nanoseconds of the time that it is.
pub fn nanos_now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_nanos()).expect("before 2262")
}

/// Who runs this: the journal's actor.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether it becomes so before the time is up.
pub fn eventually(limit: Duration, mut is: impl FnMut() -> bool) -> bool {
    within(limit, || is().then_some(())).is_some()
}

/// Asks again and again until there is an answer or the time is up.
pub fn within<T>(limit: Duration, ask: impl FnMut() -> Option<T>) -> Option<T> {
    every(Duration::from_millis(50), limit, ask)
}

/// The same, with this pause after each question.
pub fn every<T>(pause: Duration, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        thread::park_timeout(pause);
    }
}

/// A port below those that the kernel gives to connections and to whoever listens on any: until a server
/// listens there, and while it is down, nobody else does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = OWN.1;
    let ports = (1..100).map(|_| first + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 99);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}

/// A hundred ports of this process alone: it holds the first of them, so that tests that run beside it in
/// other processes take others.
static OWN: LazyLock<(TcpListener, u16)> = LazyLock::new(|| {
    let own = u16::try_from(std::process::id() % 120).expect("small");
    let mut firsts = (0..120).map(|more| 20_000 + (own + more) % 120 * 100);
    let held = |first| Some((TcpListener::bind(("127.0.0.1", first)).ok()?, first));
    firsts.find_map(held).expect("fewer than 120 tests run")
});
