//! Where the store is.

use std::{fmt, fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::PathBuf};

use sqlx::{ConnectOptions, Connection, Row, any::AnyConnectOptions};
use tokio::time::timeout;

use super::{PATIENCE, StoreError};

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
    // What one statement may have to take back: else a file for each that changes much.
    "PRAGMA temp_store = MEMORY",
    // Each connection keeps pages of its own, in KiB; the system has the file in memory anyway.
    "PRAGMA cache_size = -128",
];

/// The connection that writes has more: what it changed and has no room for is written twice.
const WRITER_PRAGMAS: &[&str] = &["PRAGMA cache_size = -500"];

impl Location {
    /// What is said to each connection, and then to the one that writes.
    pub(super) fn pragmas(&self) -> [&'static [&'static str]; 2] {
        match self {
            Self::File(_) => [PRAGMAS, WRITER_PRAGMAS],
            Self::Server { .. } => [&[], &[]],
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

    /// Connects once, and looks a file over: a pool would go on trying, and not say why.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let failed = |error| StoreError::of(self, &error);
        let Self::File(path) = self else {
            let options = self.options().map_err(failed)?;
            let connected = timeout(PATIENCE, options.connect()).await;
            let connected = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            return connected.map_err(failed)?.close().await.map_err(failed);
        };
        // What alarms say is nobody else's business; SQLite makes its other files likewise.
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        made.map_err(|error| failed(sqlx::Error::Io(error)))?;
        let options = self.options().map_err(failed)?;
        let mut connection = options.connect().await.map_err(failed)?;
        let answer = sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
        let answer = answer.and_then(|row| row.try_get::<String, _>(0));
        connection.close().await.map_err(failed)?;
        match answer.map_err(failed)?.as_str() {
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
