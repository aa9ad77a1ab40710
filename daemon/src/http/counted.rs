//! Questions that an answer does not wait for: what was known last is shown instead.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::View;
use crate::{
    pipeline::evaluation::{EngineCounts, EngineQuery},
    store::{SinkBacklog, StoreError},
};

/// How long an answer waits for whoever is asked.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What was counted last in the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// What waits for each sink, and what is dead.
    pub(crate) outbox: Vec<SinkBacklog>,
    /// Obligations that are open, and those that can't be met any more.
    pub(crate) obligations: (i64, i64),
}

/// What was known last, kept for when the store or the engine does not answer in time.
#[derive(Debug, Default)]
pub struct Counted {
    store: Mutex<Numbers>,
    engine: Mutex<EngineCounts>,
}

impl Counted {
    /// What the engine counts at its start, for whoever asks while it is at work for the first time.
    pub(crate) fn begin(&self, counts: EngineCounts) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

impl View {
    /// Asks the store, for as long as whoever reads an answer can wait.
    pub(crate) async fn soon<T, E: From<StoreError>>(
        &self,
        question: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let slow = || Err(StoreError::Slow(self.store()).into());
        timeout(PATIENCE, question).await.unwrap_or_else(|_| slow())
    }

    /// What the engine counts, or counted last if it is at work for longer; `None` while it stops.
    pub(crate) async fn counts(&self) -> Option<EngineCounts> {
        let last = &self.parts().counted.engine;
        let (reply, counts) = oneshot::channel();
        let asked = async {
            self.parts().engine.send(EngineQuery::Counts(reply)).await.ok()?;
            counts.await.ok()
        };
        let Ok(counts) = timeout(PATIENCE, asked).await else {
            return Some(last.lock().unwrap_or_else(PoisonError::into_inner).clone());
        };
        let counts = counts?;
        *last.lock().unwrap_or_else(PoisonError::into_inner) = counts.clone();
        Some(counts)
    }

    /// What waits in the store, counted now or, if it does not answer, as it was counted last.
    pub(crate) async fn counted(&self) -> (Numbers, Option<StoreError>) {
        let (store, last) = (&self.parts().store, &self.parts().counted.store);
        let known = || last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.store_failing().is_some() {
            return (known(), None);
        }
        let counts = async { tokio::try_join!(store.count_obligations(), store.counts()) };
        match self.soon(counts).await {
            Ok((obligations, outbox)) => {
                let numbers = Numbers { outbox, obligations };
                *last.lock().unwrap_or_else(PoisonError::into_inner) = numbers.clone();
                (numbers, None)
            }
            Err(error) => (known(), Some(error)),
        }
    }
}
