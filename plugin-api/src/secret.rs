//! Secrets: options hold the reference, never the value.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret in a plugin's options: a reference that the daemon resolves when asked.
///
/// In TOML `{ credential = "name" }` (systemd's `LoadCredential=`), `{ file = "/path" }` or
/// `{ env = "NAME" }`. The value is fetched by [`Context::secret`](crate::Context::secret).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(Reference);

/// Where the value of a secret lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Reference {
    /// A file of that name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file; a line end at its end is not part of the value.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
}

impl Secret {
    /// The reference.
    pub fn reference(&self) -> &Reference {
        &self.0
    }
}

impl From<Reference> for Secret {
    fn from(reference: Reference) -> Self {
        Self(reference)
    }
}

/// The value of a secret: wiped when dropped, and never shown.
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Takes the value over.
    pub fn new(value: Vec<u8>) -> Self {
        Self(value)
    }

    /// The value. Put it into the request and nowhere else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    pub fn expose_str(&self) -> crate::Result<&str> {
        std::str::from_utf8(&self.0)
            .map_err(|_| crate::Error::config("the secret is not UTF-8 text"))
    }
}

impl Drop for SecretValue {
    fn drop(&mut self) {
        self.0.fill(0);
        // The optimiser may not see that nobody reads the zeros.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
