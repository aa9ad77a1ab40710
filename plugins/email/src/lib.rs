//! The kind `email`: sends notifications as mail by SMTP.
//!
//! `server` is `smtp://host[:587]`, where `starttls` says whether the connection becomes an
//! encrypted one (`"offered"`, `"required"`, `"never"`), or `smtps://host[:465]`. The server's
//! certificate must be valid for its name, by the system's authorities or those of `tls.ca`.
//! Credentials are sent over an encrypted connection only, unless `starttls = "never"` says that
//! clear text will do.
//!
//! A notification is one mail to all of its recipients: the subject is its title, the text is
//! there as plain text and, if there is one, as HTML. `Date` is the notification's time, and the
//! Message-ID follows from its idempotency key: a mail that has to be sent again is the same one.
//! Later ones answer the one that began what is told of their alarms, so that mail programs show a
//! thread. Programs can sort by `X-Haetae-Alarm`, `X-Haetae-Severity` and `X-Haetae-Reason`.
//!
//! Each recipient has a verdict of its own; one that is refused harms no other. A reply of 4yz
//! means later; 5yz means that this recipient or this content is rejected, or, of credentials and
//! the sender's address, that the options are wrong. Mails of one batch share a connection; one
//! that is lost before the content was sent is replaced. Lost behind it, nobody knows whether the
//! server has the mail: it is sent again.

mod address;
mod budget;
mod connection;
mod failure;
mod identity;
mod mail;
mod options;
mod route;
mod server;

use std::time::Duration;

use haetae_plugin::{
    Batch, Call, Context, Error, Notification, Outcome, Records, Result, Sink, Verdict,
};
use lettre::message::Mailbox;
use tokio::runtime::Runtime;

use crate::{
    budget::Budget,
    connection::{Connection, Ended, hand_over},
    failure::{Failure, retry},
    mail::Mail,
    options::Options,
    route::Route,
};

haetae_plugin::export! { kind "email" { sink: EmailSink, sample: include_str!("../sample.toml") } }

/// Sends notifications as mail.
struct EmailSink {
    route: Route,
    from: Mailbox,
    to: Vec<String>,
    timeout: Duration,
    runtime: Runtime,
}

/// The connection of one delivery.
pub(crate) struct Line<'a> {
    route: &'a Route,
    budget: &'a Budget<'a>,
    connection: Option<Connection>,
}

/// How many connections are tried for one mail.
const TRIES: usize = 2;

impl Sink for EmailSink {
    const TAKES: &'static [Records] = &[Records::Notifications];
    type Options = Options;

    /// Connects to nothing: the server may be down now and up when there is something to say.
    fn open(options: Options, context: Context) -> Result<Self> {
        let from = address::option("from", &options.from)?;
        for written in &options.to {
            address::option("to", written)?;
        }
        if options.to.is_empty() {
            return Err(Error::config("to: nobody would get a mail"));
        }
        if options.timeout.is_zero() {
            return Err(Error::config("timeout: no server answers in no time"));
        }
        let route = Route::open(&options, &context)?;
        let (timeout, runtime) = (*options.timeout, context.runtime()?);
        Ok(Self { route, from, to: options.to, timeout, runtime })
    }

    fn deliver(&mut self, batch: &Batch, call: Call) -> Result<Outcome> {
        let Batch::Notifications(notifications) = batch else {
            let reason = "mail is sent about notifications only".into();
            return Ok(Outcome::all(Verdict::Rejected { reason }));
        };
        let budget = Budget::new(&self.runtime, call, self.timeout);
        let mut line = Line::new(&self.route, &budget);
        let outcome = self.send(notifications, &mut line, &budget);
        line.close();
        Ok(outcome)
    }
}

impl EmailSink {
    fn send(
        &self,
        notifications: &[Notification],
        line: &mut Line<'_>,
        budget: &Budget<'_>,
    ) -> Outcome {
        let mut outcome = Outcome::delivered();
        let mut rest = None;
        for (index, notification) in (0..).zip(notifications) {
            if rest.is_none() && !budget.is_enough() {
                rest = Some(Failure::Late.verdict());
            }
            if let Some(verdict) = &rest {
                outcome = outcome.but(index, verdict.clone());
                continue;
            }
            let mail = match Mail::new(&self.from, &self.to, notification) {
                Ok(mail) => mail,
                Err(verdict) => {
                    outcome = outcome.but(index, verdict);
                    continue;
                }
            };
            match line.send(&mail) {
                Ok(each) => outcome = mail.settle(outcome, index, &each),
                Err(verdict) if index == 0 => return Outcome::all(verdict),
                Err(verdict) => {
                    outcome = outcome.but(index, verdict.clone());
                    rest = Some(verdict);
                }
            }
        }
        outcome
    }
}

impl<'a> Line<'a> {
    /// Not connected yet.
    pub(crate) fn new(route: &'a Route, budget: &'a Budget<'a>) -> Self {
        Self { route, budget, connection: None }
    }

    /// Sends a mail: a verdict on each of its recipients, in their order. An error is the verdict
    /// on it and on all that would follow.
    pub(crate) fn send(&mut self, mail: &Mail) -> Result<Vec<Verdict>, Verdict> {
        let all = |verdict: Verdict| vec![verdict; mail.recipients.len()];
        let mut tries = 0;
        loop {
            tries += 1;
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.route.connect(self.budget).map_err(Failure::verdict)?,
            };
            match hand_over(mail, &mut connection, self.budget) {
                Ok(done) => {
                    self.connection = done.is_clear.then_some(connection);
                    return Ok(done.verdicts);
                }
                Err(Ended::Unsent(lost @ (Failure::Lost(_) | Failure::Closing(_)))) => {
                    if tries == TRIES {
                        return Ok(all(lost.verdict()));
                    }
                }
                Err(Ended::Unsent(failure)) => return Err(failure.verdict()),
                Err(Ended::Unknown(reason)) => {
                    return Ok(all(retry(format!(
                        "the server did not say whether it has the mail, \
                         which comes again under the same Message-ID: {reason}"
                    ))));
                }
                Err(Ended::Config(reason)) => return Err(Verdict::Config { reason }),
            }
        }
    }

    /// Takes leave.
    pub(crate) fn close(self) {
        if let Some(connection) = self.connection {
            connection.close(self.budget);
        }
    }
}

#[cfg(test)]
mod tests;
