//! Many rows by one statement: each statement is a way to the database's thread and back.

use sqlx::{
    Any, AssertSqlSafe,
    any::{AnyArguments, AnyRow},
    query,
    query::Query,
};

use super::{Store, StoreError, Transaction};

/// Rows that one statement takes, the most first. Few sizes, so that prepared ones are used again;
/// small ones, since for each parameter that is bound the names of all are looked through.
const SIZES: [usize; 3] = [16, 4, 1];

/// A statement with its parameters.
pub(super) type Bound<'q> = Query<'q, Any, AnyArguments>;

/// What one tuple of a statement is bound to.
pub(super) trait Row {
    /// Binds the parameters of one tuple, in order.
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q>;
}

impl Transaction<'_> {
    /// Executes a statement for all rows and answers with what it returns.
    ///
    /// Its one tuple `VALUES (…)` is written for several of them at once; parameters outside of
    /// it come first and are bound by `before`. Those of one call must not meet: PostgreSQL does
    /// not change a row twice in a statement.
    pub(super) async fn each<R: Row>(
        &mut self,
        statement: &str,
        before: &impl Row,
        rows: &[R],
    ) -> Result<Vec<AnyRow>, StoreError> {
        let mut returned = Vec::new();
        for some in portions(rows) {
            // Made of a statement of ours and numbers.
            let text = AssertSqlSafe(repeated(statement, some.len()));
            let bound = some.iter().fold(before.bind(query(text)), |query, row| row.bind(query));
            returned.extend(self.fetch(bound).await?);
        }
        Ok(returned)
    }
}

impl Store {
    /// The same of a statement that only reads, on a connection that does not write.
    pub(super) async fn read_each<R: Row>(
        &self,
        statement: &str,
        rows: &[R],
    ) -> Result<Vec<AnyRow>, StoreError> {
        let mut returned = Vec::new();
        for some in portions(rows) {
            let text = AssertSqlSafe(repeated(statement, some.len()));
            let bound = some.iter().fold(query(text), |query, row| row.bind(query));
            let rows = bound.fetch_all(&self.readers).await;
            returned.extend(rows.map_err(|error| self.failed(&error))?);
        }
        Ok(returned)
    }
}

/// The rows, as many together as a statement takes.
fn portions<R>(rows: &[R]) -> impl Iterator<Item = &[R]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (now, later) = rest.split_at(size);
        rest = later;
        Some(now)
    })
}

/// No parameters.
impl Row for () {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query
    }
}

impl Row for String {
    fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query.bind(self.as_str())
    }
}

/// A text of others as both databases take it: PostgreSQL has no NUL in a text, and what can't be
/// written would be tried for ever.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The statement with its tuple written `rows` times, each with parameters of its own.
fn repeated(statement: &str, rows: usize) -> String {
    const HEAD: &str = "VALUES (";
    let Some((before, rest)) = statement.split_once(HEAD) else { return statement.into() };
    let mut depth = 1_u32;
    let end = rest.find(|character| {
        depth = match character {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    let Some((tuple, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
        return statement.into();
    };
    let parts = parameters(tuple);
    let numbers = || parts.iter().filter_map(|(_, number)| *number);
    let own = numbers().max().zip(numbers().min()).map_or(0, |(most, least)| most - least + 1);
    let mut text = String::with_capacity(statement.len() + rows * (tuple.len() + 40));
    text.extend([before, "VALUES "]);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for (literal, number) in &parts {
            text.push_str(literal);
            if let Some(number) = number {
                text.push('$');
                text.push_str(&(number + row * own).to_string());
            }
        }
        text.push(')');
    }
    // What is left begins with the tuple's end.
    text.push_str(after.strip_prefix(')').unwrap_or(after));
    text
}

/// A text cut at its parameters: what stands before each, and its number.
fn parameters(text: &str) -> Vec<(&str, Option<usize>)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(after.len());
        let (number, behind) = after.split_at_checked(digits).unwrap_or((after, ""));
        parts.push((before, number.parse().ok()));
        rest = behind;
    }
    parts.push((rest, None));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_is_repeated_with_parameters_of_its_own() {
        let cases = [
            ("SELECT 1", 3, "SELECT 1"),
            ("INSERT VALUES ($1, $2)", 1, "INSERT VALUES ($1, $2)"),
            ("I VALUES ($1, $2, $2, '') R", 2, "I VALUES ($1, $2, $2, ''), ($3, $4, $4, '') R"),
            ("IN (VALUES ($1)) AND x", 3, "IN (VALUES ($1), ($2), ($3)) AND x"),
            ("VALUES (CAST($1 AS T))", 2, "VALUES (CAST($1 AS T)), (CAST($2 AS T))"),
            ("SET a = $1 VALUES ($2, $3)", 2, "SET a = $1 VALUES ($2, $3), ($4, $5)"),
        ];
        for (statement, rows, text) in cases {
            assert_eq!(repeated(statement, rows), text);
        }
    }
}
