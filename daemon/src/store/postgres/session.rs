//! A session: what goes over one connection to PostgreSQL, each answer awaited in time.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use tokio::time::timeout;
use tokio_postgres::{
    Client, NoTls, Statement,
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use crate::store::{
    StoreError,
    database::{Parameter, Parameters, Row},
    target::Target,
};

/// How long an answer is waited for.
pub(super) const ANSWER: Duration = Duration::from_secs(8);
/// How long a connection takes at the most.
const CONNECT: Duration = Duration::from_secs(6);
/// How long the server waits for a row that another session changes, and for a session of ours that
/// began something and says nothing more.
const LIMITS: &str = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s'";
/// A connection while it lasts.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statements: HashMap<&'static str, Statement>,
    pub(super) driver: Driver,
    /// The server's process and when it began: what it does can be ended from elsewhere.
    pub(super) backend: (i64, String),
}

/// What moves the bytes of a connection, whenever an answer is waited for; none: it has ended.
pub(super) struct Driver(pub(super) Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

/// A statement on its way.
pub(super) struct Queued {
    pub(super) sql: &'static str,
    pub(super) row: Vec<Owned>,
}

/// A parameter that waits.
#[derive(Debug)]
pub(super) enum Owned {
    Text(String),
    Integer(i64),
}

/// Why no answer came.
pub(super) enum SessionError {
    /// The server refused.
    Refused(tokio_postgres::Error),
    /// The connection is gone, or nothing came in time.
    Lost(String),
}

impl Session {
    /// Connects and says what holds for the session.
    pub(super) async fn connect(target: &Target) -> Result<Session, SessionError> {
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
            client.simple_query(LIMITS).await?;
            let own = "SELECT pid::bigint, backend_start::text FROM pg_stat_activity
            WHERE pid = pg_backend_pid()";
            let row = client.query_one(own, &[]).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        };
        let backend = in_time(ANSWER, &mut driver, hello).await?;
        Ok(Self { client, statements: HashMap::new(), driver, backend })
    }
}

impl Driver {
    fn new(moving: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(Box::pin(moving)))
    }

    /// Moves what can be moved now, and waits for nothing.
    pub(super) async fn poll_once(&mut self) {
        std::future::poll_fn(|context| {
            self.poll(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Moves what can be moved.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(moving) = &mut self.0
            && moving.as_mut().poll(context).is_ready()
        {
            self.0 = None;
        }
    }
}

pub(super) async fn prepare(
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
pub(super) async fn send(
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
        .map(|(statement, row)| StatementAnswer::Awaited(Box::pin(client.query(statement, row))))
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
            StatementAnswer::Awaited(answer) => answer.await?,
            StatementAnswer::Here(answer) => answer?,
        };
        if index >= queued.len() {
            found.push(rows);
        }
    }
    Ok(found)
}

/// The answer to a statement that was sent.
enum StatementAnswer<F: Future> {
    Awaited(Pin<Box<F>>),
    Here(F::Output),
}

impl<F: Future> StatementAnswer<F> {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Self::Awaited(future) = self
            && let Poll::Ready(answer) = future.as_mut().poll(context)
        {
            *self = Self::Here(answer);
        }
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn in_time<T>(
    limit: Duration,
    driver: &mut Driver,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, SessionError> {
    let mut answer = std::pin::pin!(answer);
    let moved = std::future::poll_fn(|context| {
        driver.poll(context);
        answer.as_mut().poll(context)
    });
    match timeout(limit, moved).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if is_lost(&error) => Err(SessionError::Lost(words(&error))),
        Ok(Err(error)) => Err(SessionError::Refused(error)),
        Err(_) => Err(SessionError::Lost(format!("no answer within {limit:?}"))),
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
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    if let Some(refused) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", refused.message(), refused.code().code());
    }
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

pub(super) fn references<P: ToSql + Sync>(row: &[P]) -> Vec<&(dyn ToSql + Sync)> {
    row.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl From<&Parameter<'_>> for Owned {
    fn from(value: &Parameter<'_>) -> Self {
        match value {
            Parameter::Text(text) => Self::Text((*text).into()),
            Parameter::Integer(number) => Self::Integer(*number),
        }
    }
}

impl Owned {
    fn value(&self) -> Parameter<'_> {
        match self {
            Self::Text(text) => Parameter::Text(text),
            Self::Integer(number) => Parameter::Integer(*number),
        }
    }
}

/// What goes wrong with a value that is sent.
type Misfit = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Parameter<'_> {
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
        <Parameter<'_> as ToSql>::accepts(ty)
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
