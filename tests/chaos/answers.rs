//! Whether health and metrics answer in time, whatever else happens.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::daemon::get;

const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
const PAUSE: Duration = Duration::from_millis(500);

/// Asks again and again, until somebody wants to know.
pub struct Answers {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Asked>,
}

/// What came of it.
#[derive(Default)]
pub struct Asked {
    pub answers: usize,
    pub longest: Duration,
    /// Questions that were taken and not answered in time.
    pub unanswered: Vec<String>,
}

impl Answers {
    pub fn watch(address: SocketAddr, begun: Instant) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut asked = Asked::default();
            while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                for path in PATHS {
                    asked.ask(address, path, begun);
                }
            }
            asked
        });
        Self { end, thread }
    }

    pub fn end(self) -> Asked {
        // Its thread is gone only if it panicked, which shows below.
        self.end.send(()).ok();
        self.thread.join().expect("no panic")
    }
}

impl Asked {
    fn ask(&mut self, address: SocketAddr, path: &str, begun: Instant) {
        let since = Instant::now();
        match get(address, path) {
            Ok(_) => {
                self.answers += 1;
                self.longest = self.longest.max(since.elapsed());
            }
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                self.unanswered.push(format!("{path} at {:.1?}: {error}", begun.elapsed()));
            }
            // It has just been killed, or does not listen yet.
            Err(_) => {}
        }
    }
}
