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
fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-mark");
    name.into()
}

/// What the mark of a store says: whose it is, and how many transactions of theirs are durable.
/// None: there is no mark, or it can't be read, as after a power failure.
pub(super) fn read(store: &Path) -> Option<(String, i64)> {
    let text = std::fs::read_to_string(beside(store)).ok()?;
    let (owner, commits) = text.trim_end().split_once(' ')?;
    Some((owner.into(), commits.trim().parse().ok()?))
}

/// What is missing of a file, seen before it is opened: it must not be made anew.
pub(super) fn missing(store: &Path) -> Option<String> {
    let (_, commits) = read(store).filter(|(_, commits)| *commits > 0)?;
    match std::fs::metadata(store) {
        Ok(file) if file.len() > 0 => None,
        Ok(_) => Some(format!("the file is empty, and {commits} transactions were written to it")),
        Err(_) => {
            Some(format!("the file is missing, and {commits} transactions were written to it"))
        }
    }
}

/// What is missing of a file that has so many transactions of `owner`.
pub(super) fn behind(store: &Path, owner: &str, commits: i64) -> Option<String> {
    let (of, known) = read(store)?;
    (of == owner && known > commits).then(|| {
        let missing = known - commits;
        format!("its last {missing} transactions are missing: {known} were written to it")
    })
}

impl Mark {
    /// Opens that of a store, or makes it.
    pub(super) fn open(store: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(beside(store)).map(Self)
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
        let store = folder.path().join("haetae.db");
        assert_eq!(read(&store), None);
        let mark = Mark::open(&store).unwrap();
        for commits in [123_456, 7] {
            mark.set("node", commits).unwrap();
            assert_eq!(read(&store), Some(("node".into(), commits)));
        }
        assert!(missing(&store).unwrap().contains("missing"));
        std::fs::write(&store, "").unwrap();
        assert!(missing(&store).unwrap().contains("empty"));
        std::fs::write(&store, "x").unwrap();
        assert_eq!(missing(&store), None);
        assert!(behind(&store, "node", 4).unwrap().contains("last 3 transactions"));
        assert_eq!((behind(&store, "node", 7), behind(&store, "other", 4)), (None, None));
        // As a power failure may leave it.
        std::fs::write(beside(&store), "").unwrap();
        assert_eq!((read(&store), behind(&store, "node", 4)), (None, None));
    }
}
