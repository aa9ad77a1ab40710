//! The way to the server: name, TLS, introduction, credentials.

use std::{
    fs,
    net::{SocketAddr, ToSocketAddrs},
};

use haetae_plugin::{Context, Error, Result, SecretValue};
use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::{Certificate, SmtpConnection, TlsParameters},
    extension::ClientId,
};

use crate::{
    budget::Budget,
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
        Ok(Self { server, tls, hello: hello(options.hello.as_deref())?, login })
    }

    /// A connection that is encrypted and logged in as the options say.
    pub(crate) fn connect(&self, budget: &Budget) -> Result<SmtpConnection, Failure> {
        let connected = self.greet(budget).and_then(|mut connection| {
            self.encrypt(&mut connection, budget)?;
            self.log_in(&mut connection, budget)?;
            Ok(connection)
        });
        connected.map_err(|failure| failure.about(&self.server.name()))
    }

    fn greet(&self, budget: &Budget) -> Result<SmtpConnection, Failure> {
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

    fn greet_at(&self, address: SocketAddr, budget: &Budget) -> Result<SmtpConnection, Failure> {
        let implicit = self.server.encryption == Encryption::Implicit;
        let tls = self.tls.as_ref().filter(|_| implicit);
        // It waits for the connection, twice for the handshake, the greeting and the answer to it.
        let time = budget.each_of(5).ok_or(Failure::Late)?;
        SmtpConnection::connect(address, Some(time), &self.hello, tls, None)
            .map_err(|error| Failure::of(&error))
    }

    fn encrypt(&self, connection: &mut SmtpConnection, budget: &Budget) -> Result<(), Failure> {
        let (Encryption::Starttls(starttls), Some(tls)) = (self.server.encryption, &self.tls)
        else {
            return Ok(());
        };
        if connection.can_starttls() {
            // It waits for the reply, twice for the handshake, and for the second greeting's reply.
            limit(connection, budget, 4)?;
            let begun = connection.starttls(tls, &self.hello);
            return begun.map_err(|error| match Failure::of(&error) {
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

    fn log_in(&self, connection: &mut SmtpConnection, budget: &Budget) -> Result<(), Failure> {
        let Some(Login { username, password }) = &self.login else { return Ok(()) };
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
            let reason = "there is a username, but the server offers neither AUTH PLAIN nor LOGIN";
            return Err(Failure::Config(reason.into()));
        }
        let password = password.expose_str().map_err(|error| Failure::Config(error.to_string()))?;
        let credentials = Credentials::new(username.clone(), password.into());
        limit(connection, budget, 3)?;
        let logged_in = connection.auth(&mechanisms, &credentials);
        logged_in.map(drop).map_err(|error| match Failure::of(&error) {
            Failure::Refused { code: 500.., reply } => {
                Failure::Config(format!("username {username:?} or its password: {reply}"))
            }
            other => other,
        })
    }
}

/// Limits each of the next `waits` waits for the server.
pub(crate) fn limit(
    connection: &mut SmtpConnection,
    budget: &Budget,
    waits: u32,
) -> Result<(), Failure> {
    let time = budget.each_of(waits).ok_or(Failure::Late)?;
    connection.set_timeout(Some(time)).map_err(|error| Failure::Lost(error.to_string()))
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
