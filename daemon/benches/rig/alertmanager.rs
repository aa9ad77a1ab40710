//! The peer: Debian's Alertmanager in a directory of its own.

use std::{
    fs,
    io::{BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::webhook::body;

const PROGRAM: &str = "prometheus-alertmanager";

/// A running Alertmanager; killed when dropped.
pub struct Alertmanager {
    child: Child,
    client: BufReader<TcpStream>,
    _directory: TempDir,
}

impl Alertmanager {
    /// Starts it; it waits for no group, and tells of new alerts of one after `interval`.
    pub fn start(url: &str, group_by: &str, interval: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound").to_string();
        drop(free);
        let file = directory.path().join("alertmanager.yml");
        let route = format!(
            "group_by: {group_by}, group_wait: 0s, group_interval: {interval}, repeat_interval: 1h"
        );
        let text = format!(
            "route: {{receiver: hook, {route}}}\nreceivers:\n- name: hook\n  webhook_configs: [{{url: \"{url}\", send_resolved: true, max_alerts: 0}}]\n"
        );
        fs::write(&file, text).expect("its configuration");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--cluster.listen-address=", "--log.level=warn"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!("{PROGRAM}: {error}\n  apt-get install {PROGRAM}, with a policy-rc.d that exits 101 as tests/setup makes it, so that nothing is started")
        });
        let end = Instant::now() + Duration::from_secs(20);
        let client = loop {
            match TcpStream::connect(&address) {
                Ok(client) => break client,
                Err(error) => assert!(Instant::now() < end, "it does not listen: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        client.set_nodelay(true).expect("a socket");
        // It listens before it is ready.
        thread::sleep(Duration::from_secs(1));
        Self { child, client: BufReader::new(client), _directory: directory }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Posts alerts and waits for the answer.
    pub fn post(&mut self, alerts: &[Value]) {
        let body_sent = serde_json::to_vec(alerts).expect("JSON");
        let head = format!(
            "POST /api/v2/alerts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body_sent.len()
        );
        let stream = self.client.get_mut();
        stream.write_all(&[head.as_bytes(), &body_sent].concat()).expect("it takes a request");
        body(&mut self.client).expect("it answers");
    }
}

/// An alert that looks like ours.
pub fn alert(name: &str, index: usize, groups: usize) -> Value {
    json!({
        "labels": {
            "alertname": name, "group": (index % groups).to_string(),
            "host": format!("host-{index}.example.com"), "lane": name, "plane": "paas",
            "resource": "cpu", "severity": "critical",
        },
        "annotations": { "summary": format!("host-{index}.example.com: 99 %") },
    })
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
