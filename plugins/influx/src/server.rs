//! An InfluxDB 1.x: what is asked of it by HTTP.

use haetae_plugin::{
    Call, Context, Error, Result, Secret, Timestamp,
    http::{Http, RequestBuilder, Response},
};
use serde::Deserialize;

use crate::{basic, options::Options, retry_after};

/// An InfluxDB 1.x and one database of it.
pub(crate) struct Server {
    context: Context,
    http: Http,
    url: String,
    /// `db=…`, `rp=…` of every request.
    database: String,
    login: Option<(String, Secret)>,
}

/// A whole answer: what was asked is known to have been done or refused.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// What the server says of an error.
    pub(crate) error: String,
    /// Whether it says so as InfluxDB does; otherwise `error` is the body.
    pub(crate) is_influx: bool,
    /// How long it asks to wait.
    pub(crate) wait: Option<std::time::Duration>,
}

impl Server {
    /// Checks the options; connects with the first request.
    pub(crate) fn open(options: &Options, context: &Context) -> Result<Self> {
        let url = options.url.as_deref().ok_or_else(|| {
            Error::config("url is missing: add it, such as `url = \"http://127.0.0.1:8086\"`")
        })?;
        let name = options.database.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::config("database is missing: add its name"))?;
        let mut database = format!("db={}", encoded(name));
        if let Some(policy) = &options.retention_policy {
            database = format!("{database}&rp={}", encoded(policy));
        }
        let login = match (&options.username, &options.password) {
            (Some(username), Some(_)) if username.contains(':') => {
                return Err(Error::config("username: no user's name can hold a colon"));
            }
            (Some(username), Some(password)) => Some((username.clone(), password.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(Error::config("password is missing beside username")),
            (None, Some(_)) => return Err(Error::config("username is missing beside password")),
        };
        let http = context.http(&options.http);
        let server = Self { context: context.clone(), http, url: root(url)?, database, login };
        // A secret that is not there shows at once.
        server.authorization()?;
        Ok(server)
    }

    /// Asks one statement, which the caller knows to be one that only reads.
    pub(crate) fn ask(&self, influxql: &str, call: Call) -> Result<Response> {
        let Self { url, database, .. } = self;
        let text = encoded(influxql);
        let url = format!("{url}/query?{database}&epoch=ns&chunked=true&q={text}");
        let response = self.authorized(self.http.get(url))?.send(call)?;
        if response.status == 200 {
            return Ok(response);
        }
        Err(self.reply(response)?.unasked())
    }

    /// Posts lines.
    pub(crate) fn write(&self, lines: Vec<u8>, gzip: bool, call: Call) -> Result<Reply> {
        let Self { url, database, .. } = self;
        let request = self.http.post(format!("{url}/write?{database}&precision=ns"));
        let request = self.authorized(request)?.header("content-type", "text/plain; charset=utf-8");
        let request = if gzip { request.header("content-encoding", "gzip") } else { request };
        self.reply(request.body(lines).send(call)?)
    }

    /// The daemon's clock.
    fn now(&self) -> Timestamp {
        self.context.now()
    }

    fn authorized<'a>(&self, request: RequestBuilder<'a>) -> Result<RequestBuilder<'a>> {
        Ok(match self.authorization()? {
            Some(value) => request.header("authorization", value),
            None => request,
        })
    }

    /// Fetched for each request: a credential that is changed counts at once.
    fn authorization(&self) -> Result<Option<Vec<u8>>> {
        let Some((username, password)) = &self.login else { return Ok(None) };
        let password = self.context.secret(password)?;
        Ok(Some(basic::credentials(username, password.expose())))
    }

    fn reply(&self, response: Response) -> Result<Reply> {
        let header = response.header("retry-after");
        let wait = header.and_then(|header| retry_after::wait(header, self.now()));
        let status = response.status;
        let body = response.bytes()?;
        let error = told(&body);
        let is_influx = error.is_some();
        let error = error.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
        Ok(Reply { status, error, is_influx, wait })
    }
}

impl Reply {
    /// What it means for a question.
    fn unasked(self) -> Error {
        let Self { status, error, wait, .. } = self;
        let error = match status {
            408 | 429 | 500.. => Error::failed(format!("{status}: {}", shortened(&error))),
            300..=399 => Error::config(format!("url: the server answers {status}, a redirection")),
            404 => Error::config(format!("url: no InfluxDB 1.x answers there ({status})")),
            _ => Error::config(format!("{status}: {}", shortened(&error))),
        };
        wait.into_iter().fold(error, Error::retry_after)
    }
}

/// What InfluxDB says in place of an answer to a question that it understood.
pub(crate) fn refused(text: &str) -> Error {
    const OURS: [&str; 5] = [
        "database not found",
        "database name required",
        "retention policy not found",
        "error parsing query",
        "error authorizing query",
    ];
    let text = shortened(text);
    if OURS.iter().any(|known| text.contains(known)) {
        return Error::config(text);
    }
    Error::failed(text)
}

/// The first 500 characters of the first line or two: for a message.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.trim().chars().take(500).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    short
}

/// The text of `{"error":"…"}`.
fn told(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(told.error.trim().to_owned())
}

/// The URL without a slash at its end; never shown, it may hold what it must not.
fn root(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let rest = rest.ok_or_else(|| Error::config("url: it begins with http:// or https://"))?;
    let server = rest.split('/').next().unwrap_or_default();
    if server.contains('@') {
        return Err(Error::config("url: user and password have keys of their own: username"));
    }
    if server.is_empty() || url.contains(|c: char| c.is_whitespace() || "?#".contains(c)) {
        return Err(Error::config("url: such as http://127.0.0.1:8086, without a query"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Percent-encoding of a query's value.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            let digits = [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16));
            out.extend(digits.into_iter().flatten().map(|digit| digit.to_ascii_uppercase()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_the_url() {
        assert_eq!(encoded("a b&c=é\n\"~"), "a%20b%26c%3D%C3%A9%0A%22~");
    }

    #[test]
    fn a_url_is_scheme_host_and_path() {
        for (url, expected) in [
            ("http://a:8086", Some("http://a:8086")),
            ("https://[::1]:8086/", Some("https://[::1]:8086")),
            ("https://a/influx//", Some("https://a/influx")),
            ("a:8086", None),
            ("http://", None),
            ("http:///x", None),
            ("http://u:p@a", None),
            ("http://a/?db=x", None),
            ("http://a/#x", None),
            ("http://a b", None),
        ] {
            assert_eq!(root(url).ok().as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn an_error_of_influx_is_told_from_others() {
        assert_eq!(told(br#"{"error":"no \"x\"\n"}"#).as_deref(), Some(r#"no "x""#));
        assert_eq!(told(b"<html>busy</html>\n"), None);
        assert_eq!(told(b""), None);
        assert_eq!(shortened(&"é".repeat(501)).chars().count(), 501);
    }
}
