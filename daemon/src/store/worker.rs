//! Threads that own a connection each: a job is one message there and one back.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::error;

use super::{PATIENCE, StoreError, database::Connection};
use crate::clock::monotonic;

/// Jobs that wait. Full: whoever has one waits.
const JOBS: usize = 64;

/// What is done with a connection, or instead of it where there is none.
type Job = Box<dyn FnOnce(Result<&mut dyn Connection, StoreError>) + Send>;
/// Makes a connection.
pub(super) type Connect = Box<dyn Fn() -> Result<Box<dyn Connection>, StoreError> + Send + Sync>;

/// One or several threads that do the same jobs.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    jobs: Arc<Mutex<Option<mpsc::Sender<Job>>>>,
    watch: Arc<Watch>,
    /// Each thread holds a sender of it until it ends.
    ended: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
    /// Whether what was begun is waited for, since it may be durable.
    writes: bool,
    /// Where the store is, for whoever is told that it does not answer.
    location: Arc<str>,
}

/// Since when a job is under way that has not ended.
#[derive(Debug)]
struct Watch {
    started: Instant,
    /// Milliseconds since then; zero: none.
    since: AtomicI64,
    /// How many milliseconds the last one took that has ended.
    last: AtomicI64,
}

impl Watch {
    fn now(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX).max(1)
    }
}

/// A job is begun, or given up by who asked for it, and never both.
#[derive(Default)]
struct Turn(AtomicU8);

impl Turn {
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    fn take(&self, as_what: u8) -> bool {
        self.0.compare_exchange(0, as_what, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Workers {
    /// Starts `count` threads; each connects when it gets its first job.
    pub(super) fn start(
        name: &str,
        location: &str,
        count: usize,
        connect: Connect,
    ) -> io::Result<Self> {
        let writes = count == 1;
        let (jobs, waiting) = mpsc::channel::<Job>(JOBS);
        let (running, ended) = mpsc::channel(1);
        let (waiting, connect) = (Arc::new(Mutex::new(waiting)), Arc::new(connect));
        let watch = Arc::new(Watch { started: monotonic(), since: 0.into(), last: 0.into() });
        for _ in 0..count {
            let (waiting, connect) = (Arc::clone(&waiting), Arc::clone(&connect));
            let (watch, running) = (Arc::clone(&watch), running.clone());
            let body = move || {
                let mut connection = None;
                loop {
                    // Threads of one kind take turns at waiting.
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut next = next;
                    let Some(job) = next.blocking_recv() else { break };
                    drop(next);
                    let began = watch.now();
                    watch.since.store(began, Ordering::SeqCst);
                    guarded(job, &mut connection, &**connect);
                    watch.last.store(watch.now() - began, Ordering::SeqCst);
                    watch.since.store(0, Ordering::SeqCst);
                }
                drop(connection);
                drop(running);
            };
            thread::Builder::new().name(name.into()).spawn(body)?;
        }
        let (jobs, ended) = (Arc::new(Mutex::new(Some(jobs))), Arc::new(ended.into()));
        Ok(Self { jobs, watch, ended, writes, location: location.into() })
    }

    /// Has a thread do something and waits for what comes of it.
    ///
    /// What was not begun in time is given up and never done. What was begun and may be durable is
    /// waited for.
    pub(super) async fn run<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let turn = Arc::new(Turn::default());
        let begins = Arc::clone(&turn);
        let job: Job = Box::new(move |connection| {
            if begins.take(Turn::BEGUN) {
                // Whoever asked may have gone.
                drop(reply.send(connection.map_err(E::from).and_then(job)));
            }
        });
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(jobs) = jobs else { return Err(StoreError::Closed.into()) };
        match timeout(PATIENCE, jobs.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(StoreError::Closed.into()),
            Err(_) => return Err(self.slow().into()),
        }
        let mut answer = answer;
        let answered = match timeout(PATIENCE, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if turn.take(Turn::GIVEN_UP) || !self.writes => {
                return Err(self.slow().into());
            }
            Err(_) => answer.await,
        };
        answered.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    fn slow(&self) -> StoreError {
        StoreError::Slow(self.location.to_string())
    }

    /// For how long a job has been under way, or how long the last one took.
    pub(super) fn busy(&self) -> Duration {
        let last = self.watch.last.load(Ordering::SeqCst);
        let now = match self.watch.since.load(Ordering::SeqCst) {
            0 => 0,
            since => self.watch.now().saturating_sub(since),
        };
        Duration::from_millis(u64::try_from(now.max(last)).unwrap_or(0))
    }

    /// Takes no more jobs and waits until the threads have ended, if they do in time.
    pub(super) async fn close(&self, patience: Duration) -> bool {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut ended = self.ended.lock().await;
        timeout(patience, ended.recv()).await.is_ok()
    }
}

fn perform(
    job: Job,
    connection: &mut Option<Box<dyn Connection>>,
    connect: &(dyn Fn() -> Result<Box<dyn Connection>, StoreError> + Send + Sync),
) {
    if connection.is_none() {
        match connect() {
            Ok(made) => *connection = Some(made),
            Err(error) => return job(Err(error)),
        }
    }
    let Some(connection) = connection else { return };
    match connection.ready() {
        Ok(()) => job(Ok(&mut **connection)),
        Err(error) => job(Err(error)),
    }
}

/// Performs a job; one that panics costs its connection, and whoever asked for it hears that the
/// store is closed to it. The thread goes on.
fn guarded(
    job: Job,
    connection: &mut Option<Box<dyn Connection>>,
    connect: &(dyn Fn() -> Result<Box<dyn Connection>, StoreError> + Send + Sync),
) {
    let performed = panic::catch_unwind(AssertUnwindSafe(|| perform(job, connection, connect)));
    if performed.is_err() {
        error!("a job of the store panicked: its transaction is undone");
        *connection = None;
    }
}

/// Whether the store is being closed: nothing is waited for any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Closing(Arc<AtomicBool>);

impl Closing {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::{Parameters, Read};

    /// A connection that does nothing.
    struct Idle;

    impl Connection for Idle {
        fn ready(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn begin(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn queue(&mut self, _: &'static str, _: &[Parameters<'_>]) -> Result<(), StoreError> {
            Ok(())
        }

        fn execute(&mut self, _: &'static str, _: Parameters<'_>) -> Result<u64, StoreError> {
            Ok(0)
        }

        fn query(
            &mut self,
            _: &'static str,
            _: &[Parameters<'_>],
            _: &mut Read<'_>,
        ) -> Result<(), StoreError> {
            Ok(())
        }

        fn commit(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn rollback(&mut self) {}
    }

    #[tokio::test]
    async fn a_job_that_panics_costs_its_connection_and_the_next_one_is_done() {
        let made = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&made);
        let connect: Connect = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Idle))
        });
        let workers = Workers::start("test", "nowhere", 1, connect).unwrap();
        let first = workers.run(|_| -> Result<(), StoreError> { panic!("as it is meant to") });
        assert!(matches!(first.await, Err(StoreError::Closed)));
        assert_eq!(workers.run(|_| Ok::<_, StoreError>(7)).await.unwrap(), 7);
        assert_eq!(made.load(Ordering::SeqCst), 2);
        assert!(workers.close(PATIENCE).await, "its thread ends");
        let closed = workers.run(|_| Ok::<_, StoreError>(())).await;
        assert!(matches!(closed, Err(StoreError::Closed)));
    }
}
