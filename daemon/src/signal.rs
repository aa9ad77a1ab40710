//! Signals: the first asks the daemon to stop, the second makes it leave at once.

use std::{io, thread};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM or SIGINT; a second one ends the process.
pub fn watch(stop: CancellationToken) -> io::Result<()> {
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // Registered first, so that it acts on the second signal only: the first one arms it.
        flag::register_conditional_shutdown(signal, 130, std::sync::Arc::clone(&armed))?;
        flag::register(signal, std::sync::Arc::clone(&armed))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    // Lives as long as the process: it sleeps in the kernel until a signal comes.
    thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            stop.cancel();
        }
    })?;
    Ok(())
}
