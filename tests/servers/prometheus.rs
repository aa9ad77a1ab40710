//! A real Prometheus of a test's own, on loopback, that scrapes one address.

use std::{
    fs,
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    running::Running,
    support::{free_port, within},
};

/// A running Prometheus; stopped when dropped.
pub struct Prometheus {
    // Stopped before its directory goes.
    server: Running,
    /// Where it answers: `127.0.0.1:PORT`.
    pub address: String,
    directory: TempDir,
}

const CONFIGURATION: &str = r#"
global: { scrape_interval: 1s }
scrape_configs:
- job_name: haetae
  static_configs: [{ targets: ["TARGET"] }]
"#;

impl Prometheus {
    /// Starts one that scrapes `/metrics` of a target, and waits until it answers.
    pub fn scraping(target: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("haetae-prometheus-").tempdir();
        let directory = directory.expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let configuration = CONFIGURATION.replace("TARGET", target);
        fs::write(path("prometheus.yml"), configuration).expect("the configuration");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", path("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", path("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let server = Running::start(command, &path("log"));
        let mut prometheus = Self { server, address, directory };
        let ready = within(Duration::from_mins(1), || {
            assert!(prometheus.server.is_running(), "it ended: {}", prometheus.log());
            prometheus.curl("/-/ready").status.success().then_some(())
        });
        assert!(ready.is_some(), "it does not get ready: {}", prometheus.log());
        prometheus
    }

    /// The answer's `data`.
    pub fn get(&self, path: &str) -> Value {
        let output = self.curl(path);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(answer["status"], "success", "{output:?}");
        answer["data"].clone()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn curl(&self, path: &str) -> Output {
        let mut command = Command::new("curl");
        command.args(["-sSf", "--noproxy", "*", "-m", "30"]);
        command.arg(format!("http://{}{path}", self.address));
        command.output().expect("curl, which tests/setup installs")
    }
}
