//! A daemon that is watched from the moment when it is started.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::{BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{support::Home, webhook::body};

const LIMIT: Duration = Duration::from_mins(3);

/// A daemon and the time since it was started; killed when dropped.
pub struct Started {
    child: RefCell<Child>,
    at: Instant,
    socket: PathBuf,
    log: PathBuf,
}

impl Started {
    pub fn new(home: &Home) -> Self {
        let log = home.path("log");
        let mut command = home.command(&["run"]);
        command.stdout(Stdio::null()).stderr(File::create(&log).expect("a log"));
        let at = Instant::now();
        let child = RefCell::new(command.spawn().expect("it starts"));
        Self { child, at, socket: home.path("state/admin.sock"), log }
    }

    pub fn id(&self) -> u32 {
        self.child.borrow().id()
    }

    /// How long after the start its status is so.
    pub fn until(&self, is: impl Fn(&Value) -> bool) -> Duration {
        let end = Instant::now() + LIMIT;
        loop {
            if self.status().is_some_and(|status| is(&status)) {
                return self.at.elapsed();
            }
            let ended = self.child.borrow_mut().try_wait().expect("its own child");
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "it ended: {}", log());
            assert!(Instant::now() < end, "it takes too long: {:#?}\n{}", self.status(), log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_slice(&get(&self.socket, "/api/v1/status")?).ok()
    }

    /// How long a scrape of its metrics takes.
    pub fn scrape(&self) -> Duration {
        let start = Instant::now();
        let page = get(&self.socket, "/metrics").expect("it answers");
        let time = start.elapsed();
        let page = String::from_utf8(page).expect("a text");
        assert!(page.contains("haetae_alarms_firing"), "these are its metrics: {page}");
        time
    }

    /// Kills it at once, without a chance to write anything.
    pub fn kill(self) {
        self.child.borrow_mut().kill().expect("it runs");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        drop(child.kill());
        drop(child.wait());
    }
}

/// `GET` on the admin socket.
fn get(socket: &Path, path: &str) -> Option<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").ok()?;
    body(&mut BufReader::new(stream))
}
