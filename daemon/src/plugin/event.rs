//! What supervisors tell the pipeline, and what it answers.

use std::sync::Arc;

use haetae_plugin::{Batch, Timestamp};
use tokio::sync::oneshot;

use crate::engine::Problem;

/// What a supervisor tells the pipeline.
#[derive(Debug)]
pub enum Event {
    /// A source collected something.
    Batch {
        /// Its name.
        source: Arc<str>,
        /// What it collected.
        batch: Batch,
        /// Its watermark, if the batch names none.
        until: Timestamp,
        /// Sent once the batch is where it belongs; then the source is acknowledged.
        taken: oneshot::Sender<Option<Complaint>>,
    },
    /// A problem of an instance began (with a detail) or ended.
    Problem {
        /// The instance.
        instance: String,
        /// Which problem.
        problem: Problem,
        /// What is wrong; `None` when it ended.
        detail: Option<String>,
    },
    /// A batch that a sink did not take.
    Undelivered {
        /// The sink.
        sink: String,
        /// What it was to take.
        batch: Batch,
        /// Why it did not.
        reason: String,
    },
}

/// What is wrong with a batch that was taken nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Records that were dropped.
    pub dropped: u64,
    /// Why.
    pub cause: String,
    /// What to do.
    pub cure: String,
}
