//! The servers as stages: on TCP and on the admin socket, also before there is anything to show.

use std::{
    io, net,
    os::unix::net as unix,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    http::{self, Connections, problem::problem},
    stage::Stage,
    systemd,
};

/// A server.
pub(super) struct Server {
    pub(super) listener: Listener,
    pub(super) router: Router,
    pub(super) connections: Arc<Connections>,
    pub(super) stop: CancellationToken,
}

/// Where the daemon listens.
pub(super) struct Listeners {
    pub(super) tcp: Listener,
    pub(super) admin: Listener,
    /// The admin socket's file.
    pub(super) socket: PathBuf,
}

/// Where a server listens, for as long as the process lives.
pub(super) enum Listener {
    Tcp(net::TcpListener),
    Admin(unix::UnixListener),
}

impl Listener {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Admin(listener) => Self::Admin(listener.try_clone()?),
        })
    }
}

impl Server {
    async fn serve(&self) -> io::Result<()> {
        let (router, stop) = (self.router.clone(), self.stop.clone());
        let connections = Arc::clone(&self.connections);
        match self.listener.try_clone()? {
            Listener::Tcp(listener) => {
                http::serve(TcpListener::from_std(listener)?, router, connections, stop).await
            }
            Listener::Admin(listener) => {
                http::serve_socket(UnixListener::from_std(listener)?, router, connections, stop)
                    .await
            }
        }
    }
}

impl Stage for Server {
    async fn run(&mut self) {
        if let Err(error) = self.serve().await {
            warn!(%error, "a server ended");
        }
    }
}

/// What the daemon waits for before it can show anything, in words.
#[derive(Clone, Default)]
pub(super) struct StartupStatus(Arc<Mutex<String>>);

impl StartupStatus {
    pub(super) fn say(&self, words: String) {
        systemd::status(&format!("starting: {words}"));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    fn words(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers that it is alive and waits.
    pub(super) fn router(&self) -> Router {
        let (ready, other) = (self.clone(), self.clone());
        let unready = move || async move { (StatusCode::SERVICE_UNAVAILABLE, ready.text()) };
        let starting = move || async move { other.problem() };
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(unready))
            .fallback(starting)
    }

    fn text(&self) -> String {
        format!("starting: {}\n", self.words())
    }

    fn problem(&self) -> Response {
        problem(StatusCode::SERVICE_UNAVAILABLE, "haetae starts", &self.words()).into_response()
    }
}
