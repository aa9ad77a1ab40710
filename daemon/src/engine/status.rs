//! What an evaluator of any kind has counted.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

/// How an evaluator is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluatorStatus {
    /// Its name.
    pub name: String,
    /// How many series it knows.
    pub series: usize,
    /// The slot that it judged last.
    pub judged_slot: Option<Timestamp>,
    /// How many slots it judged.
    pub judged: u64,
    /// How many slots passed because a source had not said everything in time.
    pub late: u64,
    /// How many slots nobody looked at: the machine was suspended or too slow, the clock jumped.
    pub missed: u64,
    /// How often a series was turned away because its source has too many.
    pub ignored: u64,
    /// How many evaluations met a value that is no number.
    pub errors: u64,
    /// How many records matched, of a log evaluator.
    #[serde(default)]
    pub matches: u64,
}
