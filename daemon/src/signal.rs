//! Signals: the first asks the daemon to stop, the second makes it leave at once. SIGHUP asks for what
//! whoever watches says.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};
use tokio_util::sync::CancellationToken;

/// What SIGHUP does.
pub enum Hangup {
    /// The same as the others: the terminal is gone.
    Stop,
    /// It asks for this.
    Ask(Box<dyn Fn() + Send>),
}

/// Cancels `stop` at the first SIGTERM or SIGINT; a second one ends the process. A terminal that is closed
/// sends more than one SIGHUP, and that ends nothing at once.
pub fn watch(stop: CancellationToken, hangup: Hangup) -> io::Result<()> {
    let armed = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // Registered first, so that it acts on the second signal only: the first one arms it.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&armed))?;
        flag::register(signal, Arc::clone(&armed))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    // Lives as long as the process: it sleeps in the kernel until a signal comes.
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            match &hangup {
                Hangup::Ask(ask) if signal == SIGHUP => ask(),
                _ => stop.cancel(),
            }
        }
    })?;
    Ok(())
}
