//! An exporter: a page of many series, some of which are beyond their limit now and then.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// Metrics; each rule watches one.
pub const METRICS: usize = 1_000;
/// Series of each metric.
pub const SERIES: usize = 10;
/// Of so many series two are beyond their limit, for as long as they are not: some nine hundred
/// alerts come and go.
const OF: usize = 11;
const RESTLESS: usize = 2;
/// How long each is.
const SPELL: u64 = 30;

/// Serves until the process ends.
pub struct Exporter {
    pub address: SocketAddr,
    pages: Arc<AtomicU64>,
}

impl Exporter {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let pages = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&pages);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = Arc::clone(&counted);
                thread::spawn(move || serve(stream, &counted));
            }
        });
        Self { address, pages }
    }

    /// How many pages it gave so far.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }
}

/// Answers requests until the peer hangs up.
fn serve(stream: TcpStream, counted: &AtomicU64) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let mut lines = 0;
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) => lines += 1,
            }
        }
        assert!(lines > 0, "a request");
        let page = page();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\r\n",
            page.len()
        );
        if reader.get_mut().write_all(&[head.as_bytes(), page.as_bytes()].concat()).is_err() {
            return;
        }
        counted.fetch_add(1, Ordering::Relaxed);
    }
}

/// All series as they are now.
fn page() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut page = String::with_capacity(1 << 20);
    for metric in 0..METRICS {
        page += &format!("# TYPE bench_{metric} gauge\n");
        for series in 0..SERIES {
            let number = metric * SERIES + series;
            // Their spells do not all begin at once.
            let beyond =
                number % OF < RESTLESS && ((now + number as u64) / SPELL).is_multiple_of(2);
            let value = if beyond { 95 } else { 20 + (number as u64 + now) % 50 };
            page += &format!(
                "bench_{metric}{{host=\"host-{series}.example.com\",plane=\"paas\",resource=\"cpu\"}} {value}\n"
            );
        }
    }
    page
}
