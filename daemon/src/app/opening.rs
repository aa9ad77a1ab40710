//! Opening the store: one on a server is waited for. Whoever asks before the daemon has started hears so.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{info, warn};

use super::{
    StartError, bound,
    restore::{self, Restored},
    serving::{Listeners, Server, StartupStatus},
};
use crate::{
    clock::Clock,
    config::Plan,
    deliver::commit::Outbox,
    engine::log::LogCursor,
    http::Connections,
    retry::Backoff,
    stage::Stage,
    store::{Location, Loss, OpenedStore, Store, StoreError},
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
    state: &Path,
    if_lost: Loss,
    meanwhile: &Meanwhile,
) -> Result<OpenedStore, StartError> {
    let owner = bound::owner(state)?;
    let open = async || Ok(Store::open_with(location.clone(), &owner, if_lost).await?);
    waited_for(open, |error| meanwhile.is_server && passes(error), meanwhile).await
}

/// Makes the engine, from a store that was open a moment ago and is a server as unreliable as before.
pub(super) async fn engine(
    store: &Store,
    plan: &Plan,
    clock: &Clock,
    meanwhile: &Meanwhile,
) -> Result<(Restored, Vec<LogCursor>), StartError> {
    let begin = async || restore::begin(store, plan, clock).await;
    waited_for(begin, |error| meanwhile.is_server && passes(error), meanwhile).await
}

/// The engine goes on with the alarms that were stored; one that got a part of them is made anew.
pub(super) async fn alarms(
    store: &Store,
    plan: &Plan,
    clock: &Clock,
    restored: Restored,
    meanwhile: &Meanwhile,
) -> Result<Restored, StartError> {
    let first = Mutex::new(Some(restored));
    let go_on = async || {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let restored = match first {
            Some(restored) => restored,
            None => restore::begin(store, plan, clock).await?.0,
        };
        restore::alarms(store, plan, clock, restored).await
    };
    waited_for(go_on, |error| meanwhile.is_server && passes(error), meanwhile).await
}

/// Takes over what an earlier run left. A session of it that a server still keeps may hold its rows.
/// It is the last that is waited for: the daemon itself answers from now on.
pub(super) async fn adopt(
    outbox: &Outbox,
    lost: Option<String>,
    meanwhile: Meanwhile,
) -> Result<(), StartError> {
    waited_for(async || Ok(outbox.adopt(lost.clone()).await?), passes, &meanwhile).await?;
    meanwhile.end().await;
    Ok(())
}

/// Whether it may be over by itself.
fn passes(error: &StartError) -> bool {
    matches!(error, StartError::Store(StoreError::Failed { .. } | StoreError::Slow(_)))
}

/// Does something with the store until it works; whoever asks hears what is waited for.
async fn waited_for<T>(
    work: impl AsyncFn() -> Result<T, StartError>,
    passes: impl Fn(&StartError) -> bool,
    meanwhile: &Meanwhile,
) -> Result<T, StartError> {
    let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut known = None;
    loop {
        let worked = tokio::select! {
            worked = work() => worked,
            () = meanwhile.asked.cancelled() => return Err(meanwhile.stopped()),
        };
        let error = match worked {
            Ok(done) => {
                if known.is_some() {
                    info!("the store answers");
                }
                meanwhile.waiting.say("it takes up what was stored".into());
                return Ok(done);
            }
            Err(error) if passes(&error) => error,
            Err(error) => return Err(error),
        };
        let (wait, cause) = (pause.failed(), error.to_string());
        if known.as_ref() != Some(&cause) {
            warn!(
                "haetae waits for its store: {cause}; it is tried again in {wait:?}, then more and more seldom"
            );
        }
        meanwhile.waiting.say(format!("it waits for its store: {cause}"));
        known = Some(cause);
        tokio::select! {
            () = sleep(wait) => {}
            () = meanwhile.asked.cancelled() => return Err(meanwhile.stopped()),
        }
    }
}

/// What is served until the daemon has started.
pub(super) struct Meanwhile {
    waiting: StartupStatus,
    /// Whether the store is a server's: only that may be back.
    is_server: bool,
    /// The daemon is asked to stop.
    asked: CancellationToken,
    socket: PathBuf,
    stop: DropGuard,
    servers: TaskTracker,
}

impl Meanwhile {
    /// Begins to answer, if the start takes a while.
    pub(super) fn begin(
        listeners: &Listeners,
        location: &Location,
        asked: &CancellationToken,
    ) -> Result<Self, StartError> {
        let (waiting, stop, servers) =
            (StartupStatus::default(), CancellationToken::new(), TaskTracker::new());
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
        let is_server = matches!(location, Location::Server { .. });
        Ok(Self { waiting, is_server, asked: asked.clone(), socket, stop, servers })
    }

    async fn end(self) {
        drop(self.stop);
        self.servers.wait().await;
    }

    fn stopped(&self) -> StartError {
        // It is ours, and may have been removed by hand.
        drop(fs::remove_file(&self.socket));
        StartError::Stopped
    }
}
