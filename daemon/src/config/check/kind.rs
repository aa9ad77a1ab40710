//! The kind that a section names: whether it can play the role, and what it says to its options.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::config::{
    Facts, Kinds, Unusable, file,
    read::{
        schema::{self, Schema},
        section::{Part, Section},
    },
    text::problem::{Code, Problem, nearest},
};

/// What became of `plugin = "…"` and of the plugin's own keys.
pub(super) struct Offer {
    /// What is known of the kind; `None`: it can't be used.
    pub(super) facts: Option<Facts>,
    /// The plugin's own keys.
    pub(super) options: Value,
    pub(super) problems: Vec<Problem>,
}

/// Looks the kind up and has it judge `options`.
pub(super) fn offer(
    section: &Section<'_>,
    plugin: &str,
    options: Map<String, Value>,
    kinds: &dyn Kinds,
) -> Offer {
    let facts = match usable(section, plugin, kinds) {
        Ok(facts) => facts,
        Err(problems) => return Offer { facts: None, options: Value::Object(options), problems },
    };
    let schema = match Schema::new(facts.schema.clone()) {
        Ok(schema) => schema,
        Err(cause) => {
            let problem = at_plugin(Code::BadSchema, section, plugin).with("cause", cause);
            return Offer { facts: None, options: Value::Object(options), problems: vec![problem] };
        }
    };
    let own = own_keys(section.part);
    let taken = schema.keys().filter(|key| reserved().iter().any(|own| own == key));
    let mut problems: Vec<_> =
        taken.map(|key| at_plugin(Code::ReservedKey, section, plugin).with("key", key)).collect();
    let known: Vec<_> = own.iter().map(String::as_str).collect();
    if !problems.is_empty() {
        return Offer { facts: None, options: Value::Object(options), problems };
    }
    let judged = schema.judge(options, section, &known);
    problems.extend(judged.problems);
    Offer { facts: Some(facts), options: judged.accepted, problems }
}

fn usable(section: &Section<'_>, plugin: &str, kinds: &dyn Kinds) -> Result<Facts, Vec<Problem>> {
    if plugin.is_empty() && !matches!(section.table.get("plugin"), Some(Value::String(_))) {
        // The schema has said so already.
        return Err(Vec::new());
    }
    let facts = kinds.kind(plugin).map_err(|unusable| match unusable {
        Unusable::Unknown => {
            let names = kinds.names();
            let problem = at_plugin(Code::UnknownPlugin, section, plugin)
                .with("searched", list(&kinds.searched()));
            vec![problem.meant(nearest(plugin, names.iter().map(String::as_str)))]
        }
        Unusable::Broken { file, cause, cure } => {
            let problem = at_plugin(Code::BrokenPlugin, section, plugin);
            vec![problem.with("file", file.display()).with("cause", cause).with("what", cure)]
        }
    })?;
    let plays = match section.part {
        Part::Sources => facts.source.is_some(),
        _ => facts.sink.is_some(),
    };
    if plays {
        return Ok(facts);
    }
    let problem = at_plugin(Code::WrongRole, section, plugin);
    Err(vec![problem.with_words("role", vec![section.part.word()])])
}

fn at_plugin(code: Code, section: &Section<'_>, plugin: &str) -> Problem {
    Problem::new(code, section.value("/plugin")).with("plugin", plugin).with("section", section)
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    if paths.is_empty() { "[plugins] path".into() } else { paths.join(", ") }
}

fn own_keys(part: Part) -> Vec<String> {
    match part {
        Part::Sources => schema::keys::<file::SourceSection>(),
        _ => schema::keys::<file::SinkSection>(),
    }
}

/// A kind has one schema for all its roles: no key of any role of the daemon's may be in it.
pub fn reserved() -> Vec<String> {
    [own_keys(Part::Sources), own_keys(Part::Sinks)].concat()
}
