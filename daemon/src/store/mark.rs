//! The mark beside a store: how many transactions its daemon knows to be durable. A store that has
//! fewer is not the one that it was: its log was cut or taken away, or another file is in its place.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// What the mark of a new store takes: one line that is always written whole.
const LENGTH: usize = 64;

/// A mark that is kept up to date.
#[derive(Debug)]
pub(super) struct Mark(File);

/// Where the mark of a store is.
pub(super) fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-mark");
    name.into()
}

/// What a mark says; none: there is no mark, or it says nothing of this owner.
pub(super) fn read(path: &Path, owner: &str) -> Option<i64> {
    let text = std::fs::read_to_string(path).ok()?;
    let (of, commits) = text.trim_end().split_once(' ')?;
    if of == owner { commits.trim().parse().ok() } else { None }
}

impl Mark {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(Self)
    }

    /// So many are durable. It is not synced: after a power failure it says fewer, never more.
    pub(super) fn set(&self, owner: &str, commits: i64) -> io::Result<()> {
        let mut line = format!("{owner} {commits}");
        while line.len() + 1 < LENGTH {
            line.push(' ');
        }
        line.push('\n');
        self.0.write_all_at(line.as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_was_said_last_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("haetae.db"));
        assert_eq!(read(&path, "node"), None);
        let mark = Mark::open(&path).unwrap();
        for commits in [123_456, 7] {
            mark.set("node", commits).unwrap();
            assert_eq!(read(&path, "node"), Some(commits));
        }
        assert_eq!(read(&path, "other"), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&path, "node"), None);
    }
}
