//! Thresholds over the API: seen, set, removed, and what a change would do.

use axum::{
    Router,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use super::{
    View,
    answer::Json,
    peer::Peer,
    problem::{ProblemAnswer, problem},
    request::{JsonBody, Parameters},
};
use crate::{
    config::ThresholdText,
    people::thresholds::{ChangeRequest, ChangeView, Changed, Refused, Threshold},
};

/// The answer of `GET /api/v1/thresholds`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThresholdsAnswer {
    /// Those of the configuration first, then the oldest.
    pub thresholds: Vec<Threshold>,
}

/// The answer of `GET /api/v1/thresholds/{id}/history`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HistoryAnswer {
    /// Oldest first.
    pub history: Vec<ChangeView>,
}

/// The answer to a change of what was changed meanwhile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConflictAnswer {
    /// What went wrong.
    #[serde(flatten)]
    pub problem: ProblemAnswer,
    /// What it is now.
    pub current: Threshold,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct How {
    dry_run: bool,
}

/// The paths.
pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/api/v1/thresholds", get(list).post(add))
        .route("/api/v1/thresholds/{id}", get(show).put(change).delete(remove))
        .route("/api/v1/thresholds/{id}/history", get(history))
}

async fn list(State(view): State<View>) -> Response {
    let all = view.soon(view.parts().thresholds.all()).await;
    match all {
        Ok(thresholds) => Json(ThresholdsAnswer { thresholds }).into_response(),
        Err(error) => refused(&error.into()),
    }
}

async fn show(State(view): State<View>, Path(id): Path<String>) -> Response {
    match one(&view, &id).await {
        Ok(one) => tagged(&one, Json(one.clone()).into_response()),
        Err(error) => refused(&error),
    }
}

async fn one(view: &View, id: &str) -> Result<Threshold, Refused> {
    let thresholds = &view.parts().thresholds;
    thresholds.one(&thresholds.id(id).await?).await
}

async fn history(State(view): State<View>, Path(id): Path<String>) -> Response {
    let thresholds = &view.parts().thresholds;
    let history = async { thresholds.history(&thresholds.id(&id).await?).await };
    match history.await {
        Ok(history) => Json(HistoryAnswer { history }).into_response(),
        Err(error) => refused(&error),
    }
}

async fn add(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(how): Parameters<How>,
    JsonBody(text): JsonBody<ThresholdText>,
) -> Response {
    let asked = ChangeRequest { actor: &peer.name().await, seen: None, dry_run: how.dry_run };
    let status = if how.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    answer(status, view.parts().thresholds.set(None, &text, asked).await)
}

async fn change(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Parameters(how): Parameters<How>,
    headers: HeaderMap,
    JsonBody(text): JsonBody<ThresholdText>,
) -> Response {
    let asked =
        ChangeRequest { actor: &peer.name().await, seen: seen(&headers), dry_run: how.dry_run };
    let thresholds = &view.parts().thresholds;
    let set = async { thresholds.set(Some(&thresholds.id(&id).await?), &text, asked).await };
    answer(StatusCode::OK, set.await)
}

async fn remove(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Parameters(how): Parameters<How>,
    headers: HeaderMap,
) -> Response {
    let asked =
        ChangeRequest { actor: &peer.name().await, seen: seen(&headers), dry_run: how.dry_run };
    let thresholds = &view.parts().thresholds;
    let removed = async { thresholds.remove(&thresholds.id(&id).await?, asked).await };
    answer(StatusCode::OK, removed.await)
}

/// The version of `If-Match`, as `ETag` gave it.
fn seen(headers: &HeaderMap) -> Option<i64> {
    headers.get(header::IF_MATCH)?.to_str().ok()?.trim().trim_matches('"').parse().ok()
}

fn answer(status: StatusCode, changed: Result<Changed, Refused>) -> Response {
    match changed {
        Ok(changed) => tagged(&changed.threshold, (status, Json(&changed)).into_response()),
        Err(error) => refused(&error),
    }
}

fn tagged(threshold: &Threshold, mut response: Response) -> Response {
    let version = threshold.version.map(|version| format!("\"{version}\""));
    if let Some(Ok(tag)) = version.map(|version| HeaderValue::from_str(&version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn refused(error: &Refused) -> Response {
    let title = error.to_string();
    match error {
        Refused::NoSuch => problem(StatusCode::NOT_FOUND, &title, "see `haetae threshold list`"),
        Refused::Several(candidates) => problem(StatusCode::CONFLICT, &title, candidates),
        Refused::ReadOnly(place) => {
            let detail = format!("change it at {place}, then reload");
            problem(StatusCode::CONFLICT, "it stands in the configuration", &detail)
        }
        Refused::Conflict(current) => {
            let status = StatusCode::PRECONDITION_FAILED;
            let by = current.author.as_deref().unwrap_or_default();
            let version = current.version.unwrap_or_default();
            let detail =
                format!("{by} made it version {version}: look at it, then change that one");
            let problem = ProblemAnswer { title, status: status.as_u16(), detail };
            let answer = ConflictAnswer { problem, current: (**current).clone() };
            tagged(current, (status, Json(answer)).into_response())
        }
        Refused::Unseen => {
            let detail = "send `If-Match` with the `ETag` of what you saw";
            problem(StatusCode::PRECONDITION_REQUIRED, &title, detail)
        }
        Refused::Wrong(wrong) => problem(StatusCode::BAD_REQUEST, "not done", &wrong.join("\n")),
        Refused::Full => problem(StatusCode::CONFLICT, &title, "remove some"),
        Refused::Stopping => {
            problem(StatusCode::SERVICE_UNAVAILABLE, &title, "ask again when it runs")
        }
        Refused::Store(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer", &title)
        }
    }
}
