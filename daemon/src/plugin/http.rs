//! The HTTP clients that plugins share: one for each set of options, made when first used.

use std::{
    collections::HashMap,
    future::Future,
    io::{self, Read},
    sync::{Arc, Mutex, Once, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use haetae_plugin::{
    Error, Result,
    abi::Exchanged,
    http::{HttpOptions, Request},
};
use reqwest::{Certificate, Client, Identity, Method, Proxy, redirect};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{clock, config::secret};

/// Sets of options that have a client of their own at one time.
const CLIENTS: usize = 64;

/// The clients and the runtime that drives them.
pub struct Pool {
    runtime: Handle,
    clients: Mutex<HashMap<String, Client>>,
}

/// The body of an answer, read chunk by chunk on the plugin's thread.
struct ResponseBody {
    runtime: Handle,
    response: reqwest::Response,
    chunk: Bytes,
    until: Until,
}

/// When an exchange ends at the latest.
#[derive(Clone)]
struct Until {
    deadline: Instant,
    timeout: Duration,
    cancelled: CancellationToken,
}

impl Pool {
    /// A pool whose connections `runtime` drives.
    pub fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Self { runtime, clients: Mutex::default() })
    }

    /// One exchange, blocking; never called from a thread of the runtime.
    pub fn exchange(&self, request: Request, cancelled: &CancellationToken) -> Result<Exchanged> {
        let client = self.client(&request.options)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Error::config(format!("`{}` is no HTTP method", request.method)))?;
        let mut builder = client.request(method, request.url.as_str()).body(request.body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let until = Until {
            deadline: clock::monotonic() + request.timeout,
            timeout: request.timeout,
            cancelled: cancelled.clone(),
        };
        // Its text would name the URL, and some protocols put credentials into the query.
        let response = self.runtime.block_on(until.of(builder.send()))?;
        let response = response.map_err(reqwest::Error::without_url)?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
        let (status, headers) = (response.status().as_u16(), headers.collect());
        let runtime = self.runtime.clone();
        let body = ResponseBody { runtime, response, chunk: Bytes::new(), until };
        Ok((status, headers, Box::new(body)))
    }

    fn client(&self, options: &HttpOptions) -> Result<Client> {
        let key = serde_json::to_string(options)?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        let client = client(options)?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// Makes ring the TLS library of the process; reqwest brings none of its own.
pub(super) fn install_tls() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error says that one was installed before, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

fn client(options: &HttpOptions) -> Result<Client> {
    install_tls();
    let mut builder = Client::builder()
        .user_agent(concat!("haetae/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(90))
        .no_proxy();
    if let Some(proxy) = &options.proxy {
        builder = builder.proxy(Proxy::all(proxy)?);
    }
    if let Some(path) = &options.tls.ca {
        let pem = std::fs::read(path)
            .map_err(|error| Error::config(format!("{}: {error}", path.display())))?;
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&pem)?);
    }
    if let Some(path) = &options.tls.cert {
        let mut pem = std::fs::read(path)
            .map_err(|error| Error::config(format!("{}: {error}", path.display())))?;
        if let Some(key) = &options.tls.key {
            pem.push(b'\n');
            pem.extend(secret::resolve(key.reference())?);
        }
        builder = builder.identity(Identity::from_pem(&pem)?);
    }
    Ok(builder.build()?)
}

impl Until {
    /// Waits for `future`, the deadline or the instance's close.
    async fn of<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            output = future => Ok(output),
            () = tokio::time::sleep_until(self.deadline.into()) => {
                Err(Error::deadline(format!("no answer within {:?}", self.timeout)))
            }
            () = self.cancelled.cancelled() => Err(Error::deadline("the instance is being closed")),
        }
    }
}

impl Read for ResponseBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let next = self.runtime.block_on(self.until.of(self.response.chunk()));
            let next = next.map_err(|error| io::Error::other(error.message().to_owned()))?;
            match next.map_err(|error| io::Error::other(error.without_url()))? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.split_to(length).copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}
