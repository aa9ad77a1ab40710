//! Loading plugins: of other versions, replaced under way, from outside, and what they are lent.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, clippy::string_slice, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]
#![allow(clippy::needless_pass_by_value, clippy::unnecessary_debug_formatting, reason = "a test")]

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
#[path = "plugins/earlier.rs"]
mod earlier;
#[path = "plugins/lends.rs"]
mod lends;
#[path = "plugins/outside.rs"]
mod outside;
#[path = "plugins/readme.rs"]
mod readme;
mod support;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use haetae::plugin::{catalog::Catalog, library::Storage};
use haetae_plugin::{ABI_VERSION, RUSTC};
use outside::{Edit, built_against_copy};
use serde_json::Value;
use support::{Daemon, Home, built, file_sink, within};
use tempfile::TempDir;

const ABI: &str = "plugin-api/src/abi.rs";
const CONTEXT: &str = "plugin-api/src/context.rs";
const INSTANCE: &str = "plugin-api/src/abi/instance.rs";
const LEND: &str = "plugin-api/src/abi/lend.rs";
const LIBRARY: &str = "plugin-api/src/abi/library.rs";

// The ends of three tables and where they are filled: what came last, and what may come next.
const METRICS: &str = "    pub metrics: extern \"C\" fn(RStr<'_>, RStr<'_>) -> Reply<RString>,\n";
const LISTENS: &str = "    pub listens: unsafe extern \"C\" fn(Data) -> bool,\n";
const STATE_DIR: &str = "    pub state_dir: unsafe extern \"C\" fn(Data) -> RString,\n";
const SOCKETS: &str = "    pub guard_socket: unsafe extern \"C\" fn(Data, i32) -> u64,\n    pub release_socket: unsafe extern \"C\" fn(Data, u64),\n";
const METRICS_OF: &str = "                metrics: metrics_of::<E>,\n";
const LISTENS_OF: &str = "            listens: listens::<S>,\n";
const STATE_DIR_OF: &str = "            record,\n            poisoned,\n            state_dir,\n";
const SOCKETS_OF: &str = "            guard_socket,\n            release_socket,\n";

/// A home with the plugin at `file` in a directory of `[plugins] path`, and the file sink.
fn home_with(file: &Path) -> Home {
    let home = Home::with_plugins(&["file"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let name = file.file_name().expect("a file");
    fs::copy(file, home.path("more").join(name)).expect("it was built");
    home
}

/// Runs the kind `kind` as source `it` into the file sink; `more` is further configuration.
fn run(home: &Home, kind: &str, more: &str) -> Daemon {
    configure(home, kind, "it", more);
    home.start()
}

/// Where plugins lie that are not beside the program.
const MORE_PLUGINS: &str = "[plugins]\npath = ['HOME/more']\n";

fn configure(home: &Home, kind: &str, input: &str, more: &str) {
    let source = format!("[sources.it]\nplugin = {kind:?}\ninterval = \"1s\"\n");
    home.configure(&[MORE_PLUGINS, &source, &file_sink("out", &[input]), more].concat());
}

/// The first line of the file sink that is as wanted.
fn line_when(home: &Home, is: impl Fn(&Value) -> bool) -> Option<Value> {
    within(Duration::from_secs(30), || {
        let text = fs::read_to_string(home.path("out.jsonl")).ok()?;
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).find(&is)
    })
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn another_major_is_named_with_cause_and_cure_by_list_check_and_status() {
    let ours = format!("version = \"{ABI_VERSION}\"");
    let required = format!("plugin-api\", {ours}");
    let edits = [
        Edit("plugin-api/Cargo.toml", &ours, "version = \"2.0.0\""),
        Edit("Cargo.toml", &required, "plugin-api\", version = \"2.0.0\""),
    ];
    let file = built_against_copy("major", "1.0", &edits);
    let home = home_with(&file);
    let cause = format!("speaks version 2.0.0 of the plugin ABI, this daemon speaks {ABI_VERSION}");
    let cure = "build it with a haetae-plugin of the daemon's major version";

    let directory = home.path("more").display().to_string();
    let list = home.output(&["plugin", "list", "--path", &directory]);
    let said = text(&list);
    assert_eq!(list.status.code(), Some(1), "{said}");
    for part in ["HT0413", cause.as_str(), cure] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }

    // Who names its kind is told the same, not that there is no such kind.
    configure(&home, "major", "it", "");
    let check = text(&home.output(&["check"]));
    for part in [cause.as_str(), cure] {
        let said = check.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(part), "no `{part}` in {check}");
    }

    // A daemon that doesn't need it runs, and says so.
    fs::copy(built().join("libhaetae_host.so"), home.path("bin/libhaetae_host.so")).expect("host");
    let daemon = run(&home, "host", "");
    let status = home.json(&["status"]).expect("it answers");
    let refused = &status["refused"][0];
    assert_eq!(refused["code"], "HT0413");
    assert!(refused["cause"].as_str().expect("text").contains(&cause), "{refused}");
    assert_eq!(refused["cure"], cure);
    let said = text(&home.output(&["status"]));
    assert!(said.contains("HT0413") && said.contains(&cause) && said.contains(cure), "{said}");
    assert!(daemon.stop());
}

#[test]
fn a_plugin_of_an_older_minor_loads_and_works() {
    let none = |function: &str| format!("None::<{function}>");
    let string = "abi_stable::std_types::RString";
    let metrics = none(&format!("extern \"C\" fn(RStr<'_>, RStr<'_>) -> Reply<{string}>"));
    let listens = none("unsafe extern \"C\" fn(super::Data) -> bool");
    let state = none("unsafe extern \"C\" fn(Data) -> RString");
    let guard = none("unsafe extern \"C\" fn(Data, i32) -> u64");
    let release = none("unsafe extern \"C\" fn(Data, u64)");
    let edits = [
        Edit(ABI, METRICS, ""),
        Edit(ABI, LISTENS, ""),
        Edit(ABI, STATE_DIR, ""),
        Edit(ABI, SOCKETS, ""),
        Edit(LEND, SOCKETS_OF, ""),
        Edit(LEND, "self.functions.guard_socket()", &guard),
        Edit(LEND, "self.functions.release_socket()", &release),
        Edit(INSTANCE, METRICS_OF, ""),
        Edit(INSTANCE, LISTENS_OF, ""),
        Edit(LEND, STATE_DIR_OF, "            record,\n            poisoned,\n"),
        Edit(LEND, "self.functions.state_dir()", &state),
        Edit(LIBRARY, "self.0.metrics()", &metrics),
        Edit(LIBRARY, "raw.functions.listens()", &listens),
    ];
    let value = "f64::from(u8::from(cx.state_dir().is_err()))";
    let file = built_against_copy("older", value, &edits);
    let home = home_with(&file);
    let daemon = run(&home, "older", "");
    let line = line_when(&home, |line| line["name"] == "older").expect("it collects");
    assert_eq!(line["value"], 1.0, "it was built without `state_dir`");
    assert_eq!(home.instance("it").expect("it is there")["state"], "ok");
    assert!(daemon.stop());
    let doc = text(&home.output(&["plugin", "doc", "older"]));
    assert!(doc.contains("# older") && !doc.contains("## Metrics"), "{doc}");
}

#[test]
fn a_plugin_of_a_newer_minor_loads_and_does_without_what_the_daemon_lacks() {
    let ours = format!("version = \"{ABI_VERSION}\"");
    let and = |last: &str, later: &str| format!("{last}    {later},\n");
    let has = |on: &str, next: &str| {
        format!("    pub fn has_later(&self) -> bool {{\n        {on}\n    }}\n\n{next}")
    };
    let (clock, log) = ("    /// The daemon's clock.\n", "    pub(crate) fn log(&self");
    let edits = [
        Edit("plugin-api/Cargo.toml", &ours, "version = \"1.999.0\""),
        Edit(ABI, METRICS, &and(METRICS, "pub later: extern \"C\" fn() -> RString")),
        Edit(ABI, LISTENS, &and(LISTENS, "pub later: unsafe extern \"C\" fn(Data) -> bool")),
        Edit(ABI, SOCKETS, &and(SOCKETS, "pub later: unsafe extern \"C\" fn(Data) -> RString")),
        Edit(INSTANCE, METRICS_OF, &and(METRICS_OF, "later: describe::<E>")),
        Edit(INSTANCE, LISTENS_OF, &and(LISTENS_OF, "later: listens::<S>")),
        Edit(LEND, SOCKETS_OF, &and(SOCKETS_OF, "later: state_dir")),
        Edit(LEND, log, &has("self.functions.later().is_some()", log)),
        Edit(CONTEXT, clock, &has("self.host.has_later()", clock)),
    ];
    let value = "if cx.has_later() { 1.0 } else { 2.0 }";
    let file = built_against_copy("newer", value, &edits);
    let home = home_with(&file);
    let daemon = run(&home, "newer", "");
    let line = line_when(&home, |line| line["name"] == "newer").expect("it collects");
    assert_eq!(line["value"], 2.0, "this daemon lends nothing that came later");
    let listed = home.json(&["plugin", "list"]).expect("a list");
    let plugins = listed["plugins"].as_array().expect("a list").iter();
    let versions: Vec<&Value> = plugins.map(|plugin| &plugin["manifest"]["abi"]).collect();
    assert!(versions.contains(&&Value::from("1.999.0")), "{versions:?}");
    assert!(daemon.stop());
}

#[test]
fn a_plugin_whose_layout_differs_is_refused_in_a_few_lines() {
    let sample = "plugin-api/src/sample.rs";
    let file = built_against_copy(
        "misfit",
        "1.0",
        &[
            Edit(sample, "flags: u32", "flags: u64"),
            Edit(sample, "flag: u32", "flag: u64"),
            Edit(sample, "END: u32", "END: u64"),
            Edit(sample, "DELAYED: u32", "DELAYED: u64"),
        ],
    );
    let home = home_with(&file);
    let catalog = Catalog::scan(vec![home.path("more")], &[], Storage::Memory);
    let refusal = catalog.description("misfit").expect("it is found").expect_err("it is refused");
    assert_eq!(refusal.code, "HT0414", "{refusal}");
    let said = refusal.to_string();
    assert!(said.len() < 1000, "{} bytes: {said}", said.len());
    assert_eq!(
        said.matches(&format!("haetae-plugin {ABI_VERSION} by {RUSTC}")).count(),
        1,
        "{said}"
    );
    assert!(said.contains(&format!("this daemon has {ABI_VERSION} by {RUSTC}")), "{said}");
    let differs = "Point.flags: Error:mismatched type Expected: u32 Found: u64";
    assert!(said.contains(differs), "what differs is not in: {said}");
    assert!(said.contains("build it with an unchanged haetae-plugin"), "{said}");

    configure(&home, "misfit", "it", "");
    let ended = home.output(&["run"]);
    assert!(!ended.status.success(), "a daemon whose source can't be loaded does not start");
    assert!(text(&ended).contains("types that differ at the boundary"), "{}", text(&ended));
}

#[test]
fn a_third_partys_crate_of_a_dozen_lines_loads_and_raises_an_alarm() {
    let source = outside::root().join("plugin-api/examples/minimal/src/lib.rs");
    let source = fs::read_to_string(source).expect("the example");
    let lines = source.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    assert!(lines <= 15, "the smallest source takes {lines} lines");
    assert!(!source.contains("unsafe") && !source.contains("extern"), "{source}");

    let home = home_with(&outside::example_against_packages("minimal"));
    let rule = "[evaluators.answered]\ninputs = [\"it\"]\nmetric = \"answer\"\ncritical = { above = 41 }\n";
    configure(&home, "minimal", "answered", rule);
    let daemon = home.start();
    let fired = line_when(&home, |line| line["status"] == "firing").expect("it fires");
    assert_eq!(fired["alarms"][0]["evaluator"], "answered");
    assert_eq!(fired["alarms"][0]["value"], 42.0);
    assert!(daemon.stop());
}

#[test]
fn truncating_and_replacing_the_file_of_a_loaded_plugin_harms_nothing() {
    let home = home_with(&built().join("libhaetae_host.so"));
    let file = home.path("more/libhaetae_host.so");
    let mut daemon = run(&home, "host", "");
    let records = || {
        let status = home.instance_when("it", |instance| instance["state"] == "ok");
        status["counts"]["records"].as_u64().expect("a number")
    };
    let mut grows = |when: &str| {
        let before = records();
        let more = within(Duration::from_secs(20), || (records() > before).then_some(()));
        assert!(more.is_some() && daemon.is_running(), "{when}: still {before} records");
    };
    grows("loaded");
    // In place, so that a mapping of it would lose its pages.
    let opened = fs::File::options().write(true).open(&file).expect("it is ours");
    opened.set_len(0).expect("it is cut");
    grows("truncated");
    fs::write(&file, "no library at all").expect("it is overwritten");
    grows("overwritten");
    fs::copy(built().join("libhaetae_demo.so"), home.path("more/new")).expect("demo");
    fs::rename(home.path("more/new"), &file).expect("it is replaced");
    grows("replaced");
    assert!(daemon.stop());
}

#[test]
fn listing_plugins_opens_none_of_them() {
    let home = Home::with_plugins(&["host", "demo"]);
    let opened = |arguments: &[&str]| {
        let output = home.command(arguments).env("LD_DEBUG", "files").output().expect("it runs");
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8_lossy(&output.stderr).matches("/proc/self/fd/").count()
    };
    let directory = home.path("bin").display().to_string();
    assert!(opened(&["plugin", "show", "host", "--path", &directory]) > 0, "the linker tells");
    assert_eq!(opened(&["plugin", "list", "--path", &directory]), 0);
}

/// Loads two libraries in turn; each must describe itself, wherever its bytes lie.
fn two_are_two(storage: Storage) {
    let directories = TempDir::new().expect("a directory");
    for name in ["demo", "faulty"] {
        let file = format!("libhaetae_{name}.so");
        fs::copy(built().join(&file), directories.path().join(file)).expect("it was built");
    }
    let catalog = Catalog::scan(vec![directories.path().into()], &[], storage.clone());
    assert!(catalog.refused().is_empty(), "{:?}", catalog.refused());
    let mut described = Vec::new();
    for name in ["demo", "faulty"] {
        let library = catalog.library(name).expect("it is found").expect("it loads");
        let says: Value = serde_json::from_str(&library.describe()).expect("JSON");
        described.push(says["plugin"].as_str().expect("its name").to_owned());
        let kind = catalog.description(name).expect("it is found").expect("it describes it");
        assert_eq!(kind.kind, name, "{storage:?}");
    }
    assert_eq!(described, ["haetae-demo", "haetae-faulty"], "{storage:?}");
}

#[test]
fn two_plugins_loaded_in_turn_from_memory_are_two() {
    two_are_two(Storage::Memory);
    assert!(mapped("/memfd:haetae-demo") && mapped("/memfd:haetae-faulty"));
}

#[test]
fn two_plugins_loaded_in_turn_from_the_state_directory_are_two() {
    let state = TempDir::new().expect("a directory");
    let place = state.path().join("plugins");
    two_are_two(Storage::Directory(place.clone()));
    let copies: Vec<PathBuf> =
        fs::read_dir(&place).expect("it is there").map(|entry| entry.unwrap().path()).collect();
    assert_eq!(copies.len(), 2, "{copies:?}");
    for copy in copies {
        assert!(mapped(&copy.display().to_string()), "{} is not what runs", copy.display());
        assert_eq!(fs::metadata(&copy).expect("it is there").mode() & 0o222, 0, "read-only");
    }
}

#[test]
fn a_state_directory_that_is_noexec_is_not_loaded_from() {
    let state = TempDir::new().expect("a directory");
    let Some(mount) = Mount::noexec(state.path()) else {
        println!("not checked: this user may not mount a tmpfs with noexec");
        return;
    };
    two_are_two(Storage::Directory(state.path().join("plugins")));
    let left = fs::read_dir(state.path().join("plugins")).expect("it was made").count();
    assert_eq!(left, 0, "nothing is copied to where it can't be mapped from");
    drop(mount);
}

/// Whether a file of that path is mapped into this process.
fn mapped(path: &str) -> bool {
    fs::read_to_string("/proc/self/maps").expect("Linux").contains(path)
}

struct Mount(PathBuf);

impl Mount {
    fn noexec(path: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "noexec", "tmpfs"]).arg(path);
        mount.output().ok()?.status.success().then(|| Self(path.into()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // If it fails, the temporary directory is left behind, which is seen.
        drop(Command::new("umount").arg(&self.0).status());
    }
}
