//! Plugins: finding, trusting, loading, lending to and supervising them.

pub mod catalog;
pub mod event;
mod http;
pub mod image;
mod incoming;
pub mod instance;
pub mod lend;
pub mod library;
pub mod order;
pub mod probe;
pub mod reader;
pub mod refusal;
pub mod replaced;
pub mod sink;
mod sockets;
pub mod source;
pub mod status;
pub mod supervisor;
pub mod trust;
pub mod writers;

/// Installs the TLS library for every HTTP client of this process.
pub fn install_tls() {
    http::install_tls();
}
