//! The source `lent`: a batch is one sample whose label `text` says what came of the use.

use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

use haetae_plugin::{
    Batch, Call, Context, Error, Kind, Level, Metric, Records, Result, Samples, Secret, Series,
    Source,
    http::{Http, HttpOptions, Response},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Lines that `uses = "log"` writes at its first call.
const LINES: u32 = 150;
/// What `uses = "capped"` reads at the most.
const CAP: u64 = 10;

/// The options of the kind `lent`.
#[haetae_plugin::options]
pub(crate) struct Options {
    /// What is used.
    uses: Uses,
    /// The server that is asked.
    #[serde(default)]
    url: String,
    /// How to reach it.
    #[serde(default)]
    http: HttpOptions,
    /// Sent to the server.
    #[serde(default)]
    secret: Option<Secret>,
}

/// What is used.
#[haetae_plugin::options]
#[serde(rename_all = "snake_case")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uses {
    /// A `GET` with a header.
    Get,
    /// A `POST` with a body.
    Post,
    /// A body whose rest the server sends only once its begin was read.
    Stream,
    /// A body of which ten bytes are wanted.
    Capped,
    /// A secret, sent as a header.
    Secret,
    /// A thread that writes `ended` into the state directory when it sees that it is cancelled.
    Thread,
    /// The same, but then `open` fails.
    ThreadThenFail,
    /// A counter and a gauge.
    Metrics,
    /// The log, too much of it.
    Log,
    /// A tokio runtime, which asks the server for `/`.
    Runtime,
    /// The clock.
    Now,
    /// A socket of its own, which it reads without a limit of time.
    Socket,
}

/// A source that uses one thing.
pub(crate) struct Lent {
    options: Options,
    context: Context,
    http: Http,
    calls: u32,
}

impl Source for Lent {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(_: &Options) -> Vec<Metric> {
        vec![Metric::new("lent", "1", Kind::GAUGE, "Always 1.").labels(&["text"])]
    }

    fn open(options: Options, context: Context) -> Result<Self> {
        if matches!(options.uses, Uses::Thread | Uses::ThreadThenFail) {
            let inside = context.clone();
            context.spawn("waits", move || waits(&inside))?;
        }
        if options.uses == Uses::ThreadThenFail {
            return Err(Error::failed("as it was asked to"));
        }
        let http = context.http(&options.http);
        Ok(Self { options, context, http, calls: 0 })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        self.calls += 1;
        let text = self.uses(call)?;
        let series = Series::gauge("lent", "1").label("text", text).build();
        Ok(Samples::at(call.window.to).with(&series, 1.0).into())
    }
}

impl Lent {
    fn uses(&self, call: Call) -> Result<String> {
        let Options { uses, url, secret, .. } = &self.options;
        match uses {
            Uses::Get => shown(self.http.get(url).header("x-asked", "politely").send(call)?),
            Uses::Post => {
                let post = self.http.post(url).header("content-type", "text/x-lent");
                shown(post.body("the body").send(call)?)
            }
            Uses::Stream => self.streams(url, call),
            Uses::Capped => {
                let body = self.http.get(url).send(call)?.limit(CAP).bytes()?;
                Ok(format!("{} bytes", body.len()))
            }
            Uses::Secret => {
                let secret = secret.as_ref().ok_or_else(|| Error::config("no `secret`"))?;
                let value = self.context.secret(secret)?;
                shown(self.http.get(url).header("authorization", value.expose()).send(call)?)
            }
            Uses::Thread | Uses::ThreadThenFail => Ok("a thread waits".into()),
            Uses::Metrics => {
                self.context.counter("lent_calls").increment();
                // Another name for the same family, and a gauge that would be one too.
                self.context.counter("lent_bytes_total").increment();
                self.context.gauge("lent_calls").set(1.0);
                self.context.gauge("lent_level").set(7.5);
                Ok("counted".into())
            }
            Uses::Log => {
                for line in 0..if self.calls == 1 { LINES } else { 1 } {
                    self.context.log(Level::Info, format!("line {line} of call {}", self.calls));
                }
                Ok("logged".into())
            }
            Uses::Runtime => self.context.runtime()?.block_on(asks(url)),
            Uses::Socket => self.reads(url),
            Uses::Now => Ok(self.context.now().nanos().to_string()),
        }
    }

    /// Reads what a server says until it closes the connection.
    fn reads(&self, url: &str) -> Result<String> {
        let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://"))?;
        let _guard = self.context.guard_socket(&stream);
        let read = stream.read_to_end(&mut Vec::new())?;
        Err(Error::failed(format!("the server closed it behind {read} bytes")))
    }

    /// Reads five bytes, tells the server so, and reads the rest.
    fn streams(&self, url: &str, call: Call) -> Result<String> {
        let mut response = self.http.get(url).send(call)?;
        let mut begin = [0; 5];
        response.read_exact(&mut begin)?;
        self.http.get(format!("{url}/go-on")).send(call)?.bytes()?;
        let mut rest = String::new();
        response.read_to_string(&mut rest)?;
        Ok(String::from_utf8_lossy(&begin).into_owned() + &rest)
    }
}

/// Status, the header `x-answered` and the body.
fn shown(response: Response) -> Result<String> {
    let status = response.status;
    let answered = response.header("x-answered").unwrap_or("unmarked").to_owned();
    Ok(format!("{status} {answered}: {}", response.text()?))
}

async fn asks(url: &str) -> Result<String> {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().into())
}

/// Waits for the close, a minute at the most, and leaves a note if it saw it.
fn waits(context: &Context) {
    #[expect(clippy::disallowed_methods, reason = "a limit, so that no test hangs")]
    let started = Instant::now();
    while !context.cancelled() && started.elapsed() < Duration::from_mins(1) {
        thread::sleep(Duration::from_millis(5));
    }
    if let (Ok(directory), true) = (context.state_dir(), context.cancelled()) {
        // That the note is missing fails the test.
        drop(std::fs::write(directory.join("ended"), "cancelled"));
    }
}
