//! Requests: a body or parameters that cannot be read are answered as every other problem is, and
//! what nobody reads is refused.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::de::DeserializeOwned;

use super::problem::problem;

/// What is in the body, as JSON.
pub(super) struct JsonBody<T>(pub(super) T);

/// What stands behind the `?`.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(body)| Self(body)).map_err(|rejection| unread(&rejection.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(all)| Self(all)).map_err(|rejection| unread(&rejection.body_text()))
    }
}

fn unread(why: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "the request cannot be read", why)
}
