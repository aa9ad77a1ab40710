//! A daemon with a load that the test makes: what it says, what it tells, what it takes.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Daemon, Home, LEVELS, free_port, within};

/// The password of each peer.
pub const SECRET: &str = "tops3cret-7h1ng";
/// The longest that an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// So soon an alarm is told that nothing is in the way of.
const TOLD: Duration = Duration::from_secs(15);
const LONG: Duration = Duration::from_mins(1);

/// A daemon and what is known of it.
pub struct Watched {
    pub home: Home,
    daemon: Daemon,
    pub address: SocketAddr,
    /// Those that fire.
    firing: Vec<String>,
    log: Vec<String>,
    threads: usize,
}

impl Watched {
    /// Starts one; `text` is added to its pipeline.
    pub fn start(home: Home, text: &str) -> Self {
        Self::start_on(home, "", text)
    }

    /// The same, with further keys of `[daemon]`.
    pub fn start_on(home: Home, keys: &str, text: &str) -> Self {
        Self::start_as(home, keys, text, |_| {})
    }

    /// The same; `prepare` sets its environment.
    pub fn start_as(
        home: Home,
        keys: &str,
        text: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        fs::write(home.path("secret"), SECRET).expect("its own file");
        let state = home.path("state").display().to_string();
        let text = format!(
            "[daemon]\nstate = \"{state}\"\n{keys}\n[http]\nlisten = \"{address}\"\n{LEVELS}{text}"
        );
        home.write_configuration(&text);
        home.write_values(&[("calm", 1)]);
        let daemon = home.start_with(prepare);
        let mut watched =
            Self { home, daemon, address, firing: Vec::new(), log: Vec::new(), threads: 0 };
        watched.goes_on("before");
        watched.threads = watched.threads();
        watched
    }

    /// An alarm begins.
    pub fn fires(&mut self, id: &str) {
        self.firing.push(id.into());
        let firing = self.firing.iter().map(|id| (id.as_str(), 95));
        self.home.write_values(&[("calm", 1)].into_iter().chain(firing).collect::<Vec<_>>());
    }

    /// An alarm begins and is told in its time, and each answer comes in its own.
    pub fn goes_on(&mut self, id: &str) {
        self.fires(id);
        self.is_told(id, TOLD);
        self.answers();
    }

    pub fn is_told(&mut self, id: &str, limit: Duration) {
        let told = within(limit, || self.home.notified("id", id).first().cloned());
        assert_eq!(told.as_deref(), Some("firing"), "{id} is told: {:#?}", self.log());
    }

    /// What was told of a problem of an instance.
    fn notified_of(&self, instance: &str, problem: Option<&str>) -> Vec<Value> {
        let lines = self.home.notifications("told.jsonl").into_iter();
        let is = |line: &Value| {
            let labels = &line["labels"];
            labels["instance"] == instance && problem.is_none_or(|word| labels["problem"] == word)
        };
        lines.filter(is).collect()
    }

    /// A system alarm fires, and the last that was told of it is that.
    pub fn system_alarm_is_told(&mut self, instance: &str, problem: &str, limit: Duration) {
        let told = within(limit, || {
            let told = self.notified_of(instance, Some(problem));
            told.last().filter(|last| last["status"] == "firing").cloned()
        });
        if told.is_none() {
            let shown = self.home.instance(instance);
            panic!("no {problem} of {instance}: {shown:#?}, {:#?}", self.log());
        }
    }

    /// All that was told of an instance's problems is over.
    pub fn system_alarm_ends(&mut self, instance: &str, limit: Duration) {
        let over = within(limit, || {
            let mut open = std::collections::BTreeSet::new();
            for line in self.notified_of(instance, None) {
                let problem = line["labels"]["problem"].as_str().expect("a problem").to_owned();
                match line["status"].as_str() {
                    Some("firing") => open.insert(problem),
                    _ => open.remove(&problem),
                };
            }
            open.is_empty().then_some(())
        });
        if over.is_none() {
            let shown = self.home.instance(instance);
            panic!("problems of {instance} do not end: {shown:#?}, {:#?}", self.log());
        }
    }

    /// `status` and the metrics say of an instance what is wrong with it.
    pub fn says_what_is_wrong(&mut self, instance: &str, down: bool) {
        let shown = self.home.instance(instance).expect("an instance");
        let state = shown["state"].as_str().expect("a state");
        assert!(["degraded", "failing", "hung"].contains(&state), "{shown:#?}");
        let cause = shown["last_error"]["cause"].as_str().expect("a cause");
        assert!(!cause.is_empty(), "{shown:#?}");
        println!("  {instance} is {state}: {cause}");
        let (_, metrics) = self.get("/metrics");
        let line = metrics.lines().find(|line| {
            line.starts_with("haetae_instance_up") && line.contains(&format!("\"{instance}\""))
        });
        assert!(
            line.is_some_and(|line| line.ends_with(if down { " 0" } else { " 1" })),
            "{line:?}"
        );
        self.keeps_the_secret();
    }

    pub fn is_well(&self, instance: &str) {
        self.home.instance_when(instance, |shown| shown["state"] == "ok");
    }

    /// How long it took until `/readyz` said that the store fails.
    pub fn store_is_failing(&mut self, limit: Duration) -> Duration {
        let since = Instant::now();
        let said = within(limit + ANSWER, || {
            let (code, why) = self.get("/readyz");
            (code == 503).then(|| (since.elapsed(), why))
        });
        let (after, why) = said.unwrap_or_else(|| panic!("it is ready: {:#?}", self.log()));
        assert!(why.contains("the store fails"), "{why}");
        println!("  {}", why.trim());
        let status = self.home.json(&["status"]).expect("a status");
        let cause = status["store"]["failing"].as_str().unwrap_or_default();
        assert!(!cause.is_empty(), "{status:#?}");
        self.keeps_the_secret();
        after
    }

    pub fn goes_on_answering_until(&mut self, end: Instant) {
        while Instant::now() < end {
            self.answers();
        }
    }

    pub fn is_ready(&mut self, limit: Duration) {
        let ready = within(limit, || (self.get("/readyz").0 == 200).then_some(()));
        assert!(ready.is_some(), "{:?}: {:#?}", self.get("/readyz"), self.log());
    }

    /// Health and metrics answer in time, over TCP.
    pub fn answers(&mut self) {
        assert_eq!(self.get("/healthz"), (200, "ok\n".into()), "{:#?}", self.log());
        assert_eq!(self.get("/metrics").0, 200);
        self.get("/readyz");
    }

    fn get(&self, path: &str) -> (u16, String) {
        let since = Instant::now();
        let answer = get(self.address, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(since.elapsed() < ANSWER, "{path} took {:?}", since.elapsed());
        answer
    }

    /// Threads and memory are what they were, more or less.
    pub fn is_bounded(&self) {
        // Threads of hung calls go when their calls return; the runtime's for blocking work after a while.
        let (threads, most) = (self.threads(), self.threads + 8);
        assert!(threads <= most, "{threads} threads, {most} at the most");
        let megabytes = self.number("VmRSS") / 1024;
        assert!(megabytes < 200, "{megabytes} MB");
        assert!(self.files() < 200, "{} files", self.files());
    }

    fn threads(&self) -> usize {
        self.number("Threads")
    }

    fn number(&self, key: &str) -> usize {
        let path = format!("/proc/{}/status", self.daemon.id());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let word = line.expect("a line").split_whitespace().next().expect("a number");
        word.parse().expect("a number")
    }

    fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.daemon.id())).expect("it runs").count()
    }

    /// What it said so far.
    pub fn log(&mut self) -> &[String] {
        self.log.extend(self.daemon.lines());
        &self.log
    }

    /// Nothing that anybody reads holds the password, nor what is made of it.
    pub fn keeps_the_secret(&mut self) {
        let answer = |arguments: &[&str]| within(LONG, || self.home.json(arguments));
        let status = answer(&["status"]).expect("a status").to_string();
        let alarms = answer(&["alarm", "list"]).expect("alarms").to_string();
        let told = fs::read_to_string(self.home.path("told.jsonl")).expect("a file");
        let log = self.log().join("\n");
        // `haetae:` and it, and NUL, `haetae`, NUL and it, in base64.
        for secret in
            [SECRET, "aGFldGFlOnRvcHMzY3JldC03aDFuZw==", "AGhhZXRhZQB0b3BzM2NyZXQtN2gxbmc="]
        {
            for (place, text) in
                [("status", &status), ("alarms", &alarms), ("told", &told), ("log", &log)]
            {
                assert!(!text.contains(secret), "{place} holds {secret}: {text}");
            }
        }
    }

    pub fn stop(self) {
        let since = Instant::now();
        assert!(self.daemon.stop(), "it stops in order");
        assert!(since.elapsed() < LONG, "within {:?}", since.elapsed());
    }
}

/// What a path answers over TCP.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    let ask = format!("GET {path} HTTP/1.1\r\nhost: haetae\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let head = answer.split_once("\r\n\r\n");
    let code = head.and_then(|(head, _)| head.split(' ').nth(1)?.parse().ok());
    let other = || std::io::Error::other(format!("no answer: {answer:?}"));
    Ok((code.ok_or_else(other)?, head.map(|(_, body)| body.to_owned()).unwrap_or_default()))
}
