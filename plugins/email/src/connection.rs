//! A connection to the server whose every command, its reply included, ends in time.

use std::{fmt::Display, net::SocketAddr};

use haetae_plugin::{Context, SocketGuard};
use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::Quit,
    extension::ClientId,
    response::Response,
};
use tokio::net::TcpStream;

use crate::{budget::Budget, failure::Failure};

/// A connection that has greeted the server.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    /// The daemon's side of the deadline; of a connection that is encrypted from the first byte
    /// the socket can't be had.
    _guard: Option<SocketGuard>,
}

/// Of a connection that takes long the next address is tried.
const HALF: u32 = 2;
/// The part of what is left that is waited for the server's farewell.
const TENTH: u32 = 10;

impl Connection {
    /// Connects and greets; with `tls` encrypted from the first byte.
    pub(crate) fn open(
        address: SocketAddr,
        hello: &ClientId,
        tls: Option<&TlsParameters>,
        context: &Context,
        budget: &Budget<'_>,
    ) -> Result<Self, Failure> {
        if let Some(tls) = tls {
            let tls = Some(tls.clone());
            let open = AsyncSmtpConnection::connect_tokio1(address, None, hello, tls, None);
            return Ok(Self { smtp: budget.wait(budget.of(3), open)?, _guard: None });
        }
        let stream = budget.wait(budget.part(HALF), TcpStream::connect(address))?;
        let guard = context.guard_socket(&stream);
        let greet = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello);
        Ok(Self { smtp: budget.wait(budget.of(2), greet)?, _guard: Some(guard) })
    }

    /// Whether the server offers to encrypt it.
    pub(crate) fn can_starttls(&self) -> bool {
        self.smtp.can_starttls()
    }

    /// Encrypts it.
    pub(crate) fn starttls(
        &mut self,
        tls: &TlsParameters,
        hello: &ClientId,
        budget: &Budget<'_>,
    ) -> Result<(), Failure> {
        budget.wait(budget.of(3), self.smtp.starttls(tls.clone(), hello))
    }

    /// Whether the server takes one of these.
    pub(crate) fn offers(&self, mechanisms: &[Mechanism]) -> bool {
        self.smtp.server_info().get_auth_mechanism(mechanisms).is_some()
    }

    /// Logs in.
    pub(crate) fn log_in(
        &mut self,
        mechanisms: &[Mechanism],
        credentials: &Credentials,
        budget: &Budget<'_>,
    ) -> Result<(), Failure> {
        budget.wait(budget.of(2), self.smtp.auth(mechanisms, credentials)).map(drop)
    }

    /// Says a command and hears the reply.
    pub(crate) fn ask(
        &mut self,
        command: impl Display,
        budget: &Budget<'_>,
    ) -> Result<Response, Failure> {
        budget.wait(budget.of(1), self.smtp.command(command))
    }

    /// Sends the content and hears the reply.
    pub(crate) fn content(
        &mut self,
        message: &[u8],
        budget: &Budget<'_>,
    ) -> Result<Response, Failure> {
        budget.wait(budget.of(1), self.smtp.message(message))
    }

    /// Takes leave; whether the server hears it changes nothing.
    pub(crate) fn close(mut self, budget: &Budget<'_>) {
        drop(budget.wait(budget.part(TENTH), self.smtp.command(Quit)));
    }
}
