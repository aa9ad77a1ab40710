//! How long things may take within one call.

use std::time::Duration;

use haetae_plugin::Call;

/// The time of one call, shared out.
pub(crate) struct Budget {
    call: Call,
    timeout: Duration,
    margin: Duration,
    enough: Duration,
}

impl Budget {
    /// The time of this call, at most `timeout` a command.
    pub(crate) fn new(call: Call, timeout: Duration) -> Self {
        let whole = call.remaining();
        let margin = (whole / 10).min(Duration::from_secs(1));
        let enough = (whole / 5).min(Duration::from_secs(2));
        Self { call, timeout, margin, enough }
    }

    /// Whether a mail may be begun: one that is cut off may arrive twice.
    pub(crate) fn is_enough(&self) -> bool {
        self.left() >= self.enough
    }

    /// The time for each of `waits` waits for the server in a row.
    pub(crate) fn each_of(&self, waits: u32) -> Option<Duration> {
        let each = (self.left() / waits).min(self.timeout);
        (each >= Duration::from_millis(1)).then_some(each)
    }

    fn left(&self) -> Duration {
        self.call.remaining().saturating_sub(self.margin)
    }
}
