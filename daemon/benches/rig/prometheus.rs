//! The peer: Debian's Prometheus in a directory of its own.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = "prometheus";

/// A running Prometheus; killed when dropped.
pub struct Prometheus {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts it: it reads the exporter every two seconds and judges a rule for each of `metrics`.
    pub fn start(exporter: SocketAddr, metrics: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound").to_string();
        drop(free);
        let path = |name: &str| directory.path().join(name);
        let text = format!(
            "global: {{scrape_interval: 2s, evaluation_interval: 2s}}\nrule_files: [rules.yml]\nscrape_configs:\n- job_name: bench\n  static_configs: [{{targets: [\"{exporter}\"]}}]\n"
        );
        fs::write(path("prometheus.yml"), text).expect("its configuration");
        // Ten groups: rules of one group are judged one after the other.
        let mut rules = String::from("groups:\n");
        for group in 0..10 {
            rules += &format!("- name: group-{group}\n  rules:\n");
            for metric in (group..metrics).step_by(10) {
                rules += &format!(
                    "  - {{alert: bench-{metric}, expr: bench_{metric} > 90, labels: {{severity: critical}}, annotations: {{summary: '{{{{ $labels.host }}}}: {{{{ $value }}}}'}}}}\n"
                );
            }
        }
        fs::write(path("rules.yml"), rules).expect("its rules");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("--config.file={}", path("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", path("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--storage.tsdb.retention.time=2h", "--log.level=warn"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!("{PROGRAM}: {error}\n  apt-get install {PROGRAM}, with a policy-rc.d that exits 101 as tests/setup makes it, so that nothing is started")
        });
        let peer = Self { child, address, _directory: directory };
        let end = Instant::now() + Duration::from_secs(30);
        while peer.get("/-/ready").is_none_or(|answer| !answer.contains("Ready")) {
            assert!(Instant::now() < end, "it does not get ready");
            thread::sleep(Duration::from_millis(50));
        }
        peer
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many alerts fire.
    pub fn firing(&self) -> usize {
        let answer = self.get("/api/v1/alerts").expect("it answers");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let alerts = answer["data"]["alerts"].as_array().expect("alerts");
        alerts.iter().filter(|alert| alert["state"] == "firing").count()
    }

    /// How many rules it has judged so far.
    pub fn judged(&self) -> f64 {
        let page = self.get("/metrics").expect("it answers");
        let lines =
            page.lines().filter(|line| line.starts_with("prometheus_rule_evaluations_total{"));
        lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("n")).sum()
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(body.to_owned())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
