//! Reload: whom the notifier told so far, and what nobody judges any more.

use haetae_plugin::Timestamp;

use super::{live::AlarmId, notifier::Notifier};

impl Notifier {
    /// The sinks that it tells.
    pub(in crate::engine) fn sinks(&self) -> impl Iterator<Item = &str> {
        self.arms.iter().map(|arm| arm.route.sink.as_str())
    }

    /// Nobody judges this alarm any more, which came and went: what waits for it to settle does
    /// not.
    pub(in crate::engine) fn calm(&mut self, alarm: &str, now: Timestamp) {
        if let Some(id) = AlarmId::parse(alarm) {
            self.follow_flapping(id, false, now);
        }
    }
}
