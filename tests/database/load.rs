//! Load: alarms that come and go all the time, and what must be told of them.
//!
//! Each slot says the value of every host that ever fired, so that nothing hangs on one batch: a host
//! fires until it is told that it does, then it may be well, for good. So each host is one alarm, and
//! what is due of it is known whenever the daemon gets to judge it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    control::{Control, await_slot},
    receiver::Receiver,
};

/// Evaluators, whose slots are spread over the second.
const LANES: usize = 4;
/// Hosts that begin to fire in a lane at each of its slots.
const EACH: usize = 2;
/// Hosts of a lane that are not well again.
const LEFT: usize = 5;
/// It ends by itself, whatever becomes of the test.
const SECONDS: usize = 600;
/// What is said right before a slot does not complete it.
const BEFORE: Duration = Duration::from_millis(1);

/// The hosts of a lane: the first `ended` of them are well again, the others up to `fired` are not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lane {
    pub fired: usize,
    pub ended: usize,
}

/// The lanes by their names.
pub type Ledger = BTreeMap<String, Lane>;

/// What makes alarms fire and end; it stops when it is dropped.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    quiet: AtomicBool,
    stop: AtomicBool,
}

/// The names of all lanes, which are those of their evaluators.
pub fn lanes() -> Vec<String> {
    (0..LANES).map(|lane| format!("lane-{lane}")).collect()
}

/// A host as its series has it.
pub fn host(index: usize) -> String {
    format!("host-{index}.example.com")
}

impl Load {
    pub fn start(control: Control, receiver: Receiver) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.ledger() = lanes().into_iter().map(|lane| (lane, Lane::default())).collect();
        let running = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || running.run(&control, &receiver)));
        Self { shared, thread }
    }

    /// What fired and ended so far.
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger().clone()
    }

    /// Nothing more fires or ends.
    pub fn quiet(&self) {
        self.shared.quiet.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no panic")
    }

    fn run(&self, control: &Control, receiver: &Receiver) {
        let names = lanes();
        for _ in 0..SECONDS * LANES {
            let (index, slot) = await_slot(&names);
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let name = &names[index];
            let Lane { fired, ended } = self.step(name, receiver);
            // A source that is gone has another one after it, which hears the same.
            control.say(slot.before(BEFORE), name, 0, ended, 1.0);
            control.say(slot, name, ended, fired - ended, 99.0);
        }
    }

    /// Lets some hosts of a lane fire, and some be well again.
    fn step(&self, name: &str, receiver: &Receiver) -> Lane {
        let mut ledger = self.ledger();
        let lane = ledger.get_mut(name).expect("a lane");
        // Asked under the lock: who has the ledger after it was made quiet has the last one.
        if !self.quiet.load(Ordering::SeqCst) {
            lane.fired += EACH;
            // As many as fire, and some more where an outage left many.
            for _ in 0..3 * EACH {
                let is_told = receiver.has(name, &host(lane.ended), "first");
                if lane.fired - lane.ended > LEFT && is_told {
                    lane.ended += 1;
                }
            }
        }
        *lane
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of it would have been seen as silence.
            drop(thread.join());
        }
    }
}
