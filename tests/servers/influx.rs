//! A real InfluxDB 1.x of a test's own, on loopback, in a directory of its own.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// A running `influxd`; killed when dropped.
pub struct Influx {
    child: Child,
    /// Where it answers: `127.0.0.1:PORT`.
    pub address: String,
    /// Where it takes line protocol for the database `by_udp`.
    pub udp: String,
    auth: bool,
    directory: TempDir,
}

/// Two ports of its own choice at first: it says in its log, and in /proc, which they are.
const CONFIGURATION: &str = r#"
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "DIRECTORY/meta"
[data]
dir = "DIRECTORY/data"
wal-dir = "DIRECTORY/wal"
query-log-enabled = false
[http]
bind-address = "HTTP"
log-enabled = false
auth-enabled = AUTH
[monitor]
store-enabled = false
[[udp]]
enabled = true
bind-address = "UDP"
database = "by_udp"
batch-timeout = "10ms"
"#;

impl Influx {
    /// Starts one that lets everybody in, and waits until it listens.
    pub fn start() -> Self {
        Self::with_auth(false)
    }

    /// Starts one; with `auth` its one user is `admin` with the password `secret`.
    pub fn with_auth(auth: bool) -> Self {
        let directory = tempfile::Builder::new().prefix("haetae-influx-").tempdir();
        let directory = directory.expect("a directory");
        let child = spawned(&directory, auth, "127.0.0.1:0", "127.0.0.1:0");
        let (address, udp) = (String::new(), String::new());
        let mut influx = Self { child, address, udp, auth, directory };
        influx.gets_up();
        influx.udp = format!("127.0.0.1:{}", udp_port(influx.child.id()));
        if auth {
            influx.execute("CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES");
        }
        influx.is_ours();
        influx
    }

    /// Ends it at once; what it has answered with 204 it has.
    pub fn stop(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Starts it again after [`Self::stop`]: the same ports, the same data.
    pub fn start_again(&mut self) {
        self.child = spawned(&self.directory, self.auth, &self.address, &self.udp);
        self.gets_up();
        self.is_ours();
    }

    /// Waits until it listens, and keeps where.
    fn gets_up(&mut self) {
        let stderr = self.child.stderr.take().expect("piped");
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody listens any more once it is up; it must be able to log all the same.
                drop(sender.send(line));
            }
        });
        let (mut seen, mut http, mut udp) = (Vec::new(), false, false);
        while !http || !udp {
            let line = log.recv_timeout(Duration::from_mins(1));
            let line = line.unwrap_or_else(|_| panic!("influxd does not get up: {seen:#?}"));
            if line.contains("Listening on HTTP") {
                self.address = address(&line).expect("it says where");
                http = true;
            }
            udp |= line.contains("Started listening on UDP");
            seen.push(line);
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Executes any statement; the answer's `results[0]`.
    pub fn execute(&self, influxql: &str) -> Value {
        self.ask(&["--data-urlencode", &format!("q={influxql}")])
    }

    /// Asks a database, by curl: independent of what is tested.
    pub fn query(&self, database: &str, influxql: &str) -> Value {
        let (database, text) = (format!("db={database}"), format!("q={influxql}"));
        self.ask(&["--data-urlencode", &database, "--data-urlencode", &text, "-d", "epoch=ns"])
    }

    /// The rows of the first series of an answer.
    pub fn rows(&self, database: &str, influxql: &str) -> Vec<Vec<Value>> {
        let answer = self.query(database, influxql);
        let rows = answer["series"][0]["values"].as_array().cloned().unwrap_or_default();
        rows.into_iter().map(|row| row.as_array().cloned().expect("a row")).collect()
    }

    /// Writes lines, by curl.
    pub fn write(&self, database: &str, lines: &str) {
        let url = format!("{}/write?db={database}", self.url());
        let path = self.directory.path().join("lines");
        fs::write(&path, lines).expect("the lines");
        let lines = format!("@{}", path.display());
        let post = ["-f", "-X", "POST", &url, "-u", "admin:secret", "--data-binary", &lines];
        let output = curl(&post);
        assert!(output.status.success(), "{output:?}");
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        let url = format!("{}/query", self.url());
        let output = curl(&[&[url.as_str(), "-u", "admin:secret"], arguments].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert!(answer["results"][0].is_object(), "{output:?}");
        assert!(answer["results"][0]["error"].is_null(), "{answer}");
        answer["results"][0].clone()
    }

    /// What answers at the address says that it is the process that we started.
    fn is_ours(&self) {
        let answer = self.execute("SHOW DIAGNOSTICS");
        let tables = answer["series"].as_array().expect("tables");
        let system = tables.iter().find(|table| table["name"] == "system").expect("a table");
        let columns = system["columns"].as_array().expect("columns");
        let at = columns.iter().position(|column| column == "PID").expect("its process");
        assert_eq!(system["values"][0][at], self.child.id(), "another server answers");
    }
}

impl Drop for Influx {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawned(directory: &TempDir, auth: bool, http: &str, udp: &str) -> Child {
    let path = directory.path().join("influxdb.conf");
    let text = CONFIGURATION
        .replace("DIRECTORY", &directory.path().display().to_string())
        .replace("AUTH", &auth.to_string())
        .replace("HTTP", http)
        .replace("UDP", udp);
    fs::write(&path, text).expect("the configuration");
    // Another server of the same protocol can stand in, such as a build of 1.8.
    let program = std::env::var("HAETAE_TEST_INFLUXD").unwrap_or_else(|_| "influxd".into());
    let mut command = Command::new(&program);
    command.args(["run", "-config"]).arg(path).stdin(Stdio::null()).stdout(Stdio::null());
    match command.stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("no {program}: run tests/setup, or apt-get install influxdb influxdb-client")
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "-m", "30"]).args(arguments);
    command.output().expect("curl, which tests/setup installs")
}

/// The first `127.0.0.1:PORT` of a line.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("127.0.0.1:{port}"))
}

/// The port of the one UDP socket of a process: its log repeats the configured 0.
fn udp_port(process: u32) -> u16 {
    let open = fs::read_dir(format!("/proc/{process}/fd")).expect("our own child");
    let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let sockets: Vec<String> = links.map(|link| link.display().to_string()).collect();
    let table = fs::read_to_string("/proc/net/udp").expect("a table");
    let port = table.lines().find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let inode = format!("socket:[{}]", columns.get(9)?);
        let ours = sockets.contains(&inode);
        let (_, port) = columns.get(1)?.split_once(':')?;
        ours.then(|| u16::from_str_radix(port, 16).expect("hexadecimal"))
    });
    port.expect("it has a UDP socket")
}
