//! Many windows in one question: `GROUP BY time(…)`, where that surely means the same.
//!
//! A query with a window is asked for one window at a time. For a long range in the past its
//! statement is grouped by time instead, each bucket a window: that is the same only for plain
//! aggregates of one measurement without a subquery, so any other statement is left alone.

use std::time::Duration;

use haetae_plugin::Timestamp;

use crate::statement::Statement;

/// Aggregates whose value over a bucket is that over a range of the same bounds. `integral` is
/// none: it interpolates into the buckets beside it.
const AGGREGATES: [&str; 12] = [
    "COUNT",
    "FIRST",
    "LAST",
    "MAX",
    "MEAN",
    "MEDIAN",
    "MIN",
    "MODE",
    "PERCENTILE",
    "SPREAD",
    "STDDEV",
    "SUM",
];
/// Words behind which a statement is more than fields, a measurement, conditions and tags.
const OTHERS: [&str; 11] = [
    "FILL", "ORDER", "LIMIT", "OFFSET", "SLIMIT", "SOFFSET", "TZ", "INTO", "TIME", "NOW", "EXPLAIN",
];

/// A statement that can be grouped by time.
pub(crate) struct Grouped {
    statement: Statement,
    /// Where `time(…),` goes, if it is grouped already.
    by: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    /// A bare word, and where it ends.
    Word(&'a str, usize),
    /// What is quoted, a pattern or a number.
    Literal,
    Sign(char),
}

impl Grouped {
    /// What of a statement can be grouped; `None` if it can't be told that this changes nothing.
    pub(crate) fn new(statement: &Statement) -> Option<Self> {
        let tokens = tokens(statement.text())?;
        let at = |word: &str| tokens.iter().position(|token| token.is(word));
        let only = |word: &str| tokens.iter().filter(|token| token.is(word)).count() == 1;
        let (from, conditions) = (at("FROM")?, at("WHERE")?);
        let plain = only("SELECT") && only("FROM") && only("WHERE") && from < conditions;
        if !plain || tokens.iter().any(|token| OTHERS.iter().any(|word| token.is(word))) {
            return None;
        }
        if !are_aggregates(tokens.get(1..from)?)
            || tokens.get(from..conditions)?.contains(&Token::Sign('('))
        {
            return None;
        }
        let by = match at("GROUP") {
            None => None,
            Some(group) => {
                let dimensions = tokens.get(group + 1..)?;
                let (Some(Token::Word(by, end)), true) = (dimensions.first(), group > conditions)
                else {
                    return None;
                };
                if !by.eq_ignore_ascii_case("BY") || dimensions.contains(&Token::Sign('(')) {
                    return None;
                }
                Some(*end)
            }
        };
        Some(Self { statement: statement.clone(), by })
    }

    /// The statement by windows of this length, one of which begins at `start`.
    pub(crate) fn by(&self, window: Duration, start: Timestamp) -> Statement {
        let length = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX).max(1);
        let offset = start.nanos().rem_euclid(length);
        let bucket = format!("time({length}ns, {offset}ns)");
        // What has no point has no value: `count` would be zero there.
        let end = self.statement.text().len();
        let (at, inserted) = match self.by {
            Some(at) => (at, format!(" {bucket},")),
            None => (end, format!(" GROUP BY {bucket}")),
        };
        self.statement.with(at, &inserted, " fill(none)")
    }
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own, _) if own.eq_ignore_ascii_case(word))
    }
}

/// Whether fields are aggregates, and what is calculated of them.
fn are_aggregates(fields: &[Token<'_>]) -> bool {
    // Of each open parenthesis whether it is a call's.
    let mut open: Vec<bool> = Vec::new();
    let mut calls = 0;
    for (at, token) in fields.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| fields.get(at));
        let in_call = open.contains(&true);
        let opens = fields.get(at + 1) == Some(&Token::Sign('('));
        match token {
            Token::Word(word, _) if opens => {
                let known = AGGREGATES.iter().any(|one| one.eq_ignore_ascii_case(word));
                if in_call || !known {
                    return false;
                }
                calls += 1;
            }
            Token::Word(word, _) => {
                let alias =
                    word.eq_ignore_ascii_case("AS") || before.is_some_and(|before| before.is("AS"));
                if !in_call && !alias {
                    return false;
                }
            }
            Token::Literal | Token::Sign(_) if opens && in_call => return false,
            Token::Sign('(') => open.push(matches!(before, Some(Token::Word(..)))),
            Token::Sign(')') if open.pop().is_none() => return false,
            Token::Literal | Token::Sign(_) => {}
        }
    }
    calls > 0 && open.is_empty()
}

/// The tokens of a text; `None` if it has a comment, or what can't be told apart without the
/// server's own parser.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, sign)) = rest.next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let token = match sign {
            c if c.is_whitespace() => continue,
            '\'' | '"' => closed(&mut rest, sign)?,
            // After `=~` and `!~`, and as a tag's name, it opens a pattern.
            '/' if matches!(tokens.last(), Some(Token::Sign('~' | ',') | Token::Word(..))) => {
                closed(&mut rest, '/')?
            }
            '/' if matches!(tokens.last(), Some(Token::Sign('(')) | None) => return None,
            '/' | '-' if rest.peek().is_some_and(|(_, next)| "*-".contains(*next)) => return None,
            c if is_word(c) => {
                let mut end = start + c.len_utf8();
                while let Some((at, next)) =
                    rest.next_if(|(_, next)| is_word(*next) || *next == '.')
                {
                    end = at + next.len_utf8();
                }
                match c {
                    '0'..='9' => Token::Literal,
                    _ => Token::Word(text.get(start..end)?, end),
                }
            }
            c if c.is_ascii() => Token::Sign(c),
            _ => return None,
        };
        tokens.push(token);
    }
    Some(tokens)
}

/// A literal up to its end.
fn closed(rest: &mut impl Iterator<Item = (usize, char)>, end: char) -> Option<Token<'static>> {
    while let Some((_, next)) = rest.next() {
        if next == '\\' {
            rest.next()?;
        } else if next == end {
            return Some(Token::Literal);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(text: &str) -> Option<String> {
        let statement = Statement::new(text).unwrap();
        let (window, start) = (Duration::from_nanos(10), Timestamp::from_nanos(-7));
        Some(Grouped::new(&statement)?.by(window, start).text().to_owned())
    }

    #[test]
    fn plain_aggregates_are_grouped_by_time() {
        for (text, expected) in [
            (
                "SELECT mean(v) FROM m WHERE $window",
                "SELECT mean(v) FROM m WHERE $window GROUP BY time(10ns, 3ns) fill(none)",
            ),
            (
                "select mean(value) from m where name =~ /cpu.core\\/(/ and $window group by ip, \"a(b\"",
                "select mean(value) from m where name =~ /cpu.core\\/(/ and $window group by time(10ns, 3ns), ip, \"a(b\" fill(none)",
            ),
            (
                "SELECT 100 - (max(\"u\") / sum(\"w\")) * 2.5 AS x, percentile(v, 95) FROM \"rp\".m WHERE (a = 'time(' OR b = 'it\\'s') AND $window GROUP BY *",
                "SELECT 100 - (max(\"u\") / sum(\"w\")) * 2.5 AS x, percentile(v, 95) FROM \"rp\".m WHERE (a = 'time(' OR b = 'it\\'s') AND $window GROUP BY time(10ns, 3ns), * fill(none)",
            ),
        ] {
            assert_eq!(grouped(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn any_other_statement_is_left_alone() {
        for text in [
            "SELECT v FROM m WHERE $window",
            "SELECT mean(v), w FROM m WHERE $window",
            "SELECT integral(v) FROM m WHERE $window",
            "SELECT derivative(mean(v), 1s) FROM m WHERE $window GROUP BY time(1m)",
            "SELECT count(distinct(v)) FROM m WHERE $window",
            "SELECT mean(s) FROM (SELECT sum(v) AS s FROM m WHERE $window GROUP BY h) WHERE $window",
            "SELECT mean(v) FROM m WHERE $window GROUP BY time(1m)",
            "SELECT mean(v) FROM m WHERE $window GROUP BY h fill(0)",
            "SELECT mean(v) FROM m WHERE $window LIMIT 1",
            "SELECT mean(v) FROM m WHERE $window AND time < now() - 1m",
            "SELECT mean(v) FROM m WHERE $window TZ('Asia/Seoul')",
            "SELECT mean(v) /* GROUP BY */ FROM m WHERE $window",
            "SELECT mean(v) FROM m WHERE $window -- GROUP",
            "SELECT mean(/v/) FROM m WHERE $window",
            "SELECT mean(v) FROM m WHERE a = 'x AND $window",
            "SHOW SERIES CARDINALITY",
        ] {
            assert_eq!(grouped(text), None, "{text}");
        }
    }
}
