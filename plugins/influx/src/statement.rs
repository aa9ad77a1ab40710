//! InfluxQL that people wrote: what may be asked, and for which time.

use haetae_plugin::{Error, Result, Timestamp};

/// Stands for the range of time in InfluxQL.
const WINDOW: &str = "$window";

/// One statement that only reads.
#[derive(Clone, Debug)]
pub(crate) struct Statement(String);

/// A range of time, `from` included and `to` excluded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    /// Its start.
    pub(crate) from: Timestamp,
    /// Its end.
    pub(crate) to: Timestamp,
}

impl Statement {
    /// Takes `text` if it surely does nothing but read. A GET executes whatever it is given,
    /// `SELECT … INTO` and what follows a semicolon too, and what a text is to InfluxDB can't be
    /// told without its parser: so both are refused wherever they stand, in strings as well.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let text = text.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
        let first = words(text).next().unwrap_or_default();
        let reads = ["SELECT", "SHOW"].iter().find(|verb| verb.eq_ignore_ascii_case(first));
        if reads.is_none_or(|_| !text.starts_with(first)) {
            return Err(Error::config("influxql: it begins with SELECT or SHOW"));
        }
        if text.contains(';') {
            return Err(Error::config(
                "influxql: one statement; a semicolon in a text is written =~ /\\x3b/",
            ));
        }
        if words(text).any(|word| word.eq_ignore_ascii_case("INTO")) {
            return Err(Error::config(
                "influxql: INTO writes; the word in a text is written =~ /[i]nto/",
            ));
        }
        if reads == Some(&"SELECT") && !text.contains(WINDOW) {
            return Err(Error::config("influxql: name its range of time: `WHERE … AND $window`"));
        }
        Ok(Self(text.into()))
    }

    /// The text, `$window` in it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether it surely yields the points themselves, each with its own time: there is no call and
    /// no subquery before its conditions.
    pub(crate) fn is_raw(&self) -> bool {
        let mut words = self.0.match_indices(|c: char| c.is_ascii_alphabetic());
        let is_where = |(at, _): &(usize, &str)| {
            self.0.get(*at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case("WHERE"))
        };
        let head = words.find(is_where).and_then(|(at, _)| self.0.get(..at));
        head.is_some_and(|head| !head.contains('('))
    }

    /// This statement with something inserted at `at` and something added at its end; what both
    /// are is the caller's to know.
    pub(crate) fn with(&self, at: usize, inserted: &str, added: &str) -> Self {
        let (head, tail) = self.0.split_at_checked(at).unwrap_or((&self.0, ""));
        Self(format!("{head}{inserted}{tail}{added}"))
    }

    /// The text that is asked for `range`.
    pub(crate) fn over(&self, range: Range) -> String {
        let (from, to) = (range.from.nanos(), range.to.nanos());
        self.0.replace(WINDOW, &format!("(time >= {from} AND time < {to})"))
    }
}

/// Whatever may be a word to InfluxDB, to which `1INTO` is a number and a word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphabetic() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_statement_that_reads_is_taken() {
        for (text, expected) in [
            ("SELECT mean(v) FROM m WHERE $window", ""),
            ("\n select v from m where a = 'SHOW' AND $window ; \n", ""),
            ("SHOW SERIES CARDINALITY", ""),
            ("SELECT mean(u) FROM (SELECT v AS u FROM m WHERE $window)", ""),
            ("SELECT \"into_it\" FROM m WHERE $window", ""),
            ("SELECT v FROM m", "name its range of time"),
            ("CREATE DATABASE d", "begins with SELECT or SHOW"),
            ("", "begins with SELECT or SHOW"),
            (";SELECT v FROM m WHERE $window", "begins with SELECT or SHOW"),
            ("(SELECT v FROM m WHERE $window)", "begins with SELECT or SHOW"),
            ("-- x\nDROP DATABASE d", "begins with SELECT or SHOW"),
            ("SELECTED v FROM m WHERE $window", "begins with SELECT or SHOW"),
            ("EXPLAIN ANALYZE SELECT v FROM m WHERE $window", "begins with SELECT or SHOW"),
            ("SELECT v FROM m WHERE $window; DROP DATABASE d", "one statement"),
            ("SELECT v FROM m WHERE a =~ /it's;/ AND $window; DROP DATABASE d--'", "one statement"),
            ("SELECT v INTO n FROM m WHERE $window", "INTO writes"),
            ("SELECT 1INTO n FROM m WHERE $window", "INTO writes"),
            ("SELECT v/**/into/**/n FROM m WHERE $window", "INTO writes"),
            ("SELECT v\tiNtO\"n\" FROM m WHERE $window", "INTO writes"),
        ] {
            let said = Statement::new(text).err().map_or(String::new(), |error| error.to_string());
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{text}");
        }
    }

    #[test]
    fn points_themselves_are_what_no_call_and_no_subquery_yields() {
        for (text, raw) in [
            ("SELECT value FROM m WHERE $window GROUP BY a", true),
            ("select value * 2 from m where (a = 'b') and $window", true),
            ("SELECT mean(value) FROM m WHERE $window", false),
            ("SELECT v FROM (SELECT last(v) AS v FROM m WHERE $window)", false),
            ("SHOW SERIES CARDINALITY", false),
        ] {
            assert_eq!(Statement::new(text).unwrap().is_raw(), raw, "{text}");
        }
    }

    #[test]
    fn the_window_is_its_range() {
        let statement =
            Statement::new("SELECT v FROM (SELECT v FROM m WHERE $window) WHERE $window");
        let range = Range { from: Timestamp::from_nanos(-5), to: Timestamp::from_seconds(1) };
        let range_text = "(time >= -5 AND time < 1000000000)";
        let expected =
            format!("SELECT v FROM (SELECT v FROM m WHERE {range_text}) WHERE {range_text}");
        assert_eq!(statement.unwrap().over(range), expected);
    }
}
