//! Adoption: what an earlier run, or a clock that ran ahead, has left of the outbox.

use haetae_plugin::Timestamp;

use super::{StoreError, Transaction, database::parameters, statements};

impl Transaction<'_> {
    /// What an earlier run of this daemon held is free, and all that waits is due.
    pub fn release(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.queue(statements::RELEASE, &[parameters![now, self.owner()]])
    }

    /// A clock went back to `now`: nothing waits for a time that it had run ahead to.
    pub fn hasten(&mut self, sink: &str, now: Timestamp) -> Result<(), StoreError> {
        self.queue(statements::HASTEN, &[parameters![sink, now]])
    }
}
