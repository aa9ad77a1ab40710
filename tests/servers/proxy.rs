//! A proxy before PostgreSQL that does what networks do: it loses what passes, is slow, cuts.
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

use crate::wire::{Commits, Messages, asks_for_encryption, completed};

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    There,
    /// From the server to the client.
    Back,
}

/// How fast bytes go.
#[derive(Clone, Copy, Debug, Default)]
pub enum Pace {
    /// At once.
    #[default]
    Free,
    /// What is said arrives so much later.
    Late(Duration),
    /// One byte, and then the next one so much later.
    Trickle(Duration),
}

/// What of a COMMIT is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loses {
    /// The server does not hear it: nothing is committed.
    Request,
    /// The server commits, and its answer goes nowhere.
    Answer,
}

/// What becomes of a connection that lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Both ends hear that it ended.
    Cut,
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
    /// The ways on which bytes are lost.
    deaf: Vec<Way>,
    /// What becomes of the next COMMIT.
    next: Option<(Loses, Then)>,
    counts: Counts,
}

/// What a proxy has done.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Of each COMMIT that was lost, what the server had completed before it.
    pub commits: Vec<String>,
    /// Connections that lost other bytes, or their end.
    pub deafened: usize,
    /// Connections that were cut.
    pub cuts: usize,
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

    /// From now on all that goes these ways is lost, ends of connections too. A connection that lost
    /// something stays so when others pass again: nothing can close the gap.
    pub fn set_deaf(&self, ways: &[Way]) {
        self.state.rules().deaf = ways.into();
    }

    /// The next COMMIT, of whatever connection, is lost so.
    pub fn lose_commit(&self, loses: Loses, then: Then) {
        self.state.rules().next = Some((loses, then));
    }

    /// Cuts all connections there are.
    pub fn cut(&self) {
        let links = take(&mut *self.state.links());
        self.state.rules().counts.cuts += links.len();
        links.iter().for_each(|link| link.end());
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
        self.cut();
    }
}

impl State {
    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.rules.lock().expect("no panic")
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().expect("no panic")
    }

    /// Whether a COMMIT is to be lost that is said, or answered; then it is counted.
    fn loses_commit(&self, loses: Loses, link: &Link) -> Option<Then> {
        let mut rules = self.rules();
        let (_, then) = rules.next.take_if(|(next, _)| *next == loses)?;
        let done = link.done.lock().expect("no panic").join(", ");
        rules.counts.commits.push(format!("{loses:?}, {then:?}: {done}"));
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
    for way in [Way::There, Way::Back] {
        let (link, state) = (Arc::clone(&link), Arc::clone(state));
        thread::spawn(move || {
            let pump = Pump { way, link, state, lost: false };
            pump.run();
        });
    }
}

/// One way of a connection.
struct Pump {
    way: Way,
    link: Arc<Link>,
    state: Arc<State>,
    /// Whether something was lost: then nothing passes any more.
    lost: bool,
}

impl Pump {
    fn run(mut self) {
        let mut messages = match self.way {
            Way::There => Messages::of_client(),
            Way::Back => Messages::of_server(),
        };
        let mut commits = Commits::default();
        let mut chunk = vec![0; 1 << 16];
        loop {
            let length = self.from().read(&mut chunk).unwrap_or(0);
            self.hears();
            if length == 0 {
                break;
            }
            if self.lost {
                continue;
            }
            messages.push(&chunk[..length]);
            let (out, then) = self.passes(&mut messages, &mut commits);
            if self.send(&out).is_none() {
                break;
            }
            match then {
                None => {}
                Some(Then::Hang) => self.lost = true,
                Some(Then::Cut) => break,
            }
        }
        // That it ended is lost as well: the other end goes on waiting.
        if !self.lost {
            self.link.end();
            self.state.links().retain(|link| !Arc::ptr_eq(link, &self.link));
        }
    }

    /// Looks whether bytes are lost now.
    fn hears(&mut self) {
        let mut rules = self.state.rules();
        if !self.lost && rules.deaf.contains(&self.way) {
            self.lost = true;
            rules.counts.deafened += 1;
        }
    }

    /// What of the whole messages is sent on, and what becomes of the connection if one was a COMMIT
    /// that is lost.
    fn passes(&self, messages: &mut Messages, commits: &mut Commits) -> (Vec<u8>, Option<Then>) {
        let mut out = Vec::new();
        while let Some(message) = messages.next() {
            if self.way == Way::There && asks_for_encryption(&message) {
                // Nothing here could be read if it were.
                drop((&self.link.client).write_all(b"N"));
                continue;
            }
            let then = match self.way {
                Way::There if commits.are(&message) => {
                    self.state.loses_commit(Loses::Request, &self.link)
                }
                Way::There => None,
                Way::Back => self.answered(&message),
            };
            if then.is_some() {
                return (out, then);
            }
            out.extend(message);
        }
        (out, None)
    }

    fn answered(&self, message: &[u8]) -> Option<Then> {
        let done = completed(message)?;
        if done == "COMMIT" {
            let then = self.state.loses_commit(Loses::Answer, &self.link);
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
            Pace::Free => {}
            Pace::Late(pause) => thread::sleep(pause),
            Pace::Trickle(_) => {
                for byte in bytes {
                    self.to().write_all(&[*byte]).ok()?;
                    // Asked each time: the rest goes at once when that is over.
                    let Pace::Trickle(pause) = self.state.rules().pace else { continue };
                    thread::sleep(pause);
                }
                return Some(());
            }
        }
        self.to().write_all(bytes).ok()
    }

    fn from(&self) -> &TcpStream {
        match self.way {
            Way::There => &self.link.client,
            Way::Back => &self.link.server,
        }
    }

    fn to(&self) -> &TcpStream {
        match self.way {
            Way::There => &self.link.server,
            Way::Back => &self.link.client,
        }
    }
}
