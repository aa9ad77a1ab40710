//! Places: what is done in one place is done there alone.

use regex::Regex;

use super::project::{File, code, is_code, paths};

/// The files of plugin-api that may name `abi_stable`.
const BOUNDARY: &[&str] = &[
    "plugin-api/src/abi.rs",
    "plugin-api/src/abi/",
    "plugin-api/src/log.rs",
    "plugin-api/src/sample.rs",
    "plugin-api/src/series.rs",
    "plugin-api/src/time.rs",
];

/// (where, save there, paths that begin so, cure)
const PATHS: &[(&str, &[&str], &[&str], &str)] = &[
    (
        "daemon/src/engine",
        &[],
        &["tokio", "std::fs", "std::net", "std::env", "std::thread", "SystemTime", "Instant"],
        "the engine is pure: hand it what it needs, `now` too",
    ),
    ("", BOUNDARY, &["abi_stable"], "wrap it in plugin-api's boundary"),
    (
        "daemon/src/",
        &["daemon/src/config/"],
        &["env::var", "env::var_os", "env::vars", "env::current_exe", "env::temp_dir"],
        "ask `config`: it alone reads the environment",
    ),
    (
        "daemon/src/",
        &["daemon/src/clock.rs"],
        &["SystemTime::now", "Instant::now", "Zoned::now", "Timestamp::now"],
        "ask `clock`, or take `now` as an argument",
    ),
    (
        "daemon/src/",
        &["daemon/src/main.rs", "daemon/src/signal.rs"],
        &["process::exit", "process::abort"],
        "return an ExitCode to `main`",
    ),
];

/// What is done elsewhere.
pub fn places(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for File { path, text } in files.iter().filter(|file| is_code(&file.path)) {
        let code = code(text);
        let named = paths(&code);
        for (within, but, forbidden, cure) in PATHS {
            if !path.starts_with(within) || but.iter().any(|but| path.starts_with(but)) {
                continue;
            }
            for forbidden in *forbidden {
                let is =
                    |named: &&String| format!("::{named}::").contains(&format!("::{forbidden}::"));
                found.extend(
                    named.iter().find(is).map(|named| format!("{path}: `{named}`: {cure}")),
                );
            }
        }
        let unsafe_at = Regex::new(r"\bunsafe (\{|impl|fn|extern)").expect("a pattern");
        let may = path.starts_with("plugin-api/src/abi")
            || ["daemon/src/plugin/library.rs", "daemon/src/memory.rs"].contains(&path.as_str());
        if unsafe_at.is_match(&code) && !may {
            found.push(format!(
                "{path}: `unsafe` stands in the boundary, plugin/library and memory alone"
            ));
        }
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let needs = line.contains("unsafe {") || line.contains("unsafe impl");
            if needs && !lines[at.saturating_sub(3)..at].iter().any(|line| line.contains("SAFETY:"))
            {
                found.push(format!("{path}:{}: say above why it is sound: `// SAFETY: …`", at + 1));
            }
        }
    }
    found
}
