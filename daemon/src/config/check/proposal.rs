//! Proposals: a configuration that differs from the files in some tables or numbers.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use crate::config::{
    read::{
        document::Document,
        files::{Files, UnreadableFile},
    },
    text::problem::nearest,
};

/// The tables that hold named ones.
const NAMED: [&str; 3] = ["sources", "evaluators", "sinks"];

/// A number is proposed for something that is not there.
#[derive(Debug, thiserror::Error)]
pub enum Misplaced {
    /// It has no `=`, or no key.
    #[error("`{0}` is no proposal: write NAME.KEY=VALUE, such as vm-cpu.critical.above=95")]
    Shape(String),
    /// There is nothing of that name.
    #[error("`{given}`: there is no evaluator of that name{meant}")]
    Unknown {
        /// What was given.
        given: String,
        /// What was probably meant.
        meant: String,
    },
    /// What stands there has no keys.
    #[error("`{0}`: a key in the middle has a value of its own")]
    NoTable(String),
}

impl Files {
    /// Takes a file over these: each of its tables replaces the one of its name.
    pub fn overlay(&mut self, path: &Path) -> Result<(), UnreadableFile> {
        let text = fs::read_to_string(path)
            .map_err(|source| UnreadableFile { path: path.into(), source })?;
        let (document, problems) = Document::parse(path.into(), text);
        for (part, value) in &document.table {
            for known in &mut self.documents {
                let names = value.as_object().filter(|_| NAMED.contains(&part.as_str()));
                match (names, known.table.get_mut(part).and_then(Value::as_object_mut)) {
                    (Some(names), Some(table)) => {
                        table.retain(|name, _| !names.contains_key(name));
                    }
                    _ => {
                        known.table.remove(part);
                    }
                }
            }
        }
        self.documents.push(document);
        self.problems.extend(problems);
        Ok(())
    }

    /// Sets one key: `NAME.KEY=VALUE` of an evaluator, or `sinks.NAME.KEY=VALUE`. The value is
    /// TOML; what is none is text.
    pub fn set(&mut self, proposal: &str) -> Result<(), Misplaced> {
        let shape = || Misplaced::Shape(proposal.into());
        let (path, value) = proposal.split_once('=').ok_or_else(shape)?;
        let (path, text) = (path.trim(), value.trim());
        let (part, rest) = match path.split_once('.').ok_or_else(shape)? {
            (part, rest) if NAMED.contains(&part) => (part, rest),
            _ => ("evaluators", path),
        };
        let toml = toml::from_str::<Map<String, Value>>(&format!("value = {text}"));
        let value = toml.ok().and_then(|mut table| table.remove("value"));
        let value = value.unwrap_or_else(|| Value::String(text.into()));
        for document in &mut self.documents {
            let Some(named) = document.table.get_mut(part).and_then(Value::as_object_mut) else {
                continue;
            };
            // Names may have dots: the longest that fits is meant.
            let fitting = named.keys().filter(|name| {
                rest.strip_prefix(name.as_str()).is_some_and(|keys| keys.starts_with('.'))
            });
            let Some(name) = fitting.max_by_key(|name| name.len()).cloned() else { continue };
            let keys = rest.get(name.len() + 1..).ok_or_else(shape)?;
            let table = named.get_mut(&name).and_then(Value::as_object_mut);
            let table = table.ok_or_else(|| Misplaced::NoTable(path.into()))?;
            return put(table, keys, value).ok_or_else(|| Misplaced::NoTable(path.into()));
        }
        let names = self.documents.iter().filter_map(|one| one.table.get(part)?.as_object());
        let names: Vec<&str> = names.flat_map(Map::keys).map(String::as_str).collect();
        let given = rest.split('.').next().unwrap_or_default();
        let meant = nearest(given, names)
            .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        Err(Misplaced::Unknown { given: given.into(), meant })
    }
}

/// Puts a value under `a.b.c`; `None` if one of these is no table.
fn put(table: &mut Map<String, Value>, keys: &str, value: Value) -> Option<()> {
    let Some((key, rest)) = keys.split_once('.') else {
        table.insert(keys.into(), value);
        return Some(());
    };
    let inner = table.entry(key).or_insert_with(|| Value::Object(Map::new()));
    put(inner.as_object_mut()?, rest, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[evaluators.cpu]\ncritical = { above = 90 }\n[evaluators.\"cpu.load\"]\nover = \"1m\"\n[sinks.mail]\nplugin = \"email\"\n";

    fn files() -> Files {
        Files::from_texts(vec![("a.toml".into(), TEXT.into())])
    }

    fn table(files: &Files, at: usize) -> String {
        Value::Object(files.documents[at].table.clone()).to_string()
    }

    #[test]
    fn one_key_is_set_where_it_stands_or_would_stand() {
        for (proposal, expected) in [
            ("cpu.critical.above=95", r#""cpu":{"critical":{"above":95}}"#),
            ("cpu.warning.above = 80.5", r#""warning":{"above":80.5}"#),
            ("cpu.critical.of=[3, 5]", r#""of":[3,5]"#),
            ("cpu.critical.for=5m", r#""for":"5m""#),
            ("cpu.load.over='2m'", r#""cpu.load":{"over":"2m"}"#),
            ("sinks.mail.repeat=1h", r#""repeat":"1h""#),
            ("evaluators.cpu.every=5s", r#""every":"5s""#),
        ] {
            let mut files = files();
            files.set(proposal).unwrap();
            assert!(table(&files, 0).contains(expected), "{proposal}: {}", table(&files, 0));
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (proposal, expected) in [
            ("cpu", "no proposal"),
            ("cpu=1", "no proposal"),
            ("cpv.over=1m", "did you mean `cpu`?"),
            ("cpu.critical.above.x=1", "a key in the middle"),
        ] {
            let error = files().set(proposal).unwrap_err().to_string();
            assert!(error.contains(expected), "{proposal}: {error}");
        }
    }

    #[test]
    fn a_file_replaces_the_tables_that_it_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("b.toml");
        fs::write(&path, "[evaluators.cpu]\nmetric = \"new\"\n[evaluators.more]\n").unwrap();
        let mut files = files();
        files.overlay(&path).unwrap();
        assert!(!table(&files, 0).contains(r#""cpu":"#) && table(&files, 0).contains("cpu.load"));
        assert!(table(&files, 1).contains("new") && table(&files, 1).contains("more"));
        assert!(files.overlay(&path.with_extension("none")).is_err());
    }
}
