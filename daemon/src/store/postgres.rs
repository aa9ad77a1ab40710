//! PostgreSQL: a connection whose statements go out together, each answer awaited in time.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::BytesMut;
use tokio::{runtime::Runtime, time::timeout};
use tokio_postgres::{
    Client, NoTls, SimpleQueryMessage, Statement,
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};
use tracing::warn;

use super::{
    StoreError,
    database::{Connection, Parameters, Read, Row, Value, parameters},
    migrations::Tables,
    statements,
    target::Target,
    worker::Closing,
};

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(8);
/// How long a connection takes at the most, with what is said first.
const CONNECT: Duration = Duration::from_secs(6);
/// How long a change of the tables may take: it goes through all that there is.
const CHANGE: Duration = Duration::from_hours(1);
/// How long the server waits for a row that another session changes.
const LOCK: &str = "SET lock_timeout = '5s'";
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

/// A connection while it lasts.
struct Session {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    driver: Driver,
    /// The server's process and when it began: what it does can be ended from elsewhere.
    backend: (i64, String),
}

/// What moves the bytes of a connection, whenever an answer is waited for; none: it has ended.
struct Driver(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

/// A statement on its way.
struct Queued {
    sql: &'static str,
    row: Vec<Owned>,
}

/// A parameter that waits.
#[derive(Debug)]
enum Owned {
    Text(String),
    Integer(i64),
}

/// Why no answer came.
enum Failure {
    /// The server refused.
    Refused(tokio_postgres::Error),
    /// The connection is gone, or nothing came in time.
    Lost(String),
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
        StoreError::failed(&self.target.name, cause)
    }

    fn connect(&mut self) -> Result<(), StoreError> {
        self.queued.clear();
        let connected = self.runtime.block_on(session(&self.target));
        match connected {
            Ok(session) => {
                self.session = Some(session);
                Ok(())
            }
            Err(failure) => Err(self.of(failure)),
        }
    }

    /// What a failure means; a connection that does not answer is not used again.
    fn of(&mut self, failure: Failure) -> StoreError {
        match failure {
            Failure::Refused(error) if error.code() == Some(&SqlState::DISK_FULL) => {
                StoreError::Full(words(&error))
            }
            Failure::Refused(error) => self.failed(words(&error)),
            Failure::Lost(cause) => {
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
        let look = std::future::poll_fn(|context| {
            driver.poll(context);
            Poll::Ready(())
        });
        self.runtime.block_on(async {
            look.await;
            // What the system has told the runtime since.
            tokio::task::yield_now().await;
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
            (Err(Failure::Lost(cause)), Some((_, next)), Some(backend)) => {
                let lost = self.of(Failure::Lost(cause));
                if !self.look_up(next, &backend)? {
                    return Err(lost);
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

    fn say(&mut self, sql: &str) -> Result<Vec<String>, StoreError> {
        self.simple(sql, CHANGE)
    }

    fn name(&self) -> String {
        self.target.name.clone()
    }
}

/// Connects and says what holds for the session.
async fn session(target: &Target) -> Result<Session, Failure> {
    let connected = async {
        Ok(match &target.tls {
            None => {
                let (client, connection) = target.config.connect(NoTls).await?;
                (client, Driver::new(async { drop(connection.await) }))
            }
            Some(tls) => {
                let (client, connection) = target.config.connect(tls.clone()).await?;
                (client, Driver::new(async { drop(connection.await) }))
            }
        })
    };
    let (client, mut driver) = in_time(CONNECT, &mut Driver(None), connected).await?;
    let hello = async {
        client.simple_query(LOCK).await?;
        let own = "SELECT pid::bigint, backend_start::text FROM pg_stat_activity
            WHERE pid = pg_backend_pid()";
        let row = client.query_one(own, &[]).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    };
    let backend = in_time(ANSWER, &mut driver, hello).await?;
    Ok(Session { client, statements: HashMap::new(), driver, backend })
}

impl Driver {
    fn new(moving: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(Box::pin(moving)))
    }

    /// Moves what can be moved.
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(moving) = &mut self.0
            && moving.as_mut().poll(context).is_ready()
        {
            self.0 = None;
        }
    }
}

async fn prepare(
    client: &Client,
    statements: &mut HashMap<&'static str, Statement>,
    sql: &'static str,
) -> Result<Statement, tokio_postgres::Error> {
    if let Some(statement) = statements.get(sql) {
        return Ok(statement.clone());
    }
    let statement = client.prepare(sql).await?;
    statements.insert(sql, statement.clone());
    Ok(statement)
}

/// Sends statements one after the other without waiting for the answers between them; those of
/// the rows of `sql` are returned.
async fn send(
    client: &Client,
    statements: &mut HashMap<&'static str, Statement>,
    queued: &[Queued],
    sql: Option<&'static str>,
    rows: &[Parameters<'_>],
) -> Result<Vec<Vec<tokio_postgres::Row>>, tokio_postgres::Error> {
    let mut sent = Vec::with_capacity(queued.len() + rows.len());
    for Queued { sql, row } in queued {
        sent.push((prepare(client, statements, sql).await?, references(row)));
    }
    if let Some(sql) = sql {
        let statement = prepare(client, statements, sql).await?;
        sent.extend(rows.iter().map(|row| (statement.clone(), references(row))));
    }
    let mut answers: Vec<_> = sent
        .iter()
        .map(|(statement, row)| Answer::Awaited(Box::pin(client.query(statement, row))))
        .collect();
    // Polled once, each is on its way; in this order.
    std::future::poll_fn(|context| {
        for answer in &mut answers {
            answer.poll(context);
        }
        Poll::Ready(())
    })
    .await;
    let mut found = Vec::with_capacity(rows.len());
    for (index, answer) in answers.into_iter().enumerate() {
        let rows = match answer {
            Answer::Awaited(answer) => answer.await?,
            Answer::Here(answer) => answer?,
        };
        if index >= queued.len() {
            found.push(rows);
        }
    }
    Ok(found)
}

/// The answer to a statement that was sent.
enum Answer<F: Future> {
    Awaited(Pin<Box<F>>),
    Here(F::Output),
}

impl<F: Future> Answer<F> {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Self::Awaited(future) = self
            && let Poll::Ready(answer) = future.as_mut().poll(context)
        {
            *self = Self::Here(answer);
        }
    }
}

/// Waits for an answer, but not for ever.
async fn in_time<T>(
    limit: Duration,
    driver: &mut Driver,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    let mut answer = std::pin::pin!(answer);
    let moved = std::future::poll_fn(|context| {
        driver.poll(context);
        answer.as_mut().poll(context)
    });
    match timeout(limit, moved).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if is_lost(&error) => Err(Failure::Lost(words(&error))),
        Ok(Err(error)) => Err(Failure::Refused(error)),
        Err(_) => Err(Failure::Lost(format!("no answer within {limit:?}"))),
    }
}

/// Whether the connection is of no use any more: it broke, or the server ended the session.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none_or(|refused| {
        let ended = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ];
        ended.contains(refused.code()) || matches!(refused.severity(), "FATAL" | "PANIC")
    })
}

/// What the server says, or what became of the connection.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(refused) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", refused.message(), refused.code().code());
    }
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn references<P: ToSql + Sync>(row: &[P]) -> Vec<&(dyn ToSql + Sync)> {
    row.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl From<&Value<'_>> for Owned {
    fn from(value: &Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text((*text).into()),
            Value::Integer(number) => Self::Integer(*number),
        }
    }
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Integer(number) => Value::Integer(*number),
        }
    }
}

/// What goes wrong with a value that is sent.
type Misfit = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Misfit> {
        match self {
            Self::Text(text) => text.to_sql(ty, out),
            Self::Integer(number) => number.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::TEXT, Type::VARCHAR, Type::INT8].contains(ty)
    }

    to_sql_checked!();
}

impl ToSql for Owned {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Misfit> {
        self.value().to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <Value<'_> as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sql)
    }
}

impl Row for tokio_postgres::Row {
    fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.try_get(column).map_err(StoreError::unreadable)
    }

    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        self.try_get(column).map_err(StoreError::unreadable)
    }
}
