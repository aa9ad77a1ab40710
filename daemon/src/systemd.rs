//! systemd, where it asks to be told: that the daemon is ready, reloads, stops.

use sd_notify::NotifyState;
use tracing::debug;

/// The daemon is ready, and works so.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon waits for something before it is ready.
pub fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// The daemon reloads its configuration; it says when it is ready again.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
}

/// The daemon stops.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Without `NOTIFY_SOCKET` nothing is said; whoever does not listen costs nothing.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd was not told");
    }
}
