//! Matchers: Alertmanager's syntax for choosing by labels, everywhere.

use std::fmt;

use regex::Regex;

/// One condition on one label: `name="value"`, `!=`, `=~`, `!~`. A missing label reads as empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    operator: Operator,
    value: String,
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        let Self { label, operator, value, .. } = self;
        (label, operator, value) == (&other.label, &other.operator, &other.value)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Matches,
    MatchesNot,
}

/// Why a text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatcherError {
    /// It lacks a label name, an operator or a properly quoted value.
    Syntax,
    /// Its regular expression is wrong; the text says where.
    Regex(String),
}

impl Matcher {
    /// Reads `label="value"`; the quotes may be left out around a value without spaces.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let at = text.find(['=', '!']).ok_or(MatcherError::Syntax)?;
        let (label, rest) = text.split_at(at);
        let label = label.trim();
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/');
        if label.is_empty() || !label.chars().all(name) {
            return Err(MatcherError::Syntax);
        }
        let operators = [
            ("=~", Operator::Matches),
            ("!~", Operator::MatchesNot),
            ("!=", Operator::NotEqual),
            ("=", Operator::Equal),
        ];
        let found = operators
            .iter()
            .find_map(|(text, operator)| Some((*operator, rest.strip_prefix(text)?)));
        let (operator, rest) = found.ok_or(MatcherError::Syntax)?;
        let value = unquoted(rest.trim()).ok_or(MatcherError::Syntax)?;
        let regex = match operator {
            Operator::Matches | Operator::MatchesNot => {
                let anchored = Regex::new(&format!("^(?:{value})$"));
                // The plain text is compiled first so that its message shows no anchors.
                Regex::new(&value).map_err(|error| MatcherError::Regex(last_line(&error)))?;
                Some(anchored.map_err(|error| MatcherError::Regex(last_line(&error)))?)
            }
            Operator::Equal | Operator::NotEqual => None,
        };
        Ok(Self { label: label.into(), operator, value, regex })
    }

    /// Whether it asks for one value: `=`.
    pub fn is_equality(&self) -> bool {
        self.operator == Operator::Equal
    }

    /// The value or pattern that it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The label that it looks at.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the label's value, empty if it is missing, fits.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let value = value.unwrap_or_default();
        match (self.operator, &self.regex) {
            (Operator::NotEqual, _) => value != self.value,
            (Operator::MatchesNot, Some(regex)) => !regex.is_match(value),
            (Operator::Matches, Some(regex)) => regex.is_match(value),
            _ => value == self.value,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Matches => "=~",
            Operator::MatchesNot => "!~",
        };
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{}{operator}\"{value}\"", self.label)
    }
}

fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim().trim_start_matches("error: ").into()
}

fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        let bare = !text.contains(['"', '\'', '{', '}', ',', ' ']);
        return bare.then(|| text.into());
    };
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return chars.as_str().is_empty().then_some(value),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                // As in Go and Alertmanager's own reading of `\d`: kept for the regex.
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_reads_fits_and_shows() {
        let cases = [
            (r#"a="b""#, "b", true),
            (r#"a="b""#, "c", false),
            (r#"a!="b""#, "c", true),
            (r#"a=~"b|c""#, "c", true),
            (r#"a=~"b|c""#, "cc", false),
            (r#"a!~"\d+""#, "12", false),
            ("a=b", "b", true),
            (r#" a = "" "#, "", true),
        ];
        for (text, value, fits) in cases {
            let matcher = Matcher::parse(text).unwrap();
            assert_eq!(matcher.matches(Some(value)), fits, "{text} on {value}");
            let again = Matcher::parse(&matcher.to_string()).unwrap();
            assert_eq!(again.to_string(), matcher.to_string());
        }
        assert!(Matcher::parse(r#"a="""#).unwrap().matches(None));
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for text in ["", "a", "=b", r#"a="b"#, r#"a="b" c"#, "a=b c", "a b=c"] {
            assert_eq!(Matcher::parse(text).unwrap_err(), MatcherError::Syntax, "{text}");
        }
        let MatcherError::Regex(message) = Matcher::parse(r#"a=~"(b""#).unwrap_err() else {
            panic!("a syntax error")
        };
        assert_eq!(message, "unclosed group");
    }
}
