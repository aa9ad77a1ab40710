//! A document: one file's TOML as plain values, and where in the text each of them stands.

use std::{collections::BTreeMap, fmt, ops::Range, path::PathBuf, sync::Arc};

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::text::problem::{Code, Place, Problem, Text};

/// More than this of one file's syntax errors are mostly echoes of the first.
const SYNTAX_ERRORS: usize = 5;

/// One file's tables.
pub(in crate::config) struct Document {
    pub(super) source: Arc<Text>,
    pub(in crate::config) table: Map<String, Value>,
    spans: BTreeMap<String, Spans>,
}

/// What stands in it may be secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("source", &self.source).finish_non_exhaustive()
    }
}

struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

impl Document {
    /// Reads a text; what can't be read is a problem, and the rest is kept.
    pub(in crate::config) fn parse(path: PathBuf, content: String) -> (Self, Vec<Problem>) {
        let source = Arc::new(Text { path, content });
        let (root, errors) = DeTable::parse_recoverable(&source.content);
        let mut spans = BTreeMap::new();
        let table = table(root.get_ref(), "", &source.content, &mut spans);
        let mut problems: Vec<Problem> = Vec::new();
        for error in errors {
            let end = source.content.len();
            let span = error.span().unwrap_or(end..end);
            let place = Place { source: Arc::clone(&source), span };
            let line = place.line_and_column().0;
            let known = problems.iter().any(|one| one.place().line_and_column().0 == line);
            if !known && problems.len() < SYNTAX_ERRORS {
                problems.push(Problem::new(Code::Syntax, place).with("cause", error.message()));
            }
        }
        (Self { source, table, spans }, problems)
    }

    /// The place of a key.
    pub(super) fn key(&self, pointer: &str) -> Place {
        self.place(pointer, |spans| spans.key.clone())
    }

    /// The place of a value; of a table with a header of its own, that of its name.
    pub(super) fn value(&self, pointer: &str) -> Place {
        self.place(pointer, |spans| spans.value.clone())
    }

    fn place(&self, pointer: &str, choose: impl Fn(&Spans) -> Range<usize>) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(spans) = self.spans.get(pointer) {
                return Place { source: Arc::clone(&self.source), span: choose(spans) };
            }
            // What isn't in the text is shown at what would hold it.
            let Some((parent, _)) = pointer.rsplit_once('/') else {
                return Place { source: Arc::clone(&self.source), span: 0..0 };
            };
            pointer = parent;
        }
    }
}

/// `pointer` (RFC 6901) and one key more.
pub(super) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn table(
    table: &DeTable<'_>,
    pointer: &str,
    text: &str,
    spans: &mut BTreeMap<String, Spans>,
) -> Map<String, Value> {
    let mut values = Map::new();
    for (key, entry) in table {
        let pointer = child(pointer, key.get_ref());
        let value = value(entry, &pointer, text, spans);
        let inline = text.get(entry.span()).is_some_and(|text| text.starts_with('{'));
        let whole = matches!(entry.get_ref(), DeValue::Table(_)) && !inline;
        let place = if whole { key.span() } else { entry.span() };
        spans.insert(pointer, Spans { key: key.span(), value: place });
        values.insert(key.get_ref().as_ref().into(), value);
    }
    values
}

fn value(
    entry: &Spanned<DeValue<'_>>,
    pointer: &str,
    text: &str,
    spans: &mut BTreeMap<String, Spans>,
) -> Value {
    match entry.get_ref() {
        DeValue::String(value) => Value::String(value.as_ref().into()),
        DeValue::Integer(value) => integer(value.as_str(), value.radix()),
        DeValue::Float(value) => float(value.as_str()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(value) => Value::String(value.to_string()),
        DeValue::Table(inner) => Value::Object(table(inner, pointer, text, spans)),
        DeValue::Array(elements) => {
            let mut values = Vec::new();
            for (index, element) in elements.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                values.push(value(element, &pointer, text, spans));
                spans.insert(pointer, Spans { key: element.span(), value: element.span() });
            }
            Value::Array(values)
        }
    }
}

fn integer(text: &str, radix: u32) -> Value {
    if let Ok(value) = i64::from_str_radix(text, radix) {
        return Value::Number(value.into());
    }
    match u64::from_str_radix(text, radix) {
        Ok(value) => Value::Number(value.into()),
        Err(_) => float(text),
    }
}

/// JSON knows no `nan` and no `inf`: as a text they fail the schema of every number.
fn float(text: &str) -> Value {
    let number = text.parse().ok().and_then(Number::from_f64);
    number.map_or_else(|| Value::String(text.into()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Document, Vec<Problem>) {
        Document::parse("f.toml".into(), text.into())
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let text = "[sources.a]\nx = { y = [1, \"z\"] }\nw.v = 2.5\n[[sources.a.q]]\nm = 1\n";
        let (document, problems) = read(text);
        assert!(problems.is_empty());
        let cases = [
            ("/sources/a", "a", "a"),
            ("/sources/a/x", "x", "{ y = [1, \"z\"] }"),
            ("/sources/a/x/y/1", "\"z\"", "\"z\""),
            ("/sources/a/w/v", "v", "2.5"),
            ("/sources/a/q/0/m", "m", "1"),
            ("/sources/a/none/at/all", "a", "a"),
        ];
        for (pointer, key, value) in cases {
            assert_eq!(document.key(pointer).text(), key, "{pointer}");
            assert_eq!(document.value(pointer).text(), value, "{pointer}");
        }
    }

    #[test]
    fn numbers_keep_their_value() {
        let cases = [
            ("0x1F", serde_json::json!(31)),
            ("1_000", serde_json::json!(1000)),
            ("18446744073709551615", serde_json::json!(u64::MAX)),
            ("1e3", serde_json::json!(1000.0)),
            ("nan", serde_json::json!("nan")),
            ("-inf", serde_json::json!("-inf")),
        ];
        for (text, value) in cases {
            let (document, problems) = read(&format!("k = {text}"));
            assert!(problems.is_empty(), "{text}");
            assert_eq!(document.table.get("k"), Some(&value), "{text}");
        }
    }

    #[test]
    fn several_syntax_errors_are_told_at_once() {
        let (_, problems) = read("a = = 1\nb = 2\nc = \"\n");
        let lines: Vec<_> = problems.iter().map(|one| one.place().line_and_column().0).collect();
        assert_eq!(lines, [1, 3]);
    }
}
