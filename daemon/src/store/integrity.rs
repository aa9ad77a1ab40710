//! Integrity: whether a file of SQLite's is whole, as far as that is looked at before each start.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    StoreError, migrations,
    sqlite::{
        Sqlite,
        tables::{ALL, whole},
    },
    structure,
};

/// A larger file is looked through where what goes on is; history waits for `haetae db check`.
const SMALL: u64 = 64 << 20;
/// What is written to and read on the way of an alarm, and what people said.
const LIVE: [&str; 14] = [
    "sqlite_schema",
    "_sqlx_migrations",
    "alarms",
    "outbox",
    "notice_alarms",
    "groups",
    "group_alarms",
    "told",
    "writers",
    "marks",
    "handling",
    "silences",
    "thresholds",
    "log_cursors",
];

/// Whether a file is whole: that is found out while it is read already.
#[derive(Debug)]
pub(super) struct Integrity {
    passed: AtomicBool,
    check: Mutex<Check>,
}

/// How far the check of a file is.
#[derive(Debug)]
enum Check {
    Running(JoinHandle<Result<(), StoreError>>),
    Done(Result<(), StoreError>),
}

impl Integrity {
    /// Looks through a file, on a thread of its own.
    pub(super) fn of(path: &Path) -> Self {
        let file = path.to_owned();
        let running = spawn_blocking(move || check(&mut Sqlite::reader(&file)?, &file, SMALL));
        Self { passed: AtomicBool::new(false), check: Mutex::new(Check::Running(running)) }
    }

    /// Of a server that sees to it by itself.
    pub(super) fn of_others() -> Self {
        Self { passed: AtomicBool::new(true), check: Mutex::new(Check::Done(Ok(()))) }
    }

    /// Waits until it is known: nothing is written to a file before.
    pub(super) async fn is_whole(&self) -> Result<(), StoreError> {
        if self.passed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut check = self.check.lock().await;
        let found = match &mut *check {
            Check::Running(running) => running.await.unwrap_or_else(|error| {
                Err(StoreError::Failed { location: "its check".into(), cause: error.to_string() })
            }),
            Check::Done(found) => found.clone(),
        };
        self.passed.store(found.is_ok(), Ordering::SeqCst);
        *check = Check::Done(found.clone());
        found
    }
}

/// Makes a damaged file one that can be gone on with, whatever is lost: by making its indices
/// anew, or else by setting it aside. What was done, in words; none: it is whole, or there is none.
pub(super) async fn mend(path: &Path) -> Result<Option<String>, StoreError> {
    let file = path.to_owned();
    let mended = spawn_blocking(move || {
        if !std::fs::metadata(&file).is_ok_and(|file| file.len() > 0) {
            return Ok(None);
        }
        let cause =
            match Sqlite::reader(&file).and_then(|mut sqlite| check(&mut sqlite, &file, SMALL)) {
                Ok(()) => return Ok(None),
                Err(StoreError::Damaged { cause, .. }) => cause,
                Err(error) => return Err(error),
            };
        let again = |mut sqlite: Sqlite| {
            sqlite.batch("REINDEX")?;
            check(&mut sqlite, &file, SMALL)
        };
        if Sqlite::reader(&file).and_then(again).is_ok() {
            return Ok(Some(format!("its indices were made anew ({cause})")));
        }
        let aside = set_aside(&file).map_err(|error| StoreError::failed(file.display(), error))?;
        let aside = aside.display();
        Ok(Some(format!("it was damaged and is set aside as {aside}: a new one begins ({cause})")))
    });
    mended.await.unwrap_or_else(|error| Err(StoreError::failed(path.display(), error)))
}

/// Looks through a file; of one that is larger than `small`, through what goes on.
pub(super) fn check(sqlite: &mut Sqlite, path: &Path, small: u64) -> Result<(), StoreError> {
    // Another one has other tables.
    if migrations::is_current(sqlite)? {
        structure::is_ours(sqlite)?;
    }
    let length = std::fs::metadata(path).map(|file| file.len()).unwrap_or_default();
    if length <= small {
        return whole(sqlite, path, ALL);
    }
    for table in LIVE {
        whole(sqlite, path, &format!("PRAGMA integrity_check('{table}')"))?;
    }
    Ok(())
}

/// Renames a file and its log, for whoever may still read something in them.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let free = |number: &u32| !named(&format!("-damaged-{number}")).exists();
    let number = (1..1000).find(free).ok_or_else(|| io::Error::other("too many are set aside"))?;
    let aside = named(&format!("-damaged-{number}"));
    std::fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match std::fs::rename(named(end), named(&format!("-damaged-{number}{end}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
