//! Reading the project's files, and what their code names.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;
use toml::Table;

/// A file of the project.
pub struct File {
    /// Where it is, from the root.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// Every text file of the project.
pub fn tree() -> Vec<File> {
    let root = root();
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            // A worktree has a file in place of the folder `.git`.
            if ["target", ".git"].map(Into::into).contains(&entry.file_name()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).expect("inside").display().to_string();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Each path that the code names, those of `use` trees one by one.
pub fn paths(code: &str) -> Vec<String> {
    let uses = Regex::new(r"\buse ([^;]+);").expect("a pattern");
    let inline = Regex::new(r"\b[A-Za-z_]\w*(?:::[A-Za-z_]\w*)+").expect("a pattern");
    let mut found = Vec::new();
    for tree in uses.captures_iter(code) {
        flatten("", &tree[1].split_whitespace().collect::<Vec<_>>().join(" "), &mut found);
    }
    found.extend(inline.find_iter(&uses.replace_all(code, "")).map(|path| path.as_str().into()));
    found
}

fn flatten(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        return found.push(format!("{prefix}{}", tree.trim()));
    };
    let prefix = format!("{prefix}{}", head.trim());
    let (mut depth, mut branch) = (0, String::new());
    for letter in rest.rsplit_once('}').map_or(rest, |(body, _)| body).chars().chain([',']) {
        match letter {
            ',' if depth == 0 => match std::mem::take(&mut branch).trim() {
                "" => {}
                branch => flatten(&prefix, branch, found),
            },
            letter => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                branch.push(letter);
            }
        }
    }
}

/// The text without its comments.
pub fn code(text: &str) -> String {
    let comment = Regex::new(r"(?m)^\s*//.*$| // .*$").expect("a pattern");
    comment.replace_all(text, "").into_owned()
}

/// The text of a file that must be there.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The manifest of the crate in this folder.
pub fn manifest(folder: &str) -> Table {
    read(&format!("{folder}/Cargo.toml")).parse().expect("TOML")
}

/// The crates that these tables of a manifest name.
pub fn dependencies(manifest: &Table, tables: &[&str]) -> BTreeSet<String> {
    let tables = tables.iter().filter_map(|table| manifest.get(*table)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

/// The names of the plugins' folders.
pub fn plugins() -> Vec<String> {
    let folders = fs::read_dir(root().join("plugins")).expect("plugins/");
    let names = folders.filter_map(|folder| folder.ok()?.file_name().into_string().ok());
    let names: BTreeSet<String> = names.collect();
    names.into_iter().collect()
}

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").into()
}

/// Code that is shipped, in the sense of the rules about code.
pub fn is_code(path: &str) -> bool {
    let places = ["daemon/src/", "plugin-api/src/", "plugin-api/macros/src/", "plugins/"];
    path.ends_with(".rs") && places.iter().any(|place| path.starts_with(place))
}
