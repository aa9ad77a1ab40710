//! The API: what the command line and other programs read.

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::View;
use crate::{
    engine::{AlarmView, EvaluatorStatus},
    plugin::status::InstanceStatus,
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
    /// Whether a restart forgets alarms and what waits for sinks.
    pub memory_only: bool,
    /// How many alarms fire.
    pub firing: usize,
    /// Each source and sink.
    pub instances: Vec<InstanceStatus>,
    /// Each evaluator.
    pub evaluators: Vec<EvaluatorStatus>,
    /// Plugin files that are not loaded.
    pub refused: Vec<RefusedFile>,
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

/// The answer of `GET /api/v1/alarms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlarmsAnswer {
    /// All alarms that are not ok, worst first.
    pub alarms: Vec<AlarmView>,
}

/// An error, after RFC 9457.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProblemAnswer {
    /// What went wrong.
    pub title: String,
    /// The status code.
    pub status: u16,
    /// What to do.
    pub detail: String,
}

/// The API as the admin socket serves it: whoever can connect may ask.
pub fn router(view: View) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/alarms", get(alarms))
        .route("/api/v1/alarms/{id}", get(alarm))
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
        .route("/api/v1/alarms", get(alarms))
        .route("/api/v1/status", get(status))
        .layer(middleware::from_fn(guard))
        .with_state(view)
}

async fn status(State(view): State<View>) -> Response {
    let Some(overview) = view.overview().await else { return stopping() };
    let parts = view.parts();
    let refused = parts.refused.iter().map(|refusal| RefusedFile {
        code: refusal.code.into(),
        file: refusal.file.display().to_string(),
        cause: refusal.cause.clone(),
        cure: refusal.cure.clone(),
    });
    let answer = StatusAnswer {
        version: env!("CARGO_PKG_VERSION").into(),
        started: parts.started,
        now: parts.clock.now(),
        ready: view.is_ready(),
        memory_only: true,
        firing: overview.alarms.iter().filter(|alarm| alarm.is_firing()).count(),
        instances: view.instances(),
        evaluators: overview.evaluators,
        refused: refused.collect(),
    };
    Json(answer).into_response()
}

async fn alarms(State(view): State<View>) -> Response {
    match view.overview().await {
        Some(overview) => Json(AlarmsAnswer { alarms: overview.alarms }).into_response(),
        None => stopping(),
    }
}

async fn alarm(State(view): State<View>, Path(id): Path<String>) -> Response {
    let Some(overview) = view.overview().await else { return stopping() };
    let mut found = overview.alarms.into_iter().filter(|alarm| alarm.id.starts_with(&id));
    match (found.next(), found.next()) {
        (Some(alarm), None) => Json(alarm).into_response(),
        (Some(_), Some(_)) => {
            problem(StatusCode::CONFLICT, "more than one alarm starts so", "give more of its id")
        }
        (None, _) => {
            problem(StatusCode::NOT_FOUND, "no such alarm", "it may have ended; see /api/v1/alarms")
        }
    }
}

fn stopping() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "ask again when it runs")
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body =
        ProblemAnswer { title: title.into(), status: status.as_u16(), detail: detail.into() };
    let mut response = (status, Json(body)).into_response();
    let kind = axum::http::HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(axum::http::header::CONTENT_TYPE, kind);
    response
}
