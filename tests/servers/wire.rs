//! The protocol of PostgreSQL, as far as a proxy must know it: where a message ends, and which of them
//! are about a COMMIT.
#![allow(unreachable_pub, clippy::expect_used, reason = "shared; a test's own")]

use std::collections::BTreeSet;

/// The codes of a client's first message, where the version of the protocol would stand.
const ASKS_FOR_TLS: u32 = 80_877_103;
const ASKS_FOR_GSS: u32 = 80_877_104;
/// The version 3, whatever its minor one is.
const STARTUP: u32 = 3;
/// The longest message: beyond it the stream is none of PostgreSQL's.
const LONGEST: usize = 1 << 26;

/// Cuts a stream of bytes into messages.
pub struct Messages {
    read: Vec<u8>,
    /// Whether a message begins with its type: a client's first ones do not.
    typed: bool,
}

impl Messages {
    /// Of what a client says.
    pub fn of_client() -> Self {
        Self { read: Vec::new(), typed: false }
    }

    /// Of what a server says.
    pub fn of_server() -> Self {
        Self { read: Vec::new(), typed: true }
    }

    /// Adds bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.read.extend(bytes);
    }

    /// The next one, once it is whole.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let head = usize::from(self.typed);
        let length = number(self.read.get(head..head + 4)?);
        let length = head + usize::try_from(length).expect("it fits");
        assert!(length <= LONGEST, "no message of PostgreSQL's");
        if self.read.len() < length {
            return None;
        }
        let message: Vec<u8> = self.read.drain(..length).collect();
        if !self.typed && code(&message) >> 16 == STARTUP {
            self.typed = true;
        }
        Some(message)
    }
}

/// Whether a client asks to go on encrypted, before it says anything else.
pub fn asks_for_encryption(message: &[u8]) -> bool {
    message.len() == 8 && [ASKS_FOR_TLS, ASKS_FOR_GSS].contains(&code(message))
}

/// What a server says that it completed: `INSERT 0 1`, `COMMIT`.
pub fn completed(message: &[u8]) -> Option<String> {
    let (b'C', body) = message.split_first()? else { return None };
    Some(String::from_utf8_lossy(text(body.get(4..)?)).into_owned())
}

/// Knows a client's COMMIT, said as it is or prepared before.
#[derive(Default)]
pub struct Commits {
    statements: BTreeSet<Vec<u8>>,
    portals: BTreeSet<Vec<u8>>,
}

impl Commits {
    /// Whether this message has the server commit.
    pub fn matches(&mut self, message: &[u8]) -> bool {
        let Some((kind, body)) = message.split_first() else { return false };
        let body = body.get(4..).unwrap_or_default();
        let first = text(body);
        let second = text(body.get(first.len() + 1..).unwrap_or_default());
        match kind {
            b'Q' => commits(first),
            b'E' => self.portals.contains(first),
            b'P' => {
                keep(&mut self.statements, first, commits(second));
                false
            }
            b'B' => {
                let commits = self.statements.contains(second);
                keep(&mut self.portals, first, commits);
                false
            }
            _ => false,
        }
    }
}

fn keep(names: &mut BTreeSet<Vec<u8>>, name: &[u8], is: bool) {
    if is {
        names.insert(name.into());
    } else {
        names.remove(name);
    }
}

/// Whether the last statement of a text is COMMIT.
fn commits(sql: &[u8]) -> bool {
    let sql = String::from_utf8_lossy(sql);
    let last = sql.split(';').map(str::trim).rfind(|statement| !statement.is_empty());
    last.is_some_and(|statement| statement.eq_ignore_ascii_case("COMMIT"))
}

/// A text up to its NUL.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// What stands behind the length of a message without a type.
fn code(message: &[u8]) -> u32 {
    message.get(4..8).map_or(0, number)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[test]
fn a_commit_is_recognised_said_or_prepared() {
    let typed = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [&[kind][..], &length, body].concat()
    };
    let startup = [&12_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), b"abc\0"].concat();
    let stream = [
        (startup, false),
        (typed(b'Q', b"commit;\0"), true),
        (typed(b'Q', b"SELECT 'COMMIT'\0"), false),
        (typed(b'Q', b"BEGIN; SELECT 1; COMMIT\0"), true),
        (typed(b'P', b"one\0COMMIT\0\0\0"), false),
        (typed(b'B', b"\0one\0\0\0\0\0\0\0"), false),
        (typed(b'E', b"\0\0\0\0\0"), true),
        (typed(b'B', b"\0two\0\0\0\0\0\0\0"), false),
        (typed(b'E', b"\0\0\0\0\0"), false),
    ];
    let bytes: Vec<u8> = stream.iter().flat_map(|(message, _)| message.clone()).collect();
    let (mut messages, mut commits, mut seen) =
        (Messages::of_client(), Commits::default(), Vec::new());
    // However they are cut up on their way.
    for piece in bytes.chunks(7) {
        messages.push(piece);
        while let Some(message) = messages.next() {
            let is = commits.matches(&message);
            seen.push((message, is));
        }
    }
    assert_eq!(seen, stream);
    assert_eq!(completed(&typed(b'C', b"COMMIT\0")).as_deref(), Some("COMMIT"));
    assert_eq!(completed(&typed(b'Z', b"I")), None);
}
