//! The reserve: a file that is given up when the disk is full, so that its alarm can still be kept.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How big the reserve is.
const SIZE: u64 = 32 << 20;
/// Below it a disk counts as full.
const LEAST: u64 = 1 << 20;

/// Room that is kept for the worst.
#[derive(Clone, Debug)]
pub struct Reserve {
    path: PathBuf,
    given_up: Arc<AtomicBool>,
}

impl Reserve {
    /// The reserve of a state directory, made if there is room for twice of it. On a disk that
    /// filled up meanwhile it is given up at once: there must be room to start and to say so.
    pub fn in_state(state: &Path) -> Self {
        let reserve =
            Self { path: state.join("reserve"), given_up: Arc::new(AtomicBool::new(true)) };
        reserve.restore();
        if reserve.is_tight() {
            reserve.give_up();
        }
        reserve
    }

    /// Whether it was given up: what can wait, waits.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Whether nearly nothing is free beside it.
    pub fn is_tight(&self) -> bool {
        is_full(&self.path)
    }

    /// Gives the room free. False if there was nothing left to give.
    pub fn give_up(&self) -> bool {
        self.given_up.store(true, Ordering::SeqCst);
        fs::remove_file(&self.path).is_ok()
    }

    /// Takes the room again once twice of it is free; whether it is whole.
    pub fn restore(&self) -> bool {
        if !self.is_given_up() {
            return true;
        }
        let whole = fs::metadata(&self.path).is_ok_and(|file| file.len() == SIZE);
        let room = self.path.parent().and_then(free).unwrap_or(0);
        let taken = whole || (room >= 2 * SIZE && self.take().is_ok());
        if taken {
            self.given_up.store(false, Ordering::SeqCst);
        }
        taken
    }

    /// Written, not only announced: a hole would hold no room.
    fn take(&self) -> io::Result<()> {
        let written = (|| {
            let mut file = File::create(&self.path)?;
            let block = vec![0; 1 << 20];
            for _ in 0..SIZE >> 20 {
                file.write_all(&block)?;
            }
            file.sync_all()
        })();
        if written.is_err() {
            // Half a reserve is worse than none: it takes room and says nothing.
            drop(fs::remove_file(&self.path));
        }
        written
    }
}

/// Whether nearly nothing is free where `path` is.
pub fn is_full(path: &Path) -> bool {
    path.parent().and_then(free).is_some_and(|free| free < LEAST)
}

/// The bytes that are free in a directory.
pub fn free(directory: &Path) -> Option<u64> {
    let numbers = rustix::fs::statvfs(directory).ok()?;
    Some(numbers.f_bavail.saturating_mul(numbers.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_room_gives_it_up_and_takes_it_again() {
        let state = tempfile::tempdir().unwrap();
        let reserve = Reserve::in_state(state.path());
        let file = state.path().join("reserve");
        assert!(!reserve.is_given_up());
        assert_eq!(fs::metadata(&file).unwrap().len(), SIZE);
        assert!(reserve.give_up() && reserve.is_given_up() && !file.exists());
        assert!(!reserve.give_up(), "there is nothing left");
        assert!(reserve.restore() && !reserve.is_given_up() && file.exists());
    }

    #[test]
    fn half_a_reserve_that_a_kill_left_is_made_whole() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("reserve"), [0; 100]).unwrap();
        assert!(!Reserve::in_state(state.path()).is_given_up());
        assert_eq!(fs::metadata(state.path().join("reserve")).unwrap().len(), SIZE);
    }
}
