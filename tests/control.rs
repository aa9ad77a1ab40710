//! The other end of the source `scripted`: what tests and benches let it say.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test fails so")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, SystemTime},
};

use haetae_plugin::Timestamp;
use sha2::{Digest, Sha256};

/// How often evaluators judge.
pub const EVERY: Duration = Duration::from_secs(1);
/// How long after a slot it is spoken of: no clock is in doubt then.
const AFTER: Duration = Duration::from_millis(2);

/// Speaks to the source that connected last.
#[derive(Clone)]
pub struct Control {
    pub address: SocketAddr,
    source: Arc<(Mutex<Option<TcpStream>>, Condvar)>,
}

impl Control {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let source = Arc::<(Mutex<Option<TcpStream>>, Condvar)>::default();
        let shared = Arc::clone(&source);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                drop(stream.set_nodelay(true));
                *shared.0.lock().expect("no panic") = Some(stream);
                shared.1.notify_all();
            }
        });
        Self { address, source }
    }

    /// Waits for a source.
    pub fn connected(&self) {
        let source = self.source.0.lock().expect("no panic");
        let limit = Duration::from_secs(30);
        let missing = |source: &mut Option<TcpStream>| source.is_none();
        let (source, _) =
            self.source.1.wait_timeout_while(source, limit, missing).expect("no panic");
        assert!(source.is_some(), "no source connects");
    }

    /// The source is gone, or will be.
    pub fn forget(&self) {
        *self.source.0.lock().expect("no panic") = None;
    }

    /// A lane's series from `first` on have a value at a slot. False: nobody hears it.
    pub fn say(&self, slot: Timestamp, lane: &str, first: usize, count: usize, value: f64) -> bool {
        let text = format!("{} {lane} {first} {count} {value}\n", slot.nanos());
        let mut source = self.source.0.lock().expect("no panic");
        source.as_mut().is_some_and(|source| source.write_all(text.as_bytes()).is_ok())
    }
}

/// The first slot of an evaluator after `now`, as the engine plans it: the daemon is linked into no
/// bench, that would take a minute.
fn next_slot(name: &str, now: Timestamp) -> Timestamp {
    let digest = Sha256::digest(name.as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
    let second = i64::try_from(EVERY.as_nanos()).expect("a second");
    let shift = i64::try_from(hash % 1_000).expect("below") * 1_000_000;
    let into = (now.nanos() - shift).rem_euclid(second);
    Timestamp::from_nanos(now.nanos() - into + second)
}

/// The slot of an evaluator that has just been.
pub fn last_slot(name: &str) -> Timestamp {
    next_slot(name, now()).before(EVERY)
}

/// Waits for the next slot of any of these evaluators; which it is, and its time.
pub fn await_slot(evaluators: &[String]) -> (usize, Timestamp) {
    let (index, slot) = next_of(evaluators);
    // Not to wait for anything: the slot is at that time, whatever the daemon does.
    thread::sleep(slot.since(now()) + AFTER);
    (index, slot)
}

/// The next slot of any of these evaluators.
fn next_of(evaluators: &[String]) -> (usize, Timestamp) {
    let now = now();
    let slots = evaluators.iter().map(|name| next_slot(name, now)).enumerate();
    slots.min_by_key(|(_, slot)| *slot).expect("some evaluator")
}

pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_nanos(i64::try_from(now.as_nanos()).expect("before 2262"))
}
