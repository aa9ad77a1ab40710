//! The start: nobody is told anything until the sources have spoken.

use std::{collections::BTreeSet, time::Duration};

use haetae_plugin::Timestamp;

/// The time after a start in which nobody is told anything.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Until when at the latest.
    pub(super) until: Option<Timestamp>,
    /// How long it may last.
    pub(super) most: Duration,
    /// The sources that have not spoken.
    pub(super) unheard: BTreeSet<String>,
    /// Whether what was stored is yet to be compared with what fires.
    pub(super) unsettled: bool,
}
