//! The notation of rule tests: series as promtool has them, and what is expected when.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use haetae_plugin::options;

use crate::language::{Catalogue, Language};

/// More values than this of one series are a slip of the pen.
const MOST_VALUES: usize = 100_000;

/// A series of a test and what it says, one entry an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// Its name; `None`: that of the evaluator's metric.
    pub metric: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub words: Vec<SeriesWord>,
}

/// What a series says at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeriesWord {
    /// A value.
    Value(f64),
    /// Nothing: `_`.
    Nothing,
    /// That it ends: `stale`.
    End,
}

/// Where an alarm is expected to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It ends at that time.
    Ok,
    /// It is pending at that time.
    Pending,
    /// Its severity becomes warning at that time.
    Warning,
    /// Its severity becomes critical at that time.
    Critical,
    /// It fires and is clear, not yet long enough, at that time.
    Recovering,
}

/// `critical@2m{ip="a"}`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) struct Expected {
    pub(in crate::config) stand: Stand,
    pub(in crate::config) at: Duration,
    pub(in crate::config) labels: BTreeMap<String, String>,
}

/// What can't be read, and where in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct NotationError {
    pub(in crate::config) span: Range<usize>,
    /// The id of a word in the catalogue of texts.
    pub(in crate::config) cause: &'static str,
    /// What was probably meant.
    pub(in crate::config) meant: Option<&'static str>,
}

impl Stand {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Ok, Self::Pending, Self::Warning, Self::Critical, Self::Recovering];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Recovering => "recovering",
        }
    }

    /// Whether it is a change that is told; else it is what holds in between.
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Ok | Self::Warning | Self::Critical)
    }
}

impl Spoken {
    /// Reads it outside of a configuration; the answer to what can't be read says why.
    pub fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| {
            let cause = Language::En.texts(Catalogue::Configuration).word(wrong.cause);
            format!("`{}`: {cause}", text.get(wrong.span).unwrap_or(text))
        })
    }

    /// Reads `cpu{ip="a"} 95x12 85+1x4 _x3 stale`.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, NotationError> {
        let mut rest = Rest::of(text);
        rest.skip_spaces();
        let name = rest.take(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '-' | '/'));
        let labels = labels(&mut rest)?;
        if !rest.text().starts_with([' ', '\t', '\n']) && !rest.text().is_empty() {
            return Err(rest.wrong("series-head"));
        }
        if name.is_empty() && labels.is_none() {
            return Err(rest.wrong("series-head"));
        }
        let mut words = Vec::new();
        loop {
            rest.skip_spaces();
            let start = rest.at;
            let word = rest.take(|c| !c.is_whitespace());
            if word.is_empty() {
                break;
            }
            let span = start..rest.at;
            let (first, step, more) =
                values(word).ok_or_else(|| NotationError::at(&span, "series-value"))?;
            if words.len() + more >= MOST_VALUES {
                return Err(NotationError::at(&span, "series-many"));
            }
            words.extend(spread(first, step, more));
        }
        if words.is_empty() {
            return Err(rest.wrong("series-value"));
        }
        let metric = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { metric, labels: labels.unwrap_or_default(), words })
    }
}

impl Expected {
    /// Reads `critical@2m` or `critical@2m{ip="a"}`.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, NotationError> {
        let mut rest = Rest::of(text);
        rest.skip_spaces();
        let start = rest.at;
        let word = rest.take(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let Some(stand) = Stand::ALL.into_iter().find(|stand| stand.as_str() == word) else {
            let known = Stand::ALL.map(Stand::as_str);
            let meant = super::problem::nearest(word, known);
            let span = start..rest.at.max(start + 1).min(text.len());
            let meant = known.into_iter().find(|one| Some(*one) == meant);
            return Err(NotationError { span, cause: "expected-word", meant });
        };
        if rest.take(|c| c == '@') != "@" {
            return Err(rest.wrong("expected-time"));
        }
        let start = rest.at;
        let time = rest.take(|c| c != '{').trim_end();
        let at = time.parse::<options::Duration>();
        let at =
            at.map_err(|_| NotationError::at(&(start..start + time.len()), "expected-time"))?;
        let labels = labels(&mut rest)?.unwrap_or_default();
        rest.skip_spaces();
        if !rest.text().is_empty() {
            return Err(rest.wrong("expected-end"));
        }
        Ok(Self { stand, at: *at, labels })
    }
}

impl NotationError {
    fn at(span: &Range<usize>, cause: &'static str) -> Self {
        Self { span: span.clone(), cause, meant: None }
    }
}

/// What is still to be read.
struct Rest<'a> {
    whole: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    const fn of(whole: &'a str) -> Self {
        Self { whole, at: 0 }
    }

    fn text(&self) -> &'a str {
        self.whole.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let text = self.text();
        let end = text.find(|c| !fits(c)).unwrap_or(text.len());
        self.at += end;
        text.get(..end).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.take(char::is_whitespace);
    }

    /// The character that is wrong, or the end of the text.
    fn wrong(&self, cause: &'static str) -> NotationError {
        let end = self.text().chars().next().map_or(self.at, |c| self.at + c.len_utf8());
        NotationError::at(&(self.at..end), cause)
    }
}

/// Reads `{a="b", c='d'}` if there is a brace.
fn labels(rest: &mut Rest<'_>) -> Result<Option<BTreeMap<String, String>>, NotationError> {
    if !rest.text().starts_with('{') {
        return Ok(None);
    }
    rest.at += 1;
    let mut labels = BTreeMap::new();
    loop {
        rest.skip_spaces();
        if rest.text().starts_with('}') {
            rest.at += 1;
            return Ok(Some(labels));
        }
        let start = rest.at;
        let name =
            rest.take(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/'));
        rest.skip_spaces();
        if name.is_empty() || !rest.text().starts_with('=') {
            return Err(rest.wrong("series-label"));
        }
        rest.at += 1;
        rest.skip_spaces();
        let value = quoted(rest).ok_or_else(|| rest.wrong("series-label"))?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(NotationError::at(&(start..start + name.len()), "series-twice"));
        }
        rest.skip_spaces();
        match rest.text().chars().next() {
            Some(',') => rest.at += 1,
            Some('}') => {}
            _ => return Err(rest.wrong("series-label")),
        }
    }
}

fn quoted(rest: &mut Rest<'_>) -> Option<String> {
    let mut chars = rest.text().chars();
    let quote = chars.next().filter(|c| matches!(c, '"' | '\''))?;
    let mut value = String::new();
    loop {
        match chars.next()? {
            c if c == quote => break,
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                escaped @ ('"' | '\'' | '\\') => value.push(escaped),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    rest.at = rest.whole.len() - chars.as_str().len();
    Some(value)
}

/// The first word, what is added each time, and how many more there are: `a+bxn` is n + 1 values.
fn values(word: &str) -> Option<(SeriesWord, f64, usize)> {
    if word == "stale" {
        return Some((SeriesWord::End, 0.0, 0));
    }
    if let Some(rest) = word.strip_prefix('_') {
        let times = if rest.is_empty() { 1 } else { times(rest)? };
        // `_x3` is three gaps, not four.
        return Some((SeriesWord::Nothing, 0.0, times.checked_sub(1)?));
    }
    let (first, rest) = number(word)?;
    let first = SeriesWord::Value(first);
    if rest.is_empty() {
        return Some((first, 0.0, 0));
    }
    if rest.starts_with('x') {
        return Some((first, 0.0, times(rest)?));
    }
    let rest = rest.strip_prefix('+').or_else(|| rest.starts_with('-').then_some(rest))?;
    let (step, rest) = number(rest)?;
    Some((first, step, times(rest)?))
}

fn spread(first: SeriesWord, step: f64, more: usize) -> impl Iterator<Item = SeriesWord> {
    let mut next = first;
    (0..=more).map(move |_| {
        let word = next;
        // Added up, not multiplied: the last bit is promtool's.
        if let SeriesWord::Value(value) = &mut next {
            *value += step;
        }
        word
    })
}

fn times(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('x')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(MOST_VALUES))
}

/// Takes a number off the front.
fn number(text: &str) -> Option<(f64, &str)> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    for (word, value) in [("NaN", f64::NAN), ("Inf", f64::INFINITY)] {
        if let Some(rest) = rest.strip_prefix(word) {
            return Some((sign * value, rest));
        }
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(rest);
    let after = |end: usize| rest.get(end..).unwrap_or_default();
    if let Some(fraction) = after(end).strip_prefix('.') {
        end += 1 + digits(fraction);
    }
    if let Some(exponent) = after(end).strip_prefix(['e', 'E']) {
        let signed = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits(signed) > 0 {
            end += 1 + exponent.len() - signed.len() + digits(signed);
        }
    }
    let value: f64 = rest.get(..end)?.parse().ok()?;
    Some((sign * value, after(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spread_as_promtool_does() {
        let cases = [
            ("1 2", "1 2"),
            ("95x2", "95 95 95"),
            ("-2+4x3", "-2 2 6 10"),
            ("1-2x4", "1 -1 -3 -5 -7"),
            ("1 _x3 5", "1 _ _ _ 5"),
            ("_ stale 0x0", "_ e 0"),
            ("1e+1+1e0x2 .5", "10 11 12 0.5"),
            ("NaN -Inf", "NaN -inf"),
        ];
        for (text, expected) in cases {
            let spoken = Spoken::parse(&format!("m {text}")).unwrap();
            let shown = spoken.words.iter().map(|word| match word {
                SeriesWord::Value(value) => value.to_string(),
                SeriesWord::Nothing => "_".into(),
                SeriesWord::End => "e".into(),
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_series_has_a_name_or_labels_or_both() {
        let labels =
            |text: &str| Spoken::parse(text).unwrap().labels.into_iter().collect::<Vec<_>>();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(labels(r#"cpu{ip="a", id='b\'s',} 1"#), [pair("id", "b's"), pair("ip", "a")]);
        assert_eq!(labels("{} 1"), []);
        let bare = Spoken::parse(r#"  {ip="a"}  1"#).unwrap();
        assert_eq!((bare.metric, bare.words.len()), (None, 1));
        assert_eq!(Spoken::parse("a:b.c 1").unwrap().metric.as_deref(), Some("a:b.c"));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_word() {
        let series = [
            ("", "series-head", ""),
            ("95x3", "series-value", ""),
            ("cpu 95x", "series-value", "95x"),
            ("cpu 1 2..3", "series-value", "2..3"),
            ("cpu _x0", "series-value", "_x0"),
            ("cpu 1x999999999999999999999", "series-many", "1x999999999999999999999"),
            ("cpu{ip=a} 1", "series-label", "a"),
            ("cpu{ip=\"a\" 1", "series-label", "1"),
            ("cpu{a='1',a='2'} 1", "series-twice", "a"),
            ("cpu[5m] 1", "series-head", "["),
        ];
        for (text, cause, at) in series {
            let wrong = Spoken::parse(text).unwrap_err();
            assert_eq!((wrong.cause, text.get(wrong.span).unwrap()), (cause, at), "{text}");
        }
        let expected = [
            ("critcal@2m", "expected-word", "critcal"),
            ("critical", "expected-time", ""),
            ("critical@2 minits", "expected-time", "2 minits"),
            ("ok@2m{a=\"b\"} x", "expected-end", "x"),
        ];
        for (text, cause, at) in expected {
            let wrong = Expected::parse(text).unwrap_err();
            assert_eq!((wrong.cause, text.get(wrong.span).unwrap()), (cause, at), "{text}");
        }
        let read = Expected::parse("ok@1m30s {ip='a'}").unwrap();
        assert_eq!(
            (read.stand, read.at, read.labels.len()),
            (Stand::Ok, Duration::from_secs(90), 1)
        );
    }
}
