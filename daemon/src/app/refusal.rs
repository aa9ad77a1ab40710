//! Why the daemon does not start, for a person.

use std::{io, path::PathBuf};

use crate::store::StoreError;

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory can't be used.
    #[error("the state directory {} cannot be used: {source}; set [daemon] state to one that this user may write", .path.display())]
    State {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may write the state directory.
    #[error("the state directory {} is writable by {writers}: {cure}, or set [daemon] state to a folder of its own", .path.display())]
    Open {
        /// It.
        path: PathBuf,
        /// Who may.
        writers: String,
        /// How it is taken from them.
        cure: String,
    },
    /// Another daemon uses the state directory.
    #[error("another haetae runs on {}: stop it, or set another [daemon] state", .0.display())]
    Taken(PathBuf),
    /// An address can't be bound.
    #[error("cannot listen on {address}: {source}; choose another one in [http] listen")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The admin socket can't be bound.
    #[error("cannot open the admin socket {}: {source}", .path.display())]
    Socket {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password of the store can't be had.
    #[error("the password of the store: {0}")]
    Password(String),
    /// A queue can't be opened.
    #[error("the queue of {instance}: {cause}")]
    Queue {
        /// The source.
        instance: String,
        /// Why.
        cause: String,
    },
    /// A plugin can't be loaded.
    #[error("{0}")]
    Plugin(String),
    /// It was told to stop before it had started.
    #[error("it was told to stop while it waited for its store")]
    Stopped,
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}
