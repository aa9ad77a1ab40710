//! The environment: the one place that reads variables and the program's own path.

use std::{
    env,
    path::{Path, PathBuf},
};

/// `[daemon] state` where the file says nothing.
pub const STATE: &str = "/var/lib/haetae";

/// The admin socket in the directory that systemd made for us, if it did.
pub fn runtime_socket() -> Option<PathBuf> {
    let directory = env::var_os("RUNTIME_DIRECTORY")?;
    Some(PathBuf::from(directory).join("admin.sock"))
}

/// Where this user's programs keep what they go on from.
pub fn state_home() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

/// The built-in plugin directory: the packaged one for the packaged program, else the program's own.
pub fn built_in_plugins() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    match program.parent() {
        Some(parent) if parent != Path::new("/usr/bin") => parent.into(),
        _ => PathBuf::from("/usr/lib/haetae/plugins"),
    }
}

/// Whether colours are unwanted: <https://no-color.org>, or a terminal that knows none.
pub fn wants_no_colour() -> bool {
    let is_set = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_set || env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// How many columns a person says that there are.
pub fn columns() -> Option<usize> {
    env::var("COLUMNS").ok()?.parse().ok()
}

/// The file by which tests build faults into stages of a debug build.
pub fn faults() -> Option<PathBuf> {
    env::var_os("HAETAE_TEST_FAULTS").map(PathBuf::from)
}
