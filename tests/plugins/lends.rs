//! What the daemon lends, against a real HTTP server: the plugin `lent` uses one thing a case.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderName, Method, StatusCode, header::LOCATION},
    routing::{any, get},
};
use haetae::{
    clock::Clock,
    plugin::{
        catalog::Catalog,
        lend::{Cells, Lent, Pool, Shared},
        library::Storage,
    },
};
use haetae_plugin::{
    Batch, Call, Error, Fault, Result, Timestamp, Window,
    abi::{Library, SourceInstance},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{
    support::{Daemon, Home, built, within},
    text,
};
use crate::support::file_sink;

const ANSWERED: HeaderName = HeaderName::from_static("x-answered");

/// A server, and requests that it saw on paths that nobody should ask for, or that hang.
struct Server {
    address: SocketAddr,
    redirected: Arc<AtomicUsize>,
    hanging: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Server {
    fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let (redirected, hanging) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (hits, hangs) = (Arc::clone(&redirected), Arc::clone(&hanging));
        let echo = |method: Method, headers: HeaderMap, body: Bytes| async move {
            let header = |name: &str| {
                headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned()
            };
            let (asked, kind) = (header("x-asked"), header("content-type"));
            let body = String::from_utf8_lossy(&body).into_owned();
            ([(ANSWERED, "marked")], format!("{method} {asked} {kind} {body}"))
        };
        let guarded = |headers: HeaderMap| async move {
            let given = headers.get("authorization").map(axum::http::HeaderValue::as_bytes);
            if given == Some(SECRET.as_bytes()) { StatusCode::OK } else { StatusCode::FORBIDDEN }
        };
        let elsewhere = || async { (StatusCode::FOUND, [(LOCATION, "/there")], "elsewhere") };
        let there = || async move {
            hits.fetch_add(1, Ordering::SeqCst);
            "there"
        };
        let hang = || async move {
            hangs.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<&'static str>().await
        };
        let router = Router::new()
            .route("/", get(|| async { "root" }))
            .route("/echo", any(echo))
            .route("/guarded", get(guarded))
            .route("/elsewhere", get(elsewhere))
            .route("/there", get(there))
            .route("/hang", get(hang))
            .route("/ten", get(|| async { "0123456789" }))
            .route("/eleven", get(|| async { "0123456789a" }))
            .route("/teapot", get(|| async { (StatusCode::IM_A_TEAPOT, "short and stout") }));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("loopback");
        let address = listener.local_addr().expect("bound");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, redirected, hanging, _runtime: runtime }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A server that answers each connection with what `answer` writes: for answers that none should.
fn raw_server(answer: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut stream = stream;
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                answer(String::from_utf8_lossy(&head).lines().next().unwrap_or_default(), stream);
            });
        }
    });
    url
}

/// One opened instance of the kind `lent`, without the rest of the daemon.
struct Opened {
    source: SourceInstance,
    lent: Arc<Lent>,
    cells: Cells,
    state: TempDir,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let alone = TempDir::new().expect("a directory");
    fs::copy(built().join("libhaetae_lent.so"), alone.path().join("lent.so")).expect("built");
    let catalog = Catalog::scan(vec![alone.path().into()], &[], Storage::Memory);
    catalog.library("lent").expect("it is found").expect("it loads")
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
});

fn lends(state: &Path, cells: &Cells) -> Arc<Lent> {
    let shared = Shared {
        clock: Clock::Set(Arc::new(1_234_567_890.into())),
        http: Pool::new(RUNTIME.handle().clone()),
        instances: Some(state.join("instances")),
    };
    Arc::new(Lent::new("it", shared, cells.clone(), CancellationToken::new()))
}

impl Opened {
    fn new(options: &Value) -> Self {
        let (state, cells) = (TempDir::new().expect("a directory"), Cells::default());
        let lent = lends(state.path(), &cells);
        let lending = Arc::<Lent>::clone(&lent);
        let source = LIBRARY.open_source("lent", &options.to_string(), lending).expect("it opens");
        Self { source, lent, cells, state }
    }

    /// What the plugin says came of it.
    fn collect(&mut self, within: Duration) -> Result<String> {
        match self.source.collect(Call::within(within, Window::default()))? {
            Batch::Samples(samples) => {
                let label = samples.series().first().and_then(|series| series.label("text"));
                Ok(label.unwrap_or_default().to_owned())
            }
            other => Err(Error::failed(format!("{other:?}"))),
        }
    }
}

fn used(uses: &str, url: &str) -> Result<String> {
    Opened::new(&json!({ "uses": uses, "url": url })).collect(Duration::from_secs(5))
}

#[test]
fn http_carries_method_headers_and_body_both_ways() {
    let server = Server::start();
    for (uses, path, wanted) in [
        ("get", "/echo", "200 marked: GET politely - "),
        ("post", "/echo", "200 marked: POST - text/x-lent the body"),
        ("get", "/teapot", "418 unmarked: short and stout"),
    ] {
        assert_eq!(used(uses, &server.url(path)).expect(path), wanted, "{uses} {path}");
    }
}

#[test]
fn http_follows_no_redirect() {
    let server = Server::start();
    let said = used("get", &server.url("/elsewhere")).expect("an answer");
    assert_eq!(said, "302 unmarked: elsewhere");
    assert_eq!(server.redirected.load(Ordering::SeqCst), 0, "nobody asked /there");
}

#[test]
fn an_answer_is_capped_not_cut() {
    let server = Server::start();
    assert_eq!(used("capped", &server.url("/ten")).expect("just enough"), "10 bytes");
    let error = used("capped", &server.url("/eleven")).expect_err("one too many");
    assert_eq!(error.message(), "the answer is longer than 10 bytes");
}

#[test]
fn a_body_is_a_stream() {
    // The rest is sent only after the plugin has read the begin and asked for `/go-on`.
    let (begun, go_on) = mpsc::channel();
    let go_on = Mutex::new(go_on);
    let url = raw_server(move |line, mut stream| {
        if line.contains("/go-on") {
            begun.send(()).expect("the other waits");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("sent");
            return;
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n";
        stream.write_all(format!("{head}begin").as_bytes()).expect("sent");
        let waited = go_on.lock().unwrap().recv_timeout(Duration::from_secs(5));
        if waited.is_ok() {
            stream.write_all(b", and so").expect("sent");
        }
    });
    assert_eq!(used("stream", &url).expect("it is whole"), "begin, and so");
}

#[test]
fn a_cut_off_body_is_an_error() {
    for head in ["content-length: 100", "transfer-encoding: chunked"] {
        let url = raw_server(move |_, mut stream| {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nshort\r\n");
            stream.write_all(text.as_bytes()).expect("sent");
        });
        let error = used("get", &url).expect_err(head);
        assert_eq!(error.fault(), Fault::Failed);
        assert!(error.message().contains("body"), "{head}: {error}");
    }
}

#[test]
fn an_exchange_ends_at_timeout_or_deadline() {
    let server = Server::start();
    let half = raw_server(|_, mut stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
        stream.write_all(head.as_bytes()).expect("sent");
        // Held open until the other side gives up.
        drop(stream.read(&mut [0]));
    });
    // Each wait is short, all of them together are not.
    let drips = |text: &'static str| {
        raw_server(move |_, mut stream| {
            for byte in text.bytes().chain(std::iter::repeat(b'x')) {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                thread::park_timeout(Duration::from_millis(20));
            }
        })
    };
    let slow_head = drips("HTTP/1.1 200 OK\r\nx-long: ");
    let slow_body = drips("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
    let minute = Duration::from_mins(1);
    for (url, timeout, within, fault) in [
        (server.url("/hang"), "200ms", minute, Fault::Deadline),
        (server.url("/hang"), "1m", Duration::from_millis(200), Fault::Deadline),
        // An error of `Read` has no fault.
        (half, "200ms", minute, Fault::Failed),
        (slow_head, "500ms", minute, Fault::Deadline),
        (slow_body, "2s", minute, Fault::Failed),
    ] {
        let options = json!({ "uses": "get", "url": url, "http": { "timeout": timeout } });
        let started = Instant::now();
        let error = Opened::new(&options).collect(within).expect_err("it hangs");
        assert!(error.message().contains("no answer within"), "{url} {timeout}: {error}");
        assert_eq!(error.fault(), fault, "{url} {timeout}: {error}");
        assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    }
}

#[test]
fn an_exchange_ends_when_the_instance_is_closed() {
    let server = Server::start();
    let options = json!({ "uses": "get", "url": server.url("/hang"), "http": { "timeout": "1m" } });
    let mut opened = Opened::new(&options);
    let (lent, hanging) = (Arc::clone(&opened.lent), Arc::clone(&server.hanging));
    let closing = thread::spawn(move || {
        let asked = || (hanging.load(Ordering::SeqCst) > 0).then_some(());
        within(Duration::from_secs(10), asked).expect("it asks");
        lent.cancel();
    });
    let error = opened.collect(Duration::from_mins(1)).expect_err("it is interrupted");
    closing.join().expect("it cancelled");
    assert_eq!(error.message(), "the instance is being closed");
}

#[test]
fn an_error_names_no_credentials_of_the_url() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let error = used("get", &format!("http://user:{SECRET}@{unused}/q?p={SECRET}"));
    let error = error.expect_err("nobody listens");
    assert!(!error.message().contains(SECRET), "{error}");
    assert!(error.message().contains("refused"), "but it says why: {error}");
}

#[test]
fn threads_are_joined_at_close_or_failed_open() {
    let mut opened = Opened::new(&json!({ "uses": "thread" }));
    opened.collect(Duration::from_secs(5)).expect("it waits");
    let Opened { source, lent, state, .. } = opened;
    let note = |state: &Path| fs::read_to_string(state.join("instances/it/ended"));
    assert!(note(state.path()).is_err(), "it still waits");
    lent.cancel();
    source.close().expect("it closes");
    assert_eq!(note(state.path()).expect("joined: it has written"), "cancelled");

    // Nobody cancels here: `open` is still under way for the daemon.
    let state = TempDir::new().expect("a directory");
    let lent = lends(state.path(), &Cells::default());
    let started = Instant::now();
    let options = json!({ "uses": "thread_then_fail" }).to_string();
    let error = LIBRARY.open_source("lent", &options, lent).err().expect("it fails");
    assert_eq!(error.message(), "as it was asked to");
    assert!(started.elapsed() < Duration::from_secs(5), "it waited for its own thread");
    assert_eq!(note(state.path()).expect("joined: it has written"), "cancelled");
}

#[test]
fn a_blocked_read_ends_soon_after_the_deadline() {
    // It accepts, and says nothing for ever.
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let home = Home::with_plugins(&["lent"]);
    let address = silent.local_addr().expect("bound");
    home.configure(&format!(
        "[sources.it]\nplugin = \"lent\"\ninterval = \"1s\"\ndeadline = \"1s\"\nuses = \"socket\"\n\
         url = \"http://{address}\"\n"
    ));
    let daemon = home.start();
    let found = home.instance_when("it", |found| found["counts"]["errors"].as_u64() >= Some(3));
    assert_eq!(found["state"], "failing");
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert_eq!(cause, "collect failed: the server closed it behind 0 bytes");
    let counts = (&found["counts"]["hangs"], &found["counts"]["abandoned"]);
    assert_eq!(counts, (&json!(0), &json!(0)), "no thread is lost");
    assert!(daemon.stop());
}

#[test]
fn the_clock_is_the_daemons() {
    let now = Opened::new(&json!({ "uses": "now" })).collect(Duration::from_secs(5));
    assert_eq!(now.expect("a time"), Timestamp::from_nanos(1_234_567_890).nanos().to_string());
}

#[test]
fn counters_add_up_and_gauges_stand() {
    let mut opened = Opened::new(&json!({ "uses": "metrics" }));
    for _ in 0..3 {
        opened.collect(Duration::from_secs(5)).expect("counted");
    }
    let cells = opened.cells.snapshot();
    // A counter and a gauge of one name are two.
    let cells: BTreeMap<(&str, bool), f64> =
        cells.iter().map(|cell| ((cell.name.as_str(), cell.total), cell.value)).collect();
    let expected = [
        (("lent_bytes_total", true), 3.0),
        (("lent_calls", true), 3.0),
        (("lent_calls", false), 1.0),
        (("lent_level", false), 7.5),
    ];
    assert_eq!(cells, expected.into());
}

/// Nowhere to be seen but on the wire.
const SECRET: &str = "s3cr3t-of-the-test";

fn lent_source(name: &str, uses: &str, keys: &str) -> String {
    format!("[sources.{name}]\nplugin = 'lent'\ninterval = '1s'\nuses = '{uses}'\n{keys}\n")
}

/// Sources that use what is lent, the server's address in hand.
fn configuration(server: &Server) -> String {
    let guarded = |name: &str, secret: &str| {
        let url = server.url("/guarded");
        lent_source(name, "secret", &format!("url = '{url}'\nsecret = {{ {secret} }}"))
    };
    [
        guarded("from-env", "env = 'LENT_SECRET'"),
        guarded("from-file", "file = 'HOME/secret'"),
        guarded("from-credential", "credential = 'lent'"),
        guarded("from-nowhere", "env = 'LENT_NOTHING'"),
        lent_source("counting", "metrics", ""),
        lent_source("loud", "log", ""),
        lent_source("waiting", "thread", ""),
        lent_source("asking", "runtime", &format!("url = '{}'", server.url("/"))),
        file_sink("out", &["from-env", "from-file", "from-credential", "asking"]),
    ]
    .concat()
}

#[test]
fn a_running_daemon_lends_all_that_it_can() {
    let server = Server::start();
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(&configuration(&server));
    fs::write(home.path("secret"), format!("{SECRET}\n")).expect("a secret");
    fs::create_dir(home.path("credentials")).expect("a directory");
    fs::write(home.path("credentials/lent"), SECRET).expect("a secret");
    let environment = |command: &mut std::process::Command| {
        command.env("LENT_SECRET", SECRET).env_remove("LENT_NOTHING");
        command.env("CREDENTIALS_DIRECTORY", home.path("credentials"));
    };
    let mut check = home.command(&["check"]);
    environment(&mut check);
    let check = check.output().expect("it runs");
    assert!(check.status.success(), "{}", text(&check));

    let mut log = Vec::new();
    let daemon = home.start_with(environment);
    let said = |instance: &str| {
        let lines = || {
            let text = fs::read_to_string(home.path("out.jsonl")).unwrap_or_default();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            lines.find(|line: &Value| line["labels"]["text"].as_str() == Some(instance))
        };
        within(Duration::from_secs(30), lines).is_some()
    };
    for name in ["from-env", "from-file", "from-credential", "asking"] {
        home.instance_when(name, |status| status["counts"]["records"].as_u64() > Some(0));
    }
    // The server says 403 without the right header.
    assert!(said("200 unmarked: ") && said("HTTP/1.1 200 OK"), "the answers are in the sink");
    let failing = home.instance_when("from-nowhere", |status| status["state"] == "failing");
    let cause = failing["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("the environment has no `LENT_NOTHING`"), "{cause}");

    let metrics = metrics(&home);
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    let counted = value("haetae_plugin_lent_calls_total{instance=\"counting\"}");
    assert!(counted >= Some(1.0), "{metrics}");
    assert_eq!(value("haetae_plugin_lent_level{instance=\"counting\"}"), Some(7.5), "{metrics}");

    loud(&daemon, &mut log);
    let shown = [text(&check), text(&home.output(&["status"])), metrics];
    let json = home.json(&["status"]).expect("it answers").to_string();
    log.extend(daemon.lines());
    assert!(daemon.stop(), "it ends well");
    let note = fs::read_to_string(home.path("state/instances/waiting/ended"));
    assert_eq!(note.expect("the thread was joined"), "cancelled");
    let sink = fs::read_to_string(home.path("out.jsonl")).expect("it is there");
    for shown in shown.iter().chain([&json, &sink, &log.join("\n")]) {
        assert!(!shown.contains(SECRET), "the secret is in {shown}");
    }
}

/// A hundred lines in ten seconds under the instance's name; then how many more there were.
fn loud(daemon: &Daemon, log: &mut Vec<String>) {
    let dropped = within(Duration::from_secs(30), || {
        log.extend(daemon.lines());
        log.iter().position(|line| line.contains("log lines dropped"))
    });
    let dropped = dropped.expect("it says that it dropped some");
    let of = |line: &&String| line.contains("instance=\"loud\"");
    let before: Vec<&String> = log[..dropped].iter().filter(of).collect();
    let lines = before.iter().filter(|line| line.contains("of call")).count();
    assert_eq!(lines, 100, "{before:#?}");
    let said = &log[dropped];
    let number = said.split("dropped=").nth(1).and_then(|rest| rest.split(' ').next());
    let number: u32 = number.and_then(|number| number.parse().ok()).expect(said);
    assert!(said.contains("instance=\"loud\"") && number >= 50, "{said}");
}

/// `/metrics` as the admin socket shows it.
fn metrics(home: &Home) -> String {
    let mut stream = UnixStream::connect(home.path("state/admin.sock")).expect("it listens");
    let request = "GET /metrics HTTP/1.1\r\nhost: haetae\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}
