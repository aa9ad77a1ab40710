//! The state directory: one that is removed or replaced under the daemon takes what is written with it,
//! and no write says so.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    clock::Clock, engine::Problem, plugin::event::Event, stage::Stage, store::health::Health,
};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(5);
/// What the problem is of.
pub(super) const STATE: &str = "state";

/// What looks for it.
pub(super) struct DirectoryWatch {
    /// Where the file is that this daemon has locked.
    pub(super) lock: PathBuf,
    /// That file: device and inode.
    pub(super) ours: (u64, u64),
    pub(super) health: Health,
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) stop: CancellationToken,
}

impl DirectoryWatch {
    /// Which file that is.
    pub(super) fn identity(lock: &File) -> io::Result<(u64, u64)> {
        lock.metadata().map(|found| (found.dev(), found.ino()))
    }

    /// Why the directory is not the one that it was; `None` if it is.
    fn lost(&self) -> Option<String> {
        let path = self.lock.parent().unwrap_or(&self.lock).display();
        let cure = "put it back, or stop haetae and start it again: it goes on with what is there";
        match fs::metadata(&self.lock) {
            Ok(found) if (found.dev(), found.ino()) == self.ours => None,
            Ok(_) => Some(format!("the state directory {path} was replaced: {cure}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(format!("the state directory {path} was removed or renamed: {cure}"))
            }
            Err(error) => Some(format!("the state directory {path} can't be read: {error}")),
        }
    }

    async fn report(&self, detail: Option<String>) {
        let event = Event { instance: STATE.into(), problem: Problem::StateLost, detail };
        // The pipeline is gone only while the daemon stops.
        drop(self.events.send(event).await);
    }
}

impl Stage for DirectoryWatch {
    async fn run(&mut self) {
        // One that an earlier run left open ends here.
        let mut reported = None;
        self.report(None).await;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(EVERY) => {}
            }
            let lost = self.lost();
            match &lost {
                Some(cause) => self.health.fails(cause, self.clock.now()),
                None => self.health.works(),
            }
            if lost == reported {
                continue;
            }
            if let Some(cause) = &lost {
                warn!("{cause}");
            } else {
                info!("the state directory is back");
            }
            self.report(lost.clone()).await;
            reported = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_replaced_is_lost_as_one_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let make = || {
            fs::create_dir(&state).unwrap();
            File::create(state.join("lock")).unwrap()
        };
        // It stays open, as the daemon has it: nobody else gets its number.
        let lock = make();
        let watch = DirectoryWatch {
            lock: state.join("lock"),
            ours: DirectoryWatch::identity(&lock).unwrap(),
            health: Health::default(),
            clock: Clock::default(),
            events: mpsc::channel(1).0,
            stop: CancellationToken::new(),
        };
        assert_eq!(watch.lost(), None);
        let away = folder.path().join("away");
        fs::rename(&state, &away).unwrap();
        assert!(watch.lost().unwrap().contains("was removed or renamed: put it back"));
        make();
        assert!(watch.lost().unwrap().contains("was replaced: put it back"));
        fs::remove_dir_all(&state).unwrap();
        fs::rename(&away, &state).unwrap();
        assert_eq!(watch.lost(), None);
    }
}
