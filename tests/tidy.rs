//! The rules of the house, as tests: each failure names the file, the rule and the cure.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "a test"
)]

#[path = "tidy/project.rs"]
mod project;
mod support;

use std::fs;

use project::{File, code, dependencies, manifest, paths, plugins, read, root, tree};
use regex::Regex;
use serde_json::Value;
use support::Home;

/// Who may import whom: a module imports lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("main", 8),
    ("cli", 7),
    ("app", 6),
    ("http", 5),
    ("pipeline", 4),
    ("deliver", 4),
    ("signal", 4),
    ("plugin", 3),
    ("config", 2),
    ("store", 2),
    ("engine", 1),
    ("clock", 1),
    ("retry", 1),
    ("telemetry", 1),
];

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

/// Words that no name of a file or folder of code may be.
const NAMES: &[&str] = &[
    "mod",
    "util",
    "utils",
    "common",
    "helper",
    "helpers",
    "types",
    "manager",
    "handler",
    "core",
    "base",
    "data",
    "info",
    "service",
    "processor",
];

#[test]
fn each_module_imports_lower_floors_only() {
    tell(floors(&tree()));
}

#[test]
fn what_is_done_in_one_place_is_done_there() {
    tell(places(&tree()));
}

#[test]
fn files_and_functions_are_short_and_well_named() {
    tell(sizes(&tree()));
}

#[test]
fn texts_name_what_exists_and_no_machine() {
    let files = tree();
    let mut found = texts(&files);
    if read("ARCHITECTURE.md").lines().count() > 150 {
        found.push("ARCHITECTURE.md: at most 150 lines; a map leaves things out".into());
    }
    tell(found);
}

#[test]
fn plugins_know_plugin_api_alone() {
    let mut found = Vec::new();
    for name in plugins() {
        let folder = format!("plugins/{name}");
        let mut wrong = |is: bool, cure: &str| {
            if is {
                found.push(format!("{folder}: {cure}"));
            }
        };
        let manifest = manifest(&folder);
        let crates = dependencies(&manifest, &["dependencies", "dev-dependencies"]);
        wrong(!crates.contains("haetae-plugin"), "depend on haetae-plugin");
        let ours = crates.iter().any(|it| it.starts_with("haetae") && it != "haetae-plugin");
        wrong(ours, "depend neither on haetae nor on another plugin");
        let kinds = manifest["lib"].get("crate-type").and_then(|kinds| kinds.as_array());
        let is_one = kinds
            .is_some_and(|kinds| matches!(&kinds[..], [one] if one.as_str() == Some("cdylib")));
        wrong(!is_one, "crate-type = [\"cdylib\"], nothing else");
        wrong(!root().join(&folder).join("sample.toml").exists(), "add a sample.toml");
        let code = fs::read_to_string(root().join(&folder).join("src/lib.rs")).unwrap_or_default();
        wrong(!code.starts_with("//! "), "begin src/lib.rs with `//!`: what the kind is for");
    }
    let of_daemon = dependencies(&manifest("daemon"), &["dependencies"]);
    if of_daemon.iter().any(|it| it.starts_with("haetae-") && it != "haetae-plugin") {
        found.push("daemon/Cargo.toml: plugins are dev-dependencies of its tests alone".into());
    }
    tell(found);
}

#[test]
fn every_shown_configuration_passes_check() {
    let plugins = plugins();
    let home = Home::with_plugins(&plugins.iter().map(String::as_str).collect::<Vec<_>>());
    let mut found = Vec::new();
    let mut check = |name: &str, text: &str| {
        fs::write(home.path("haetae.toml"), text).expect("the configuration");
        let output = home.output(&["-o", "json", "check"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if answer["ok"] != true || answer["problems"].as_array().is_none_or(|all| !all.is_empty()) {
            found.push(format!("{name}: must pass `haetae check`: {answer:#}"));
        }
    };
    // Its commented keys show the defaults: with them it says the same.
    let commented = Regex::new(r"(?m)^# ([a-z_]+ = )").expect("a pattern");
    let default = read("etc/haetae.toml");
    let other = "\n[sinks.other-sink]\nplugin = \"file\"\npath = \"/tmp/other\"\ninputs = []\n";
    check("etc/haetae.toml", &default);
    check("etc/haetae.toml, uncommented", &(commented.replace_all(&default, "$1") + other));
    check("etc/demo.toml", &read("etc/demo.toml"));
    for name in &plugins {
        let path = format!("plugins/{name}/sample.toml");
        check(&path, &read(&path));
    }
    for name in ["README.md", "README.ko.md"] {
        let text = read(name);
        let block = text.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```"));
        check(name, block.expect("a block of TOML").0);
    }
    tell(found);
}

#[test]
fn the_rules_find_what_they_forbid() {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    let upward = "use crate::{\n    clock::Clock,\n    pipeline::{graph, intake},\n};\nfn f() { crate::app::run() }\n";
    let outward = "use super::super::pipeline::graph;\n";
    let files = [file("daemon/src/plugin/x.rs", upward), file("daemon/src/config/y.rs", outward)];
    assert_eq!(floors(&files).len(), 4, "{:#?}", floors(&files));
    let impure = "use std::{fs, time::Instant};\n// tokio::spawn in a comment is none\nfn f() { unsafe { g() } }\n";
    let files = [file("daemon/src/engine/z.rs", impure)];
    assert_eq!(places(&files).len(), 4, "{:#?}", places(&files));
    let long = format!("fn long() {{\n{}}}\n{}", "    x();\n".repeat(61), "\n".repeat(400));
    let files = [file("plugins/x/src/utils.rs", &long)];
    assert_eq!(sizes(&files).len(), 3, "{:#?}", sizes(&files));
    let files = [
        file("README.md", "`daemon/src/gone.rs` [x](gone.md)\n"),
        file("a.rs", concat!("// TO", "DO\n")),
    ];
    assert_eq!(texts(&files).len(), 3, "{:#?}", texts(&files));
}

fn floors(files: &[File]) -> Vec<String> {
    let floor =
        |name: &str| FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor);
    let mut found = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix("daemon/src/") else { continue };
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floor(module) else {
            if module != "lib" {
                found.push(format!("{}: give `{module}` a floor in tests/tidy.rs", file.path));
            }
            continue;
        };
        for path in paths(&code(&file.text)) {
            let (first, second) = path.split_once("::").unwrap_or_default();
            let second = second.split("::").next().unwrap_or_default();
            let out =
                first == "super" && (second == "super" || !inside.contains('/') && second != "*");
            if out {
                found.push(format!("{}: `{path}` leaves its module: write crate::…", file.path));
            }
            if first == "crate" && second != module && floor(second).is_none_or(|it| it >= own) {
                found.push(format!(
                    "{}: floor {own} may not import `{path}`: wire them in `app`, or put a trait on a lower floor",
                    file.path
                ));
            }
        }
    }
    found
}

fn places(files: &[File]) -> Vec<String> {
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
        let may = path.starts_with("plugin-api/src/abi") || path == "daemon/src/plugin/catalog.rs";
        if unsafe_at.is_match(&code) && !may {
            found.push(format!(
                "{path}: `unsafe` stands in the boundary and in plugin/catalog alone"
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

fn sizes(files: &[File]) -> Vec<String> {
    let start = Regex::new(
        r#"^( *)(?:pub(?:\([a-z]+\))? )?(?:(?:const|async|unsafe|extern "C") )*fn (\w+)"#,
    );
    let start = start.expect("a pattern");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let mut names = file.path.trim_end_matches(".rs").split('/');
        if let Some(name) = names.find(|name| NAMES.contains(name)) {
            found.push(format!("{}: `{name}` says nothing: use a noun of the manual", file.path));
        }
        if !is_code(&file.path) || is_test(&file.path, files) {
            continue;
        }
        let text = file.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
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

fn texts(files: &[File]) -> Vec<String> {
    let link = Regex::new(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:rs|md|toml))`|\]\(([\w./-]+)\)")
        .expect("a pattern");
    let unfinished = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
    ];
    let machine = [
        concat!("/wor", "k/"),
        concat!("/ro", "ot/"),
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("pythonhosted", ".org"),
        concat!("registry.", "npmjs"),
        concat!("deb.", "debian.org"),
        concat!("repo.", "maven"),
    ];
    let mut found = Vec::new();
    for File { path, text } in files {
        for named in link.captures_iter(text).filter(|_| {
            ["README.md", "README.ko.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
                .contains(&path.as_str())
        }) {
            let named = named.get(1).or(named.get(2)).map_or("", |named| named.as_str());
            if !root().join(named).exists() {
                found.push(format!("{path}: there is no `{named}`: name what exists"));
            }
        }
        if path.ends_with(".rs") {
            found.extend(
                unfinished
                    .iter()
                    .filter(|word| text.contains(*word))
                    .map(|word| format!("{path}: `{word}`: finish it, or say it in an issue")),
            );
        }
        if path != "Cargo.lock" {
            found.extend(
                machine
                    .iter()
                    .filter(|word| text.contains(*word))
                    .map(|word| format!("{path}: `{word}` is of one machine: leave it out")),
            );
        }
    }
    found
}

/// Code that is shipped, in the sense of the rules about code.
fn is_code(path: &str) -> bool {
    let places = ["daemon/src/", "plugin-api/src/", "plugin-api/macros/src/", "plugins/"];
    path.ends_with(".rs") && places.iter().any(|place| path.starts_with(place))
}

/// Whether the file's parent declares it for tests alone.
fn is_test(path: &str, files: &[File]) -> bool {
    let (parent, name) = path.trim_end_matches(".rs").rsplit_once('/').unwrap_or_default();
    let parents = [format!("{parent}.rs"), format!("{parent}/lib.rs")];
    let declared = format!("#[cfg(test)]\nmod {name};");
    files.iter().any(|file| parents.contains(&file.path) && file.text.contains(&declared))
}

fn tell(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
