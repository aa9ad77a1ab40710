//! Opening the store: one on a server is waited for. Whoever asks before the daemon has started hears so.

use std::{fs, path::PathBuf, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{info, warn};

use super::{
    StartError,
    serving::{Listeners, Server, Waiting},
};
use crate::{
    deliver::outbox::Outbox,
    http::Connections,
    retry::Backoff,
    stage::Stage,
    store::{Location, Loss, Opened, Store, StoreError},
};

/// The pauses before a server that can't be used is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A start that takes longer answers meanwhile; the usual one is over before, and who asks waits for it.
const GRACE: Duration = Duration::from_millis(500);
/// Connections of each listener meanwhile.
const CONNECTIONS: usize = 32;

/// Opens the store. A server that does not answer or refuses is tried until it takes us: what ends
/// now is started again by nobody who knows better.
pub(super) async fn store(
    location: Location,
    owner: &str,
    if_lost: Loss,
    meanwhile: &Meanwhile,
    stop: &CancellationToken,
) -> Result<Opened, StartError> {
    let is_server = matches!(location, Location::Server { .. });
    let open = async || Store::open_with(location.clone(), owner, if_lost).await;
    waited_for(open, |error| is_server && passes(error), meanwhile, stop).await
}

/// Takes over what an earlier run left. A session of it that a server still keeps may hold its rows.
pub(super) async fn adopt(
    outbox: &Outbox,
    lost: Option<String>,
    meanwhile: &Meanwhile,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    waited_for(async || outbox.adopt(lost.clone()).await, passes, meanwhile, stop).await
}

/// Whether it may be over by itself.
fn passes(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { .. } | StoreError::Slow(_))
}

/// Does something with the store until it works; whoever asks hears what is waited for.
async fn waited_for<T>(
    work: impl AsyncFn() -> Result<T, StoreError>,
    passes: impl Fn(&StoreError) -> bool,
    meanwhile: &Meanwhile,
    stop: &CancellationToken,
) -> Result<T, StartError> {
    let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut failed = false;
    loop {
        let worked = tokio::select! {
            worked = work() => worked,
            () = stop.cancelled() => return Err(meanwhile.stopped()),
        };
        let error = match worked {
            Ok(done) => {
                if failed {
                    info!("the store answers");
                }
                meanwhile.waiting.say("it takes up what was stored".into());
                return Ok(done);
            }
            Err(error) if passes(&error) => error,
            Err(error) => return Err(error.into()),
        };
        let wait = pause.failed();
        warn!("haetae waits for its store: {error}; it is tried again in {wait:?}");
        meanwhile.waiting.say(format!("it waits for its store: {error}"));
        failed = true;
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return Err(meanwhile.stopped()),
        }
    }
}

/// What is served until the daemon has started.
pub(super) struct Meanwhile {
    waiting: Waiting,
    socket: PathBuf,
    stop: DropGuard,
    servers: TaskTracker,
}

impl Meanwhile {
    /// Begins to answer, if the start takes a while.
    pub(super) fn begin(listeners: &Listeners) -> Result<Self, StartError> {
        let (waiting, stop, servers) =
            (Waiting::default(), CancellationToken::new(), TaskTracker::new());
        waiting.say("it opens its store".into());
        for (name, listener) in [("tcp", &listeners.tcp), ("socket", &listeners.admin)] {
            let mut server = Server {
                listener: listener.try_clone().map_err(StartError::Thread)?,
                router: waiting.router(),
                connections: Connections::new(name, CONNECTIONS),
                stop: stop.clone(),
            };
            let stop = stop.clone();
            servers.spawn(async move {
                if timeout(GRACE, stop.cancelled()).await.is_err() {
                    server.run().await;
                }
            });
        }
        servers.close();
        let (socket, stop) = (listeners.socket.clone(), stop.drop_guard());
        Ok(Self { waiting, socket, stop, servers })
    }

    /// The daemon itself answers from now on.
    pub(super) async fn end(self) {
        drop(self.stop);
        self.servers.wait().await;
    }

    fn stopped(&self) -> StartError {
        // It is ours, and may have been removed by hand.
        drop(fs::remove_file(&self.socket));
        StartError::Stopped
    }
}
