//! Reload: whom the notifier told so far.

use super::notifier::Notifier;

impl Notifier {
    /// The sinks that it tells.
    pub(in crate::engine) fn sinks(&self) -> impl Iterator<Item = &str> {
        self.arms.iter().map(|arm| arm.route.sink.as_str())
    }
}
