//! HTTP on the daemon's pool: a plugin that only speaks HTTP embeds no client.

use std::{fmt, io, io::Read, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Call, Error, Result, Secret, abi::Body, context::Context, options};

/// How to reach an HTTP server: the field `http` of a plugin's options.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Default)]
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

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("timeout", &self.timeout)
            .field("proxy", &self.proxy.as_deref().map(without_secrets))
            .field("tls", &self.tls)
            .finish()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &without_secrets(&self.url))
            .field("headers", &names(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("options", &self.options)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names(&self.headers))
            .finish_non_exhaustive()
    }
}

/// Their values may be secrets, such as that of `Authorization`.
fn names(headers: &[(String, Vec<u8>)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// A URL without who logs in and without its query, either of which may be secret.
fn without_secrets(url: &str) -> String {
    let (url, query) = url.split_once(['?', '#']).map_or((url, ""), |(url, _)| (url, "?…"));
    let (scheme, rest) = url.split_once("//").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let separator = if scheme.is_empty() { "" } else { "//" };
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{separator}…@{host}{path}{query}"),
        None => format!("{scheme}{separator}{authority}{path}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_any_debug() {
        let options = HttpOptions {
            proxy: Some("http://user:s3cr3t@proxy:3128/".into()),
            ..HttpOptions::default()
        };
        let request = Request {
            method: "GET".into(),
            url: "https://user:s3cr3t@host:8086/query?u=user&p=s3cr3t".into(),
            headers: vec![("Authorization".into(), b"Bearer s3cr3t".to_vec())],
            body: b"password=s3cr3t".to_vec(),
            options: options.clone(),
            timeout: Duration::from_secs(1),
        };
        let script = crate::testing::Script::new();
        script.answer(200, "s3cr3t");
        let http = script.context().http(&options);
        let call = Call::within(Duration::from_secs(1), crate::Window::default());
        let mut response = http.get("http://host/").send(call).unwrap();
        response.headers.push(("set-cookie".into(), b"session=s3cr3t".to_vec()));
        let builder = http.get("https://user:s3cr3t@host/").header("Authorization", "s3cr3t");
        let texts = [
            format!("{options:?}"),
            format!("{request:?}"),
            format!("{response:?}"),
            format!("{builder:?}"),
            format!("{http:?}"),
        ];
        // Bytes are shown as numbers.
        for secret in ["s3cr3t".to_owned(), "115, 51, 99".into()] {
            assert!(texts.iter().all(|text| !text.contains(&secret)), "{texts:#?}");
        }
        for part in ["https://…@host:8086/query?…", "Authorization", "15 bytes"] {
            assert!(texts[1].contains(part), "{}", texts[1]);
        }
        assert_eq!(without_secrets("socks5://a@b@proxy:1"), "socks5://…@proxy:1");
        assert_eq!(without_secrets("http://host/a@b"), "http://host/a@b");
    }
}
