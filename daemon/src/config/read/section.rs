//! A section: one table of a document that has a meaning of its own.

use std::fmt;

use serde_json::{Map, Value};

use super::document::{Document, child};
use crate::config::text::problem::{Code, Place, Problem, nearest};

/// One table: `[daemon]` or `[sources.NAME]`.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Section<'a> {
    pub(in crate::config) part: Part,
    /// The instance's name; empty where there is one table only.
    pub(in crate::config) name: &'a str,
    /// Which one it is where there is a list of tables.
    at: Option<usize>,
    pub(in crate::config) table: &'a Map<String, Value>,
    document: &'a Document,
}

/// The parts of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Part {
    Daemon,
    Http,
    Plugins,
    Retention,
    Sources,
    Evaluators,
    Sinks,
    Thresholds,
    Inhibit,
    Maintenance,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::Daemon,
        Self::Http,
        Self::Plugins,
        Self::Retention,
        Self::Sources,
        Self::Evaluators,
        Self::Sinks,
        Self::Thresholds,
        Self::Inhibit,
        Self::Maintenance,
    ];

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Http => "http",
            Self::Plugins => "plugins",
            Self::Retention => "retention",
            Self::Sources => "sources",
            Self::Evaluators => "evaluators",
            Self::Sinks => "sinks",
            Self::Thresholds => "thresholds",
            Self::Inhibit => "inhibit",
            Self::Maintenance => "maintenance",
        }
    }

    /// The word for one instance, in the catalogue of texts.
    pub(in crate::config) fn word(self) -> &'static str {
        match self {
            Self::Sources => "word-source",
            Self::Evaluators => "word-evaluator",
            Self::Sinks => "word-sink",
            _ => "word-table",
        }
    }

    fn has_names(self) -> bool {
        matches!(self, Self::Sources | Self::Evaluators | Self::Sinks)
    }

    /// Whether it is a list of tables: `[[thresholds]]`.
    pub(in crate::config) fn is_list(self) -> bool {
        matches!(self, Self::Thresholds | Self::Inhibit | Self::Maintenance)
    }
}

impl Section<'_> {
    /// Where the section stands in its document.
    pub(super) fn pointer(&self) -> String {
        let part = child("", self.part.key());
        if let Some(at) = self.at {
            return format!("{part}/{at}");
        }
        if self.name.is_empty() { part } else { child(&part, self.name) }
    }

    /// The place of the section's name.
    pub(in crate::config) fn head(&self) -> Place {
        self.document.key(&self.pointer())
    }

    /// The place of a key, `pointer` from the section on.
    pub(in crate::config) fn key(&self, pointer: &str) -> Place {
        self.document.key(&format!("{}{pointer}", self.pointer()))
    }

    /// The place of a value, `pointer` from the section on.
    pub(in crate::config) fn value(&self, pointer: &str) -> Place {
        self.document.value(&format!("{}{pointer}", self.pointer()))
    }

    /// Whether the text has a value there, right or wrong.
    pub(in crate::config) fn has(&self, pointer: &str) -> bool {
        let mut steps = pointer.split('/').skip(1);
        let first = steps.next().and_then(|key| self.table.get(key));
        first.is_some_and(|first| steps.try_fold(first, inner).is_some())
    }
}

/// A part of a value: of a list, by its number.
fn inner<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value.as_array() {
        Some(values) => values.get(key.parse::<usize>().ok()?),
        None => value.get(key),
    }
}

impl fmt::Display for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "" if self.at.is_some() => write!(f, "[[{}]]", self.part.key()),
            "" => write!(f, "[{}]", self.part.key()),
            name => write!(f, "[{}.{name}]", self.part.key()),
        }
    }
}

/// All sections of a document; what is none is a problem.
pub(in crate::config) fn sections<'a>(
    document: &'a Document,
    problems: &mut Vec<Problem>,
) -> Vec<Section<'a>> {
    let mut sections = Vec::new();
    for (key, value) in &document.table {
        let pointer = child("", key);
        let Some(part) = Part::ALL.into_iter().find(|part| part.key() == key) else {
            let known = Part::ALL.map(Part::key);
            let problem = Problem::new(Code::UnknownKey, document.key(&pointer)).with("key", key);
            problems
                .push(problem.with_words("section", vec!["word-top"]).meant(nearest(key, known)));
            continue;
        };
        if part.is_list() {
            sections.extend(listed(document, part, value, problems));
            continue;
        }
        let entries: Vec<(&'a str, &'a Value, String)> = match value {
            Value::Object(table) if part.has_names() => {
                let entry = |(name, value): (&'a String, &'a Value)| {
                    (name.as_str(), value, child(&pointer, name))
                };
                table.iter().map(entry).collect()
            }
            _ => vec![("", value, pointer)],
        };
        for (name, value, pointer) in entries {
            match value {
                Value::Object(table) if !part.has_names() || pointer.matches('/').count() > 1 => {
                    if part.has_names() && !is_name(name) {
                        let problem = Problem::new(Code::BadName, document.key(&pointer));
                        problems.push(problem.with("name", name));
                    }
                    // Without a name it can't be told from its part.
                    if !part.has_names() || !name.is_empty() {
                        sections.push(Section { part, name, at: None, table, document });
                    }
                }
                _ => problems.push(wrong(document, &pointer, key, "type-object")),
            }
        }
    }
    sections
}

/// The sections of a list of tables.
fn listed<'a>(
    document: &'a Document,
    part: Part,
    value: &'a Value,
    problems: &mut Vec<Problem>,
) -> Vec<Section<'a>> {
    let pointer = child("", part.key());
    let Value::Array(elements) = value else {
        let problem = wrong(document, &pointer, part.key(), "type-array");
        problems.push(problem.cured_by("tables"));
        return Vec::new();
    };
    let mut sections = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        if let Value::Object(table) = element {
            sections.push(Section { part, name: "", at: Some(at), table, document });
        } else {
            let pointer = format!("{pointer}/{at}");
            problems.push(wrong(document, &pointer, part.key(), "type-object"));
        }
    }
    sections
}

fn wrong(document: &Document, pointer: &str, key: &str, expected: &'static str) -> Problem {
    let place = document.value(pointer);
    let given = place.text().to_owned();
    Problem::new(Code::WrongType, place)
        .with("given", given)
        .with("key", key)
        .with_words("expected", vec![expected])
}

/// Names become labels, parts of URLs and names of directories.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().all(fits) && !name.starts_with('.') && (1..=64).contains(&name.chars().count())
}
