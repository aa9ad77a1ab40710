//! The way to the server: name, TLS, introduction, credentials.

use std::{
    fs,
    net::{SocketAddr, ToSocketAddrs},
};

use haetae_plugin::{Context, Error, Result, SecretValue};
use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::{Certificate, TlsParameters},
    extension::ClientId,
};

use crate::{
    budget::Budget,
    connection::Connection,
    failure::Failure,
    options::{Options, Starttls},
    server::{Encryption, Server},
};

/// The way to the server.
pub(crate) struct Route {
    server: Server,
    /// None: `starttls = "never"`.
    tls: Option<TlsParameters>,
    hello: ClientId,
    login: Option<Login>,
    context: Context,
}

struct Login {
    username: String,
    password: SecretValue,
}

impl Route {
    /// Checks what the options say about it, and connects to nothing.
    pub(crate) fn open(options: &Options, context: &Context) -> Result<Self> {
        let server = Server::new(&options.server, options.starttls)?;
        let never = server.encryption == Encryption::Starttls(Starttls::Never);
        let tls = if never { None } else { Some(tls(&server, options)?) };
        let login = match (&options.username, &options.password) {
            (None, None) => None,
            (Some(username), Some(password)) => {
                let password = context.secret(password)?;
                password.expose_str().map_err(|error| error.context("password"))?;
                Some(Login { username: username.clone(), password })
            }
            (Some(_), None) => return Err(Error::config("username: there is no password with it")),
            (None, Some(_)) => return Err(Error::config("password: there is no username with it")),
        };
        let hello = hello(options.hello.as_deref())?;
        Ok(Self { server, tls, hello, login, context: context.clone() })
    }

    /// A connection that is encrypted and logged in as the options say.
    pub(crate) fn connect(&self, budget: &Budget<'_>) -> Result<Connection, Failure> {
        let connected = self.greet(budget).and_then(|mut connection| {
            self.encrypt(&mut connection, budget)?;
            self.log_in(&mut connection, budget)?;
            Ok(connection)
        });
        connected.map_err(|failure| failure.about(&self.server.name()))
    }

    fn greet(&self, budget: &Budget<'_>) -> Result<Connection, Failure> {
        let at = (self.server.host.as_str(), self.server.port);
        let addresses = at.to_socket_addrs().map_err(|error| Failure::Lost(error.to_string()))?;
        let mut failure = Failure::Lost("its name has no address".into());
        for address in addresses {
            match self.greet_at(address, budget) {
                Err(lost @ (Failure::Lost(_) | Failure::Closing(_))) => failure = lost,
                // It wants nobody at all: a state of the server, not of our options.
                Err(Failure::Refused { reply, .. }) => failure = Failure::Closing(reply),
                done => return done,
            }
        }
        Err(failure)
    }

    fn greet_at(&self, address: SocketAddr, budget: &Budget<'_>) -> Result<Connection, Failure> {
        let implicit = self.server.encryption == Encryption::Implicit;
        let tls = self.tls.as_ref().filter(|_| implicit);
        Connection::open(address, &self.hello, tls, &self.context, budget)
    }

    fn encrypt(&self, connection: &mut Connection, budget: &Budget<'_>) -> Result<(), Failure> {
        let (Encryption::Starttls(starttls), Some(tls)) = (self.server.encryption, &self.tls)
        else {
            return Ok(());
        };
        if connection.can_starttls() {
            let begun = connection.starttls(tls, &self.hello, budget);
            return begun.map_err(|failure| match failure {
                Failure::Refused { code: 500.., reply } => Failure::Config(reply),
                other => other,
            });
        }
        match (starttls, &self.login) {
            (Starttls::Required, _) => Err(Failure::Config(
                "starttls = \"required\", but the server does not offer STARTTLS: \
                 use another port or smtps://"
                    .into(),
            )),
            (_, Some(_)) => Err(Failure::Config(
                "the server does not offer STARTTLS, and credentials are not sent in clear text: \
                 use smtps://, or say starttls = \"never\" if the network is to be trusted"
                    .into(),
            )),
            (_, None) => Ok(()),
        }
    }

    fn log_in(&self, connection: &mut Connection, budget: &Budget<'_>) -> Result<(), Failure> {
        let Some(Login { username, password }) = &self.login else { return Ok(()) };
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        if !connection.offers(&mechanisms) {
            let reason = "there is a username, but the server offers neither AUTH PLAIN nor LOGIN";
            return Err(Failure::Config(reason.into()));
        }
        let password = password.expose_str().map_err(|error| Failure::Config(error.to_string()))?;
        let credentials = Credentials::new(username.clone(), password.into());
        let logged_in = connection.log_in(&mechanisms, &credentials, budget);
        logged_in.map_err(|failure| match failure {
            Failure::Refused { code: 500.., reply } => {
                Failure::Config(format!("username {username:?} or its password: {reply}"))
            }
            other => other,
        })
    }
}

fn tls(server: &Server, options: &Options) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &options.tls.ca {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::config(format!("tls.ca = \"{}\": {why}", path.display()))
        };
        let pem = fs::read(path).map_err(|error| wrong(&error))?;
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(wrong(&"there is no certificate in it"));
        }
        builder = builder
            .add_root_certificate(Certificate::from_pem(&pem).map_err(|error| wrong(&error))?);
    }
    builder.build().map_err(|error| Error::config(error).context("tls"))
}

/// The name that we introduce ourselves with.
fn hello(option: Option<&str>) -> Result<ClientId> {
    let is_name = |name: &str| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter);
        !name.is_empty() && name.chars().all(allowed)
    };
    match option {
        Some(name) if is_name(name) => Ok(ClientId::Domain(name.into())),
        Some(name) => Err(Error::config(format!("hello = {name:?}: it is no host name"))),
        None => {
            let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let own = own.trim();
            // Otherwise an address literal, which every server must take.
            Ok(if is_name(own) { ClientId::Domain(own.into()) } else { ClientId::default() })
        }
    }
}
