//! Why a scenario can't be played.

use std::time::Duration;

use crate::store::StoreError;

/// Why a scenario can't be played.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store does not work.
    #[error("the store of the scenario: {0}")]
    Store(#[from] StoreError),
    /// The temporary directory does not work.
    #[error("the temporary directory of the scenario: {0}")]
    Folder(#[from] std::io::Error),
    /// It names what is not there.
    #[error("{0}")]
    Nothing(String),
    /// It does not come to an end.
    #[error("the scenario does not come to an end: too much happens at {0:?}")]
    Endless(Duration),
}
