//! An SMTP server that says what a test wants it to.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What it does instead of what it would do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Says this.
    Says(&'static str),
    /// Closes the connection and says nothing.
    Closes,
    /// Says this and closes the connection.
    SaysAndCloses(&'static str),
    /// Says nothing more, and keeps the connection.
    Hangs,
    /// Says a byte now and then, for ever: no single read takes long.
    Drips,
}

/// One connection: when a line begins so, for the first time left, it does that. `greeting`,
/// `body` (the first line of the content) and `.` (its end) count as lines.
pub(crate) type Session = Vec<(&'static str, Does)>;

/// An SMTP server that says what a test wants it to.
pub(crate) struct Scripted {
    /// Its port on loopback.
    pub(crate) port: u16,
    lines: Arc<Mutex<Vec<String>>>,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Plays these sessions, one a connection; those behind them are without incident.
    pub(crate) fn plays(sessions: Vec<Session>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let scripted = Self { port, lines: Arc::default(), messages: Arc::default() };
        let (lines, messages) = (Arc::clone(&scripted.lines), Arc::clone(&scripted.messages));
        // Ends with the test's process.
        thread::spawn(move || {
            let mut sessions = sessions.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                let session = sessions.next().unwrap_or_default();
                let (lines, messages) = (Arc::clone(&lines), Arc::clone(&messages));
                thread::spawn(move || Conversation { stream, session, lines, messages }.run());
            }
        });
        scripted
    }

    /// What clients said so far; before each connection's lines stands `connection`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("lines").clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.lines().iter().filter(|line| *line == "connection").count()
    }

    /// The messages that it said it has.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.messages.lock().expect("messages").clone()
    }
}

struct Conversation {
    stream: TcpStream,
    session: Session,
    lines: Arc<Mutex<Vec<String>>>,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Conversation {
    fn run(mut self) {
        let reader = BufReader::new(self.stream.try_clone().expect("a handle"));
        self.heard("connection");
        if !self.answers("greeting", "220 scripted ESMTP") {
            return;
        }
        let mut content: Option<String> = None;
        for line in reader.lines().map_while(Result::ok) {
            let goes_on = match &mut content {
                Some(text) if line == "." => {
                    let message = std::mem::take(text);
                    content = None;
                    self.ends(message)
                }
                Some(text) => {
                    let is_first = text.is_empty();
                    // A dot at the start of a line is doubled on its way.
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push_str("\r\n");
                    !is_first || self.answers("body", "")
                }
                None => {
                    self.heard(&line);
                    let (goes_on, reply) = self.says(&line, usual(&line));
                    content = reply.starts_with("354").then(String::new);
                    goes_on
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    fn ends(&mut self, message: String) -> bool {
        let (goes_on, reply) = self.says(".", "250 2.0.0 taken");
        if reply.starts_with('2') {
            self.messages.lock().expect("messages").push(message);
        }
        goes_on
    }

    fn answers(&mut self, line: &str, usual: &'static str) -> bool {
        self.says(line, usual).0
    }

    /// Whether it goes on, and what it said.
    fn says(&mut self, line: &str, usual: &'static str) -> (bool, &'static str) {
        let found = self.session.iter().position(|(begin, _)| line.starts_with(begin));
        let (goes_on, reply) = match found.map(|at| self.session.remove(at).1) {
            None => (!line.starts_with("QUIT"), usual),
            Some(Does::Says(reply)) => (true, reply),
            Some(Does::SaysAndCloses(reply)) => (false, reply),
            Some(Does::Closes) => (false, ""),
            Some(Does::Drips) => {
                // Until the client closes.
                while self.stream.write_all(b"2").is_ok() {
                    thread::park_timeout(Duration::from_millis(20));
                }
                (false, "")
            }
            Some(Does::Hangs) => {
                // Until the client closes.
                drop(std::io::copy(&mut &self.stream, &mut std::io::sink()));
                (false, "")
            }
        };
        if !reply.is_empty() {
            // Whoever has closed needs no reply.
            drop(self.stream.write_all(format!("{reply}\r\n").as_bytes()));
        }
        (goes_on, reply)
    }

    fn heard(&self, line: &str) {
        self.lines.lock().expect("lines").push(line.to_owned());
    }
}

fn usual(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "EHLO" => "250-scripted\r\n250 8BITMIME",
        "DATA" => "354 go on",
        "AUTH" => "235 2.7.0 welcome",
        "QUIT" => "221 2.0.0 bye",
        _ => "250 2.0.0 well",
    }
}
