//! How many files the process may have open: as many as the system lets it, and a share of them for
//! who connects, so that files are left for sinks, sources and the store.

use std::{fs, io};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one: what a shell or a container set low is seldom meant.
pub fn raise() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    // systemd's unit sets both, and lets nobody set them again.
    if limit.current == limit.maximum {
        return Ok(());
    }
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// How many files it may have open.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files it has open; `None` where the system does not say.
pub fn open() -> Option<usize> {
    // One of them is the list itself.
    fs::read_dir("/proc/self/fd").ok().map(|list| list.count().saturating_sub(1))
}

/// One of so many parts of all files, at most `most` and at least one.
pub fn share(parts: u64, most: usize) -> usize {
    usize::try_from(limit() / parts).unwrap_or(most).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_bounded_on_both_sides() {
        let limit = limit();
        assert_eq!(share(u64::MAX, 256), 1);
        assert_eq!(share(1, 3), 3);
        assert!(limit < 8 || share(4, 1 << 20) as u64 <= limit / 4);
    }
}
