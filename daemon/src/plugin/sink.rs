//! Running a sink: deliveries in order, one at a time; what became of each goes back to its sender.

mod retries;

use std::time::Duration;

use haetae_plugin::{Batch, Outcome};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};

use self::retries::{Offered, Retries, SinkTrouble};
use super::{
    order::{Order, Reply},
    status::InstanceState,
    supervisor::Supervisor,
};
use crate::{
    clock::{self, Clock},
    fault,
    stage::Stage,
};

/// A batch for a sink, and where to say what became of it.
#[derive(Debug)]
pub struct Delivery {
    /// What to deliver.
    pub batch: Batch,
    /// What the sink says of it.
    pub reply: oneshot::Sender<Result<Outcome, Undelivered>>,
}

/// A batch that no peer has seen, or of which nobody knows.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// Why.
    pub reason: String,
    /// How long to wait before the next try, if that is known.
    pub wait: Option<Duration>,
}

/// A sink that can be delivered to.
#[derive(Clone, Debug)]
pub struct Outlet(mpsc::Sender<Delivery>);

/// One delivery is under way and one waits: whoever sends more waits, and holds its own batches.
const DELIVERIES: usize = 1;

impl Outlet {
    /// An outlet and what comes out of it.
    pub fn new() -> (Self, mpsc::Receiver<Delivery>) {
        let (sender, deliveries) = mpsc::channel(DELIVERIES);
        (Self(sender), deliveries)
    }

    /// Delivers a batch.
    pub async fn deliver(&self, batch: Batch) -> Result<Outcome, Undelivered> {
        let (reply, outcome) = oneshot::channel();
        let stopped = || Undelivered { reason: "the sink has stopped".into(), wait: None };
        self.0.send(Delivery { batch, reply }).await.map_err(|_| stopped())?;
        outcome.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Delivers to a sink.
pub struct Deliverer {
    /// Keeps it open.
    pub supervisor: Supervisor,
    /// What is to be delivered.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// The time.
    pub clock: Clock,
}

impl Stage for Deliverer {
    /// Delivers what arrives until nobody can send any more.
    async fn run(&mut self) {
        let Self { supervisor, deliveries, clock } = self;
        // A call that was under way when the stage failed is nobody's any more.
        supervisor.close().await;
        let mut retries = Retries::default();
        loop {
            // Opened before there is anything to deliver, so that a wrong option shows at the start.
            let open = supervisor.open().await;
            if open && supervisor.status().snapshot().state == InstanceState::Starting {
                supervisor.status().enter(InstanceState::Ok, clock.now());
            }
            let wait = supervisor.wait();
            tokio::select! {
                delivery = deliveries.recv() => match delivery {
                    Some(Delivery { batch, reply }) => {
                        fault::point("sink", supervisor.name());
                        let outcome = if open {
                            deliver(supervisor, batch, &mut retries, clock).await
                        } else {
                            Err(not_open(supervisor))
                        };
                        // Its sender is gone only while the daemon stops.
                        drop(reply.send(outcome));
                    }
                    None => break,
                },
                // Also while it is open: a thread of it that panicked is not left until there is a batch.
                () = sleep_until(wait.into()) => {}
            }
        }
        supervisor.end().await;
    }
}

async fn deliver(
    supervisor: &mut Supervisor,
    batch: Batch,
    retries: &mut Retries,
    clock: &Clock,
) -> Result<Outcome, Undelivered> {
    let (records, offered) = (batch.len() as u64, Offered::of(&batch));
    match supervisor.call(Order::Deliver(batch)).await {
        Ok(Reply::Outcome(outcome)) => {
            let trouble = retries.judge(&offered, &outcome, clock.now());
            if trouble.as_ref().is_none_or(|trouble| trouble.state == InstanceState::Degraded) {
                supervisor.status().count(|counts| counts.records += records);
            }
            match trouble {
                None => {
                    supervisor.recovered().await;
                    supervisor.settled(None).await;
                }
                Some(SinkTrouble { state, cause, cure, asked }) => {
                    supervisor.refused(state, &cause, cure, asked).await;
                }
            }
            Ok(outcome)
        }
        Ok(_) => Err(Undelivered { reason: "it answered another call".into(), wait: None }),
        Err(error) => Err(Undelivered { reason: error.to_string(), wait: error.wait() }),
    }
}

fn not_open(supervisor: &Supervisor) -> Undelivered {
    let reason = supervisor.status().snapshot().last_error;
    let reason = reason.map_or_else(|| "it is not open".into(), |error| error.cause);
    let wait = supervisor.wait().saturating_duration_since(clock::monotonic());
    Undelivered { reason, wait: Some(wait) }
}
