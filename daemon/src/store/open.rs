//! Opening: the store's threads, its tables, and whether it is the store that it was.

use std::{
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use ulid::Ulid;

use super::{
    Location, Store, StoreError,
    database::{Connection, parameters},
    ids::Ids,
    integrity::{self, Integrity},
    mark::{self, Mark},
    migrations::{self, Tables},
    postgres::Postgres,
    sqlite::Sqlite,
    statements,
    target::Target,
    worker::{Closing, Workers},
};

/// Threads that read.
const READERS: usize = 2;

/// What is done about a store that holds less than its daemon knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// It is not opened.
    #[default]
    Refused,
    /// It is opened as it is.
    Accepted,
}

/// A store, and what it has lost, if that was accepted.
#[derive(Debug)]
pub struct OpenedStore {
    /// The store.
    pub store: Store,
    /// What is missing, in words.
    pub lost: Option<String>,
}

impl Store {
    /// Opens the store, makes it if there is none, and brings its tables up to date.
    ///
    /// `owner` is the same at each start of a daemon, and no other daemon's.
    pub async fn open(location: Location, owner: &str) -> Result<Self, StoreError> {
        let OpenedStore { store, .. } = Self::open_with(location, owner, Loss::Refused).await?;
        store.integrity.is_whole().await?;
        Ok(store)
    }

    /// The same, while a file is still being looked through: nothing is written to it before it is
    /// known to be whole. `if_lost` says what is done if it is not the store that it was.
    pub async fn open_with(
        location: Location,
        owner: &str,
        if_lost: Loss,
    ) -> Result<OpenedStore, StoreError> {
        let missing = match &location {
            Location::File(path) => mark::missing(path),
            Location::Server { .. } => None,
        };
        if let (Some(cause), Loss::Refused) = (&missing, if_lost) {
            return Err(StoreError::Lost { location: location.to_string(), cause: cause.clone() });
        }
        let mended = match &location {
            Location::File(path) if if_lost == Loss::Accepted => integrity::mend(path).await?,
            _ => None,
        };
        let missing = missing.or(mended);
        let (closing, name) = (Closing::default(), location.to_string());
        let started = |error: std::io::Error| StoreError::failed(&location, error);
        let lost = Arc::new(Mutex::new(missing));
        let opening = Opening {
            location: location.clone(),
            owner: owner.into(),
            if_lost,
            lost: Arc::clone(&lost),
            closing: closing.clone(),
        };
        let connect = Box::new(move || opening.writer());
        let writer = Workers::start("store-writer", &name, 1, connect).map_err(started)?;
        let (to, ends) = (location.clone(), closing.clone());
        let connect = Box::new(move || reader(&to, &ends));
        let readers = Workers::start("store-reader", &name, READERS, connect).map_err(started)?;
        let newest = writer.run(|connection| {
            let id = connection.first(statements::LAST_ID, parameters![], |row| row.string(0))?;
            Ok::<_, StoreError>(Ulid::from_str(&id.unwrap_or_default()).unwrap_or_default())
        });
        let newest = newest.await?;
        let integrity = Arc::new(match &location {
            Location::File(path) => Integrity::of(path),
            Location::Server { .. } => Integrity::of_others(),
        });
        let (ids, owner) = (Arc::new(Ids::after(newest)), owner.into());
        let (passed_over, pruned) = (Arc::default(), Arc::default());
        let store =
            Self { writer, readers, location, ids, owner, closing, integrity, passed_over, pruned };
        let lost = lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(OpenedStore { store, lost })
    }
}

/// What the thread that writes needs to open a store.
struct Opening {
    location: Location,
    owner: String,
    if_lost: Loss,
    /// What was found to be missing.
    lost: Arc<Mutex<Option<String>>>,
    closing: Closing,
}

impl Opening {
    fn writer(&self) -> Result<Box<dyn Connection>, StoreError> {
        match &self.location {
            Location::File(path) => {
                let mut sqlite = Sqlite::writer(path, &self.owner)?;
                migrations::run(&mut sqlite)?;
                let commits = commits(&mut sqlite, &self.owner)?;
                let mark = self.mark(path, commits.unwrap_or_default())?;
                add_writer(&mut sqlite, &self.owner, commits)?;
                sqlite.count_from(commits.unwrap_or_default(), mark);
                Ok(Box::new(sqlite))
            }
            Location::Server { url, password } => {
                let target = Target::parse(url, password.as_deref())?;
                let owner = Some(self.owner.as_str());
                let mut postgres = Postgres::new(target, owner, self.closing.clone())?;
                postgres.ready()?;
                migrations::run(&mut postgres)?;
                let commits = commits(&mut postgres, &self.owner)?;
                add_writer(&mut postgres, &self.owner, commits)?;
                postgres.count_from(commits.unwrap_or_default());
                Ok(Box::new(postgres))
            }
        }
    }

    /// The mark beside a file that has so many transactions, if that is as many as it had.
    fn mark(&self, path: &Path, commits: i64) -> Result<Mark, StoreError> {
        if let Some(cause) = mark::behind(path, &self.owner, commits) {
            if self.if_lost == Loss::Refused {
                return Err(StoreError::Lost { location: self.location.to_string(), cause });
            }
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.get_or_insert(cause);
        }
        let failed = |error| StoreError::failed(path.display(), error);
        let mark = Mark::open(path).map_err(failed)?;
        mark.set(&self.owner, commits).map_err(failed)?;
        Ok(mark)
    }
}

/// How many transactions of this owner are durable; none: it has not written yet.
fn commits<T: Connection + Tables>(
    connection: &mut T,
    owner: &str,
) -> Result<Option<i64>, StoreError> {
    let mut commits = None;
    let read = connection.query(statements::COMMITS, &[parameters![owner]], &mut |row| {
        commits = Some(row.integer(0)?);
        Ok(())
    });
    match read {
        Err(StoreError::Unreadable(why)) => {
            Err(connection.damaged(format!("its table writers can't be read: {why}")))
        }
        read => read.map(|()| commits),
    }
}

/// An owner that has not written yet has a row from now on.
fn add_writer(
    connection: &mut dyn Connection,
    owner: &str,
    commits: Option<i64>,
) -> Result<(), StoreError> {
    if commits.is_none() {
        connection.execute(statements::ADD_WRITER, parameters![owner])?;
    }
    Ok(())
}

fn reader(location: &Location, closing: &Closing) -> Result<Box<dyn Connection>, StoreError> {
    match location {
        Location::File(path) => Ok(Box::new(Sqlite::reader(path)?)),
        Location::Server { url, password } => {
            let target = Target::parse(url, password.as_deref())?;
            Ok(Box::new(Postgres::new(target, None, closing.clone())?))
        }
    }
}
