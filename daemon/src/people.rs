//! What people do: they handle alarms and silence them. Each act is a transaction with its rows of
//! the journal, then the engine hears of it.

mod acts;
mod filter;
mod named;
mod silences;
pub mod thresholds;

use haetae_plugin::Timestamp;
use tokio::sync::{Mutex, mpsc};

pub use self::{
    acts::{ActAnswer, ActRequest, BulkAnswer, BulkRequest, RefusedAct, Said},
    filter::Filter,
    named::{CANDIDATES, IdMatch, candidates},
    silences::{ShownSilence, SilenceAnswer, SilenceRequest, SilenceState, load},
};
use crate::{
    clock::Clock,
    engine::{Input, MatcherError, alarm::handling::Refusal},
    store::{Store, StoreError},
};

/// Where what people do goes.
pub struct People {
    store: Store,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
    /// The engine hears of acts in the order in which they became durable.
    order: Mutex<()>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// It does not fit the state.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Somebody else was faster.
    #[error("somebody changed it meanwhile: look at it again")]
    Conflict,
    /// The start of an id is that of several.
    #[error("{0}")]
    Several(String),
    /// There is nothing of that name that goes on.
    #[error("{0}")]
    Unknown(String),
}

impl People {
    /// People whose acts go to this store and this engine.
    pub fn new(store: Store, clock: Clock, inputs: mpsc::Sender<Input>) -> Self {
        Self { store, clock, inputs, order: Mutex::new(()) }
    }

    /// Tells the engine; while the daemon stops nobody listens, and the next one reads the store.
    async fn report(&self, input: Input) {
        drop(self.inputs.send(input).await);
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl PeopleError {
    fn senseless(text: impl Into<String>) -> Self {
        Self::Senseless(text.into())
    }

    fn matcher(text: &str, error: &MatcherError) -> Self {
        let why = match error {
            MatcherError::Syntax => "write label=\"value\", or with !=, =~ or !~".into(),
            MatcherError::Regex(why) => format!("its regular expression is wrong: {why}"),
        };
        Self::Senseless(format!("`{text}` is no matcher: {why}"))
    }
}
