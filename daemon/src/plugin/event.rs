//! What supervisors hand to the pipeline, and what it answers.

use haetae_plugin::{Batch, Timestamp};
use tokio::sync::oneshot;

use crate::engine::Problem;

/// A batch that a source collected, on its way into the pipeline.
#[derive(Debug)]
pub struct Handover {
    /// What it collected.
    pub batch: Batch,
    /// Its watermark, if the batch names none.
    pub until: Timestamp,
    /// Whether it is a poller's, which answers for the same time again if it is not acknowledged.
    pub is_polled: bool,
    /// Sent once the batch is where it belongs; then the source is acknowledged.
    pub taken: oneshot::Sender<Taken>,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Taken {
    /// It is where it belongs, but for what the complaint says.
    Whole(Option<Complaint>),
    /// It was judged, and there is no room to keep it: the source is not acknowledged.
    Judged,
}

/// A problem of an instance that began or ended.
#[derive(Debug)]
pub struct Event {
    /// The instance.
    pub instance: String,
    /// Which problem.
    pub problem: Problem,
    /// What is wrong; `None` when it ended.
    pub detail: Option<String>,
}

/// What is wrong with a batch that was taken nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Records that were dropped.
    pub dropped: u64,
    /// Records that were cut to a limit.
    pub cut: u64,
    /// Why.
    pub cause: String,
    /// What to do.
    pub cure: String,
}
