//! Words: what the code calls its own things is what the field calls them.

use regex::Regex;

use super::project::{File, is_code};

/// Private pictures, and the field's words.
const PRIVATE: &[(&str, &str)] = &[
    ("arm", "sink groups"),
    ("look", "group state, view"),
    ("live", "active"),
    ("desk", "handoff"),
    ("lay", "hand over"),
    ("lane", "cursor"),
    ("tally", "matches, counts"),
    ("deed", "audit entry"),
    ("post", "fake sink"),
    ("strip", "timeline"),
    ("play", "run"),
    ("tell", "flush, notify, report"),
    ("told", "notified"),
    ("telling", "notify"),
    ("pace", "flapping, progress"),
    ("out", "effects, pending"),
    ("fate", "result"),
    ("room", "limit, capacity"),
    ("entry", "log alarm, journal entry"),
    ("trial", "harness, probe"),
    ("sweep", "matrix"),
    ("fresh", "renew_leases"),
    ("took", "record_latency"),
    ("together", "batch_size"),
    ("turn", "poll, round"),
];

/// Where such a word is one of the design's, or of those who read the code anyway.
const MEANT: &[(&str, &str)] = &[
    // The method of HTTP.
    ("daemon/src/cli/client.rs", "post"),
    ("plugin-api/src/http.rs", "post"),
];

/// Types, functions and modules that are called by a private word.
pub fn words(files: &[File]) -> Vec<String> {
    let named = Regex::new(r"(?m)^[^/\n]*\b(?:struct|enum|trait|type|fn|mod) (\w+)");
    let named = named.expect("a pattern");
    let ours = |file: &&File| {
        let inside = ["daemon/src/", "plugin-api/src/"].iter().any(|it| file.path.starts_with(it));
        inside && is_code(&file.path)
    };
    let mut found = Vec::new();
    for File { path, text } in files.iter().filter(ours) {
        for name in named.captures_iter(text) {
            let name = &name[1];
            let private = PRIVATE.iter().find(|(word, _)| name.eq_ignore_ascii_case(word));
            if let Some((_, field)) = private
                && !MEANT.contains(&(path.as_str(), name))
            {
                found.push(format!("{path}: `{name}` is nobody's word: {field}"));
            }
        }
    }
    found
}
