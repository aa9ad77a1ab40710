//! The receiver: what the sink `post` tells is kept, each notification as often as it comes.

use std::{
    collections::BTreeSet,
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Instant,
};

use haetae_plugin::Notification;

use crate::{watch::now, webhook::body};

/// A notification as it came.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The idempotency key.
    pub key: String,
    /// The alarm's id.
    pub alarm: String,
    pub lane: String,
    pub host: String,
    /// `first`, `resolved`.
    pub reason: String,
    pub at: Instant,
}

/// Answers until the test ends.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    deliveries: Vec<Delivery>,
    /// Lane, host and reason of each.
    known: BTreeSet<[String; 3]>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let receiver = Self { address, heard: Arc::default() };
        let shared = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let receiver = shared.clone();
                thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All that was told so far, in the order in which it came.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.heard().deliveries.clone()
    }

    /// How much was told so far.
    pub fn count(&self) -> usize {
        self.heard().deliveries.len()
    }

    /// Whether it was told of a host for a reason.
    pub fn has(&self, lane: &str, host: &str, reason: &str) -> bool {
        self.heard().known.contains(&[lane, host, reason].map(Into::into))
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no panic")
    }

    /// Answers the requests of one connection until it ends.
    fn serve(&self, mut stream: TcpStream) {
        drop(stream.set_nodelay(true));
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        while let Some(body) = body(&mut reader) {
            let notifications: Vec<Notification> =
                serde_json::from_slice(&body).expect("what `post` posts");
            // Kept before it is answered: what the daemon knows as delivered is here.
            self.keep(&notifications);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }

    fn keep(&self, notifications: &[Notification]) {
        let at = now();
        let mut heard = self.heard();
        for notification in notifications {
            let [alarm] = &notification.alarms[..] else {
                panic!("a group has one alarm: {notification:#?}");
            };
            let label = |name: &str| alarm.labels.get(name).cloned().unwrap_or_default();
            let (lane, host) = (label("lane"), label("host"));
            let reason = notification.reason.as_str().to_owned();
            heard.known.insert([lane.clone(), host.clone(), reason.clone()]);
            let (key, alarm) = (notification.idempotency_key.clone(), alarm.id.clone());
            heard.deliveries.push(Delivery { key, alarm, lane, host, reason, at });
        }
    }
}
