//! Who holds too many connections is told of: as a system alarm, while it lasts.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::Problem, http::Connections, pipeline::problems::HAETAE, plugin::event::Event,
    stage::Stage,
};

/// How often the connections are counted.
const EVERY: Duration = Duration::from_secs(5);
/// So often in turn nobody was in the way before it is over.
const QUIET: u32 = 3;

/// Watches the connections of the listeners.
pub(super) struct ConnectionWatch {
    pub(super) listeners: [Arc<Connections>; 2],
    pub(super) events: mpsc::Sender<Event>,
    pub(super) stop: CancellationToken,
}

impl ConnectionWatch {
    /// How many had to go so far, and what is said of them.
    fn crowded(&self) -> (u64, String) {
        let counts = self.listeners.each_ref().map(|one| one.refused() + one.closed());
        let words: Vec<_> =
            self.listeners.iter().zip(counts).filter(|(_, count)| *count > 0).collect();
        let words = words.iter().map(|(one, count)| {
            format!(
                "{count} connections of the listener `{}` were over its {}",
                one.listener(),
                one.most()
            )
        });
        let words = words.collect::<Vec<_>>().join(", ");
        (counts.iter().sum(), format!("{words}: they were closed; see who opens so many"))
    }

    async fn report(&self, detail: Option<String>) {
        let event = Event { instance: HAETAE.into(), problem: Problem::LimitExceeded, detail };
        // The pipeline is gone only while the daemon stops.
        drop(self.events.send(event).await);
    }
}

impl Stage for ConnectionWatch {
    async fn run(&mut self) {
        // What an earlier run told of is over.
        self.report(None).await;
        let (mut last, mut quiet, mut is_reported) = (self.crowded().0, 0, false);
        loop {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = self.stop.cancelled() => return,
            }
            let (count, words) = self.crowded();
            if count > last {
                (last, quiet, is_reported) = (count, 0, true);
                self.report(Some(words)).await;
            } else if is_reported {
                quiet += 1;
                if quiet >= QUIET {
                    is_reported = false;
                    self.report(None).await;
                }
            }
        }
    }
}
