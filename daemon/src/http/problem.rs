//! Problems: what is answered when a request can't be met.

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::answer::Json;
use crate::store::StoreError;

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

/// The store can't be read now.
pub(super) fn no_answer(error: &StoreError) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer", &error.to_string())
}

pub(super) fn stopping() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "ask again when it runs")
}

pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body =
        ProblemAnswer { title: title.into(), status: status.as_u16(), detail: detail.into() };
    let mut response = (status, Json(body)).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
