//! The API: what the command line and other programs read.

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    View,
    alarm::find,
    answer::Json,
    explain, outbox, people,
    problem::{problem, stopping},
    reload,
    shown::{self, Happened},
    thresholds,
};
use crate::{
    engine::{AlarmView, EvaluatorStatus},
    pipeline::queue::{ConsumerStats, Freed},
    plugin::status::InstanceStatus,
    stage::StageStatus,
    store::{Handled, SinkBacklog},
    telemetry,
};

/// The answer of `GET /api/v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// The daemon's version.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Its time.
    pub now: Timestamp,
    /// Whether it evaluates.
    pub ready: bool,
    /// What it runs by.
    #[serde(default)]
    pub configuration: reload::Configuration,
    /// Why it does not judge, or can't write, in words.
    #[serde(default)]
    pub unready: Vec<String>,
    /// Stages of the daemon that ended and were started again of late.
    #[serde(default)]
    pub stages: Vec<StageStatus>,
    /// The store.
    pub store: StoreAnswer,
    /// The queues before sinks of records.
    pub queues: Vec<QueueAnswer>,
    /// How many alarms fire.
    pub firing: usize,
    /// Each source and sink.
    pub instances: Vec<InstanceStatus>,
    /// Each evaluator.
    pub evaluators: Vec<EvaluatorStatus>,
    /// Plugin files that are not loaded.
    pub refused: Vec<RefusedFile>,
    /// Lines of the daemon's own log that could not be written.
    #[serde(default)]
    pub log_lines_dropped: u64,
}

/// How the store is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StoreAnswer {
    /// Where it is.
    pub location: String,
    /// Why nothing can be written now.
    pub failing: Option<String>,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// What waits for each sink, and what is dead.
    pub outbox: Vec<SinkBacklog>,
    /// Obligations that are open: sinks that are to be told of an end.
    pub open_obligations: i64,
    /// Obligations that can't be met any more.
    pub unreachable_obligations: i64,
}

/// How a queue is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueueAnswer {
    /// The source.
    pub source: String,
    /// What it holds, in bytes.
    pub bytes: u64,
    /// What it may hold.
    pub max_bytes: u64,
    /// When the oldest batch was appended.
    pub oldest: Option<Timestamp>,
    /// Rejected records that are kept.
    pub dead: u64,
    /// Damaged batches that were set aside.
    pub damaged: u64,
    /// Why the disk does not take more now.
    pub failing: Option<String>,
    /// Each sink that reads it.
    pub sinks: Vec<ConsumerAnswer>,
    /// Sinks that read it no more, and what waited for them when the daemon started: it is freed.
    #[serde(default)]
    pub removed: Vec<RemovedAnswer>,
}

/// What waited in a queue for a sink that reads it no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemovedAnswer {
    /// The sink.
    pub sink: String,
    /// Records that waited for it.
    pub waiting: i64,
    /// Batches and records that it had rejected.
    pub dead: i64,
}

/// How far a sink is in a queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsumerAnswer {
    /// The sink.
    pub sink: String,
    /// Records that wait for it.
    pub waiting: u64,
    /// Records that it missed because the queue was full.
    pub dropped: u64,
    /// Records that it rejected.
    pub dead: u64,
}

/// A plugin file that is not loaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefusedFile {
    /// The step that refused it.
    pub code: String,
    /// The file.
    pub file: String,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub cure: String,
}

/// The answer of `GET /api/v1/alarms/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlarmAnswer {
    /// The alarm.
    #[serde(flatten)]
    pub alarm: AlarmView,
    /// How it is handled.
    #[serde(default)]
    pub handling: Handled,
    /// What happened to it, oldest first.
    pub history: Vec<Happened>,
    /// Why its handling and its history are not known now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// The API as the admin socket serves it: whoever can connect may ask.
pub fn router(view: View) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/alarms", get(people::alarms))
        .route("/api/v1/alarms/{id}", get(alarm))
        .merge(explain::router())
        .merge(outbox::router())
        .merge(people::router())
        .merge(reload::router())
        .merge(thresholds::router())
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such path", "see /api/v1/status") })
        .with_state(view)
}

/// The part of the API that a holder of `token` may read over TCP.
pub fn with_token(view: View, token: &str) -> Router {
    let wanted = Sha256::digest(format!("Bearer {token}"));
    let guard = move |request: Request, next: Next| async move {
        let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
        // Digests are compared: how long that takes says nothing about the token.
        if given.is_some_and(|given| Sha256::digest(given) == wanted) {
            next.run(request).await
        } else {
            problem(
                StatusCode::UNAUTHORIZED,
                "a token is needed",
                "send `Authorization: Bearer TOKEN`",
            )
        }
    };
    Router::new()
        .route("/api/v1/alarms", get(people::alarms))
        .route("/api/v1/status", get(status))
        .layer(middleware::from_fn(guard))
        .with_state(view)
}

async fn status(State(view): State<View>) -> Response {
    let Some(counts) = view.counts().await else { return stopping() };
    let parts = view.parts();
    let shown = view.shown();
    let refused = shown.refused.iter().map(|refusal| RefusedFile {
        code: refusal.code.to_string(),
        file: refusal.file.display().to_string(),
        cause: refusal.cause.clone(),
        cure: refusal.cure.clone(),
    });
    let configuration = parts.configuration.borrow().clone();
    let answer = StatusAnswer {
        version: env!("CARGO_PKG_VERSION").into(),
        started: parts.started,
        now: parts.clock.now(),
        ready: view.is_ready(),
        configuration,
        unready: view.unready(),
        stages: parts.stages.unwell(),
        store: store(&view).await,
        queues: queues(&view),
        firing: counts.firing.iter().map(|(_, count)| count).sum(),
        instances: view.instances(),
        evaluators: counts.evaluators,
        refused: refused.collect(),
        log_lines_dropped: telemetry::dropped(),
    };
    Json(answer).into_response()
}

pub(super) async fn store(view: &View) -> StoreAnswer {
    let (numbers, unread) = view.counted().await;
    // What can't be read now says so beside it.
    let unread = unread.map(|error| (error.to_string(), view.parts().clock.now()));
    let (failing, since) = view.store_failing().or(unread).unzip();
    let (open, unreachable) = numbers.obligations;
    StoreAnswer {
        location: view.store(),
        failing,
        failing_since: since,
        outbox: numbers.outbox,
        open_obligations: open,
        unreachable_obligations: unreachable,
    }
}

pub(super) fn queues(view: &View) -> Vec<QueueAnswer> {
    let sink = |consumer: &ConsumerStats| ConsumerAnswer {
        sink: consumer.name.to_string(),
        waiting: consumer.lag_records,
        dropped: consumer.dropped,
        dead: consumer.dead,
    };
    let removed = |freed: &Freed| RemovedAnswer {
        sink: freed.consumer.clone(),
        waiting: freed.waiting,
        dead: freed.dead,
    };
    let shown = view.shown();
    let queues = shown.queues.iter().map(|(source, queue)| {
        let stats = queue.stats();
        QueueAnswer {
            source: source.clone(),
            bytes: stats.bytes,
            max_bytes: stats.max_bytes,
            oldest: stats.oldest,
            dead: stats.dead,
            damaged: stats.damaged,
            failing: stats.trouble.as_deref().map(Into::into),
            sinks: stats.consumers.iter().map(sink).collect(),
            removed: queue.freed().iter().map(removed).collect(),
        }
    });
    queues.collect()
}

async fn alarm(State(view): State<View>, Path(id): Path<String>) -> Response {
    match find(&view, &id).await {
        Ok(alarm) => with_history(&view, alarm).await,
        Err(response) => response,
    }
}

async fn with_history(view: &View, alarm: AlarmView) -> Response {
    let store = &view.parts().store;
    let known =
        async { tokio::try_join!(store.history(&alarm.id, 1000), store.handling(&alarm.id)) };
    let (history, handling, incomplete) = match view.soon(known).await {
        Ok((history, handling)) => (history, handling, None),
        // The alarm itself is the engine's.
        Err(error) => (Vec::new(), Handled::default(), Some(error.to_string())),
    };
    let (alarm, history) = (shown::filled(alarm), history.into_iter().map(Into::into).collect());
    Json(AlarmAnswer { alarm, handling, history, incomplete }).into_response()
}
