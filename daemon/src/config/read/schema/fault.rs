//! A fault: what a schema says against a value, as a problem.

use haetae_plugin::options::{Duration, Size};
use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use crate::{
    config::{
        file,
        read::{document::child, section::Section},
        text::problem::{Code, Problem, nearest},
    },
    engine::mute::matcher::{Matcher, MatcherError},
};

/// A problem, and the value that has it.
pub(super) struct Fault {
    pub(super) pointer: String,
    pub(super) problem: Problem,
}

/// What faults are explained by.
pub(super) struct Scope<'a> {
    pub(super) section: &'a Section<'a>,
    pub(super) schema: &'a Value,
    pub(super) known: &'a [&'a str],
}

/// Explains one error of a schema.
pub(super) fn faults(error: &ValidationError<'_>, scope: &Scope<'_>, faults: &mut Vec<Fault>) {
    let pointer = error.instance_path().as_str().to_owned();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            faults.extend(unexpected.iter().map(|key| scope.unknown(error, &pointer, key)));
            return;
        }
        Kind::AnyOf { context }
        | Kind::OneOfNotValid { context }
        | Kind::OneOfMultipleValid { context } => {
            choice(error, context, scope, faults);
            return;
        }
        _ => {}
    }
    let problem = single(error, &pointer, scope);
    faults.push(Fault { pointer, problem });
}

fn single(error: &ValidationError<'_>, pointer: &str, scope: &Scope<'_>) -> Problem {
    let given = error.instance();
    match error.kind() {
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let problem = Problem::new(Code::MissingKey, scope.section.value(pointer));
            problem.with("key", key).with("section", scope.section)
        }
        Kind::Type { kind } => scope.wrong_type(pointer, types(kind, scope.parent(error))),
        Kind::Format { format } if [Duration::FORMAT, file::Keep::FORMAT].contains(&&**format) => {
            scope.wrong(Code::BadDuration, pointer)
        }
        Kind::Format { format } if format == Size::FORMAT => scope.wrong(Code::BadSize, pointer),
        Kind::Format { format } if format == file::Matcher::FORMAT => {
            let cause = given.as_str().and_then(|text| Matcher::parse(text).err());
            let problem = scope.wrong(Code::BadMatcher, pointer);
            match cause {
                Some(MatcherError::Regex(cause)) => problem.with("cause", cause).cured_by("regex"),
                _ => problem.with_words("cause", vec!["matcher-syntax"]),
            }
        }
        Kind::Format { format } if format == file::Pattern::FORMAT => {
            let cause = given.as_str().and_then(|text| file::Pattern::parse(text).err());
            let problem = scope.wrong(Code::BadPattern, pointer);
            problem.with("cause", cause.unwrap_or_default())
        }
        Kind::Maximum { limit } => scope.out_of_range(Code::TooMuch, error, pointer, limit),
        Kind::Minimum { limit } => scope.out_of_range(Code::TooLittle, error, pointer, limit),
        Kind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            scope.not_one_of(pointer, given, &options.iter().collect::<Vec<_>>())
        }
        Kind::Constant { expected_value } => {
            scope.not_one_of(pointer, given, &[expected_value.as_ref()])
        }
        Kind::MinLength { limit } | Kind::MinItems { limit } | Kind::MinProperties { limit } => {
            scope.wrong(Code::BadLength, pointer).with("limit", limit).cured_by("least")
        }
        Kind::MaxLength { limit } | Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
            scope.wrong(Code::BadLength, pointer).with("limit", limit).cured_by("most")
        }
        Kind::UniqueItems => scope.wrong(Code::Repeated, pointer),
        _ => scope.wrong(Code::Refused, pointer).with("cause", error.masked_with("it")),
    }
}

/// A value that fits none of several schemas: the one that it was meant to fit explains why.
fn choice(
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
    scope: &Scope<'_>,
    faults: &mut Vec<Fault>,
) {
    let pointer = error.instance_path().as_str().to_owned();
    if is_secret(scope.parent(error)) {
        let problem = scope.wrong(Code::BadSecret, &pointer);
        faults.push(Fault { pointer, problem });
        return;
    }
    let mut options = Vec::new();
    for error in branches.iter().flatten() {
        match error.kind() {
            Kind::Constant { expected_value } => options.push(expected_value.as_ref()),
            Kind::Enum { options: some } => options.extend(some.as_array().into_iter().flatten()),
            _ => {}
        }
    }
    let whole = |error: &ValidationError<'_>| error.instance_path().as_str() == pointer;
    let other = |branch: &Vec<ValidationError<'static>>| {
        let of_words = |kind: &Kind| {
            matches!(kind, Kind::Constant { .. } | Kind::Enum { .. } | Kind::Type { .. })
        };
        !branch.iter().any(|error| whole(error) && of_words(error.kind()))
    };
    if !options.is_empty() && !branches.iter().any(other) {
        let problem = scope.not_one_of(&pointer, error.instance(), &options);
        faults.push(Fault { pointer, problem });
        return;
    }
    let mistyped = |branch: &&Vec<ValidationError<'static>>| {
        branch.iter().any(|error| whole(error) && matches!(error.kind(), Kind::Type { .. }))
    };
    if let Some(meant) = branches.iter().find(|branch| !branch.is_empty() && !mistyped(branch)) {
        for error in meant {
            self::faults(error, scope, faults);
        }
        return;
    }
    let mut expected = Vec::new();
    for error in branches.iter().flatten() {
        if let Kind::Type { kind } = error.kind() {
            expected.extend(types(kind, scope.parent(error)));
        }
    }
    let problem = if expected.is_empty() {
        scope.wrong(Code::Refused, &pointer).with("cause", error.masked_with("it"))
    } else {
        scope.wrong_type(&pointer, expected)
    };
    faults.push(Fault { pointer, problem });
}

impl Scope<'_> {
    /// The schema that holds the keyword which failed.
    fn parent(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(parent)
    }

    fn wrong(&self, code: Code, pointer: &str) -> Problem {
        let place = self.section.value(pointer);
        let given = place.text().lines().next().unwrap_or_default().to_owned();
        Problem::new(code, place)
            .with("given", given)
            .with("key", self.name(pointer))
            .with("section", self.section)
    }

    /// The innermost key on the way to `pointer`, and which of its elements: `tags[1]`.
    fn name(&self, pointer: &str) -> String {
        let Some((parent, key)) = pointer.rsplit_once('/') else {
            return self.section.to_string();
        };
        match key.parse::<usize>() {
            Ok(index) => format!("{}[{index}]", self.name(parent)),
            Err(_) => key.replace("~1", "/").replace("~0", "~"),
        }
    }

    fn wrong_type(&self, pointer: &str, expected: Vec<&'static str>) -> Problem {
        let duration = expected == ["type-duration"];
        let problem = self.wrong(Code::WrongType, pointer).with_words("expected", expected);
        if duration { problem.cured_by("duration") } else { problem }
    }

    fn unknown(&self, error: &ValidationError<'_>, pointer: &str, key: &str) -> Fault {
        let siblings = self.parent(error).and_then(|schema| schema.get("properties"));
        let siblings = siblings.and_then(Value::as_object).into_iter().flatten();
        let siblings = siblings.map(|(key, _)| key.as_str());
        // What the daemon knows is known in the section itself, not in tables inside it.
        let known = if pointer.is_empty() { self.known } else { &[] };
        let taken = |key: &&str| !self.section.has(&child(pointer, key));
        let candidates = siblings.chain(known.iter().copied()).filter(taken);
        let pointer = child(pointer, key);
        let problem = Problem::new(Code::UnknownKey, self.section.key(&pointer))
            .with("key", key)
            .with("section", self.section)
            .meant(nearest(key, candidates));
        Fault { pointer, problem }
    }

    fn out_of_range(
        &self,
        code: Code,
        error: &ValidationError<'_>,
        pointer: &str,
        limit: &Value,
    ) -> Problem {
        let problem = self.wrong(code, pointer).with("limit", limit);
        let bound = |key| self.parent(error).and_then(|schema| schema.get(key));
        match (bound("minimum"), bound("maximum")) {
            (Some(minimum), Some(maximum)) => {
                problem.with("minimum", minimum).with("maximum", maximum).cured_by("range")
            }
            _ => problem,
        }
    }

    fn not_one_of(&self, pointer: &str, given: &Value, options: &[&Value]) -> Problem {
        let shown: Vec<_> = options.iter().map(|option| format!("`{}`", plain(option))).collect();
        let texts = options.iter().filter_map(|option| option.as_str());
        self.wrong(Code::NotOneOf, pointer)
            .with("options", shown.join(", "))
            .meant(given.as_str().and_then(|given| nearest(given, texts)))
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Words for the types that a schema wants.
fn types(kind: &TypeKind, schema: Option<&Value>) -> Vec<&'static str> {
    let format = schema.and_then(|schema| schema.get("format")).and_then(Value::as_str);
    let word = |one: JsonType| match (one, format) {
        (JsonType::String, Some(Duration::FORMAT | file::Keep::FORMAT)) => Some("type-duration"),
        (JsonType::String, Some(Size::FORMAT)) => Some("type-size"),
        (JsonType::String, Some(file::Matcher::FORMAT)) => Some("type-matcher"),
        (JsonType::String, _) => Some("type-string"),
        (JsonType::Integer, _) => Some("type-integer"),
        (JsonType::Number, _) => Some("type-number"),
        (JsonType::Boolean, _) => Some("type-boolean"),
        (JsonType::Array, _) => Some("type-array"),
        (JsonType::Object, _) => Some("type-object"),
        // TOML has no null.
        (JsonType::Null, _) => None,
    };
    match kind {
        TypeKind::Single(one) => word(*one).into_iter().collect(),
        TypeKind::Multiple(set) => set.iter().filter_map(word).collect(),
    }
}

/// Whether a schema is that of `haetae_plugin::Secret`.
fn is_secret(schema: Option<&Value>) -> bool {
    let branches = schema.and_then(|schema| schema.get("oneOf")).and_then(Value::as_array);
    branches.is_some_and(|branches| {
        branches.iter().any(|branch| branch.pointer("/properties/credential").is_some())
    })
}
