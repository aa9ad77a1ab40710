//! aiosmtpd as a server that keeps every mail and logs, durably, what it said that it has.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::running::Running;
use crate::support::within;

/// Debian's, whatever other Python comes first in the path.
const PYTHON: &str = "/usr/bin/python3";

/// An SMTP server of the test's own; stopped when dropped, its folder stays.
pub struct SmtpSink {
    running: Running,
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
}

impl SmtpSink {
    /// Starts it on a free port; `options` as `smtp_sink.py` explains them.
    pub fn start(folder: &Path, options: &[String]) -> Self {
        Self::start_at(0, folder, options)
    }

    /// Starts it on this port: again, say, where another one was killed.
    pub fn start_at(port: u16, folder: &Path, options: &[String]) -> Self {
        let has = Command::new(PYTHON).args(["-c", "import aiosmtpd.smtp"]).output();
        assert!(
            has.is_ok_and(|output| output.status.success()),
            "no aiosmtpd for {PYTHON}: run tests/setup, or apt-get install python3-aiosmtpd"
        );
        fs::create_dir_all(folder).expect("its folder");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/servers/smtp_sink.py");
        let mut command = Command::new(PYTHON);
        command.arg(script).arg(folder).arg(port.to_string()).args(options);
        let log = folder.join("log");
        let mut running = Running::start(command, &log);
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let port = within(Duration::from_secs(30), || {
            assert!(running.is_running(), "smtp_sink.py ended: {}", said());
            let said = said();
            let (port, id) = said.split_once('\n')?.0.strip_prefix("ready ")?.split_once(' ')?;
            assert_eq!(id, running.id().to_string(), "it is our own");
            port.parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("smtp_sink.py does not get ready: {}", said()));
        Self { running, folder: folder.into(), port, options: options.into() }
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was started with.
    pub fn options(&self) -> &[String] {
        &self.options
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Ends it at once; what it has answered with 250 it has.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// The Message-ID and the recipient of each mail that it said it has.
    pub fn accepted(&self) -> Vec<(String, String)> {
        let log = fs::read_to_string(self.folder.join("accepted.log")).unwrap_or_default();
        let pairs = log.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(id, recipient)| (id.into(), recipient.into())).collect()
    }

    /// How long its log of what it has is, in bytes.
    pub fn length(&self) -> u64 {
        fs::metadata(self.folder.join("accepted.log")).map_or(0, |file| file.len())
    }

    /// How many lines of it stand behind this byte.
    pub fn arrived_after(&self, byte: u64) -> usize {
        let Ok(mut log) = File::open(self.folder.join("accepted.log")) else { return 0 };
        log.seek(SeekFrom::Start(byte)).expect("a place in it");
        BufReader::new(log).lines().count()
    }

    /// The mails that it has, oldest first.
    pub fn mails(&self) -> Vec<String> {
        let files = fs::read_dir(&self.folder).expect("its folder");
        let paths = files.map(|file| file.expect("a file").path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).expect("a mail")).collect()
    }
}
