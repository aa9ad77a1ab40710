//! Running a sink: deliveries in order, one at a time.

use haetae_plugin::{Batch, Verdict};
use tokio::{sync::mpsc, time::sleep_until};

use super::{
    event::Event,
    instance::{Order, Reply},
    status::State,
    supervisor::Supervisor,
};
use crate::clock::Clock;

/// Delivers what arrives until told to stop; then what waits already, while that works.
pub async fn run(mut supervisor: Supervisor, mut inbox: mpsc::Receiver<Batch>, clock: Clock) {
    let stop = supervisor.stop().clone();
    loop {
        // Opened before there is anything to deliver, so that a wrong option shows at the start.
        let open = supervisor.open().await;
        if open && supervisor.status().snapshot().state == State::Starting {
            supervisor.status().enter(State::Ok, clock.now());
        }
        let wait = supervisor.wait();
        tokio::select! {
            batch = inbox.recv() => match batch {
                Some(batch) => deliver(&mut supervisor, batch, open).await,
                None => break,
            },
            // Also while it is open: a thread of it that panicked is not left until there is a batch.
            () = sleep_until(wait.into()) => {}
            () = stop.cancelled() => break,
        }
    }
    inbox.close();
    while let Some(batch) = inbox.recv().await {
        let open = supervisor.open().await;
        deliver(&mut supervisor, batch, open).await;
    }
    supervisor.end().await;
}

/// Delivers once: until there is an outbox, what fails goes to the fallback or is lost and said.
async fn deliver(supervisor: &mut Supervisor, batch: Batch, open: bool) {
    if !open {
        let reason = supervisor.status().snapshot().last_error;
        let reason = reason.map_or_else(|| "it is not open".into(), |error| error.cause);
        return undelivered(supervisor, batch, reason).await;
    }
    let records = batch.len() as u64;
    match supervisor.call(Order::Deliver(batch.clone())).await {
        Ok(Reply::Outcome(outcome)) => {
            let failed = outcome.except.iter().map(|(_, verdict)| verdict);
            let worst = failed.chain([&outcome.verdict]).find_map(reason);
            match worst {
                None => {
                    supervisor.status().count(|counts| counts.records += records);
                    supervisor.recovered().await;
                    supervisor.settled(None).await;
                }
                Some(reason) => {
                    supervisor.refused(&reason).await;
                    let rest = refused(batch, &outcome);
                    undelivered(supervisor, rest, reason).await;
                }
            }
        }
        Ok(_) => {}
        Err(error) => undelivered(supervisor, batch, error.to_string()).await,
    }
}

fn reason(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Delivered => None,
        Verdict::Retry { reason, .. } => Some(format!("not delivered now: {reason}")),
        Verdict::Rejected { reason } => Some(format!("rejected: {reason}")),
        Verdict::Config { reason } => Some(format!("wrong options: {reason}")),
        _ => Some("not delivered".into()),
    }
}

/// The part of a batch that was not delivered.
fn refused(batch: Batch, outcome: &haetae_plugin::Outcome) -> Batch {
    match batch {
        Batch::Notifications(notifications) => {
            let left = notifications.into_iter().zip(0_u32..);
            let left = left.filter(|(_, index)| *outcome.of(*index) != Verdict::Delivered);
            Batch::Notifications(left.map(|(notification, _)| notification).collect())
        }
        other => other,
    }
}

async fn undelivered(supervisor: &mut Supervisor, batch: Batch, reason: String) {
    let dropped = batch.len() as u64;
    supervisor.status().count(|counts| counts.dropped += dropped);
    let event = Event::Undelivered { sink: supervisor.name().into(), batch, reason };
    // The pipeline is gone only while the daemon stops.
    drop(supervisor.events().send(event).await);
}
