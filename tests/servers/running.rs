//! A server that a test started: its own child, stopped by its id.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::within;

/// A server that a test started; stopped when dropped.
pub struct Running(Child);

impl Running {
    /// Starts it; what it says goes to the file `log`.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let output = File::create(log).expect("the log");
        let errors = output.try_clone().expect("the log, twice");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self(child)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("its own child").is_none()
    }

    /// Ends it at once, without a chance to tidy up.
    pub fn kill(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let id = self.0.id().to_string();
            let asked = Command::new("kill").arg(id).status();
            let ends = || (!self.is_running()).then_some(());
            if asked.is_ok() && within(Duration::from_secs(10), ends).is_some() {
                return;
            }
        }
        self.kill();
    }
}
