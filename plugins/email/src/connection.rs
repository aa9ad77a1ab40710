//! A connection to the server whose every command, its reply included, ends in time; and one mail
//! over it: the sender, each recipient, the content.

use std::{fmt::Display, net::SocketAddr};

use haetae_plugin::{Context, SocketGuard, Verdict};
use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail as From, Quit, Rcpt, Rset},
        extension::ClientId,
        response::Response,
    },
};
use tokio::net::TcpStream;

use crate::{budget::Budget, failure::Failure, mail::Mail};

/// A connection that has greeted the server.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    /// The daemon's side of the deadline; of a connection that is encrypted from the first byte
    /// the socket can't be had.
    _guard: Option<SocketGuard>,
}

/// A transaction that ended with a verdict on each recipient.
pub(crate) struct Done {
    /// The verdicts, in the order of the recipients.
    pub(crate) verdicts: Vec<Verdict>,
    /// Whether another transaction can begin on the same connection.
    pub(crate) is_clear: bool,
}

/// How a transaction ended, if not with a verdict on each recipient.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Nothing was sent, and the connection is of no use: on another one it may work.
    Unsent(Failure),
    /// The content was sent, and the connection was lost before the server said whether it has it.
    Unknown(String),
    /// The same would become of every mail.
    Config(String),
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
    fn ask(&mut self, command: impl Display, budget: &Budget<'_>) -> Result<Response, Failure> {
        budget.wait(budget.of(1), self.smtp.command(command))
    }

    /// Sends the content and hears the reply.
    fn content(&mut self, message: &[u8], budget: &Budget<'_>) -> Result<Response, Failure> {
        budget.wait(budget.of(1), self.smtp.message(message))
    }

    /// Takes leave; whether the server hears it changes nothing.
    pub(crate) fn close(mut self, budget: &Budget<'_>) {
        drop(budget.wait(budget.part(TENTH), self.smtp.command(Quit)));
    }
}

/// Hands `mail` over.
pub(crate) fn hand_over(
    mail: &Mail,
    connection: &mut Connection,
    budget: &Budget<'_>,
) -> Result<Done, Ended> {
    from(&mail.from, connection, budget)?;
    // None: the server takes mail for this one.
    let mut verdicts = Vec::new();
    for recipient in &mail.recipients {
        verdicts.push(match &recipient.mailbox {
            Ok(mailbox) => to(&mailbox.email, connection, budget)?,
            Err(why) => {
                let reason = format!("{}: {why}", recipient.written);
                Some(Verdict::Rejected { reason })
            }
        });
    }
    let (verdict, is_clear) = if verdicts.iter().any(Option::is_none) {
        content(&mail.message, connection, budget)?
    } else {
        (Verdict::Delivered, connection.ask(Rset, budget).is_ok())
    };
    let verdicts = verdicts.into_iter().map(|own| own.unwrap_or_else(|| verdict.clone()));
    Ok(Done { verdicts: verdicts.collect(), is_clear })
}

fn from(sender: &Address, connection: &mut Connection, budget: &Budget<'_>) -> Result<(), Ended> {
    let asked = connection.ask(From::new(Some(sender.clone()), Vec::new()), budget);
    asked.map(drop).map_err(|failure| match failure {
        Failure::Refused { code: 500.., reply } => {
            Ended::Config(format!("the server takes no mail from {sender}: {reply}"))
        }
        // What it does not take from this sender now it does not take with the next mail either.
        other => Ended::Unsent(other),
    })
}

fn to(
    recipient: &Address,
    connection: &mut Connection,
    budget: &Budget<'_>,
) -> Result<Option<Verdict>, Ended> {
    let asked = connection.ask(Rcpt::new(recipient.clone(), Vec::new()), budget);
    let Err(failure) = asked else { return Ok(None) };
    judged(failure.about(recipient.as_ref())).map(Some)
}

fn content(
    message: &[u8],
    connection: &mut Connection,
    budget: &Budget<'_>,
) -> Result<(Verdict, bool), Ended> {
    match connection.ask(Data, budget) {
        Ok(reply) if reply.has_code(354) => {}
        Ok(_) => return Err(Ended::Unsent(Failure::Lost("DATA: the server said no 354".into()))),
        Err(failure) => {
            let verdict = judged(failure)?;
            return Ok((verdict, connection.ask(Rset, budget).is_ok()));
        }
    }
    match connection.content(message, budget) {
        Ok(_) => Ok((Verdict::Delivered, true)),
        Err(Failure::Lost(reason)) => Err(Ended::Unknown(reason)),
        Err(failure) => Ok((judged(failure)?, true)),
    }
}

fn judged(failure: Failure) -> Result<Verdict, Ended> {
    match failure {
        lost @ (Failure::Lost(_) | Failure::Closing(_) | Failure::Late) => Err(Ended::Unsent(lost)),
        other => match other.verdict() {
            Verdict::Config { reason } => Err(Ended::Config(reason)),
            verdict => Ok(verdict),
        },
    }
}
