//! One mail over one connection: the sender, each recipient, the content.

use haetae_plugin::Verdict;
use lettre::{
    Address,
    transport::smtp::commands::{Data, Mail as From, Rcpt, Rset},
};

use crate::{budget::Budget, connection::Connection, failure::Failure, mail::Mail};

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
