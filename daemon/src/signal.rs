//! Signals: the first asks the daemon to stop, the second makes it leave at once.
//!
//! SIGHUP asks it to stop too, so that systemd starts it again with the configuration as it is then.

use std::{io, thread};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM, SIGINT or SIGHUP; a second one ends the process.
pub fn watch(stop: CancellationToken) -> io::Result<()> {
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        // Registered first, so that it acts on the second signal only: the first one arms it.
        flag::register_conditional_shutdown(signal, 130, std::sync::Arc::clone(&armed))?;
        flag::register(signal, std::sync::Arc::clone(&armed))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    // Lives as long as the process: it sleeps in the kernel until a signal comes.
    thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            stop.cancel();
        }
    })?;
    Ok(())
}
