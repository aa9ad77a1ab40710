//! Plugins as third parties build them: in workspaces of their own, beside copies of the plugin
//! API that are edited to what it was, will be or must never be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use haetae_plugin::ABI_VERSION;

/// Exact text that is replaced in a file of the copy, each place where it stands.
pub(super) struct Edit<'a>(pub(super) &'a str, pub(super) &'a str, pub(super) &'a str);

/// The one target directory: packages at other paths are other packages, so nothing gets mixed up.
pub(super) fn outside() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outside")
}

/// The root of the workspace.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).expect("the workspace")
}

/// Builds the kind `name` against a copy of the plugin API with `edits`; returns its file.
/// `value` is what its metric `name` is: an expression that may use the context `cx`.
pub(super) fn built_against_copy(name: &str, value: &str, edits: &[Edit<'_>]) -> PathBuf {
    let place = outside().join(name);
    let copies = ["README.md", "build.rs", "Cargo.toml", "src", "macros/Cargo.toml", "macros/src"];
    let mut files = Vec::new();
    for copy in copies {
        files_of(&root().join("plugin-api").join(copy), &mut files);
    }
    let mut done = vec![false; edits.len()];
    for file in files {
        let path = file.strip_prefix(root()).expect("in it");
        let mut text = fs::read_to_string(&file).expect("text");
        for (Edit(_, from, to), done) in
            edits.iter().zip(&mut done).filter(|(Edit(file, ..), _)| path == Path::new(file))
        {
            assert!(text.contains(from), "{} has no `{from}` to edit", path.display());
            text = text.replace(from, to);
            *done = true;
        }
        write(&place.join(path), &text);
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let (head, members) = manifest.split_once("members = [").expect("members");
    let (_, tail) = members.split_once("]\n").expect("their end");
    let mut manifest =
        format!("{head}members = [\"plugin-api\", \"plugin-api/macros\", \"plugin\"]\n{tail}");
    for (Edit(_, from, to), done) in
        edits.iter().zip(&mut done).filter(|(Edit(file, ..), _)| *file == "Cargo.toml")
    {
        assert!(manifest.contains(from), "the root has no `{from}` to edit");
        manifest = manifest.replace(from, to);
        *done = true;
    }
    assert!(done.iter().all(|done| *done), "an edit names no file that is copied");
    write(&place.join("Cargo.toml"), &manifest);
    lock(&place);
    write(&place.join("plugin/Cargo.toml"), &PLUGIN_MANIFEST.replace("NAME", name));
    let source = PLUGIN.replace("NAME", name).replace("VALUE", value);
    write(&place.join("plugin/src/lib.rs"), &source);
    build(&place, &format!("haetae-{name}"), &[])
}

const PLUGIN_MANIFEST: &str = r#"[package]
name = "haetae-NAME"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
haetae-plugin.workspace = true
"#;

const PLUGIN: &str = r#"use haetae_plugin::{Batch, Call, Context, Records, Result, Samples, Series, Source};

haetae_plugin::export! { kind "NAME" { source: Outside, sample: "[sources.x]\nplugin = \"NAME\"" } }

#[haetae_plugin::options]
struct Options {}
struct Outside(Series, Context);

impl Source for Outside {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;
    fn open(_: Options, cx: Context) -> Result<Self> {
        Ok(Self(Series::gauge("NAME", "1").build(), cx))
    }
    fn collect(&mut self, call: Call) -> Result<Batch> {
        let cx = &self.1;
        cx.counter("calls").increment();
        Ok(Samples::at(call.window.to).with(&self.0, VALUE).into())
    }
}
"#;

/// An example, built against the packages as they would be published; returns its file.
pub(super) fn example_against_packages(name: &str) -> PathBuf {
    let patches = packages().iter();
    let patches: Vec<&str> = patches.flat_map(|patch| ["--config", patch]).collect();
    let (place, source) = (examples().join(name), root().join("plugin-api/examples").join(name));
    let mut files = Vec::new();
    files_of(&source, &mut files);
    for file in files {
        let path = file.strip_prefix(&source).expect("in it");
        // In the tree it has the crate by its path; its copy has it from a registry.
        let text =
            fs::read_to_string(&file).expect("text").replace("{ path = \"../..\" }", "\"1\"");
        write(&place.join(path), &text);
    }
    lock(&place);
    build_in(&examples().join("target"), &place, &format!("haetae-{name}"), &patches)
}

/// What the compiler says of a plugin with this source, that has the crate by its path.
pub(super) fn refused_by_the_compiler(source: &str) -> String {
    let place = examples().join("refused");
    let path = root().join("plugin-api");
    let manifest = PLUGIN_MANIFEST.replace("NAME", "refused");
    let manifest = manifest.replace(
        "haetae-plugin.workspace = true",
        &format!("haetae-plugin = {{ path = {path:?} }}"),
    );
    write(&place.join("Cargo.toml"), &format!("{manifest}\n[workspace]\n"));
    write(&place.join("src/lib.rs"), source);
    lock(&place);
    let mut build = cargo(&place);
    build.env("CARGO_TARGET_DIR", examples().join("target")).args(["build", "--quiet"]);
    let output = build.output().expect("it starts");
    assert!(!output.status.success(), "it builds");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn examples() -> PathBuf {
    outside().join("examples")
}

/// The crates, packed and unpacked again; the answer is what makes cargo take them. Once a process:
/// tests beside each other would write the same files.
fn packages() -> &'static [String] {
    static PATCHES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let names = ["haetae-plugin", "haetae-plugin-macros"];
        let mut package = cargo(&root());
        package.args(["package", "--allow-dirty", "--no-verify", "--quiet"]);
        package.args(names.iter().flat_map(|name| ["-p", name]));
        succeeds(&mut package);
        names.map(|name| format!("patch.crates-io.{name}.path={:?}", unpacked(name))).into()
    });
    &PATCHES
}

/// A package that was made, as whoever downloads it has it.
fn unpacked(name: &str) -> PathBuf {
    let package = format!("{name}-{ABI_VERSION}");
    let archive = outside().join("target/package").join(format!("{package}.crate"));
    let (place, unpacked) = (examples().join("packages"), examples().join("unpacked"));
    fs::create_dir_all(&unpacked).expect("a directory");
    succeeds(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&unpacked));
    // All files of an archive are of one day in 2006: as unpacked, none would ever look changed.
    let mut files = Vec::new();
    files_of(&unpacked.join(&package), &mut files);
    for file in files {
        let path = file.strip_prefix(&unpacked).expect("in it");
        write(&place.join(path), &fs::read_to_string(&file).expect("text"));
    }
    place.join(package)
}

fn build(place: &Path, package: &str, more: &[&str]) -> PathBuf {
    // A target of its own: of two copies with the same member paths cargo would take the other's
    // artefacts for fresh.
    build_in(&place.join("target"), place, package, more)
}

fn build_in(target: &Path, place: &Path, package: &str, more: &[&str]) -> PathBuf {
    let mut build = cargo(place);
    build.env("CARGO_TARGET_DIR", target);
    succeeds(build.args(["build", "--quiet", "-p", package]).args(more));
    let file = format!("lib{}.so", package.replace('-', "_"));
    target.join("debug").join(file)
}

fn cargo(place: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo runs the tests"));
    cargo.current_dir(place);
    cargo.env("CARGO_TARGET_DIR", outside().join("target"));
    // One profile for all, so that dependencies are built once.
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} says: {said}");
}

/// The versions of our own lock file, so that nothing new is downloaded.
fn lock(place: &Path) {
    let path = place.join("Cargo.lock");
    if !path.exists() {
        fs::create_dir_all(place).expect("a directory");
        fs::copy(root().join("Cargo.lock"), path).expect("the lock file");
    }
}

fn files_of(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            files_of(&entry.expect("an entry").path(), files);
        }
    } else {
        files.push(path.into());
    }
}

/// Writes what has changed: what has not need not be built again.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|known| known == text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
    fs::write(path, text).expect("it is ours");
}
