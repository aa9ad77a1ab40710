//! How the store is: what `status` shows of it.

use std::sync::{Arc, Mutex, PoisonError};

use haetae_plugin::Timestamp;

/// How the store is, shared between who writes and who shows it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Option<(String, Timestamp)>>>);

impl Health {
    /// The last write worked.
    pub fn works(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The last write failed.
    pub fn fails(&self, cause: &str, now: Timestamp) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = failing.take().map_or(now, |(_, since)| since);
        *failing = Some((cause.into(), since));
    }

    /// Why nothing can be written, and since when.
    pub fn failing(&self) -> Option<(String, Timestamp)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
