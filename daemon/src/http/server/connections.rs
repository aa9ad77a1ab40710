//! The connections of a listener, counted: at most so many, and those that wait for their peer give way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tracing::warn;

/// The connections of one listener.
#[derive(Debug)]
pub struct Connections {
    listener: &'static str,
    most: usize,
    open: AtomicUsize,
    refused: AtomicU64,
    closed: AtomicU64,
    waiting: Mutex<IdleConnections>,
    /// One may give way now, or has ended.
    freed: Notify,
}

/// Those that wait for their peer, the longest first.
#[derive(Debug, Default)]
struct IdleConnections {
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

impl Connections {
    /// None yet, and at most so many.
    pub(crate) fn new(listener: &'static str, most: usize) -> Arc<Self> {
        Arc::new(Self {
            listener,
            most,
            open: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            waiting: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// What is listened on: `tcp` or `socket`.
    pub(crate) fn listener(&self) -> &'static str {
        self.listener
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many were closed while they waited, to make room.
    pub(crate) fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// A new connection: the one that waited longest makes room for it, if need be as soon as one waits.
    /// `None` if all have been at work for so long.
    pub(super) async fn admit_within(self: &Arc<Self>, limit: Duration) -> Option<Arc<Connection>> {
        let admit = async {
            loop {
                match self.admit() {
                    Some(connection) => return connection,
                    None => self.freed.notified().await,
                }
            }
        };
        let admitted = timeout(limit, admit).await.ok();
        if admitted.is_none() {
            report(self, self.refused.fetch_add(1, Ordering::Relaxed) + 1, "refused");
        }
        admitted
    }

    fn admit(self: &Arc<Self>) -> Option<Arc<Connection>> {
        // One accepts: between the two nobody else takes the room.
        if self.open() >= self.most && !self.make_room() {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let connection = Connection {
            connections: Arc::clone(self),
            gives_way: CancellationToken::new(),
            wait: Mutex::new(None),
            is_asked: AtomicBool::new(false),
            is_answered: AtomicBool::new(false),
        };
        Some(Arc::new(connection))
    }

    /// Closes the connection that has waited longest; whether one waited.
    pub(super) fn make_room(&self) -> bool {
        let longest = self.waiting(|waiting| waiting.connections.pop_first());
        let Some((_, connection)) = longest else { return false };
        connection.cancel();
        report(self, self.closed.fetch_add(1, Ordering::Relaxed) + 1, "closed while it waited");
        true
    }

    /// How many wait for their peer.
    #[cfg(test)]
    pub(super) fn waits(&self) -> usize {
        self.waiting(|waiting| waiting.connections.len())
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut IdleConnections) -> T) -> T {
        with(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says it the first time, the second, the fourth and so on: a flood does not flood the log.
fn report(connections: &Connections, count: u64, what: &str) {
    if count.is_power_of_two() {
        let Connections { listener, most, .. } = connections;
        warn!(listener, most, count, "too many connections: one is {what}; who opens so many?");
    }
}

/// What a connection waits for, of its peer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Awaited {
    /// That it asks something.
    Request,
    /// That it takes what is answered.
    Taking,
}

/// That a connection waits: those with lower numbers have waited longer.
#[derive(Clone, Copy, Debug)]
struct Wait {
    number: u64,
    awaited: Awaited,
}

/// One connection, from when it is admitted until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    connections: Arc<Connections>,
    gives_way: CancellationToken,
    /// While it waits.
    wait: Mutex<Option<Wait>>,
    /// Whether a request runs.
    is_asked: AtomicBool,
    /// Whether its answer was handed on, of which the peer has not taken all yet.
    is_answered: AtomicBool,
}

impl Connection {
    /// All that has come was read, and is no whole request yet. Before it is looked at, nobody waits for the
    /// peer.
    pub(super) fn unasked(&self) {
        if !self.is_asked.load(Ordering::Relaxed) && self.wait().is_none() {
            self.wait_for(Awaited::Request);
        }
    }

    /// A request has come.
    pub(super) fn begin(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
        let wait = self.wait().take();
        self.leave(wait);
    }

    /// All of its answer was handed on.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// The peer takes nothing now: a client that only asks gives way to others, too.
    pub(super) fn stalled(&self) {
        self.wait_for(Awaited::Taking);
    }

    /// What was handed on was taken: if that was an answer, the next request may come.
    pub(super) fn taken(&self) {
        if self.is_answered.swap(false, Ordering::Relaxed) {
            self.is_asked.store(false, Ordering::Relaxed);
            self.wait_for(Awaited::Request);
        } else {
            let wait = self.wait().take_if(|wait| wait.awaited == Awaited::Taking);
            self.leave(wait);
        }
    }

    fn wait_for(&self, awaited: Awaited) {
        let number = self.connections.waiting(|waiting| {
            waiting.next += 1;
            waiting.connections.insert(waiting.next, self.gives_way.clone());
            waiting.next
        });
        let earlier = self.wait().replace(Wait { number, awaited });
        self.leave(earlier);
        self.connections.freed.notify_one();
    }

    fn leave(&self, wait: Option<Wait>) {
        if let Some(wait) = wait {
            self.connections.waiting(|waiting| waiting.connections.remove(&wait.number));
        }
    }

    fn wait(&self) -> MutexGuard<'_, Option<Wait>> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no request runs.
    pub(super) fn is_waiting(&self) -> bool {
        self.wait().is_some_and(|wait| wait.awaited == Awaited::Request)
    }

    /// When it has to make room.
    pub(super) fn gives_way(&self) -> WaitForCancellationFuture<'_> {
        self.gives_way.cancelled()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.begin();
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        self.connections.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_longest_makes_room_and_who_works_does_not() {
        let connections = Connections::new("tcp", 2);
        let first = connections.admit().unwrap();
        let second = connections.admit().unwrap();
        // Neither was looked at.
        assert!(connections.admit().is_none());
        first.unasked();
        second.unasked();
        first.begin();
        first.answered();
        first.taken();
        // The second one waits longest now, since the first was asked something meanwhile.
        let third = connections.admit().unwrap();
        assert!(second.gives_way.is_cancelled() && !first.gives_way.is_cancelled());
        drop(second);
        assert_eq!((connections.open(), connections.closed()), (2, 1));
        first.begin();
        third.begin();
        assert!(connections.admit().is_none());
        drop(first);
        assert!(connections.admit().is_some());
        third.answered();
        third.taken();
        drop(third);
        assert_eq!((connections.open(), connections.waits()), (0, 0));
    }
}
