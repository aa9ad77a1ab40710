//! Opening the store: one on a server is waited for, and meanwhile whoever asks hears that.

use std::{fs, time::Duration};

use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{
    StartError,
    bound::Bound,
    serving::{Server, Waiting},
};
use crate::{
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
    bound: &Bound,
    stop: &CancellationToken,
) -> Result<Opened, StartError> {
    let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let (waiting, mut meanwhile) = (Waiting::default(), None);
    loop {
        let opened = tokio::select! {
            opened = Store::open_with(location.clone(), owner, if_lost) => opened,
            () = stop.cancelled() => return Err(stopped(bound)),
        };
        let error = match opened {
            Ok(opened) => {
                if let Some(Meanwhile { stop, servers }) = meanwhile {
                    stop.cancel();
                    servers.wait().await;
                    info!(store = %location, "the store answers");
                }
                return Ok(opened);
            }
            Err(error) => error,
        };
        let waits = matches!(error, StoreError::Failed { .. } | StoreError::Slow(_));
        if !waits || matches!(location, Location::File(_)) {
            return Err(error.into());
        }
        let wait = pause.failed();
        warn!("haetae waits for its store: {error}; it is tried again in {wait:?}");
        waiting.say(format!("it waits for its store: {error}"));
        let served = match meanwhile.take() {
            Some(served) => served,
            None => Meanwhile::serve(bound, &waiting)?,
        };
        meanwhile = Some(served);
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return Err(stopped(bound)),
        }
    }
}

fn stopped(bound: &Bound) -> StartError {
    // It is ours, and may have been removed by hand.
    drop(fs::remove_file(&bound.socket));
    StartError::Stopped
}

/// What is served while the store is waited for.
struct Meanwhile {
    stop: CancellationToken,
    servers: TaskTracker,
}

impl Meanwhile {
    fn serve(bound: &Bound, waiting: &Waiting) -> Result<Self, StartError> {
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        for (name, listener) in [("tcp", &bound.tcp), ("socket", &bound.admin)] {
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
