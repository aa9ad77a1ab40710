//! A webhook receiver that knows when it heard of whom first.

#[path = "../../../tests/servers/message.rs"]
mod message;

pub use message::body;

use std::{
    collections::HashMap,
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Range,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// Hears until the process ends.
pub struct Webhook {
    address: SocketAddr,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

/// What was heard.
#[derive(Default)]
pub struct Heard {
    /// When a host was named first.
    pub first: HashMap<String, Instant>,
    /// How often one was named that was known.
    pub again: u64,
    /// How many requests there were.
    pub posts: u64,
    /// Only hosts of these numbers count, if there are any: a group is told whole, also with what
    /// was told of it before.
    only: Option<Range<usize>>,
}

impl Heard {
    fn counts(&self, host: &str) -> bool {
        self.only.as_ref().is_none_or(|only| number(host).is_some_and(|at| only.contains(&at)))
    }
}

/// The number of `host-7.example.com`.
fn number(host: &str) -> Option<usize> {
    host.strip_prefix("host-")?.split_once('.')?.0.parse().ok()
}

/// Haetae posts notifications, Alertmanager a group of alerts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Notifications(Vec<Notification>),
    Group { alerts: Vec<Alarm> },
}

#[derive(Deserialize)]
struct Notification {
    alarms: Vec<Alarm>,
}

#[derive(Deserialize)]
struct Alarm {
    labels: HashMap<String, String>,
}

impl Webhook {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let heard = Arc::<(Mutex<Heard>, Condvar)>::default();
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heard = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &heard));
            }
        });
        Self { address, heard }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Forgets all that it heard.
    pub fn clear(&self) {
        *self.heard.0.lock().expect("no panic") = Heard::default();
    }

    /// The same; from now on only hosts of these numbers count.
    pub fn only(&self, numbers: Range<usize>) {
        let only = Some(numbers);
        *self.heard.0.lock().expect("no panic") = Heard { only, ..Heard::default() };
    }

    /// Waits until so many hosts were named and says when the last of them was; `None`: too long.
    pub fn heard(&self, hosts: usize, within: Duration) -> Option<Instant> {
        let (heard, changed) = &*self.heard;
        let heard = heard.lock().expect("no panic");
        let few = |heard: &mut Heard| heard.first.len() < hosts;
        let (heard, _) = changed.wait_timeout_while(heard, within, few).expect("no panic");
        (heard.first.len() >= hosts).then(|| heard.first.values().max().copied())?
    }

    /// Waits until a host is named and says when it was; `None`: too long.
    pub fn heard_of(&self, host: &str, within: Duration) -> Option<Instant> {
        let (heard, changed) = &*self.heard;
        let heard = heard.lock().expect("no panic");
        let not_yet = |heard: &mut Heard| !heard.first.contains_key(host);
        let (heard, _) = changed.wait_timeout_while(heard, within, not_yet).expect("no panic");
        heard.first.get(host).copied()
    }

    /// How many hosts were named again, and in how many requests.
    pub fn counts(&self) -> (u64, u64) {
        let heard = self.heard.0.lock().expect("no panic");
        (heard.again, heard.posts)
    }
}

/// Answers the requests of one connection until it ends.
fn serve(mut stream: TcpStream, heard: &(Mutex<Heard>, Condvar)) {
    drop(stream.set_nodelay(true));
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone().expect("a socket"));
    while let Some(body) = body(&mut reader) {
        let now = Instant::now();
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
        let alarms: Vec<Alarm> = match serde_json::from_slice(&body).expect("what both post") {
            Body::Notifications(all) => all.into_iter().flat_map(|one| one.alarms).collect(),
            Body::Group { alerts } => alerts,
        };
        let mut known = heard.0.lock().expect("no panic");
        known.posts += 1;
        for mut alarm in alarms {
            let host = alarm.labels.remove("host").unwrap_or_default();
            if !known.counts(&host) {
                continue;
            }
            let mut again = true;
            known.first.entry(host).or_insert_with(|| {
                again = false;
                now
            });
            known.again += u64::from(again);
        }
        heard.1.notify_all();
    }
}
