//! A post: in place of a sink, it writes down what it is given, and takes it or not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use haetae_plugin::{Batch, Notification, Outcome, Verdict};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::scenario::Mood;
use crate::{
    engine::Problem,
    plugin::{
        event::Event,
        sink::{Delivery, Outlet},
    },
};

/// A sink in a scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct FakeSink {
    inner: Arc<Mutex<Inner>>,
    /// Told when it holds something that it will take later.
    pub(super) holds: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    mood: Mood,
    failing: bool,
    taken: Vec<Notification>,
    /// What is under way, for how long from now.
    held: Option<(Duration, oneshot::Sender<()>)>,
}

impl FakeSink {
    /// Its outlet; it ends when nobody sends to it any more.
    pub(super) fn outlet(
        &self,
        name: &str,
        events: mpsc::Sender<Event>,
        tasks: &TaskTracker,
    ) -> Outlet {
        let (outlet, deliveries) = Outlet::new();
        tasks.spawn(self.clone().run(name.to_owned(), deliveries, events));
        outlet
    }

    /// How it takes what it is given from now on.
    pub(super) fn set_mood(&self, mood: Mood) {
        self.with(|inner| inner.mood = mood);
    }

    /// What it took since it was looked at last.
    pub(super) fn taken(&self) -> Vec<Notification> {
        self.with(|inner| std::mem::take(&mut inner.taken))
    }

    /// How long what it holds takes, once.
    pub(super) fn held(&self) -> Option<Duration> {
        self.with(|inner| inner.held.as_ref().map(|(length, _)| *length))
    }

    /// It has taken what it held.
    pub(super) fn release(&self) {
        if let Some((_, release)) = self.with(|inner| inner.held.take()) {
            // Whoever waited may have been restarted.
            release.send(()).unwrap_or_default();
        }
    }

    /// The daemon has ended: what it held was never taken.
    pub(super) fn forget(&self) {
        self.with(|inner| inner.held = None);
    }

    async fn run(
        self,
        name: String,
        mut deliveries: mpsc::Receiver<Delivery>,
        events: mpsc::Sender<Event>,
    ) {
        while let Some(Delivery { batch, reply }) = deliveries.recv().await {
            let mood = self.with(|inner| inner.mood);
            if let Mood::Slow(length) = mood {
                let (release, released) = oneshot::channel();
                self.with(|inner| inner.held = Some((length, release)));
                self.holds.notify_one();
                // It ends with the scenario.
                if released.await.is_err() {
                    return;
                }
            }
            let verdict = match (mood, batch) {
                (Mood::Down, _) => Verdict::Retry { reason: "not there".into(), after: None },
                (Mood::Rejects, _) => Verdict::Rejected { reason: "not wanted".into() },
                (Mood::Takes | Mood::Slow(_), Batch::Notifications(given)) => {
                    self.with(|inner| inner.taken.extend(given));
                    Verdict::Delivered
                }
                (Mood::Takes | Mood::Slow(_), _) => Verdict::Delivered,
            };
            // What a supervisor would tell of it.
            let failing = mood == Mood::Down;
            if self.with(|inner| std::mem::replace(&mut inner.failing, failing)) != failing {
                let detail = failing.then(|| "not delivered now: not there".to_owned());
                let event = Event { instance: name.clone(), problem: Problem::SinkFailing, detail };
                drop(events.send(event).await);
            }
            drop(reply.send(Ok(Outcome::all(verdict))));
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
