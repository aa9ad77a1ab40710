//! Circles: files that import each other, by however many steps. Parent and child may.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::project::{File, code, paths};

type Module = Vec<String>;

/// Of each file whom it imports.
struct Imports {
    of: BTreeMap<Module, BTreeSet<Module>>,
}

/// Each circle of files of the daemon, from one of them round to it again.
pub fn circles(files: &[File]) -> Vec<String> {
    let imports = Imports::read(files);
    let mut found = BTreeSet::new();
    for start in imports.of.keys() {
        if let Some(circle) = imports.circle(start) {
            let names: BTreeSet<_> = circle.iter().map(|module| module.join("::")).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            found.insert(format!("{names}: import each other; what both use goes below them"));
        }
    }
    found.into_iter().collect()
}

impl Imports {
    fn read(files: &[File]) -> Self {
        let mut texts = BTreeMap::new();
        for File { path, text } in files {
            let inside = path.strip_prefix("daemon/src/").and_then(|it| it.strip_suffix(".rs"));
            let Some(inside) = inside.filter(|it| *it != "main" && !it.contains("tests")) else {
                continue;
            };
            let module = if inside == "lib" { "" } else { inside };
            let module: Module =
                module.split('/').filter(|it| !it.is_empty()).map(Into::into).collect();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            texts.insert(module, code(text));
        }
        let exports = exports(&texts);
        let mut of = BTreeMap::new();
        for (module, text) in &texts {
            let named = paths(text).into_iter().filter_map(|path| absolute(&path, module));
            let named = named.map(|path| owner(path, &texts, &exports));
            let far = |other: &Module| !other.starts_with(module) && !module.starts_with(other);
            of.insert(module.clone(), named.filter(far).collect::<BTreeSet<_>>());
        }
        Self { of }
    }

    /// The way from a file round to itself, if there is one.
    fn circle(&self, start: &Module) -> Option<Vec<Module>> {
        let mut came_from: BTreeMap<&Module, &Module> = BTreeMap::new();
        let mut open = vec![start];
        while let Some(module) = open.pop() {
            for next in self.of.get(module).into_iter().flatten() {
                if next == start {
                    let mut circle = vec![start.clone()];
                    let mut at = module;
                    while at != start {
                        circle.push(at.clone());
                        at = came_from[at];
                    }
                    return Some(circle);
                }
                if !came_from.contains_key(next) {
                    came_from.insert(next, module);
                    open.push(next);
                }
            }
        }
        None
    }
}

/// What each file offers under a name of its own though it stands elsewhere.
fn exports(texts: &BTreeMap<Module, String>) -> BTreeMap<Module, Module> {
    let offered = Regex::new(r"(?m)^pub(?:\([^)]*\))? (use [^;]+;)").expect("a pattern");
    let mut found = BTreeMap::new();
    for (module, text) in texts {
        for offer in offered.captures_iter(text) {
            for path in paths(&offer[1]) {
                if let Some(path) = absolute(&path, module) {
                    let name = path.last().cloned();
                    found.insert(module.iter().cloned().chain(name).collect(), path);
                }
            }
        }
    }
    found
}

/// A path from the root of the crate; `None` if it leads out of it.
fn absolute(path: &str, module: &Module) -> Option<Module> {
    let path = path.split(" as ").next().unwrap_or_default();
    let mut parts = path.split("::").map(str::trim);
    let mut found = match parts.next()? {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => module.split_last()?.1.to_vec(),
        _ => return None,
    };
    for part in parts {
        match part {
            "super" => drop(found.pop()),
            "self" | "*" => {}
            part => found.push(part.into()),
        }
    }
    Some(found)
}

/// The file in which stands what the path names.
fn owner(
    mut path: Module,
    texts: &BTreeMap<Module, String>,
    exports: &BTreeMap<Module, Module>,
) -> Module {
    // A name that is offered on and on would be an error of the compiler's.
    for _ in 0..8 {
        let file = (0..=path.len()).rev().map(|length| &path[..length]);
        let file = file.into_iter().find(|file| texts.contains_key(*file)).unwrap_or_default();
        let name = path.get(..=file.len()).map(<[String]>::to_vec);
        let Some(elsewhere) = name.and_then(|name| exports.get(&name)) else {
            return file.to_vec();
        };
        let rest = path[file.len() + 1..].to_vec();
        path = elsewhere.iter().cloned().chain(rest).collect();
    }
    path
}
