//! Repeats: a name that many types have tells none of them.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    project::{File, is_code},
    sizes::is_test,
};

/// So many types may have one name: there is a second where one thing is kept in two forms.
const MOST: usize = 2;

/// Names that siblings share, and why.
const SHARED: &[(&str, &str)] = &[
    ("Arguments", "what clap reads for one verb, in the verb's file"),
    ("Verb", "the verbs below one of the command line, in its file"),
];

/// Names that more types of daemon and plugin-api have than may.
pub fn repeats(files: &[File]) -> Vec<String> {
    // A `type` that is indented is one that a trait wants.
    let named = Regex::new(
        r"(?m)^(?: *(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait)|(?:pub(?:\([^)]*\))? )?type) (\w+)",
    );
    let named = named.expect("a pattern");
    let ours = |file: &&File| {
        let inside = ["daemon/src/", "plugin-api/src/"].iter().any(|it| file.path.starts_with(it));
        inside && is_code(&file.path) && !is_test(&file.path)
    };
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for File { path, text } in files.iter().filter(ours) {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for name in named.captures_iter(code).filter_map(|found| found.get(1)) {
            places.entry(name.as_str()).or_default().push(path);
        }
    }
    let is_repeated = |name: &str, places: &[&str]| {
        places.len() > MOST && SHARED.iter().all(|(shared, _)| *shared != name)
    };
    places
        .into_iter()
        .filter(|(name, places)| is_repeated(name, places))
        .map(|(name, places)| {
            let places = places.join(", ");
            format!("`{name}` is the name of a type in {places}: say what each is of")
        })
        .collect()
}
