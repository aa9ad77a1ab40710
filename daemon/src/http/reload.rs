//! Reloading over the API: whoever asks waits for what becomes of it.

use std::{path::PathBuf, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};

use super::{
    View,
    answer::Json,
    problem::{problem, stopping},
    request::JsonBody,
};
use crate::config::Plan;

/// Requests that wait while a reload runs. Full: who asks is told so.
pub const REQUESTS: usize = 16;
/// How long an answer waits: instances that hang are closed in the meantime.
const PATIENCE: Duration = Duration::from_secs(50);

/// Somebody who wants the configuration to be reloaded.
#[derive(Debug)]
pub struct Request {
    /// Whether the report is to have colours.
    pub colour: bool,
    /// Who asks; may have gone.
    pub reply: oneshot::Sender<ReloadAnswer>,
}

impl Request {
    /// One that nobody waits for: it comes by a signal.
    pub fn unheard() -> Self {
        Self { colour: false, reply: oneshot::channel().0 }
    }
}

/// What is asked of `POST /api/v1/reload`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadRequest {
    /// Whether the report is to have colours.
    pub colour: bool,
}

/// The answer of `POST /api/v1/reload`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReloadAnswer {
    /// Whether the daemon runs by what it has read.
    pub ok: bool,
    /// What became of it.
    pub result: ReloadResult,
    /// Why it does not, in a line.
    pub error: Option<String>,
    /// What a check found, warnings too.
    pub problems: Vec<Value>,
    /// The same for a person.
    pub report: String,
    /// What it runs by now.
    pub configuration: Configuration,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadResult {
    /// The daemon runs by what it has read.
    Reloaded,
    /// The configuration has errors. Nothing was changed.
    Invalid,
    /// It can't be taken up now, or not without a restart. Nothing was changed.
    Refused,
}

/// What the daemon runs by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// The file that it was read from; none in the demo.
    pub file: Option<PathBuf>,
    /// When it was read.
    pub loaded: Timestamp,
    /// How many sources there are.
    pub sources: usize,
    /// How many evaluators there are.
    pub evaluators: usize,
    /// How many sinks there are.
    pub sinks: usize,
    /// The last reload, if it failed.
    pub failed: Option<FailedReload>,
}

/// A reload that changed nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailedReload {
    /// When.
    pub at: Timestamp,
    /// Why, and what to do.
    pub cause: String,
}

impl Configuration {
    /// What a plan is that was read now.
    pub fn of(plan: &Plan, file: Option<PathBuf>, now: Timestamp) -> Self {
        Self {
            file,
            loaded: now,
            sources: plan.sources.len(),
            evaluators: plan.thresholds.len() + plan.logs.len(),
            sinks: plan.sinks.len(),
            failed: None,
        }
    }
}

/// The path.
pub(super) fn router() -> Router<View> {
    Router::new().route("/api/v1/reload", post(reload))
}

async fn reload(State(view): State<View>, JsonBody(asked): JsonBody<ReloadRequest>) -> Response {
    let (reply, answer) = oneshot::channel();
    if view.parts().reloads.try_send(Request { colour: asked.colour, reply }).is_err() {
        return stopping();
    }
    match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(_)) => stopping(),
        Err(_) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the reload goes on",
            "it takes long; see `haetae status` and the log for what becomes of it",
        ),
    }
}
