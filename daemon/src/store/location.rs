//! Where the store is.

use std::{fmt, path::PathBuf};

use sqlx::{AnyPool, Row, any::AnyConnectOptions};

use super::StoreError;

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

/// Durable at each commit: with `synchronous=NORMAL` a power failure loses what was promised.
const PRAGMAS: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA wal_autocheckpoint = 4000",
    // After a storm the journal does not stay as large as it was.
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -16000",
    // What one statement may have to take back: else a file for each that changes much.
    "PRAGMA temp_store = MEMORY",
];

impl Location {
    pub(super) fn pragmas(&self) -> &'static [&'static str] {
        match self {
            Self::File(_) => PRAGMAS,
            Self::Server { .. } => &[],
        }
    }

    pub(super) fn options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        let malformed = |error: url::ParseError| sqlx::Error::Configuration(error.into());
        let url = match self {
            Self::File(path) => {
                let mut url = url::Url::from_file_path(path)
                    .map_err(|()| sqlx::Error::Configuration("the path is not absolute".into()))?;
                url.set_query(Some("mode=rwc"));
                let text = url.as_str().replacen("file://", "sqlite://", 1);
                url::Url::parse(&text).map_err(malformed)?
            }
            Self::Server { url, password } => {
                let mut url = url::Url::parse(url).map_err(malformed)?;
                if let Some(password) = password {
                    url.set_password(Some(password))
                        .map_err(|()| sqlx::Error::Configuration("the URL names no host".into()))?;
                }
                url
            }
        };
        url.as_str().parse()
    }

    /// Looks the file over before anything is read from it.
    pub(super) async fn check(&self, writer: &AnyPool) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        let answer = sqlx::query("PRAGMA quick_check(1)").fetch_one(writer).await;
        let answer = answer.and_then(|row| row.try_get::<String, _>(0));
        match answer.map_err(|error| StoreError::of(self, &error))?.as_str() {
            "ok" => Ok(()),
            cause => Err(StoreError::Damaged { path: path.clone(), cause: cause.into() }),
        }
    }
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
