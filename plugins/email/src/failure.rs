//! What a server refused, and what else can go wrong with it.

use std::{error::Error as _, io};

use haetae_plugin::Verdict;
use lettre::transport::smtp::Error;

/// Why a step of the conversation with the server failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server said no; the conversation can go on.
    Refused {
        /// Its code.
        code: u16,
        /// Code and text.
        reply: String,
    },
    /// The server said that it takes nothing and closes the connection: 421, whatever was asked.
    Closing(String),
    /// The connection is of no use any more.
    Lost(String),
    /// The options are wrong.
    Config(String),
    /// The call has no time left.
    Late,
}

/// How much of a reply is told.
const REPLY: usize = 300;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // What a system says of a time that is up is about a call, not about a server.
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Self::Lost("no answer in time".into())
            }
            _ => Self::Lost(error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(code) = error.status() {
            let code: u16 = code.into();
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let reply = line(&format!("{code} {text}"));
            return match code {
                421 => Self::Closing(reply),
                code => Self::Refused { code, reply },
            };
        }
        match certificate(&error) {
            Some(why) => Self::Config(format!("the server's certificate: {}", line(&why))),
            None => Self::Lost(line(&error.to_string())),
        }
    }
}

impl Failure {
    /// What it means for what was to be sent.
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Refused { code: 530 | 534 | 535 | 538, reply } => {
                Verdict::Config { reason: format!("the server wants credentials or TLS: {reply}") }
            }
            Self::Refused { code: 500.., reply } => Verdict::Rejected { reason: reply },
            Self::Refused { reply, .. } => retry(reply),
            Self::Closing(reason) | Self::Lost(reason) => retry(reason),
            Self::Config(reason) => Verdict::Config { reason },
            Self::Late => retry("the delivery's deadline came before its turn"),
        }
    }

    /// The same, said of something.
    pub(crate) fn about(self, what: &str) -> Self {
        match self {
            Self::Refused { code, reply } => {
                Self::Refused { code, reply: format!("{what}: {reply}") }
            }
            Self::Closing(reply) => Self::Closing(format!("{what}: {reply}")),
            Self::Lost(reason) => Self::Lost(format!("{what}: {reason}")),
            Self::Config(reason) => Self::Config(format!("{what}: {reason}")),
            Self::Late => Self::Late,
        }
    }
}

/// To be tried again; the peer did not say when.
pub(crate) fn retry(reason: impl Into<String>) -> Verdict {
    Verdict::Retry { reason: reason.into(), after: None }
}

/// Why the server's certificate is not accepted, if that is it.
fn certificate(error: &Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(error) = cause {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inside.and_then(|inside| inside.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) =
            tls.or_else(|| error.downcast_ref::<rustls::Error>())
        {
            return Some(why.to_string());
        }
        cause = error.source();
    }
    None
}

/// Text of the peer's as one short line.
fn line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    line.join(" ").chars().take(REPLY).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_up_is_told_in_our_own_words() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            let failure = Failure::from(io::Error::from(kind));
            let Failure::Lost(reason) = failure else { panic!("{failure:?}") };
            assert_eq!(reason, "no answer in time");
        }
        let refused = Failure::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(matches!(refused, Failure::Lost(reason) if reason == "connection refused"));
    }
}
