//! Places that are mounted: an ext4 image that can be copied at an instant, a tmpfs with a size.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::print_stderr, reason = "it says what it saw")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// Something mounted; unmounted when dropped, also while a test panics.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// An ext4 image. Its journal is not written by the clock: only what is synced is in the file.
    pub fn image(file: &Path, at: &Path) -> Self {
        Self::mount(&["-t", "ext4", "-o", "loop,commit=300"], &file.display().to_string(), at)
    }

    /// A file system in memory of so many MiB.
    pub fn memory(mebibytes: u64, at: &Path) -> Self {
        let size = format!("mode=700,size={mebibytes}m");
        Self::mount(&["-t", "tmpfs", "-o", &size], "haetae-test", at)
    }

    fn mount(options: &[&str], what: &str, at: &Path) -> Self {
        fs::create_dir_all(at).expect("a directory");
        let mut command = Command::new("mount");
        let output = command.args(options).arg(what).arg(at).output().expect("util-linux");
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "this test mounts a file system of its own, so it runs as root, with CAP_SYS_ADMIN \
             and, for an image, loop devices: {says}"
        );
        Self { at: at.into() }
    }

    /// Unmounts it, and says so if it can't.
    pub fn unmount(self) {
        drop(self);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmount = |options: &[&str]| {
            let output = Command::new("umount").args(options).arg(&self.at).output();
            output.is_ok_and(|output| output.status.success())
        };
        // What still has a file open there keeps it from going at once, not from going.
        if !unmount(&[]) && !unmount(&["-l"]) {
            eprintln!("{} stays mounted: umount it", self.at.display());
        }
    }
}

/// Makes an empty ext4 image.
pub fn made(file: &Path, mebibytes: u64) {
    File::create(file).and_then(|file| file.set_len(mebibytes << 20)).expect("an image");
    let output = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(file).output();
    let output = output.expect("no mkfs.ext4: apt-get install e2fsprogs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Copies an image as it is at this instant: what was not synced inside it is not in the copy.
pub fn copied(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    let status = command.arg("--sparse=always").args([from, to]).status();
    assert!(status.expect("cp").success());
}
