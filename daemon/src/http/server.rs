//! The server beneath both listeners: so many connections at the most, a limit of time for each step of
//! one, and an end that comes soon.
//!
//! A connection waits for its peer, to ask or to take what is answered, or works. Those that wait longest
//! give way to who comes anew; those that wait for a request end at once when the daemon stops.

mod connections;
mod socket;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
    response::IntoResponse,
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

pub use self::connections::Connections;
use self::{
    connections::Connection,
    socket::{AnswerBody, Socket},
};
use super::peer::Peer;
use crate::fault;

/// How long each step of a connection may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// How long a new one waits while all are at work.
    admit: Duration,
    /// The head of a request, the time before its first byte counted.
    head: Duration,
    /// The rest of the request and its handler, until there is an answer.
    answer: Duration,
    /// The answer, until the peer has taken all of it.
    taken: Duration,
    /// A request that runs while the daemon stops.
    grace: Duration,
}

const LIMITS: Timeouts = Timeouts {
    admit: Duration::from_secs(1),
    head: Duration::from_secs(10),
    answer: Duration::from_mins(1),
    taken: Duration::from_secs(30),
    grace: Duration::from_secs(1),
};

/// The pause after a connection that could not be accepted: what is missing is seldom back at once.
const PAUSE: Duration = Duration::from_millis(200);
/// The most bytes that are kept of a request's head.
const BUFFER: usize = 64 << 10;
/// What is answered where there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-type: text/plain\r\ncontent-length: 21\r\n\r\ntoo many connections\n";

/// Where connections come from.
pub(super) trait Listener {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Who is at its other end, where the system knows it.
    fn peer(stream: &Self::Stream) -> Option<Peer>;

    /// Sends what fits now.
    fn send(stream: &Self::Stream, text: &[u8]) -> io::Result<usize>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        Ok(self.accept().await?.0)
    }

    fn peer(_stream: &TcpStream) -> Option<Peer> {
        None
    }

    fn send(stream: &TcpStream, text: &[u8]) -> io::Result<usize> {
        stream.try_write(text)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }

    fn peer(stream: &UnixStream) -> Option<Peer> {
        Some(Peer::at(stream))
    }

    fn send(stream: &UnixStream, text: &[u8]) -> io::Result<usize> {
        stream.try_write(text)
    }
}

/// Serves until `stop`; an error is one after which the listener accepts nothing more.
pub(super) async fn serve(
    listener: impl Listener,
    router: Router,
    connections: Arc<Connections>,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_within(LIMITS, listener, router, connections, stop).await
}

async fn serve_within<L: Listener>(
    limits: Timeouts,
    listener: L,
    router: Router,
    connections: Arc<Connections>,
    stop: CancellationToken,
) -> io::Result<()> {
    let (tasks, ending) = (TaskTracker::new(), stop.child_token());
    let mut is_failing = false;
    let ended = loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            accepted = listener.next() => accepted,
        };
        match accepted {
            Ok(stream) => {
                fault::point("listener", connections.listener());
                is_failing = false;
                let admitted = tokio::select! {
                    () = stop.cancelled() => break Ok(()),
                    admitted = connections.admit_within(limits.admit) => admitted,
                };
                match admitted {
                    Some(connection) => {
                        let peer = L::peer(&stream);
                        let answering =
                            Answering { limits, peer, router: router.clone(), connection };
                        tasks.spawn(answering.run(stream, ending.clone()));
                    }
                    // Whether it is read or not, the connection ends here.
                    None => drop(L::send(&stream, FULL)),
                }
            }
            Err(error) if is_final(&error) => break Err(error),
            Err(error) => {
                if !is_failing {
                    warn!(listener = connections.listener(), %error, "a connection can't be accepted; it is tried again");
                }
                is_failing = true;
                // If files are short, those of who only waits are given back.
                connections.make_room();
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(PAUSE) => {}
                }
            }
        }
    };
    // Whoever connects from now on is refused, not left waiting.
    drop(listener);
    ending.cancel();
    tasks.close();
    tasks.wait().await;
    ended
}

/// Whether a listener that says so will never accept again; all else is about one connection, or passes.
fn is_final(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK))
}

/// What answers the requests of one connection.
struct Answering {
    limits: Timeouts,
    peer: Option<Peer>,
    router: Router,
    connection: Arc<Connection>,
}

impl Answering {
    /// Until either end has enough.
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Unpin, stop: CancellationToken) {
        let Self { limits, peer, router, connection } = self;
        let router = TowerToHyperService::new(router);
        let service = service_fn(|mut request: Request<Incoming>| {
            connection.begin();
            if let Some(peer) = peer {
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            let (answer, connection) = (router.call(request), Arc::clone(&connection));
            async move {
                // Whoever asks for a lot at once lets others in between two answers.
                yield_now().await;
                let answer = timeout(limits.answer, answer).await;
                let answer = answer.map_or_else(|_| late(), |Ok(answer)| answer);
                Ok::<_, Infallible>(answer.map(|body| AnswerBody::new(body, connection)))
            }
        });
        let socket = Socket::new(stream, limits.taken, Arc::clone(&connection));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(socket), service);
        let mut served = std::pin::pin!(served);
        tokio::select! {
            // What a peer does wrong is its own affair.
            _ = &mut served => return,
            () = connection.gives_way() => return,
            () = stop.cancelled() => {}
        }
        if !connection.is_waiting() {
            served.as_mut().graceful_shutdown();
            drop(timeout(limits.grace, served).await);
        }
    }
}

fn late() -> Response<Body> {
    (StatusCode::SERVICE_UNAVAILABLE, "no answer in time\n").into_response()
}

#[cfg(test)]
mod tests;
