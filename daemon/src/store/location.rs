//! Where the store is.

use std::{fmt, path::PathBuf};

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server {
        /// Its URL without a password.
        url: String,
        /// The password, if it takes one.
        password: Option<String>,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server { url, .. } => f.write_str(url),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_without_its_password() {
        let url = "postgres://haetae@host/haetae".to_owned();
        let server = Location::Server { url: url.clone(), password: Some("s3cr3t".into()) };
        assert_eq!((format!("{server}"), format!("{server:?}")), (url.clone(), url));
    }
}
