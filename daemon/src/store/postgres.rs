//! PostgreSQL: a connection whose statements go out together, each answer awaited in time.

mod session;

use std::{thread, time::Duration};

use tokio::runtime::Runtime;
use tokio_postgres::{SimpleQueryMessage, error::SqlState};
use tracing::warn;

use self::session::{
    ANSWER, Owned, Queued, Session, SessionError, in_time, prepare, references, send, words,
};

use super::{
    StoreError,
    database::{Connection, Parameters, Read, parameters},
    migrations::Tables,
    statements,
    target::Target,
    worker::Closing,
};

/// How long a change of the tables may take: it goes through all that there is.
const CHANGE: Duration = Duration::from_hours(1);
/// Pauses between attempts to learn what became of a commit.
const PAUSE: Duration = Duration::from_millis(250);

/// A connection to a server, made again when it was lost.
pub(super) struct Postgres {
    target: Target,
    /// Of its own: a round trip wakes no other thread.
    runtime: Runtime,
    session: Option<Session>,
    /// What goes out with the next statement that is waited for.
    queued: Vec<Queued>,
    /// Who writes, and how many transactions of theirs are durable; none: it only reads.
    writer: Option<(String, i64)>,
    closing: Closing,
}

impl Postgres {
    /// A connection to a server; `owner` writes, or nobody.
    pub(super) fn new(
        target: Target,
        owner: Option<&str>,
        closing: Closing,
    ) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::failed(&target.name, error))?;
        let writer = owner.map(|owner| (owner.into(), 0));
        Ok(Self { target, runtime, session: None, queued: Vec::new(), writer, closing })
    }

    /// Goes on counting the transactions of this owner.
    pub(super) fn count_from(&mut self, commits: i64) {
        if let Some((_, counted)) = &mut self.writer {
            *counted = commits;
        }
    }

    fn failed(&self, cause: impl std::fmt::Display) -> StoreError {
        StoreError::failed(&self.target.name, self.target.secrets.redact(cause.to_string()))
    }

    fn connect(&mut self) -> Result<(), StoreError> {
        self.queued.clear();
        let connected = self.runtime.block_on(Session::connect(&self.target));
        match connected {
            Ok(session) => {
                self.session = Some(session);
                Ok(())
            }
            Err(failure) => Err(self.of(failure)),
        }
    }

    /// What a failure means; a connection that does not answer is not used again.
    fn of(&mut self, failure: SessionError) -> StoreError {
        match failure {
            SessionError::Refused(error) if error.code() == Some(&SqlState::DISK_FULL) => {
                StoreError::Full(self.target.secrets.redact(words(&error)).into_owned())
            }
            SessionError::Refused(error) => self.failed(words(&error)),
            SessionError::Lost(cause) => {
                self.session = None;
                self.queued.clear();
                self.failed(cause)
            }
        }
    }

    /// Executes texts that answer with nothing, or with what only PostgreSQL has.
    fn simple(&mut self, sql: &str, limit: Duration) -> Result<Vec<String>, StoreError> {
        self.ready()?;
        let Some(Session { client, driver, .. }) = &mut self.session else {
            return Err(StoreError::Closed);
        };
        let answer = self.runtime.block_on(in_time(limit, driver, client.simple_query(sql)));
        let messages = answer.map_err(|failure| self.of(failure))?;
        let mut texts = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                texts.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        Ok(texts)
    }

    /// Sends what is queued and then, for each row, a statement; the answers of the latter.
    fn flush(
        &mut self,
        sql: Option<&'static str>,
        rows: &[Parameters<'_>],
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, StoreError> {
        let queued = std::mem::take(&mut self.queued);
        let Some(Session { client, statements, driver, .. }) = &mut self.session else {
            return Err(StoreError::failed(&self.target.name, "the connection was lost"));
        };
        let sending = send(client, statements, &queued, sql, rows);
        let sent = self.runtime.block_on(in_time(ANSWER, driver, sending));
        sent.map_err(|failure| self.of(failure))
    }

    /// Whether the commit that nobody answered for happened.
    ///
    /// Whatever of it is still under way is ended first: the row that counts commits is locked
    /// until then. It is asked for until it is known, since nothing may be written before.
    fn look_up(&mut self, commits: i64, backend: &(i64, String)) -> Result<bool, StoreError> {
        warn!(store = self.target.name, "no answer to a commit: looking what became of it");
        loop {
            match self.ask(commits, backend) {
                Ok(happened) => {
                    warn!(store = self.target.name, happened, "what became of the commit is known");
                    return Ok(happened);
                }
                Err(error) if self.closing.has_begun() => return Err(error),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    fn ask(&mut self, commits: i64, (process, began): &(i64, String)) -> Result<bool, StoreError> {
        self.ready()?;
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE pid = {process} AND backend_start::text = '{began}'"
        );
        self.simple(&end, ANSWER)?;
        let (owner, _) = self.writer.as_ref().ok_or(StoreError::Closed)?;
        let row = format!(
            "SELECT commits FROM writers WHERE owner = '{}' FOR UPDATE",
            owner.replace('\'', "''")
        );
        let counted = self.simple(&row, ANSWER)?;
        let counted = counted.first().and_then(|text| text.parse::<i64>().ok());
        Ok(counted.is_some_and(|counted| counted >= commits))
    }
}

impl Connection for Postgres {
    fn ready(&mut self) -> Result<(), StoreError> {
        // What came meanwhile, the end of the connection for one, is read now.
        let Some(Session { driver, .. }) = &mut self.session else { return self.connect() };
        self.runtime.block_on(async {
            driver.poll_once().await;
            // The runtime hears of what the system knows.
            tokio::task::yield_now().await;
            driver.poll_once().await;
        });
        let gone = driver.0.is_none();
        if gone { self.connect() } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.queued.clear();
        self.queued.push(Queued { sql: "BEGIN", row: Vec::new() });
        Ok(())
    }

    fn queue(&mut self, sql: &'static str, rows: &[Parameters<'_>]) -> Result<(), StoreError> {
        for row in rows {
            let row = row.iter().map(Owned::from).collect();
            self.queued.push(Queued { sql, row });
        }
        // Very many are not kept until the end.
        if self.queued.len() > 2_000 { self.flush(None, &[]).map(drop) } else { Ok(()) }
    }

    fn execute(&mut self, sql: &'static str, row: Parameters<'_>) -> Result<u64, StoreError> {
        self.flush(None, &[])?;
        let Some(Session { client, statements, driver, .. }) = &mut self.session else {
            return Err(StoreError::Closed);
        };
        let done = self.runtime.block_on(in_time(ANSWER, driver, async {
            let statement = prepare(client, statements, sql).await?;
            client.execute(&statement, &references(&row)).await
        }));
        done.map_err(|failure| self.of(failure))
    }

    fn query(
        &mut self,
        sql: &'static str,
        rows: &[Parameters<'_>],
        read: &mut Read<'_>,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        for answer in self.flush(Some(sql), rows)? {
            for row in &answer {
                read(row)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.queued.len() == 1 && self.queued.first().is_some_and(|one| one.sql == "BEGIN") {
            // Nothing was done.
            self.queued.clear();
            return Ok(());
        }
        let next = self.writer.as_ref().map(|(owner, commits)| (owner.clone(), commits + 1));
        if let Some((owner, next)) = &next {
            self.queue(statements::COUNT_COMMIT, &[parameters![owner, *next]])?;
        }
        // Until here nothing can have become durable.
        self.flush(None, &[])?;
        let backend = self.session.as_ref().map(|session| session.backend.clone());
        let Some(Session { client, driver, .. }) = &mut self.session else {
            return Err(StoreError::Closed);
        };
        let commit = client.simple_query("COMMIT");
        let done = self.runtime.block_on(in_time(ANSWER, driver, commit));
        match (done, next, backend) {
            (Ok(_), next, _) => {
                if let (Some((_, next)), Some((_, commits))) = (next, &mut self.writer) {
                    *commits = next;
                }
                Ok(())
            }
            // Also where the server says something: it may say it while it ends.
            (Err(failure), Some((_, next)), Some(backend)) => {
                let error = self.of(failure);
                self.session = None;
                if !self.look_up(next, &backend)? {
                    return Err(error);
                }
                self.count_from(next);
                Ok(())
            }
            (Err(failure), ..) => Err(self.of(failure)),
        }
    }

    fn rollback(&mut self) {
        let sent = self.queued.first().is_none_or(|one| one.sql != "BEGIN");
        self.queued.clear();
        if sent && self.session.is_some() && self.simple("ROLLBACK", ANSWER).is_err() {
            self.session = None;
        }
    }
}

impl Tables for Postgres {
    const BYTES: (&'static str, fn(&str) -> String) = ("BYTEA", |digits| format!("'\\x{digits}'"));
    const KEYED_TABLES: bool = false;
    const NAMES: &str = "SELECT tablename::text FROM pg_catalog.pg_tables
        WHERE schemaname = ANY (current_schemas(false))";

    fn say(&mut self, sql: &str) -> Result<Vec<String>, StoreError> {
        self.simple(sql, CHANGE)
    }

    fn name(&self) -> String {
        self.target.name.clone()
    }

    fn damaged(&self, cause: String) -> StoreError {
        StoreError::failed(&self.target.name, format!("{cause}: put a backup in its place"))
    }

    /// The server sees to that by itself.
    fn is_whole(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
