//! How long things may take within one call.

use std::time::Duration;

use haetae_plugin::Call;
use tokio::{runtime::Runtime, time::timeout};

use crate::failure::Failure;

/// The time of one call, shared out.
///
/// A limit on each read would not do: a server that sends a byte now and then keeps within it for
/// ever. So each command as a whole, its reply included, has a limit.
pub(crate) struct Budget<'a> {
    runtime: &'a Runtime,
    call: Call,
    timeout: Duration,
    margin: Duration,
    enough: Duration,
}

impl<'a> Budget<'a> {
    /// The time of this call, at most `timeout` a command.
    pub(crate) fn new(runtime: &'a Runtime, call: Call, timeout: Duration) -> Self {
        let whole = call.remaining();
        let margin = (whole / 10).min(Duration::from_secs(1));
        let enough = (whole / 5).min(Duration::from_secs(2));
        Self { runtime, call, timeout, margin, enough }
    }

    /// Whether a mail may be begun: one that is cut off may arrive twice.
    pub(crate) fn is_enough(&self) -> bool {
        self.left() >= self.enough
    }

    /// The time for `commands` in a row.
    pub(crate) fn of(&self, commands: u32) -> Duration {
        self.timeout.saturating_mul(commands).min(self.left())
    }

    /// A part of what is left, for what may not take all of it.
    pub(crate) fn part(&self, share: u32) -> Duration {
        self.timeout.min(self.left() / share)
    }

    /// Waits for a step of the conversation, so long and no longer.
    pub(crate) fn wait<T, E>(
        &self,
        time: Duration,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        if time < Duration::from_millis(1) {
            return Err(Failure::Late);
        }
        match self.runtime.block_on(async { timeout(time, step).await }) {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => Err(Failure::Lost(format!("no whole answer within {time:.1?}"))),
        }
    }

    fn left(&self) -> Duration {
        self.call.remaining().saturating_sub(self.margin)
    }
}
