//! Why a file is not loaded as a plugin, and what to do about it.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    time::Duration,
};

use haetae_plugin::{ABI_VERSION, RUSTC, abi::LoadError, export::Manifest};
use serde::Serialize;

use super::writers::Writers;

/// A file that is not loaded: its cause and cure, each step of loading with a code of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {cause}; {cure}", .file.display())]
pub struct Refusal {
    /// The step: documented in the manual.
    pub code: Cow<'static, str>,
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub cure: String,
}

impl Refusal {
    fn new(code: &'static str, file: &Path, cause: impl Into<String>, cure: &str) -> Self {
        Self { code: code.into(), file: file.into(), cause: cause.into(), cure: cure.into() }
    }

    /// The file or directory can't be read.
    pub fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self::new("HT0401", file, format!("cannot be read: {error}"), "check path and permissions")
    }

    /// It is a directory, a socket, …
    pub fn not_a_file(file: &Path) -> Self {
        Self::new("HT0402", file, "is not a regular file", "remove it from the plugin directory")
    }

    /// Its owner is neither root nor the daemon's user.
    pub fn foreign_owner(file: &Path, owner: u32) -> Self {
        let cure = format!("chown root {}", file.display());
        Self::new(
            "HT0403",
            file,
            format!("belongs to user {owner}, neither root nor the daemon's"),
            &cure,
        )
    }

    /// Others may change it.
    pub fn writable(file: &Path, writers: Writers) -> Self {
        let cause = format!("is writable by {}", writers.name());
        Self::new("HT0404", file, cause, &writers.cure(file))
    }

    /// The way to it leads through a folder in which others may put another file.
    pub fn through_writable(file: &Path, folder: &Path, writers: Writers) -> Self {
        let cause = format!("is reached by {}, writable by {}", folder.display(), writers.name());
        let cure = format!("{}, or keep plugins elsewhere", writers.cure(folder));
        Self::new("HT0422", file, cause, &cure)
    }

    /// The way to it leads through the folder of another user.
    pub fn through_foreign(file: &Path, folder: &Path, owner: u32) -> Self {
        let cause = format!(
            "is reached by {}, which belongs to user {owner}, neither root nor the daemon's",
            folder.display()
        );
        Self::new("HT0422", file, cause, "keep plugins in a folder of root's")
    }

    /// It is no shared library.
    pub fn not_a_library(file: &Path, cause: impl Into<String>) -> Self {
        Self::new(
            "HT0405",
            file,
            cause,
            "put a plugin built for this machine here, or remove the file",
        )
    }

    /// Its header promises more bytes than there are.
    pub fn truncated(file: &Path, wanted: u64, length: u64) -> Self {
        let cause = format!("is cut off: its header needs {wanted} bytes, the file has {length}");
        Self::new("HT0406", file, cause, "copy or install the plugin again")
    }

    /// A library, but not one of ours.
    pub fn no_manifest(file: &Path) -> Self {
        let cause = "is a library without the section .haetae, so not a haetae plugin";
        let cure = "build it with haetae_plugin::export!, or remove the file";
        Self::new("HT0407", file, cause, cure)
    }

    /// Its section does not read.
    pub fn bad_manifest(file: &Path, error: &haetae_plugin::Error) -> Self {
        Self::new(
            "HT0408",
            file,
            format!("its section .haetae does not read: {error}"),
            "build it again with haetae_plugin::export!",
        )
    }

    /// Built with `panic = "abort"`.
    pub fn aborts(file: &Path) -> Self {
        let cause = "was built with panic = \"abort\": a panic of it would end the daemon";
        Self::new("HT0409", file, cause, "build it with panic = \"unwind\"")
    }

    /// Not on the list of allowed plugins.
    pub fn not_allowed(file: &Path, sha256: &str) -> Self {
        let cause = format!("is not in [plugins] allow; its sha256 is {sha256}");
        Self::new("HT0410", file, cause, "add \"name@sha256:…\" to allow, if you trust it")
    }

    /// Two files export one kind.
    pub fn exported_twice(kind: &str, file: &Path, other: &Path) -> Self {
        let cause = format!("exports the kind `{kind}`, and so does {}", other.display());
        Self::new("HT0411", file, cause, "remove one of the two")
    }

    /// The dynamic linker refused it.
    pub fn unlinkable(file: &Path, error: libloading::Error) -> Self {
        // Its own text says no more than that it failed; the linker's stands behind it.
        let error = haetae_plugin::Error::from(error);
        Self::new(
            "HT0412",
            file,
            format!("cannot be linked: {error}"),
            "build it for this system; see its missing symbols",
        )
    }

    /// Its manifest names another major version of the boundary.
    pub fn other_major(file: &Path, manifest: &Manifest) -> Self {
        let error = LoadError::Major { plugin: manifest.abi.clone(), daemon: ABI_VERSION };
        Self::misfit(file, manifest, &error)
    }

    /// The boundary's versions or layouts don't fit.
    pub fn misfit(file: &Path, manifest: &Manifest, error: &LoadError) -> Self {
        let built = format!(
            "built with haetae-plugin {} by {}; this daemon has {ABI_VERSION} by {RUSTC}",
            manifest.abi, manifest.rustc
        );
        let (code, cause, cure) = match error {
            LoadError::Major { plugin, daemon } => (
                "HT0413",
                format!("speaks version {plugin} of the plugin ABI, this daemon speaks {daemon}"),
                "build it with a haetae-plugin of the daemon's major version",
            ),
            LoadError::Layout(tail) => (
                "HT0414",
                format!("has types that differ at the boundary ({tail})"),
                "build it with an unchanged haetae-plugin",
            ),
            LoadError::Foreign(tail) => (
                "HT0415",
                format!("has no valid root module ({tail})"),
                "build it with haetae_plugin::export!",
            ),
            LoadError::Init(tail) => {
                ("HT0416", format!("failed to initialise ({tail})"), "report it to its author")
            }
            _ => ("HT0415", "does not load".into(), "build it again"),
        };
        Self::new(code, file, format!("{cause}; {built}"), cure)
    }

    /// Its options use a word of the daemon's, or another promise of a kind is broken.
    pub fn bad_description(file: &Path, cause: impl Into<String>) -> Self {
        Self::new("HT0417", file, cause, "report it to the plugin's author")
    }

    /// It ended the process that opened it.
    pub fn crashes(file: &Path, how: &str) -> Self {
        let cause = format!("its library crashed with {how} when it was opened");
        let cure =
            "it is damaged: copy or install the plugin again; if it stays, report it to its author";
        Self::new("HT0418", file, cause, cure)
    }

    /// It held the process that opened it.
    pub fn hangs(file: &Path, limit: Duration) -> Self {
        let cause = format!("its library did not answer within {limit:?} when it was opened");
        let cure =
            "it is damaged: copy or install the plugin again; if it stays, report it to its author";
        Self::new("HT0419", file, cause, cure)
    }

    /// It could not be tried.
    pub fn untried(file: &Path, error: &dyn std::fmt::Display) -> Self {
        let cause = format!("its library cannot be tried in a process of its own: {error}");
        Self::new("HT0420", file, cause, "try again; see the limits of processes and memory")
    }

    /// Its bytes are not those that were tried.
    pub fn changed(file: &Path) -> Self {
        Self::new("HT0421", file, "was replaced while it was opened", "start again")
    }

    /// What a process of ours said that opened it.
    pub(super) fn described(file: &Path, code: String, cause: String, cure: String) -> Self {
        Self { code: code.into(), file: file.into(), cause, cure }
    }
}
