//! Opening the store: one on a server is waited for, and meanwhile whoever asks hears that.

use std::{fs, time::Duration};

use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
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
/// Connections of each listener meanwhile.
const CONNECTIONS: usize = 32;

/// Opens the store. A server that does not answer or refuses is tried until it takes us: what ends
/// now is started again by nobody who knows better.
pub(super) async fn store(
    location: Location,
    owner: &str,
    if_lost: Loss,
    listeners: &Listeners,
    stop: &CancellationToken,
) -> Result<Opened, StartError> {
    let is_server = matches!(location, Location::Server { .. });
    let open = async || Store::open_with(location.clone(), owner, if_lost).await;
    waited_for(open, |error| is_server && passes(error), listeners, stop).await
}

/// Takes over what an earlier run left. A session of it that a server still keeps may hold its rows.
pub(super) async fn adopt(
    outbox: &Outbox,
    lost: Option<String>,
    listeners: &Listeners,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    waited_for(async || outbox.adopt(lost.clone()).await, passes, listeners, stop).await
}

/// Whether it may be over by itself.
fn passes(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { .. } | StoreError::Slow(_))
}

/// Does something with the store until it works; meanwhile whoever asks hears what is waited for.
async fn waited_for<T>(
    work: impl AsyncFn() -> Result<T, StoreError>,
    passes: impl Fn(&StoreError) -> bool,
    listeners: &Listeners,
    stop: &CancellationToken,
) -> Result<T, StartError> {
    let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let (waiting, mut meanwhile) = (Waiting::default(), None);
    loop {
        let worked = tokio::select! {
            worked = work() => worked,
            () = stop.cancelled() => return Err(stopped(listeners)),
        };
        let error = match worked {
            Ok(done) => {
                if let Some(Meanwhile { stop, servers }) = meanwhile {
                    stop.cancel();
                    servers.wait().await;
                    info!("the store answers");
                }
                return Ok(done);
            }
            Err(error) if passes(&error) => error,
            Err(error) => return Err(error.into()),
        };
        let wait = pause.failed();
        warn!("haetae waits for its store: {error}; it is tried again in {wait:?}");
        waiting.say(format!("it waits for its store: {error}"));
        let served = match meanwhile.take() {
            Some(served) => served,
            None => Meanwhile::serve(listeners, &waiting)?,
        };
        meanwhile = Some(served);
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return Err(stopped(listeners)),
        }
    }
}

fn stopped(listeners: &Listeners) -> StartError {
    // It is ours, and may have been removed by hand.
    drop(fs::remove_file(&listeners.socket));
    StartError::Stopped
}

/// What is served while the store is waited for.
struct Meanwhile {
    stop: CancellationToken,
    servers: TaskTracker,
}

impl Meanwhile {
    fn serve(listeners: &Listeners, waiting: &Waiting) -> Result<Self, StartError> {
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        for (name, listener) in [("tcp", &listeners.tcp), ("socket", &listeners.admin)] {
            let mut server = Server {
                listener: listener.try_clone().map_err(StartError::Thread)?,
                router: waiting.router(),
                connections: Connections::new(name, CONNECTIONS),
                stop: stop.clone(),
            };
            servers.spawn(async move { server.run().await });
        }
        servers.close();
        Ok(Self { stop, servers })
    }
}
