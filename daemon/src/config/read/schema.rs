//! Schemas: all that is wrong with the values of a section, at once.

mod fault;

use haetae_plugin::options::{Duration, Size};
use jsonschema::Validator;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::section::Section;
use crate::config::{
    file::{Keep, Matcher, Pattern},
    text::problem::{Code, Problem},
};

/// A compiled schema of a table.
pub(in crate::config) struct Schema {
    value: Value,
    validator: Validator,
}

/// The part of a section that its schema accepts, and what it doesn't.
pub(in crate::config) struct Validated<T> {
    pub(in crate::config) accepted: T,
    pub(in crate::config) problems: Vec<Problem>,
}

impl Schema {
    /// The schema of a type of the daemon's own.
    fn of<T: JsonSchema>() -> Result<Self, String> {
        Self::new(schemars::schema_for!(T).to_value())
    }

    /// The schema of a plugin's options; null: it has none.
    pub(in crate::config) fn new(value: Value) -> Result<Self, String> {
        let none = || json!({ "type": "object", "additionalProperties": false });
        let value = if value.is_null() { none() } else { value };
        let validator = jsonschema::options()
            .with_format(Duration::FORMAT, |text: &str| text.parse::<Duration>().is_ok())
            .with_format(Keep::FORMAT, |text: &str| text.parse::<Keep>().is_ok())
            .with_format(Size::FORMAT, |text: &str| text.parse::<Size>().is_ok())
            .with_format(Matcher::FORMAT, |text: &str| {
                crate::engine::mute::matcher::Matcher::parse(text).is_ok()
            })
            .with_format(Pattern::FORMAT, |text: &str| Pattern::parse(text).is_ok())
            .should_validate_formats(true)
            .build(&value)
            .map_err(|error| error.to_string())?;
        Ok(Self { value, validator })
    }

    /// The keys that it knows.
    pub(in crate::config) fn keys(&self) -> impl Iterator<Item = &str> {
        let properties = self.value.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str))
    }

    /// Judges a table; `known` are keys that "did you mean" may offer.
    pub(in crate::config) fn judge(
        &self,
        table: Map<String, Value>,
        section: &Section<'_>,
        known: &[&str],
    ) -> Validated<Value> {
        let mut value = Value::Object(table);
        let mut faults = Vec::new();
        for error in self.validator.iter_errors(&value) {
            fault::faults(
                &error,
                &fault::Scope { section, schema: &self.value, known },
                &mut faults,
            );
        }
        let mut problems = Vec::new();
        for fault in &faults {
            prune(&mut value, &fault.pointer);
            // A key that is there but misspelt isn't missing as well.
            let missing = fault.problem.code() == Code::MissingKey;
            let key = fault.problem.argument("key");
            let misspelt = |other: &fault::Fault| {
                let beside =
                    other.pointer.rsplit_once('/').is_some_and(|(at, _)| at == fault.pointer);
                beside && other.problem.argument("meant").is_some_and(|meant| Some(meant) == key)
            };
            if !missing || !faults.iter().any(misspelt) {
                problems.push(fault.problem.clone());
            }
        }
        Validated { accepted: value, problems }
    }
}

/// Judges a section of the daemon's own keys alone.
pub(in crate::config) fn own<T>(section: &Section<'_>) -> Validated<T>
where
    T: JsonSchema + DeserializeOwned + Default,
{
    typed(section, section.table.clone(), &[])
}

/// Judges a section that the daemon shares with a plugin: its own keys, and the rest as it is.
pub(in crate::config) fn shared<T>(section: &Section<'_>) -> (Validated<T>, Map<String, Value>)
where
    T: JsonSchema + DeserializeOwned + Default,
{
    let keys = keys::<T>();
    let (own, rest) = section.table.clone().into_iter().partition(|(key, _)| keys.contains(key));
    (typed(section, own, &[]), rest)
}

/// The keys of a type of the daemon's own.
pub(in crate::config) fn keys<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T);
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

fn typed<T>(section: &Section<'_>, table: Map<String, Value>, known: &[&str]) -> Validated<T>
where
    T: JsonSchema + DeserializeOwned + Default,
{
    let refused = |cause: String| {
        let problem = Problem::new(Code::Refused, section.head());
        Validated {
            accepted: T::default(),
            problems: vec![problem.with("given", section).with("cause", cause)],
        }
    };
    let schema = match Schema::of::<T>() {
        Ok(schema) => schema,
        Err(cause) => return refused(cause),
    };
    let Validated { accepted, problems } = schema.judge(table, section, known);
    match serde_json::from_value(accepted) {
        Ok(accepted) => Validated { accepted, problems },
        // A problem that is known says it better.
        Err(_) if !problems.is_empty() => Validated { accepted: T::default(), problems },
        Err(error) => refused(error.to_string()),
    }
}

/// Takes away the innermost key of a table on the way to `pointer`, so that the rest can be judged.
fn prune(value: &mut Value, pointer: &str) {
    let mut rest = pointer;
    while let Some((parent, key)) = rest.rsplit_once('/') {
        if let Some(Value::Object(table)) = value.pointer_mut(parent) {
            table.remove(&key.replace("~1", "/").replace("~0", "~"));
            return;
        }
        rest = parent;
    }
}
