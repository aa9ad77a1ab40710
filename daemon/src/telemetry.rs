//! The daemon's own log: lines on stderr.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::fmt;

/// Starts logging at `info`, one level more for each `verbose`; `quiet` leaves warnings.
pub fn start(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => Level::WARN,
        (false, 0) => Level::INFO,
        (false, 1) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    let subscriber = fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .finish();
    // A second start, in a test, keeps the first.
    drop(tracing::subscriber::set_global_default(subscriber));
}
