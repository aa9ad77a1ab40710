//! Reload: whom the notifier told so far.

use super::notifier::Notifier;

impl Notifier {
    /// The sinks that it tells.
    pub(in crate::engine) fn sinks(&self) -> impl Iterator<Item = &str> {
        self.sinks.iter().map(|sink| sink.route.sink.as_str())
    }
}
