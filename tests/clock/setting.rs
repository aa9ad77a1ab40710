//! The wall clock of a daemon under test, set by a library that is loaded before its own.
#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "each test uses a part of it")]

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::Command,
};

use crate::support::Home;

/// A daemon's wall clock.
pub struct Setting {
    file: PathBuf,
    library: PathBuf,
}

impl Setting {
    /// One that is right, in a home.
    pub fn of(home: &Home) -> Self {
        let (source, library) = (home.path("shim.c"), home.path("shim.so"));
        fs::write(&source, include_str!("shim.c")).expect("its own file");
        let mut cc = Command::new("cc");
        let compiled = cc.args(["-O1", "-fPIC", "-shared", "-o"]).arg(&library).arg(&source);
        assert!(compiled.status().expect("cc, which rustc needs too").success());
        let file = home.path("clock");
        fs::write(&file, format!("{:>20}", 0)).expect("its own file");
        Self { file, library }
    }

    /// Has a daemon follow it.
    pub fn prepare(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("HAETAE_TEST_CLOCK", &self.file);
    }

    /// From now on it runs so many seconds ahead.
    pub fn set(&self, offset: i64) {
        let file = OpenOptions::new().write(true).open(&self.file);
        let text = format!("{offset:>20}");
        file.and_then(|file| file.write_all_at(text.as_bytes(), 0)).expect("its own file");
    }
}
