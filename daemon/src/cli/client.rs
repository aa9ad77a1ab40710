//! Asking the running daemon, over its admin socket.

use std::path::PathBuf;

use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Common, denied, exit,
    output::{plain, plain_answer, say},
};
use crate::{config, http::problem::ProblemAnswer, json};

/// Asks `path`; an error has been said, and its exit code is returned. Texts of an answer that is
/// for people are such that a terminal may show them.
pub(super) fn get<T: DeserializeOwned>(common: &Common, path: &str) -> Result<T, u8> {
    ask(common, path, None, common.is_json())
}

/// The same, with the answer's texts as they are: it is to be sent back.
pub(super) fn exact<T: DeserializeOwned>(common: &Common, path: &str) -> Result<T, u8> {
    ask(common, path, None, true)
}

/// Sends `body` to `path`; likewise.
pub(super) fn post<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    body: &impl Serialize,
) -> Result<T, u8> {
    let body = json::to_vec(body).unwrap_or_default();
    ask(
        common,
        path,
        Some(WriteRequest { method: Method::POST, seen: None, body }),
        common.is_json(),
    )
}

/// The same, with the answer's texts as they are.
pub(super) fn post_for_exact<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    body: &impl Serialize,
) -> Result<T, u8> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    ask(common, path, Some(WriteRequest { method: Method::POST, seen: None, body }), true)
}

/// Puts `body` at `path` in the place of the version that was seen; likewise.
pub(super) fn put<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    seen: Option<i64>,
    body: &impl Serialize,
) -> Result<T, u8> {
    let body = json::to_vec(body).unwrap_or_default();
    ask(common, path, Some(WriteRequest { method: Method::PUT, seen, body }), common.is_json())
}

/// Deletes `path`, if there are versions of it then the one that was seen; likewise.
pub(super) fn delete<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    seen: Option<i64>,
) -> Result<T, u8> {
    let change = WriteRequest { method: Method::DELETE, seen, body: Vec::new() };
    ask(common, path, Some(change), common.is_json())
}

/// What changes something.
struct WriteRequest {
    method: Method,
    /// The version that was seen.
    seen: Option<i64>,
    body: Vec<u8>,
}

fn ask<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    change: Option<WriteRequest>,
    exact: bool,
) -> Result<T, u8> {
    let socket = socket(common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let unreachable = |error: &dyn std::fmt::Display| {
        say(format!(
            "haetae does not answer at {}: {error}\n  is it running? `haetae run`, or `systemctl start haetae`; another socket: --socket PATH",
            socket.display()
        ));
        exit::UNREACHABLE
    };
    let runtime = runtime.map_err(|error| unreachable(&error))?;
    runtime.block_on(async {
        crate::plugin::install_tls();
        // Nothing is encrypted on a socket: reading this machine's certificates would take longest of all.
        let client = reqwest::Client::builder().unix_socket(socket.clone()).no_proxy();
        let client = client.tls_certs_only([]).build();
        let client = client.map_err(|error| unreachable(&error))?;
        let url = format!("http://haetae{path}");
        let request = match change {
            None => client.get(url),
            Some(WriteRequest { method, seen, body }) => {
                let request = client.request(method, url).body(body);
                let request = request.header("content-type", "application/json");
                match seen {
                    Some(version) => request.header("if-match", format!("\"{version}\"")),
                    None => request,
                }
            }
        };
        let answer = request.send().await;
        let answer = answer.map_err(|error| {
            if denied::is_denied(&error) {
                say(denied::words(&socket));
                return exit::REFUSED;
            }
            unreachable(&root(&error))
        })?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| unreachable(&root(&error)))?;
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        let read = if exact {
            serde_json::from_slice(&body)
        } else {
            serde_json::from_slice(&body).and_then(|it| serde_json::from_value(plain_answer(it)))
        };
        read.map_err(|error| unreachable(&error))
    })
}

/// Says what the daemon answered that is no success; the exit code of it.
fn refused(status: StatusCode, body: &[u8]) -> u8 {
    match serde_json::from_slice::<ProblemAnswer>(body) {
        Ok(problem) => say(plain(&format!("{}: {}", problem.title, problem.detail))),
        Err(_) => say(format!("the daemon answered {status}")),
    }
    match status.as_u16() {
        400 | 422 => exit::USAGE,
        404 => exit::NOT_FOUND,
        409 | 412 | 428 => exit::REFUSED,
        _ => exit::UNREACHABLE,
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// `--socket`, else the one in the configuration's state directory, where the daemon leaves a link if
/// its own is elsewhere.
fn socket(common: &Common) -> Result<PathBuf, u8> {
    if let Some(socket) = &common.socket {
        return Ok(socket.clone());
    }
    let state = common.files_if_any()?.map(|files| files.state());
    Ok(state.unwrap_or_else(|| PathBuf::from(config::STATE)).join("admin.sock"))
}
