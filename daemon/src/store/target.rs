//! Where a PostgreSQL server is and how it is trusted, as its URL says it.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;
use crate::redact::Secrets;

/// What the kernel keeps of a peer that says nothing any more.
const UNANSWERED: Duration = Duration::from_secs(8);
/// Parameters of a URL that only another client had: they change nothing here.
const IGNORED: [&str; 1] = ["statement-cache-capacity"];

/// A server.
#[derive(Clone)]
pub(super) struct Target {
    /// Its URL without a password.
    pub(super) name: String,
    pub(super) config: Config,
    /// How its certificate is looked at; none: no TLS.
    pub(super) tls: Option<MakeRustlsConnect>,
    /// Its password, which what it says must not show.
    pub(super) secrets: Arc<Secrets>,
}

/// How much of a server's certificate must be right: as libpq has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing: the connection is encrypted, to whomever.
    Any,
    /// An authority that is trusted signed it.
    Authority,
    /// And it is that server's.
    Server,
}

impl Target {
    /// Reads a URL: `sslmode` is one of disable, prefer, require, verify-ca and verify-full,
    /// `sslrootcert` the file of the authority.
    pub(super) fn parse(url: &str, password: Option<&str>) -> Result<Self, StoreError> {
        let failed = |cause: &dyn std::fmt::Display| StoreError::failed(url, cause);
        let mut plain = url::Url::parse(url).map_err(|error| failed(&error))?;
        let (mut mode, mut authority, mut rest) = (None, None, Vec::new());
        for (name, value) in plain.query_pairs() {
            match &*name {
                "sslmode" | "ssl-mode" => mode = Some(value.into_owned()),
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => authority = Some(value.into_owned()),
                name if IGNORED.contains(&name) => {}
                name => rest.push(format!("{name}={}", encoded(&value))),
            }
        }
        plain.set_query((!rest.is_empty()).then(|| rest.join("&")).as_deref());
        let mut config: Config = plain.as_str().parse().map_err(|error| failed(&error))?;
        if let Some(password) = password {
            config.password(password);
        }
        config.keepalives_idle(Duration::from_secs(15)).tcp_user_timeout(UNANSWERED);
        config.connect_timeout(UNANSWERED / 2).application_name("haetae");
        let known = authority.is_some();
        let (ssl, trust) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Trust::Any),
            None | Some("prefer" | "allow") => (SslMode::Prefer, Trust::Any),
            Some("require") if known => (SslMode::Require, Trust::Authority),
            Some("require") => (SslMode::Require, Trust::Any),
            Some("verify-ca") => (SslMode::Require, Trust::Authority),
            Some("verify-full") => (SslMode::Require, Trust::Server),
            Some(other) => {
                let modes = "disable, prefer, require, verify-ca or verify-full";
                return Err(failed(&format!("sslmode={other}: write {modes}")));
            }
        };
        config.ssl_mode(ssl);
        let tls = if ssl == SslMode::Disable {
            None
        } else {
            Some(tls(trust, authority.as_deref()).map_err(|cause| failed(&cause))?)
        };
        let secrets = password.map(|password| Secrets::of(password.as_bytes()));
        let secrets = Arc::new(secrets.unwrap_or_default());
        Ok(Self { name: url.into(), config, tls, secrets })
    }
}

/// A value of a query as it stands in a URL.
fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

fn tls(trust: Trust, authority: Option<&str>) -> Result<MakeRustlsConnect, String> {
    if trust == Trust::Server && authority.is_none() {
        let native = MakeRustlsConnect::with_native_certs();
        return native
            .map(|(connect, _)| connect)
            .map_err(|errors| format!("this machine's certificates can't be read: {errors:?}"));
    }
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    if let Some(file) = authority {
        let wrong = |error: &dyn std::fmt::Display| format!("sslrootcert {file}: {error}");
        let found =
            CertificateDer::pem_file_iter(Path::new(file)).map_err(|error| wrong(&error))?;
        for one in found {
            let one = one.map_err(|error| wrong(&error))?;
            roots.add(one).map_err(|error| wrong(&error))?;
        }
    } else if trust == Trust::Authority {
        return Err("sslmode=verify-ca needs sslrootcert, the file of the authority".into());
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if trust == Trust::Server {
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let chain = if trust == Trust::Authority {
            let provider = Arc::clone(&provider);
            let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
            Some(builder.build().map_err(|error| error.to_string())?)
        } else {
            None
        };
        let verifier = Arc::new(Lenient { chain, provider });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Takes certificates whose name is another one; without a chain, any.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(own, others, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_a_server_is_trusted() {
        for (mode, ssl, tls) in [
            ("", SslMode::Prefer, true),
            ("?sslmode=disable", SslMode::Disable, false),
            ("?sslmode=require&application_name=x%20y", SslMode::Require, true),
        ] {
            let target = Target::parse(&format!("postgres://me@db.example/it{mode}"), None);
            let target = target.map_err(|error| error.to_string()).unwrap();
            assert_eq!((target.config.get_ssl_mode(), target.tls.is_some()), (ssl, tls), "{mode}");
        }
        for (mode, cause) in [
            ("sslmode=maybe", "verify-full"),
            ("sslmode=verify-ca", "sslrootcert"),
            ("sslmode=verify-full&sslrootcert=/nowhere", "/nowhere"),
            ("colour=red", "colour"),
        ] {
            let refused = Target::parse(&format!("postgres://me@db.example/it?{mode}"), None);
            let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(cause), "{mode}: {text}");
        }
    }
}
