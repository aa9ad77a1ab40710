//! HTTP on the daemon's pool: a plugin that only speaks HTTP embeds no client.

use std::{io, io::Read, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Call, Error, Result, Secret, abi::Body, context::Context, options};

/// How to reach an HTTP server: the field `http` of a plugin's options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpOptions {
    /// Time for one request, answer's body included; 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<options::Duration>,
    /// URL of a proxy; none by default, whatever the environment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// TLS.
    pub tls: Tls,
}

/// TLS of an HTTP server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate, for servers that ask for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// The key of `cert`, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
}

/// A client; made by [`Context::http`].
#[derive(Clone, Debug)]
pub struct Http {
    context: Context,
    options: HttpOptions,
}

/// A request as the daemon is asked to send it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Name and value; values may hold secrets and are not logged.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How to reach the server.
    pub options: HttpOptions,
    /// Time for the whole exchange.
    pub timeout: Duration,
}

/// A request in the making.
#[derive(Debug)]
pub struct RequestBuilder<'a> {
    http: &'a Http,
    request: Request,
}

/// An answer; its body is read from it as a stream.
#[derive(Debug)]
pub struct Response {
    /// The status code. A class of errors is not in it alone: see the plugin's protocol.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Body,
    limit: u64,
}

/// The most that [`Response::bytes`] reads unless told otherwise: 64 MiB.
const BODY_LIMIT: u64 = 64 << 20;

impl Http {
    pub(crate) fn new(context: Context, options: HttpOptions) -> Self {
        Self { context, options }
    }

    /// Starts a `GET`.
    pub fn get(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request("GET", url)
    }

    /// Starts a `POST`.
    pub fn post(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request("POST", url)
    }

    /// Starts a request of any method.
    pub fn request(&self, method: &str, url: impl Into<String>) -> RequestBuilder<'_> {
        let request = Request {
            method: method.into(),
            url: url.into(),
            options: self.options.clone(),
            ..Request::default()
        };
        RequestBuilder { http: self, request }
    }
}

impl RequestBuilder<'_> {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    /// Sends it and waits for the answer's head, at most until the call's deadline.
    pub fn send(mut self, call: Call) -> Result<Response> {
        let wanted = self.request.options.timeout.map_or(Duration::from_secs(10), |t| *t);
        self.request.timeout = wanted.min(call.remaining());
        self.http.context.exchange(self.request)
    }
}

impl Response {
    pub(crate) fn new(status: u16, headers: Vec<(String, Vec<u8>)>, body: Body) -> Self {
        Self { status, headers, body, limit: BODY_LIMIT }
    }

    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Changes how much [`Response::bytes`] reads at the most.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The whole body. A cut-off or overlong one is an error, never a short success.
    pub fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = self.limit;
        Read::by_ref(&mut self).take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(Error::failed(format!("the answer is longer than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// The whole body as text.
    pub fn text(self) -> Result<String> {
        Ok(String::from_utf8(self.bytes()?)?)
    }
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}
