//! What can go wrong in a plugin, as the daemon is told.

use std::{fmt, time::Duration};

/// The result of a plugin's call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed, for a person, and what the daemon shall do about it.
///
/// Any `std::error::Error` becomes one with `?` and means [`Fault::Failed`]. It carries the chain
/// of causes as text, never a secret.
pub struct Error {
    fault: Fault,
    message: String,
    retry_after: Option<Duration>,
}

/// What an error means for the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It did not work now; it is tried again with back-off.
    Failed,
    /// The options or a credential are wrong: trying again won't help until a person acts.
    Config,
    /// The call ran into its deadline or was cancelled.
    Deadline,
    /// The plugin panicked; set by the boundary. The instance is dropped and opened anew.
    Panicked,
}

impl Error {
    /// A failure that may pass.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Fault::Failed, message)
    }

    /// Wrong options or credentials.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(Fault::Config, message)
    }

    /// A call that ran out of time.
    pub fn deadline(message: impl fmt::Display) -> Self {
        Self::new(Fault::Deadline, message)
    }

    pub(crate) fn new(fault: Fault, message: impl fmt::Display) -> Self {
        Self { fault, message: message.to_string(), retry_after: None }
    }

    /// Says what was being done: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Says the same in other words.
    #[must_use]
    pub fn map_message(mut self, map: impl FnOnce(String) -> String) -> Self {
        self.message = map(self.message);
        self
    }

    /// The peer asked to wait this long before the next try.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What it means for the daemon.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The text for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long the peer asked to wait.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self::failed(message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.fault, self.message)
    }
}
