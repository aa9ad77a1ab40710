//! Sizes and names of files and functions.

use regex::Regex;

use super::project::{File, is_code};

/// Words that no file or folder of code may be called.
const NAMES: &str = "mod util utils common helper helpers types manager handler core base data info service processor";

/// What is too long, or called nothing.
pub fn sizes(files: &[File]) -> Vec<String> {
    let start = Regex::new(
        r#"^( *)(?:pub(?:\([a-z]+\))? )?(?:(?:const|async|unsafe|extern "C") )*fn (\w+)"#,
    );
    let start = start.expect("a pattern");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let mut names = file.path.trim_end_matches(".rs").split('/');
        if let Some(name) = names.find(|name| NAMES.split(' ').any(|word| word == *name)) {
            found.push(format!("{}: `{name}` says nothing: use a noun of the manual", file.path));
        }
        if !is_code(&file.path) || is_test(&file.path, files) {
            continue;
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

/// Whether the file's parent declares it for tests alone.
fn is_test(path: &str, files: &[File]) -> bool {
    let (parent, name) = path.trim_end_matches(".rs").rsplit_once('/').unwrap_or_default();
    let parents = [format!("{parent}.rs"), format!("{parent}/lib.rs")];
    let declared = format!("#[cfg(test)]\nmod {name};");
    files.iter().any(|file| parents.contains(&file.path) && file.text.contains(&declared))
}
