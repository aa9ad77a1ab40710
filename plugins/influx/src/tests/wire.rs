//! HTTP by a socket of the test's own: what a script can't show, headers and streams that end.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use haetae_plugin::{
    Context, Error, Level, Reference, Result, Timestamp, abi::Lend, http::Request,
};

/// A time of which nothing depends on the clock.
pub(super) const THEN: i64 = 1_700_000_000;

/// Lends HTTP by a socket and nothing else.
struct Wire;

impl Lend for Wire {
    fn exchange(
        &self,
        request: Request,
    ) -> Result<(u16, Vec<(String, Vec<u8>)>, Box<dyn Read + Send>)> {
        let rest = request.url.strip_prefix("http://").expect("plain HTTP");
        let (address, path) = rest.split_once('/').expect("a path");
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(request.timeout.max(Duration::from_millis(1))))?;
        let Request { method, headers, body, .. } = request;
        // Asked to close, the server would do so with our body unread, and its answer be lost.
        write!(socket, "{method} /{path} HTTP/1.1\r\nhost: {address}\r\n")?;
        write!(socket, "content-length: {}\r\n", body.len())?;
        for (name, value) in headers {
            write!(socket, "{name}: {}\r\n", String::from_utf8(value)?)?;
        }
        socket.write_all(b"\r\n")?;
        socket.write_all(&body)?;
        answered(BufReader::new(socket))
    }

    fn log(&self, level: Level, message: &str) {
        println!("{level:?} {message}");
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(THEN)
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn secret(&self, reference: &Reference) -> Result<Vec<u8>> {
        match reference {
            Reference::Env(value) => Ok(value.clone().into_bytes()),
            _ => Err(Error::config("the test has no such secret")),
        }
    }

    fn cell(&self, _: &str, _: bool) -> u32 {
        0
    }

    fn record(&self, _: u32, _: f64) {}

    fn poisoned(&self, message: &str) {
        panic!("{message}");
    }

    fn state_dir(&self) -> Result<PathBuf> {
        Err(Error::failed("the test has no state"))
    }
}

/// Reads an answer to its end.
#[expect(clippy::type_complexity, reason = "as the trait has it")]
fn answered(
    mut socket: impl BufRead,
) -> Result<(u16, Vec<(String, Vec<u8>)>, Box<dyn Read + Send>)> {
    let mut line = String::new();
    socket.read_line(&mut line)?;
    let status = line.split(' ').nth(1).ok_or_else(|| Error::failed("no answer"))?.parse()?;
    let (mut headers, mut chunked, mut length) = (Vec::new(), false, 0);
    loop {
        let mut line = String::new();
        socket.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        let name = name.to_lowercase();
        chunked |= name == "transfer-encoding" && value == "chunked";
        if name == "content-length" {
            length = value.parse()?;
        }
        headers.push((name, value.as_bytes().to_vec()));
    }
    let mut body = Vec::new();
    while chunked {
        let mut size = String::new();
        socket.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim_end(), 16)?;
        let mut chunk = vec![0; size + 2];
        socket.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    let mut rest = vec![0; length];
    socket.read_exact(&mut rest)?;
    body.extend_from_slice(&rest);
    Ok((status, headers, Box::new(Cursor::new(body))))
}

/// A context that lends HTTP alone.
pub(super) fn wire() -> Context {
    Context::on(Arc::new(Wire))
}

/// Answers one request with `answer` and closes.
pub(super) fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || -> io::Result<()> {
        let (socket, _) = listener.accept()?;
        let mut reader = BufReader::new(socket);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim_end().parse().unwrap();
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        reader.into_inner().write_all(answer.as_bytes())
    });
    url
}
