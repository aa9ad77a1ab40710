//! Which server, and how the connection to it is encrypted.

use haetae_plugin::{Error, Result};

use crate::options::Starttls;

/// A server as `server` and `starttls` name it.
#[derive(Debug, PartialEq)]
pub(crate) struct Server {
    /// Its name or address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How the connection is encrypted.
    pub(crate) encryption: Encryption,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Encryption {
    /// From the first byte.
    Implicit,
    /// By a command.
    Starttls(Starttls),
}

impl Server {
    /// The server that these options name.
    pub(crate) fn new(server: &str, starttls: Starttls) -> Result<Self> {
        let wrong = |why: &str| Error::config(format!("server = {server:?}: {why}"));
        let (scheme, rest) = server.split_once("://").unwrap_or_default();
        let (encryption, port) = match scheme {
            "smtp" => (Encryption::Starttls(starttls), 587),
            "smtps" if starttls == Starttls::Offered => (Encryption::Implicit, 465),
            "smtps" => {
                return Err(wrong("it is encrypted from the first byte: leave out starttls"));
            }
            _ => return Err(wrong("write smtp://host[:port] or smtps://host[:port]")),
        };
        if rest.contains('@') {
            return Err(wrong("credentials belong into username and password"));
        }
        // An IPv6 address has colons of its own and stands in brackets.
        let (host, behind) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, behind)) => (host, behind),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match behind.strip_prefix(':') {
            None if behind.is_empty() => port,
            Some(digits) => digits.parse().map_err(|_| wrong("the port is a number"))?,
            None => return Err(wrong("write smtp://host[:port] or smtps://host[:port]")),
        };
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        if host.is_empty() || !host.chars().all(is_name) {
            return Err(wrong("there is no host name in it"));
        }
        Ok(Self { host: host.into(), port, encryption })
    }

    /// As a person finds it.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
