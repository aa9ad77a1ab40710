//! What the store needs of a database: one small trait, which SQLite and PostgreSQL implement.

use haetae_plugin::Timestamp;
use smallvec::SmallVec;
use tracing::warn;

use super::StoreError;

/// A connection to a database, used by one thread.
///
/// Statements are the store's own texts with `$1` parameters; each connection prepares a text once.
pub(super) trait Connection: Send {
    /// Looks whether the database is there; connects if it is not connected.
    fn ready(&mut self) -> Result<(), StoreError>;

    /// Starts a transaction.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Executes a statement once for each row of parameters. Nobody waits for its answer: an error
    /// may show at a later call, at the commit at the latest.
    fn queue(&mut self, sql: &'static str, rows: &[Parameters<'_>]) -> Result<(), StoreError>;

    /// Executes a statement; the answer is how many rows it changed.
    fn execute(&mut self, sql: &'static str, row: Parameters<'_>) -> Result<u64, StoreError>;

    /// Executes a statement once for each row of parameters and reads all rows that it answers with.
    fn query(
        &mut self,
        sql: &'static str,
        rows: &[Parameters<'_>],
        read: &mut Read<'_>,
    ) -> Result<(), StoreError>;

    /// Makes the transaction durable. An error means that nothing of it is.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Ends the transaction as if it had not been.
    fn rollback(&mut self);
}

/// Takes the rows of an answer, one after the other.
pub(super) type Read<'a> = dyn FnMut(&dyn Row) -> Result<(), StoreError> + 'a;

/// A row of an answer.
pub(super) trait Row {
    /// The text in a column.
    fn text(&self, column: usize) -> Result<&str, StoreError>;

    /// The integer in a column.
    fn integer(&self, column: usize) -> Result<i64, StoreError>;
}

/// The parameters of a statement, in order.
pub(super) type Parameters<'a> = SmallVec<[Parameter<'a>; 8]>;

/// A parameter. Texts and integers are all that the store has; nothing is NULL.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parameter<'a> {
    /// TEXT.
    Text(&'a str),
    /// BIGINT: a number, 0 or 1, or milliseconds.
    Integer(i64),
}

/// The parameters of a statement: `parameters![id, now]`.
macro_rules! parameters {
    ($($value:expr),* $(,)?) => {{
        let row: $crate::store::database::Parameters<'_> =
            ::smallvec::smallvec![$($crate::store::database::Parameter::from($value)),*];
        row
    }};
}
pub(super) use parameters;

impl<'a> From<&'a str> for Parameter<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Parameter<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Parameter<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Parameter<'_> {
    fn from(yes: bool) -> Self {
        Self::Integer(i64::from(yes))
    }
}

impl From<Timestamp> for Parameter<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Integer(time.millis())
    }
}

/// Reading a row in words of the store.
impl dyn Row + '_ {
    /// The text in a column, kept.
    pub(super) fn string(&self, column: usize) -> Result<String, StoreError> {
        self.text(column).map(Into::into)
    }

    /// The time in a column.
    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.integer(column).map(Timestamp::from_millis)
    }

    /// What the JSON in a column says.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: usize,
    ) -> Result<T, StoreError> {
        serde_json::from_str(self.text(column)?).map_err(StoreError::unreadable)
    }
}

/// Reading whole answers.
impl dyn Connection + '_ {
    /// All rows that a statement answers with, each as `read` makes it.
    pub(super) fn all<T>(
        &mut self,
        sql: &'static str,
        row: Parameters<'_>,
        mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.each(sql, &[row], &mut read)
    }

    /// The same of a statement that is executed once for each row of parameters. A row that can't
    /// be read is passed over, so that it costs itself alone.
    pub(super) fn each<T>(
        &mut self,
        sql: &'static str,
        rows: &[Parameters<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.query(sql, rows, &mut |row| {
            match read(row) {
                Ok(one) => found.push(one),
                Err(StoreError::Unreadable(why)) => {
                    warn!(why, statement = sql, "a row can't be read: it is passed over");
                }
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row, if there is one.
    pub(super) fn first<T>(
        &mut self,
        sql: &'static str,
        row: Parameters<'_>,
        read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(sql, row, read)?.into_iter().next())
    }
}

/// A text of others as both databases take it: PostgreSQL has no NUL in a text, and what can't be
/// written would be tried for ever.
pub(super) fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
