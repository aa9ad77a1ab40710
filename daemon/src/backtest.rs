//! Backtest: what a source's reader knows of a range, through the evaluators as they are and as
//! they are proposed.
//!
//! The engine is the daemon's own, in virtual time: each source speaks at its slots as it would
//! have, and nothing of the store or of a running daemon is touched. What readers answered is
//! kept in a recording, chunk by chunk, so that a run that was interrupted goes on where it was
//! and counts what an uninterrupted one would have.

mod ask;
mod counts;
mod feed;
mod need;
mod recording;

use std::{path::PathBuf, sync::Arc};

use haetae_plugin::Timestamp;
use tokio::{runtime::Handle, sync::mpsc, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use self::{ask::Asker, feed::Replay, need::Needs, recording::Recording};
pub use self::{
    ask::Unanswered,
    counts::{Counts, Side},
    need::{UnreadableSource, readable},
    recording::{Head, RecordingError},
};
use crate::{config::Plan, plugin::catalog::Catalog};

/// Chunks that wait to be judged while the next is asked for.
const CHUNKS: usize = 1;

/// What is to be judged.
pub struct Job {
    /// The configuration as it is and, if there is one, as it is proposed; of each only what is
    /// to be judged.
    pub plans: Vec<Plan>,
    /// Where its plugins are.
    pub catalog: Arc<Catalog>,
    /// Which questions, and of which range: slots after its start up to its end are judged.
    pub head: Head,
    /// Where the recording is.
    pub state: PathBuf,
    /// Asks it to stop.
    pub stop: CancellationToken,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Up to when slots are judged.
    pub until: Timestamp,
    /// How many points were taken.
    pub points: u64,
    /// How many of them stood in the recording.
    pub recorded: u64,
    /// How many series the last chunk had.
    pub series: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct BacktestResult {
    /// Each plan's counts, in their order.
    pub sides: Vec<Side>,
    /// How far it came.
    pub progress: Progress,
    /// What was not taken, by source.
    pub complaints: Vec<(String, String)>,
    /// False: it was stopped before the end.
    pub finished: bool,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// A source can't be asked about its past.
    #[error(transparent)]
    Unreadable(#[from] UnreadableSource),
    /// A reader does not answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The recording can't be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A thread ended before its time.
    #[error("a thread of the backtest ended: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What tells the questions of these plans from others, but for their range.
pub fn asks(plans: &[Plan], catalog: &Catalog) -> Result<String, UnreadableSource> {
    let (from, to) = (Timestamp::default(), Timestamp::default());
    Ok(Needs::of(plans, catalog, from, to)?.fingerprint())
}

/// Judges; `report` hears how far it is after each chunk. The recording is kept unless it is
/// finished.
pub async fn run(
    job: Job,
    report: impl FnMut(Progress) + Send + 'static,
) -> Result<BacktestResult, BacktestError> {
    let Job { plans, catalog, head, state, stop } = job;
    let needs = Needs::of(&plans, &catalog, head.from, head.to)?;
    let recording = Recording::open(&state, &head)?;
    let mut feed = Replay::new(&plans, &needs);
    let asker = Asker::new(&needs, &catalog, recording, stop, Handle::current())?;
    let (chunks, mut inbox) = mpsc::channel(CHUNKS);
    let mut report = report;
    let judging = spawn_blocking(move || {
        while let Some(chunk) = inbox.blocking_recv() {
            report(feed.take(&chunk));
        }
        feed
    });
    let read = asker.run(&needs, chunks).await;
    let feed = judging.await?;
    let recording = read?;
    let outcome = feed.finish();
    if outcome.finished {
        recording.remove();
    }
    Ok(outcome)
}
