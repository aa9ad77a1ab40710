//! Peers that hold a connection, each in its way, over the listener's own sockets.
#![allow(clippy::disallowed_methods, reason = "what a test spawns it awaits itself")]

use axum::routing::{get, post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::*;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Timeouts = Timeouts {
    admit: Duration::from_millis(300),
    head: Duration::from_millis(300),
    answer: Duration::from_millis(300),
    taken: Duration::from_millis(300),
    grace: Duration::from_millis(300),
};
/// None of them passes while a test runs.
const NEVER: Duration = Duration::from_hours(1);
const PATIENT: Timeouts =
    Timeouts { admit: SHORT.admit, head: NEVER, answer: NEVER, taken: NEVER, grace: NEVER };

struct Server {
    address: std::net::SocketAddr,
    connections: Arc<Connections>,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

async fn server(limits: Timeouts, most: usize) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(|| async { "here\n" }))
        .route("/long", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/body", post(|body: String| async move { body }))
        .route("/never", get(std::future::pending::<()>));
    let (connections, stop) = (Connections::new("tcp", most), CancellationToken::new());
    let served = serve_within(limits, listener, router, Arc::clone(&connections), stop.clone());
    Server { address, connections, stop, task: tokio::spawn(served) }
}

impl Server {
    async fn say(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn until(&self, is: impl Fn(&Connections) -> bool) {
        let met = async {
            while !is(&self.connections) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let met = timeout(LONG, met).await;
        assert!(met.is_ok(), "{:?}", self.connections);
    }

    /// Asks it to stop; it does although nothing else passes.
    async fn stop(self) {
        self.stop.cancel();
        timeout(LONG, self.task).await.expect("it ends").unwrap().unwrap();
        assert_eq!(self.connections.open(), 0);
    }
}

/// What the server says until it closes the connection.
async fn heard(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    drop(timeout(LONG, stream.read_to_end(&mut text)).await.expect("it is closed"));
    String::from_utf8_lossy(&text).into_owned()
}

const WHOLE: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const CLOSING: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const HALF_BODY: &str = "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf";

#[tokio::test]
async fn each_step_of_a_connection_has_its_limit() {
    let server = server(SHORT, 100).await;
    for nothing in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        assert_eq!(heard(server.say(nothing).await).await, "", "{nothing:?}");
    }
    let idle = heard(server.say(WHOLE).await).await;
    assert!(idle.starts_with("HTTP/1.1 200 OK") && idle.ends_with("here\n"), "{idle}");
    for late in [HALF_BODY, "GET /never HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let answer = heard(server.say(late).await).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("in time\n"), "{answer}");
    }
    // Nobody reads the answer.
    let untaken = server.say("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.until(|connections| connections.open() == 0).await;
    drop(untaken);
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_drips_ends_in_time() {
    let server = server(SHORT, 100).await;
    let (mut reading, mut writing) = server.say("GET / HTTP/1.1\r\nx: ").await.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"y").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let mut text = Vec::new();
    drop(timeout(LONG, reading.read_to_end(&mut text)).await.expect("it is closed"));
    assert!(text.is_empty());
    timeout(LONG, dripping).await.unwrap().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn who_waits_gives_way_and_who_is_answered_does_not() {
    let server = server(PATIENT, 2).await;
    let running = server.say("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let idle = server.say("").await;
    server.until(|connections| connections.open() == 2).await;
    let asking = server.say(WHOLE).await;
    assert_eq!(heard(idle).await, "");
    server.until(|connections| connections.open() == 2).await;
    assert_eq!((server.connections.closed(), server.connections.refused()), (1, 0));
    // Both are at work now: there is no room.
    drop(asking);
    let second = server.say("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.until(|connections| connections.waits() == 0 && connections.open() == 2).await;
    let full = heard(TcpStream::connect(server.address).await.unwrap()).await;
    assert!(full.starts_with("HTTP/1.1 503 ") && full.ends_with("too many connections\n"));
    assert_eq!(server.connections.refused(), 1);
    drop((running, second));
    server.until(|connections| connections.open() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn who_takes_no_answer_gives_way_before_who_came_later() {
    let server = server(PATIENT, 2).await;
    let untaken = server.say("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let is_stalled =
        |connections: &Connections| connections.open() == 1 && connections.waits() == 1;
    server.until(is_stalled).await;
    let later = server.say("").await;
    server.until(|connections| connections.open() == 2).await;
    assert!(heard(server.say(CLOSING).await).await.ends_with("here\n"));
    assert_eq!((server.connections.closed(), server.connections.refused()), (1, 0));
    assert!(!heard(untaken).await.is_empty(), "it had a part of its answer");
    // The one that came later is still there.
    server.until(|connections| connections.open() == 1 && connections.waits() == 1).await;
    drop(later);
    server.stop().await;
}

#[tokio::test]
async fn at_the_stop_who_waits_is_cut_off_and_who_is_answered_has_a_moment() {
    let waiting = server(PATIENT, 100).await;
    let held = [
        waiting.say("").await,
        waiting.say("GET / HTTP/1.1\r\nhost").await,
        waiting.say(WHOLE).await,
        waiting.say("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT").await,
    ];
    waiting.until(|connections| connections.open() == 4 && connections.waits() == 4).await;
    // Not even the moment of those that are answered passes.
    waiting.stop().await;
    drop(held);

    let answering = server(Timeouts { grace: SHORT.grace, ..PATIENT }, 100).await;
    let held = [
        answering.say("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await,
        answering.say(HALF_BODY).await,
        answering.say("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await,
    ];
    // The last one waits for its peer to take the rest.
    answering.until(|connections| connections.open() == 3 && connections.waits() == 1).await;
    answering.stop().await;
    drop(held);
}

/// A listener that fails so often before it accepts.
struct Failing {
    listener: TcpListener,
    failures: std::sync::Mutex<Vec<i32>>,
}

impl Listener for Failing {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let failure = self.failures.lock().unwrap().pop();
        match failure {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => self.listener.next().await,
        }
    }

    fn peer(stream: &TcpStream) -> Option<Peer> {
        TcpListener::peer(stream)
    }

    fn send(stream: &TcpStream, text: &[u8]) -> io::Result<usize> {
        TcpListener::send(stream, text)
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_accepted_ends_nothing_and_a_broken_listener_does() {
    for (failures, is_over) in
        [(vec![libc::EMFILE, libc::ENFILE, libc::ECONNABORTED], false), (vec![libc::EBADF], true)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Failing { listener, failures: std::sync::Mutex::new(failures) };
        let router = Router::new().route("/", get(|| async { "here\n" }));
        let (connections, stop) = (Connections::new("tcp", 2), CancellationToken::new());
        let task = serve_within(SHORT, listener, router, Arc::clone(&connections), stop.clone());
        let server = Server { address, connections, stop, task: tokio::spawn(task) };
        if is_over {
            let ended = timeout(LONG, server.task).await.expect("it ends").unwrap();
            assert_eq!(ended.unwrap_err().raw_os_error(), Some(libc::EBADF));
        } else {
            assert!(heard(server.say(WHOLE).await).await.ends_with("here\n"));
            server.stop().await;
        }
    }
}
