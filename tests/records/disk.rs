//! The disk that a state is on: an image that is copied as a power failure leaves it.
#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "each test uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    image::{Mounted, copied, made},
    support::Home,
};

/// A state with its reserve, queues, store and copies of plugins.
const MEBIBYTES: u64 = 256;

/// The image that the state is on.
pub struct Disk {
    folder: PathBuf,
    state: PathBuf,
    number: usize,
    mounted: Option<Mounted>,
}

impl Disk {
    pub fn new(home: &Home) -> Self {
        let mut disk =
            Self { folder: home.path(""), state: home.path("state"), number: 0, mounted: None };
        made(&disk.file(), MEBIBYTES);
        disk.mounted = Some(Mounted::image(&disk.file(), &disk.state));
        disk
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.img", self.number))
    }

    /// What a power failure now would leave; the state is that from here on. Whether what was
    /// written last and not synced is gone, as it must be.
    pub fn fails(&mut self) -> bool {
        fs::write(self.state.join("unsynced"), self.number.to_string()).expect("there is room");
        let before = self.file();
        self.number += 1;
        copied(&before, &self.file());
        self.mounted = None;
        self.mounted = Some(Mounted::image(&self.file(), &self.state));
        fs::remove_file(before).expect("our own");
        !self.state.join("unsynced").exists()
    }

    /// Copies the image, with all that was written.
    pub fn copy(&mut self, to: &Path) {
        self.mounted = None;
        copied(&self.file(), to);
        self.mounted = Some(Mounted::image(&self.file(), &self.state));
    }

    /// Runs with another image in place of the state.
    pub fn instead(&mut self, image: &Path, run: impl FnOnce()) {
        self.mounted = None;
        let other = Mounted::image(image, &self.state);
        run();
        other.unmount();
        self.mounted = Some(Mounted::image(&self.file(), &self.state));
    }
}
