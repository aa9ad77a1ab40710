//! The connection of one delivery: opened for its first mail, kept for the next, replaced once lost.

use haetae_plugin::Verdict;

use crate::{
    budget::Budget,
    connection::Connection,
    failure::{Failure, retry},
    mail::Mail,
    route::Route,
    transaction::{Ended, hand_over},
};

/// The connection of one delivery.
pub(crate) struct Line<'a> {
    route: &'a Route,
    budget: &'a Budget<'a>,
    connection: Option<Connection>,
}

/// How many connections are tried for one mail.
const TRIES: usize = 2;

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
