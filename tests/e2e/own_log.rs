//! The daemon's own log, where stderr takes nothing: it goes on, and says how many lines are gone.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Home, LEVELS, within};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(30);

/// A daemon that logs all it can to what takes nothing; killed when dropped.
struct Mute {
    home: Home,
    child: Child,
}

impl Mute {
    fn start(stderr: impl Into<Stdio>) -> Self {
        let home = Home::with_plugins(&["lent", "file"]);
        home.configure(LEVELS);
        home.write_values(&[("a", 10)]);
        let mut command = home.command(&["-vvv", "run"]);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("it starts");
        Self { home, child }
    }

    fn status(&self) -> Option<Value> {
        self.home.json(&["status"])
    }

    fn notified(&self, status: &str) -> usize {
        self.home.notified("id", "a").iter().filter(|told| *told == status).count()
    }

    /// It is said that lines are gone.
    fn counts(&self, what: &str) {
        let counted = || self.status()?["log_lines_dropped"].as_u64().filter(|lines| *lines > 0);
        assert!(within(LONG, counted).is_some(), "{what}: {:#?}", self.status());
        let text = self.home.output(&["status"]).stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("lines could not be written"), "{what}: {text}");
        let text = String::from_utf8_lossy(&metrics(&self.home)).into_owned();
        assert!(text.contains("haetae_log_lines_dropped_total"), "{what}: {text}");
    }

    /// Alarms come and go, whatever becomes of the log.
    fn goes_on(&mut self, what: &str) {
        for round in 1..=3 {
            self.home.write_values(&[("a", 95)]);
            let fired = within(LONG, || (self.notified("firing") >= round).then_some(()));
            assert!(fired.is_some(), "{what}: {:#?}", self.status());
            self.home.write_values(&[("a", 10)]);
            let resolved = within(LONG, || (self.notified("resolved") >= round).then_some(()));
            assert!(resolved.is_some(), "{what}: {:#?}", self.status());
        }
        let status = self.status().expect("it answers");
        let instances = status["instances"].as_array().expect("there are some");
        assert!(instances.iter().all(|one| one["state"] == "ok"), "{what}: {instances:#?}");
        assert!(self.child.try_wait().expect("its own child").is_none(), "{what}: it runs");
    }

    /// It ends when it is asked to, and does not wait for the log.
    fn ends(&mut self, what: &str) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(asked.expect("kill").success());
        let ended = within(LONG, || self.child.try_wait().expect("its own child"));
        assert!(ended.is_some_and(|status| status.success()), "{what}: {ended:?}");
    }
}

/// What `/metrics` says, over the admin socket.
fn metrics(home: &Home) -> Vec<u8> {
    let mut socket = UnixStream::connect(home.path("state/admin.sock")).expect("it listens");
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("it answers");
    answer
}

impl Drop for Mute {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_full_disk_under_the_log_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut mute = Mute::start(full);
    mute.goes_on("/dev/full");
    mute.counts("/dev/full");
    mute.ends("/dev/full");
}

#[test]
fn a_reader_of_the_log_that_has_gone_stops_nothing() {
    let mut mute = Mute::start(Stdio::piped());
    drop(mute.child.stderr.take());
    mute.goes_on("a closed pipe");
    mute.counts("a closed pipe");
    mute.ends("a closed pipe");
}

#[test]
fn a_reader_of_the_log_that_does_not_read_stops_nothing() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // Full from the beginning; whatever does not fit waits as well.
    let filler = writer.try_clone().expect("a pipe");
    std::thread::spawn(move || File::from(OwnedFd::from(filler)).write_all(&vec![b'\n'; 65_537]));
    let mut mute = Mute::start(writer);
    mute.goes_on("a full pipe");
    mute.ends("a full pipe");
    drop(reader);
}

#[test]
fn what_was_logged_is_written_before_the_end() {
    let mut mute = Mute::start(Stdio::piped());
    let stderr = mute.child.stderr.take().expect("piped");
    let lines = std::thread::spawn(move || -> Vec<String> {
        BufReader::new(stderr).lines().map_while(Result::ok).collect()
    });
    let ready = || mute.status().filter(|status| status["ready"] == true);
    assert!(within(LONG, ready).is_some());
    mute.ends("a pipe");
    let lines = lines.join().expect("it reads");
    assert!(lines.last().is_some_and(|line| line.contains("stopped")), "{lines:#?}");
}
