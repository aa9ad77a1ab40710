//! A proxy before PostgreSQL that fails as networks do: it drops bytes, is slow, closes connections.
#![allow(unreachable_pub, clippy::expect_used, clippy::indexing_slicing, reason = "a test's own")]

use std::{
    io::{Read, Write},
    mem::take,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::wire::{Commits, Messages, asks_for_encryption, completed};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How fast bytes go.
#[derive(Clone, Copy, Debug, Default)]
pub enum Pace {
    /// At once.
    #[default]
    Full,
    /// What is said arrives so much later.
    Latency(Duration),
    /// One byte, and then the next one so much later.
    Throttle(Duration),
}

/// What of a COMMIT is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The server does not hear it: nothing is committed.
    Request,
    /// The server commits, and its answer goes nowhere.
    Response,
}

/// What becomes of a connection that lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Both ends hear that it ended.
    Close,
    /// It stays open, and nothing passes that way any more.
    Hang,
}

/// A running proxy; what it holds open is closed when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: String,
    rules: Mutex<Rules>,
    links: Mutex<Vec<Arc<Link>>>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Rules {
    pace: Pace,
    /// Where bytes are lost.
    dropping: Vec<Direction>,
    /// What becomes of the next COMMIT.
    next: Option<(Lost, Then)>,
    counts: Counts,
}

/// What a proxy has done.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Of each COMMIT that was lost, what the server had completed before it.
    pub commits: Vec<String>,
    /// Connections that lost other bytes, or their end.
    pub black_holes: usize,
    /// Connections that were closed.
    pub closed: usize,
}

/// A connection: both of its ends, and what its transaction has done so far.
struct Link {
    client: TcpStream,
    server: TcpStream,
    done: Mutex<Vec<String>>,
}

impl Proxy {
    /// Before a server.
    pub fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = State {
            server: server.into(),
            rules: Mutex::default(),
            links: Mutex::default(),
            stopped: AtomicBool::new(false),
        };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                connect(client, &shared);
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A URL of the server's, by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        url.replace(&self.state.server, &self.address.to_string())
    }

    /// From now on bytes go so fast.
    pub fn set_pace(&self, pace: Pace) {
        self.state.rules().pace = pace;
    }

    /// From now on all that goes in these directions is lost, ends of connections too. A connection that
    /// lost something stays half-open when others pass again: nothing can close the gap.
    pub fn drop_packets(&self, directions: &[Direction]) {
        self.state.rules().dropping = directions.into();
    }

    /// The next COMMIT, of whatever connection, is lost so.
    pub fn lose_commit(&self, lost: Lost, then: Then) {
        self.state.rules().next = Some((lost, then));
    }

    /// Closes all connections there are.
    pub fn close_connections(&self) {
        let links = take(&mut *self.state.links());
        self.state.rules().counts.closed += links.len();
        for link in links {
            link.end();
        }
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.state.rules().counts.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Its listener looks up, and ends.
        drop(TcpStream::connect(self.address));
        self.close_connections();
    }
}

impl State {
    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.rules.lock().expect("no panic")
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().expect("no panic")
    }

    /// Whether this COMMIT, or the response to it, is to be lost; then it is counted.
    fn take_fault(&self, lost: Lost, link: &Link) -> Option<Then> {
        let mut rules = self.rules();
        let (_, then) = rules.next.take_if(|(next, _)| *next == lost)?;
        let done = link.done.lock().expect("no panic").join(", ");
        rules.counts.commits.push(format!("{lost:?}, {then:?}: {done}"));
        Some(then)
    }
}

impl Link {
    fn end(&self) {
        // Either end may have gone already.
        drop(self.client.shutdown(Shutdown::Both));
        drop(self.server.shutdown(Shutdown::Both));
    }
}

/// Connects a client with the server.
fn connect(client: TcpStream, state: &Arc<State>) {
    // A server that is gone: the client hears that, as it would from the server's machine.
    let Ok(server) = TcpStream::connect(&state.server) else { return };
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    let link = Arc::new(Link { client, server, done: Mutex::default() });
    state.links().push(Arc::clone(&link));
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (link, state) = (Arc::clone(&link), Arc::clone(state));
        thread::spawn(move || {
            let pump = Pump { direction, link, state, lost: false };
            pump.run();
        });
    }
}

/// One direction of a connection.
struct Pump {
    direction: Direction,
    link: Arc<Link>,
    state: Arc<State>,
    /// Whether something was lost: then nothing passes any more.
    lost: bool,
}

impl Pump {
    fn run(mut self) {
        let mut messages = match self.direction {
            Direction::ToServer => Messages::of_client(),
            Direction::ToClient => Messages::of_server(),
        };
        let mut commits = Commits::default();
        let mut chunk = vec![0; 1 << 16];
        loop {
            let length = self.from().read(&mut chunk).unwrap_or(0);
            self.notice_drops();
            if length == 0 {
                break;
            }
            if self.lost {
                continue;
            }
            messages.push(&chunk[..length]);
            let (out, then) = self.forwardable(&mut messages, &mut commits);
            if self.send(&out).is_none() {
                break;
            }
            match then {
                None => {}
                Some(Then::Hang) => self.lost = true,
                Some(Then::Close) => break,
            }
        }
        // That it ended is lost as well: the other end goes on waiting.
        if !self.lost {
            self.link.end();
            self.state.links().retain(|link| !Arc::ptr_eq(link, &self.link));
        }
    }

    /// Looks whether bytes are lost now.
    fn notice_drops(&mut self) {
        let mut rules = self.state.rules();
        if !self.lost && rules.dropping.contains(&self.direction) {
            self.lost = true;
            rules.counts.black_holes += 1;
        }
    }

    /// What of the whole messages is sent on, and what becomes of the connection if one was a COMMIT
    /// that is lost.
    fn forwardable(
        &self,
        messages: &mut Messages,
        commits: &mut Commits,
    ) -> (Vec<u8>, Option<Then>) {
        let mut out = Vec::new();
        while let Some(message) = messages.next() {
            if self.direction == Direction::ToServer && asks_for_encryption(&message) {
                // Nothing here could be read if it were.
                drop((&self.link.client).write_all(b"N"));
                continue;
            }
            let then = match self.direction {
                Direction::ToServer if commits.matches(&message) => {
                    self.state.take_fault(Lost::Request, &self.link)
                }
                Direction::ToServer => None,
                Direction::ToClient => self.completes(&message),
            };
            if then.is_some() {
                return (out, then);
            }
            out.extend(message);
        }
        (out, None)
    }

    /// Keeps what a transaction has done, and loses the response to its COMMIT if that is to be lost.
    fn completes(&self, message: &[u8]) -> Option<Then> {
        let done = completed(message)?;
        if done == "COMMIT" {
            let then = self.state.take_fault(Lost::Response, &self.link);
            self.link.done.lock().expect("no panic").clear();
            return then;
        }
        let mut before = self.link.done.lock().expect("no panic");
        if done == "BEGIN" {
            before.clear();
        } else {
            before.push(done);
        }
        None
    }

    fn send(&self, bytes: &[u8]) -> Option<()> {
        let pace = self.state.rules().pace;
        match pace {
            Pace::Full => {}
            // Not to wait for anything, here and below: the network is slow.
            Pace::Latency(pause) => thread::sleep(pause),
            Pace::Throttle(_) => {
                for byte in bytes {
                    self.to().write_all(&[*byte]).ok()?;
                    // Asked each time: the rest goes at once when that is over.
                    let Pace::Throttle(pause) = self.state.rules().pace else { continue };
                    thread::sleep(pause);
                }
                return Some(());
            }
        }
        self.to().write_all(bytes).ok()
    }

    fn from(&self) -> &TcpStream {
        match self.direction {
            Direction::ToServer => &self.link.client,
            Direction::ToClient => &self.link.server,
        }
    }

    fn to(&self) -> &TcpStream {
        match self.direction {
            Direction::ToServer => &self.link.server,
            Direction::ToClient => &self.link.client,
        }
    }
}
