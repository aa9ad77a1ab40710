//! What happened in a rule test: an alarm, a time, and where it stands from then on.

use std::{collections::BTreeMap, time::Duration};

use crate::config::Stand;

/// What became of an alarm at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// The time from the start of the test.
    pub at: Duration,
    /// Where the alarm stands from then on.
    pub stand: Stand,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value that was judged.
    pub value: Option<f64>,
    /// Its summary.
    pub summary: String,
    /// Why.
    pub reason: Option<String>,
}
