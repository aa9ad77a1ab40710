//! The mails that a server has, as they come.

use std::{fs, path::PathBuf};

use crate::decode::Decoded;

/// A mail about a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// Its Message-ID.
    pub id: String,
    pub alarm: String,
    pub host: String,
    /// `first`, `resolved` or another.
    pub reason: String,
    pub answers: Option<String>,
}

impl Mail {
    /// Whether this says that it is over what `first` said.
    pub fn ends(&self, first: &Self) -> bool {
        self.alarm == first.alarm && self.answers.as_ref() == Some(&first.id)
    }

    fn read(text: &str) -> Self {
        let mail = Decoded::read(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
        let header = |name: &str| mail.header(name).map(str::to_owned);
        let must = |name: &str| header(name).unwrap_or_else(|| panic!("{name}: {text}"));
        let subject = must("Subject");
        let host = subject.split([' ', ':']).find(|word| word.starts_with("host-"));
        Self {
            id: must("Message-ID"),
            alarm: must("X-Haetae-Alarm"),
            host: host.unwrap_or_else(|| panic!("no host: {text}")).to_owned(),
            reason: must("X-Haetae-Reason"),
            answers: header("In-Reply-To"),
        }
    }
}

/// The mails in a folder of `smtp_sink.py`, each taken once, in their order.
pub struct Mails {
    folder: PathBuf,
    taken: usize,
}

impl Mails {
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, taken: 0 }
    }

    /// The next one, if it is there: whole, since files are named when they are.
    pub fn next(&mut self) -> Option<Mail> {
        let path = self.folder.join(format!("{:06}.eml", self.taken + 1));
        let text = fs::read_to_string(path).ok()?;
        self.taken += 1;
        Some(Mail::read(&text))
    }
}
