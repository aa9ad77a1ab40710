//! The options as they are written.

use std::{path::PathBuf, time::Duration as Std};

use haetae_plugin::{Secret, options::Duration};

/// The options of the kind `email`.
#[haetae_plugin::options]
pub(crate) struct Options {
    /// `smtp://host[:587]`, or `smtps://host[:465]` for TLS from the first byte.
    #[schemars(regex(pattern = r"^smtps?://[^\s/@?#]+$"))]
    pub(crate) server: String,
    /// Who it is from: `"Name <a@example.org>"` or `"a@example.org"`.
    pub(crate) from: String,
    /// Who gets it: addresses, as in `from`.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) to: Vec<String>,
    /// The account at the server.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// The account's password.
    #[serde(default)]
    pub(crate) password: Option<Secret>,
    /// Whether an `smtp://` connection becomes an encrypted one.
    #[serde(default)]
    pub(crate) starttls: Starttls,
    /// TLS.
    #[serde(default)]
    pub(crate) tls: Tls,
    /// How to introduce ourselves to the server; this machine's name.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:\[\]-]+$"))]
    pub(crate) hello: Option<String>,
    /// Time for one command; 10 s.
    #[serde(default = "ten_seconds")]
    pub(crate) timeout: Duration,
}

/// Whether an `smtp://` connection becomes an encrypted one.
#[haetae_plugin::options]
#[serde(rename_all = "lowercase")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Starttls {
    /// Where the server offers it; credentials are never sent without.
    #[default]
    Offered,
    /// Or nothing is sent.
    Required,
    /// Not even where it is offered; credentials go in clear text.
    Never,
}

/// TLS.
#[haetae_plugin::options]
#[derive(Default)]
pub(crate) struct Tls {
    /// PEM file of authorities to trust besides the system's.
    #[serde(default)]
    pub(crate) ca: Option<PathBuf>,
}

fn ten_seconds() -> Duration {
    Std::from_secs(10).into()
}
