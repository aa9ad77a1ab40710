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
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tracing::error;

use super::{PATIENCE, StoreError, database::Connection};
use crate::{clock::monotonic, fault};

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
    watch: Arc<JobTimer>,
    /// Each thread holds a receiver of it until it ends.
    running: Arc<watch::Sender<()>>,
    /// Whether what was begun is waited for, since it may be durable.
    writes: bool,
    /// Where the store is, for whoever is told that it does not answer.
    location: Arc<str>,
}

/// Since when a job is under way that has not ended.
#[derive(Debug)]
struct JobTimer {
    started: Instant,
    /// Milliseconds since then; zero: none.
    since: AtomicI64,
    /// How many milliseconds the last one took that has ended.
    last: AtomicI64,
}

impl JobTimer {
    fn now(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX).max(1)
    }
}

/// A job is begun, or given up by who asked for it, and never both.
#[derive(Default)]
struct Claim(AtomicU8);

impl Claim {
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    fn take(&self, as_what: u8) -> bool {
        self.0.compare_exchange(0, as_what, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Workers {
    /// Starts `count` threads; each connects when it gets its first job. One alone writes: a job of it
    /// that panics is its end.
    pub(super) fn start(
        name: &str,
        location: &str,
        count: usize,
        connect: Connect,
    ) -> io::Result<Self> {
        let writes = count == 1;
        let (jobs, waiting) = mpsc::channel::<Job>(JOBS);
        let running = watch::Sender::new(());
        let (waiting, connect) = (Arc::new(Mutex::new(waiting)), Arc::new(connect));
        let watch = Arc::new(JobTimer { started: monotonic(), since: 0.into(), last: 0.into() });
        for _ in 0..count {
            let (waiting, connect) = (Arc::clone(&waiting), Arc::clone(&connect));
            let (watch, running) = (Arc::clone(&watch), running.subscribe());
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
                    let is_done = guarded(writes, job, &mut connection, &**connect);
                    watch.last.store(watch.now() - began, Ordering::SeqCst);
                    watch.since.store(0, Ordering::SeqCst);
                    if writes && !is_done {
                        break;
                    }
                }
                drop(connection);
                drop(running);
            };
            thread::Builder::new().name(name.into()).spawn(body)?;
        }
        let (jobs, running) = (Arc::new(Mutex::new(Some(jobs))), Arc::new(running));
        Ok(Self { jobs, watch, running, writes, location: location.into() })
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
        let (claim, writes) = (Arc::new(Claim::default()), self.writes);
        let begins = Arc::clone(&claim);
        let job: Job = Box::new(move |connection| {
            // Nobody waits for what a reader would say.
            if (writes || !reply.is_closed()) && begins.take(Claim::BEGUN) {
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
            Err(_) if claim.take(Claim::GIVEN_UP) || !self.writes => {
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
        timeout(patience, self.ended()).await.is_ok()
    }

    /// Waits until the threads have ended.
    pub(super) async fn ended(&self) {
        self.running.closed().await;
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

/// Performs a job. False: it panicked, which costs its connection, and whoever asked for it hears
/// that the store is closed to it.
fn guarded(
    writes: bool,
    job: Job,
    connection: &mut Option<Box<dyn Connection>>,
    connect: &(dyn Fn() -> Result<Box<dyn Connection>, StoreError> + Send + Sync),
) -> bool {
    let performed = panic::catch_unwind(AssertUnwindSafe(|| {
        if writes {
            fault::point("store", "writer");
        }
        perform(job, connection, connect);
    }));
    if performed.is_err() {
        error!("a job of the store panicked: its transaction is undone");
        *connection = None;
    }
    performed.is_ok()
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
    async fn a_reader_whose_job_panics_goes_on_with_another_connection_and_the_writer_ends() {
        let made = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&made);
        let connect: Connect = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Idle))
        });
        let readers = Workers::start("test", "nowhere", 2, connect).unwrap();
        for _ in 0..4 {
            let panics = readers.run(|_| -> Result<(), StoreError> { panic!("as it is meant to") });
            assert!(matches!(panics.await, Err(StoreError::Closed)));
        }
        assert_eq!(readers.run(|_| Ok::<_, StoreError>(7)).await.unwrap(), 7);
        assert!(made.load(Ordering::SeqCst) >= 4);
        assert!(readers.close(PATIENCE).await, "their threads end");
        let workers =
            Workers::start("test", "nowhere", 1, Box::new(|| Ok(Box::new(Idle)))).unwrap();
        let panics = workers.run(|_| -> Result<(), StoreError> { panic!("as it is meant to") });
        assert!(matches!(panics.await, Err(StoreError::Closed)));
        workers.ended().await;
        let closed = workers.run(|_| Ok::<_, StoreError>(())).await;
        assert!(matches!(closed, Err(StoreError::Closed)));
    }
}
