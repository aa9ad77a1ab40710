//! A proxy before any server over TCP that, when told to, does what bad peers do.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{free_port, within};

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is well.
    None,
    /// Nobody listens.
    Refuses,
    /// It takes connections and what is said, and says nothing.
    Hangs,
    /// What it says comes a byte at a time, so slowly that it never ends.
    Drips,
    /// It begins an answer, and there is no more of it nor an end.
    HalfOpen,
    /// It says something sensible without an end.
    Floods,
    /// It says what is no protocol of anybody's.
    Garbage,
    /// It refuses, and says what credentials it was given.
    Echoes,
}

impl Fault {
    /// Those that are faults.
    pub const ALL: [Self; 7] = [
        Self::Refuses,
        Self::Hangs,
        Self::Drips,
        Self::HalfOpen,
        Self::Floods,
        Self::Garbage,
        Self::Echoes,
    ];
}

/// What is said in a protocol when a peer misbehaves within it.
#[derive(Clone, Copy)]
pub struct Words {
    /// What begins a flood, and what it goes on with.
    pub flood: (&'static [u8], &'static [u8]),
    /// A refusal of what a client has said so far, if that holds credentials.
    pub echo: fn(&[u8]) -> Option<Vec<u8>>,
    /// Whether the server speaks first.
    pub greets: bool,
}

/// A running proxy; what it holds open is closed when it is dropped.
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: String,
    words: Words,
    fault: Mutex<Fault>,
    /// Changed with the fault: connections of an earlier one go on as they were until they end.
    links: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
    taken: AtomicUsize,
}

/// How long a thread waits before it looks whether anything changed.
const LOOK: Duration = Duration::from_millis(20);
/// The pause after each byte that drips.
const DRIP: Duration = Duration::from_millis(400);
/// The bytes of an answer that is never whole.
const BEGINNING: usize = 20;

impl FaultyProxy {
    /// Before a server, `HOST:PORT`.
    pub fn start(server: &str, words: Words) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let state = Arc::new(State {
            server: server.into(),
            words,
            fault: Mutex::new(Fault::None),
            links: Mutex::default(),
            stopped: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || listen(address, &shared));
        let proxy = Self { address, state };
        proxy.listens();
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it took.
    pub fn taken(&self) -> usize {
        self.state.taken.load(Ordering::SeqCst)
    }

    /// From now on it does that; connections that are open are closed, so that each meets it.
    pub fn set(&self, fault: Fault) {
        *self.state.fault.lock().expect("no panic") = fault;
        self.state.close();
        if fault == Fault::None {
            self.listens();
        }
    }

    fn listens(&self) {
        let open = || TcpStream::connect(self.address).ok();
        assert!(within(Duration::from_secs(10), open).is_some(), "the proxy listens");
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.state.close();
    }
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.lock().expect("no panic")
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn close(&self) {
        for link in self.links.lock().expect("no panic").drain(..) {
            // Either end may have closed it.
            drop(link.shutdown(Shutdown::Both));
        }
    }

    /// Remembers a connection, to be closed when the fault changes.
    fn keep(&self, link: &TcpStream) {
        if let Ok(link) = link.try_clone() {
            self.links.lock().expect("no panic").push(link);
        }
    }
}

/// Takes connections; while it refuses, nobody listens.
fn listen(address: SocketAddr, state: &Arc<State>) {
    while !state.is_stopped() {
        if state.fault() == Fault::Refuses {
            thread::park_timeout(LOOK);
            continue;
        }
        let Ok(listener) = TcpListener::bind(address) else {
            thread::park_timeout(LOOK);
            continue;
        };
        listener.set_nonblocking(true).expect("a listener");
        while !state.is_stopped() && state.fault() != Fault::Refuses {
            match listener.accept() {
                Ok((client, _)) => {
                    let shared = Arc::clone(state);
                    thread::spawn(move || serve(client, &shared));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(LOOK),
                Err(_) => break,
            }
        }
    }
}

fn serve(mut client: TcpStream, state: &Arc<State>) {
    state.taken.fetch_add(1, Ordering::SeqCst);
    client.set_nonblocking(false).expect("a connection");
    state.keep(&client);
    match state.fault() {
        Fault::None | Fault::Refuses => pass(client, state, Fault::None),
        fault @ (Fault::Drips | Fault::HalfOpen) => pass(client, state, fault),
        Fault::Hangs => swallow(&mut client),
        Fault::Floods => flood(client, state.words),
        Fault::Garbage => {
            hear(&mut client, state.words);
            let bytes = (0..=u8::MAX).map(|byte| byte.wrapping_mul(7) ^ 0x5a);
            let garbage: Vec<u8> = bytes.cycle().take(4096).collect();
            drop(client.write_all(&garbage));
        }
        Fault::Echoes => echo(client, state),
    }
}

/// Reads until the other end closes.
fn swallow(client: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while client.read(&mut bytes).is_ok_and(|read| read > 0) {}
}

/// Waits for what a client says first, if it is its turn.
fn hear(client: &mut TcpStream, words: Words) {
    if !words.greets {
        drop(client.read(&mut [0; 4096]));
    }
}

fn flood(mut client: TcpStream, words: Words) {
    hear(&mut client, words);
    let (head, more) = words.flood;
    let block = more.repeat(65_536 / more.len());
    if client.write_all(head).is_ok() {
        while client.write_all(&block).is_ok() {}
    }
}

/// Goes between, until what the client says holds credentials: those are said back.
fn echo(mut client: TcpStream, state: &Arc<State>) {
    let Ok(mut server) = TcpStream::connect(&state.server) else { return };
    state.keep(&server);
    let mut answers = server.try_clone().expect("a connection");
    let mut back = client.try_clone().expect("a connection");
    let copying = thread::spawn(move || drop(std::io::copy(&mut answers, &mut back)));
    let (mut said, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = client.read(&mut bytes) {
        said.extend_from_slice(&bytes[..read]);
        if let Some(answer) = (state.words.echo)(&said) {
            drop(client.write_all(&answer));
            break;
        }
        if server.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    drop((server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both)));
    copying.join().expect("no panic");
}

/// Goes between; what the server says comes as the fault has it.
fn pass(client: TcpStream, state: &Arc<State>, fault: Fault) {
    let Ok(server) = TcpStream::connect(&state.server) else { return };
    state.keep(&server);
    let (mut from, mut to) =
        (client.try_clone().expect("a connection"), server.try_clone().expect("a connection"));
    let forth = thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    let (mut answers, mut back) = (server, client);
    match fault {
        Fault::Drips => drip(&mut answers, &mut back),
        Fault::HalfOpen => {
            let mut beginning = vec![0; BEGINNING];
            if answers.read_exact(&mut beginning).is_ok() && back.write_all(&beginning).is_ok() {
                swallow(&mut answers);
            }
            // It stays open, for as long as the client likes or the fault lasts.
            forth.join().expect("no panic");
            return;
        }
        _ => drop(std::io::copy(&mut answers, &mut back)),
    }
    drop(back.shutdown(Shutdown::Both));
    drop(answers.shutdown(Shutdown::Both));
    forth.join().expect("no panic");
}

fn drip(answers: &mut TcpStream, back: &mut TcpStream) {
    let mut byte = [0];
    while answers.read_exact(&mut byte).is_ok() && back.write_all(&byte).is_ok() {
        thread::park_timeout(DRIP);
    }
}
