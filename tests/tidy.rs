//! The rules of the house, as tests: each failure names the file, the rule and the cure.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, clippy::string_slice, reason = "a wrong index fails the test")]
#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::needless_pass_by_value,
    clippy::regex_creation_in_loops,
    reason = "a test"
)]

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/places.rs"]
mod places;
#[path = "tidy/project.rs"]
mod project;
#[path = "tidy/repeats.rs"]
mod repeats;
#[path = "tidy/sizes.rs"]
mod sizes;
mod support;
#[path = "tidy/words.rs"]
mod words;

use std::fs;

use circles::circles;
use floors::floors;
use places::places;
use project::{File, dependencies, manifest, plugins, read, root, tree};
use regex::Regex;
use repeats::repeats;
use serde_json::Value;
use sizes::sizes;
use support::Home;
use words::words;

#[test]
fn each_module_imports_lower_floors_only() {
    tell(floors(&tree()));
}

#[test]
fn files_do_not_import_each_other() {
    tell(circles(&tree()));
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
fn things_are_called_by_the_words_of_the_field() {
    tell(words(&tree()));
}

#[test]
fn no_name_is_that_of_three_types() {
    tell(repeats(&tree()));
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
fn a_sample_passes_few_files_on_its_way() {
    tell(way(&read("ARCHITECTURE.md")));
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
    let mut check = |name: &str, text: &str, allowed: &str| {
        fs::write(home.path("haetae.toml"), text).expect("the configuration");
        let output = home.output(&["-o", "json", "check"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let problems = answer["problems"].as_array().map_or(&[][..], Vec::as_slice);
        if answer["ok"] != true || problems.iter().any(|problem| problem["code"] != allowed) {
            found.push(format!("{name}: must pass `haetae check`: {answer:#}"));
        }
    };
    // Its commented keys show the defaults: with them it says the same.
    let commented = Regex::new(r"(?m)^# ([a-z_]+ = )").expect("a pattern");
    let default = read("etc/haetae.toml");
    let other = "\n[sinks.other-sink]\nplugin = \"file\"\npath = \"/tmp/other\"\ninputs = []\n";
    check("etc/haetae.toml", &default, "");
    check("etc/haetae.toml, uncommented", &(commented.replace_all(&default, "$1") + other), "");
    check("etc/demo.toml", &read("etc/demo.toml"), "");
    for name in &plugins {
        let path = format!("plugins/{name}/sample.toml");
        // In a sample alone nothing reads its source.
        check(&path, &read(&path), "HT0301");
    }
    for name in ["README.md", "README.ko.md"] {
        let text = read(name);
        let block = text.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```"));
        check(name, block.expect("a block of TOML").0, "");
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
    // By way of what a parent offers, too.
    let files = [
        file("daemon/src/a.rs", "mod b;\nmod c;\npub use self::b::B;\n"),
        file("daemon/src/a/b.rs", "use super::c::C;\nuse crate::d;\n"),
        file("daemon/src/a/c.rs", "use crate::a::{self, B};\n"),
        file("daemon/src/d.rs", "pub struct D;\n"),
    ];
    assert_eq!(circles(&files).len(), 1, "{:#?}", circles(&files));
    let files = [file("daemon/src/a.rs", "struct Desk;\nenum Fate {}\nstruct Deskwork;\n")];
    assert_eq!(words(&files).len(), 2, "{:#?}", words(&files));
    let files = [
        file(
            "daemon/src/a.rs",
            "struct Row;\npub(super) enum Line {}\nimpl X {\n    type Y = Z;\n}\n",
        ),
        file(
            "daemon/src/b.rs",
            "pub struct Row;\npub trait Line {}\nimpl X {\n    type Y = Z;\n}\n",
        ),
        file(
            "daemon/src/c.rs",
            "fn f() {\n    struct Row;\n}\nimpl X {\n    type Y = Z;\n}\nenum Verb {}\n",
        ),
        file("daemon/src/c/tests.rs", "type Line = u8;\n"),
        file("daemon/src/d.rs", "enum Verb {}\n#[cfg(test)]\nmod tests {\n    enum Line {}\n}\n"),
        file("daemon/src/e.rs", "enum Verb {}\n"),
    ];
    assert_eq!(repeats(&files).len(), 1, "{:#?}", repeats(&files));
    let files = [
        file("README.md", "`daemon/src/gone.rs` [x](gone.md)\n"),
        file("a.rs", concat!("// TO", "DO\n")),
    ];
    assert_eq!(texts(&files).len(), 3, "{:#?}", texts(&files));
    let long: Vec<_> = (0..35).map(|file| format!("`{file}.rs`")).collect();
    let long = long.join(" ");
    let long = format!("## A sample's way\n\n35 files\n{long} `7.rs`\n## Else\n`else.rs`");
    assert_eq!(way(&long).len(), 3, "{:#?}", way(&long));
}

/// What is wrong with the list of files that a sample passes; that each exists is a rule about texts.
fn way(text: &str) -> Vec<String> {
    let section = text.split("## A sample's way").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let path = Regex::new(r"`([\w/.-]+\.rs)`").expect("a pattern");
    let paths: Vec<_> = path.captures_iter(section).map(|path| path[1].to_owned()).collect();
    let said = Regex::new(r"(\d+) files").expect("a pattern").captures(section);
    let said = said.and_then(|said| said[1].parse::<usize>().ok());
    let mut found = Vec::new();
    if said != Some(paths.len()) {
        found.push(format!("ARCHITECTURE.md: a sample's way has {} files: say so", paths.len()));
    }
    if paths.len() > 35 {
        found.push("ARCHITECTURE.md: a sample's way has at most 35 files: join two".into());
    }
    for (at, path) in paths.iter().enumerate() {
        if paths[..at].contains(path) {
            found.push(format!("ARCHITECTURE.md: `{path}` is on a sample's way already"));
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
        concat!("#[ig", "nore]"),
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

fn tell(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
