//! Sizes and names of files and functions.

use regex::Regex;

use super::project::{File, is_code};

/// Words that no file or folder of code may be called.
const NAMES: &str = "mod util utils common helper helpers types manager handler core base data info service processor";

/// What is too long, or called nothing.
pub fn sizes(files: &[File]) -> Vec<String> {
    let start = Regex::new(
        r#"^( *)(?:pub(?:\([^)]*\))? )?(?:(?:const|async|unsafe|extern "C") )*fn (\w+)"#,
    );
    let start = start.expect("a pattern");
    let beside = Regex::new(r"#\[cfg\(test\)\]\nmod (\w+);").expect("a pattern");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let mut names = file.path.trim_end_matches(".rs").split('/');
        if let Some(name) = names.find(|name| NAMES.split(' ').any(|word| word == *name)) {
            found.push(format!("{}: `{name}` says nothing: use a noun of the manual", file.path));
        }
        if !is_code(&file.path) || is_test(&file.path) {
            continue;
        }
        if let Some(module) = beside.captures(&file.text).filter(|module| &module[1] != "tests") {
            let name = &module[1];
            found.push(format!("{}: the tests of `{name}` go into a folder `tests`", file.path));
        }
        let text = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > 400 {
            found.push(format!(
                "{}: {} lines, at most 400: two ideas in one file?",
                file.path,
                lines.len()
            ));
        }
        for (at, line) in lines.iter().enumerate() {
            let Some(begin) = start.captures(line) else { continue };
            let end = |line: &&str| {
                line.strip_prefix(&begin[1])
                    .is_some_and(|rest| rest == "}" || rest.starts_with(')') && rest.ends_with(';'))
            };
            let is_short = line.ends_with(';') || line.ends_with('}');
            let length = lines[at..].iter().position(end).map_or(0, |length| length + 1);
            if !is_short && length > 60 {
                found.push(format!(
                    "{}: `{}` has {length} lines, at most 60: name a part of it",
                    file.path, &begin[2]
                ));
            }
        }
    }
    found
}

/// Whether the file is of tests alone.
pub fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}
