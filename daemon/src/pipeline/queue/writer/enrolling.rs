//! Other consumers while those that stay go on.

use super::Writer;
use crate::pipeline::queue::{Freed, QueueLimits, dead, file};

impl Writer {
    /// Makes the consumers these; those that stay go on with what they were given.
    pub(super) fn enrol(
        &mut self,
        consumers: &[String],
        limits: QueueLimits,
    ) -> rusqlite::Result<Vec<Freed>> {
        // How far they are is counted by the file.
        self.write(Vec::new());
        let freed = file::enrol(&mut self.connection, consumers, self.state.last)?;
        self.state.enrol(consumers);
        self.state.dead = dead::weight(&self.connection)?;
        let state = &mut self.state;
        self.waiting.retain(|next| state.consumer(&next.consumer).is_some());
        self.limits = limits;
        self.max = limits.max_bytes.try_into().unwrap_or(i64::MAX);
        Ok(freed)
    }
}
