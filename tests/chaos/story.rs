//! All that happens and all that the daemon says, in a file that is there whatever becomes of the run.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::Duration,
};

pub struct Story {
    pub path: PathBuf,
    file: File,
}

impl Story {
    /// Begins that of a run, in the folder that the build has for tests.
    pub fn begin(seed: u64) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}.log"));
        let file = File::create(&path).expect("a file of the build's");
        Self { path, file }
    }

    pub fn tell(&mut self, at: Duration, what: &str) {
        writeln!(self.file, "{at:9.2?} {what}").expect("its own file");
    }

    pub fn tell_all(&mut self, lines: Vec<String>) {
        for line in lines {
            writeln!(self.file, "{line}").expect("its own file");
        }
    }

    /// What was told so far.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("its own file")
    }
}
