//! Addresses as they are written in options and notifications.

use haetae_plugin::Error;
use lettre::message::Mailbox;

/// Someone who is to get a mail.
#[derive(Clone, Debug)]
pub(crate) struct Recipient {
    /// As it was written: the daemon knows it by this.
    pub(crate) written: String,
    /// The address in it, or why there is none.
    pub(crate) mailbox: Result<Mailbox, String>,
}

impl Recipient {
    /// The recipient that `written` names.
    pub(crate) fn new(written: &str) -> Self {
        Self { written: written.into(), mailbox: mailbox(written) }
    }
}

/// No address may be longer than 320 bytes, and no name should.
const LONGEST: usize = 500;

/// The address of the option `key`.
pub(crate) fn option(key: &str, written: &str) -> haetae_plugin::Result<Mailbox> {
    mailbox(written).map_err(|why| Error::config(format!("{key} = {written:?}: {why}")))
}

fn mailbox(written: &str) -> Result<Mailbox, String> {
    // Before all else: a line end in an address would be a command of its own.
    if written.chars().any(char::is_control) {
        return Err("there is a control character in it".into());
    }
    if written.len() > LONGEST {
        return Err("it is too long for a line of mail".into());
    }
    let mailbox: Mailbox = written
        .parse()
        .map_err(|_| "no mail address; write \"a@example.org\" or \"Name <a@example.org>\"")?;
    if !AsRef::<str>::as_ref(&mailbox.email).is_ascii() {
        return Err("only ASCII can be sent in an address; write its domain as xn--…".into());
    }
    Ok(mailbox)
}
