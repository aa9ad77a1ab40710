//! The other end of the sinks `post`: it refuses or takes, and keeps what it took.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::message::body;

/// Takes until the process ends.
pub struct Webhook {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Notices of alarms are refused; those of haetae itself, at `/aside`, never are.
    refuses: bool,
    taken: Vec<Value>,
    aside: Vec<Value>,
}

impl Webhook {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::<Mutex<Shared>>::default();
        let of_all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_all);
                thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Self { address, shared }
    }

    /// Refuses or takes from here on, and forgets what it took.
    pub fn refuses(&self, refuses: bool) {
        *self.shared.lock().expect("no panic") = Shared { refuses, ..Shared::default() };
    }

    /// The notices that it took.
    pub fn taken(&self) -> Vec<Value> {
        self.shared.lock().expect("no panic").taken.clone()
    }

    /// What haetae said of itself.
    pub fn aside(&self) -> Vec<Value> {
        self.shared.lock().expect("no panic").aside.clone()
    }
}

/// Answers one request; none: the peer hung up.
fn serve(mut stream: &TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    // A client sends nothing before it has its answer: nothing is left in this buffer.
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    reader.read_line(&mut head).ok().filter(|length| *length > 0)?;
    let body = body(&mut reader)?;
    let notifications: Vec<Value> = serde_json::from_slice(&body).expect("a list");
    let is_aside = head.starts_with("POST /aside ");
    let mut shared = shared.lock().expect("no panic");
    let status = match (is_aside, shared.refuses) {
        (true, _) => {
            shared.aside.extend(notifications);
            "200 OK"
        }
        (false, false) => {
            shared.taken.extend(notifications);
            "200 OK"
        }
        (false, true) => "503 Service Unavailable",
    };
    drop(shared);
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()
}
