//! An InfluxDB that is stopped and started again at random instants.
#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "each test uses a part of it")]

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
};

use crate::{chance::Chance, servers::influx::Influx};

/// It is stopped and started until somebody wants it back.
pub struct Unrest {
    end: mpsc::Sender<()>,
    thread: JoinHandle<(Influx, usize)>,
}

impl Unrest {
    /// Begins with a server that runs.
    pub fn begin(mut influx: Influx, mut chance: Chance) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut stops = 0;
            loop {
                let up = chance.millis(300, 2500);
                if ended.recv_timeout(up) != Err(RecvTimeoutError::Timeout) {
                    return (influx, stops);
                }
                influx.stop();
                stops += 1;
                let down = chance.millis(100, 2000);
                let over = ended.recv_timeout(down) != Err(RecvTimeoutError::Timeout);
                influx.start_again();
                if over {
                    return (influx, stops);
                }
            }
        });
        Self { end, thread }
    }

    /// The server, running, and how often it was stopped.
    pub fn end(self) -> (Influx, usize) {
        // Its thread is gone only if it panicked, which shows below.
        self.end.send(()).ok();
        self.thread.join().expect("it starts again each time")
    }
}
