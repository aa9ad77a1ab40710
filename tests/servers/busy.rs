//! Load: what keeps every core busy, in the test's own process.
#![allow(unreachable_pub, clippy::disallowed_methods, reason = "shared; the test's own clock")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Keeps every core busy until it is dropped, or for three minutes.
pub struct Busy(Arc<AtomicBool>, Vec<thread::JoinHandle<()>>);

impl Busy {
    /// Begins.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = thread::available_parallelism().map_or(2, Into::into);
        let work = |stop: Arc<AtomicBool>| {
            move || {
                let end = Instant::now() + Duration::from_mins(3);
                while !stop.load(Ordering::Relaxed) && Instant::now() < end {
                    std::hint::black_box((0..10_000_u64).sum::<u64>());
                }
            }
        };
        let threads = (0..cores).map(|_| thread::spawn(work(Arc::clone(&stop)))).collect();
        Self(stop, threads)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            // It does nothing that could panic.
            drop(thread.join());
        }
    }
}
