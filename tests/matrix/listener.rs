//! Clients of the daemon's own listeners that misbehave.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{daemon::SECRET, servers::faulty_proxy::Fault};

/// More than may be connected at once.
const MANY: usize = 400;

/// Clients that do what a fault says, until they are dropped.
pub struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Many of them, over TCP and on the admin socket.
    pub fn start(fault: Fault, address: SocketAddr, socket: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (tcp, own) = (Arc::clone(&stop), Arc::clone(&stop));
        let threads = vec![
            thread::spawn(move || behave(fault, &tcp, || TcpStream::connect(address).ok())),
            thread::spawn(move || behave(fault, &own, || connect(&socket))),
        ];
        Self { stop, threads }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            drop(thread.join());
        }
    }
}

fn connect(socket: &Path) -> Option<UnixStream> {
    UnixStream::connect(socket).ok()
}

fn behave<S: Read + Write>(fault: Fault, stop: &AtomicBool, connect: impl Fn() -> Option<S>) {
    let is_over = || stop.load(Ordering::SeqCst);
    let mut held = Vec::new();
    let mut dripped = 0;
    while !is_over() {
        match fault {
            // It reads nothing and asks without an end.
            Fault::Floods => {
                let mut one = connect();
                let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20);
                if one.as_mut().is_some_and(|one| one.write_all(&ask).is_ok()) {
                    held.extend(one);
                }
                held.drain(..held.len().saturating_sub(MANY));
            }
            Fault::Garbage => {
                if let Some(mut one) = connect() {
                    drop(one.write_all(&[0x16, 3, 1, 0, 0xff, b'\r', b'\n', 0].repeat(100)));
                }
            }
            // A token that is none: it must not come back.
            Fault::Echoes => {
                if let Some(mut one) = connect() {
                    let ask = format!(
                        "GET /{SECRET} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\nconnection: close\r\n\r\n"
                    );
                    let mut answer = String::new();
                    if one.write_all(ask.as_bytes()).is_ok() {
                        drop(one.read_to_string(&mut answer));
                    }
                    assert!(!answer.contains(SECRET), "{answer}");
                }
            }
            Fault::Drips => {
                while held.len() < MANY / 8 {
                    held.extend(connect());
                }
                let request = b"GET /metrics HTTP/1.1\r\nhost: ";
                let byte = request.get(dripped).copied().unwrap_or(b'x');
                dripped += 1;
                held.retain_mut(|one| one.write_all(&[byte]).is_ok());
            }
            // Connections without a word, and with half a request.
            _ => {
                while held.len() < MANY && !is_over() {
                    let mut one = connect();
                    if let (Fault::HalfOpen, Some(one)) = (fault, &mut one) {
                        drop(one.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n"));
                    }
                    held.extend(one);
                }
            }
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}
