//! The kind `file`: appends samples and notifications to a file, a JSON object a line.
//!
//! A point is `{"type":"sample","name":…,"labels":{…},"unit":…,"value":…,"time":…,"time_ns":…}`;
//! a value that JSON has no number for is `null`, with its name in `"text"`. A notification has
//! `"type":"notification"` and all of its own fields. Times are RFC 3339 in UTC, beside them
//! nanoseconds since the epoch under the name with `_ns`.
//!
//! A batch is on the disk before it counts as delivered, and is there wholly or not at all: what
//! a failed write left is taken back. A line that a crash tore is ended first. The file is
//! created with mode 0640 and opened again once it was rotated away.

mod appender;
mod line;
mod rfc3339;

use std::{io, path::PathBuf};

use haetae_plugin::{Batch, Call, Context, Error, Outcome, Records, Result, Sink, Verdict};

use crate::appender::Appender;

haetae_plugin::export! { kind "file" { sink: FileSink, sample: include_str!("../sample.toml") } }

/// The options of the kind `file`.
#[haetae_plugin::options]
struct Options {
    /// The file; its directory must exist.
    path: PathBuf,
}

struct FileSink(Appender);

impl Sink for FileSink {
    const TAKES: &'static [Records] = &[Records::Samples, Records::Notifications];
    type Options = Options;

    fn open(options: Options, _: Context) -> Result<Self> {
        if !options.path.is_absolute() {
            let path = options.path.display();
            return Err(Error::config(format!("path = \"{path}\": it must be absolute")));
        }
        let path = options.path.display().to_string();
        Appender::open(options.path).map(Self).map_err(|error| match fault(&error) {
            Fault::Config => Error::config(error).context(path),
            Fault::Passing => Error::from(error).context(path),
        })
    }

    fn deliver(&mut self, batch: &Batch, _: Call) -> Result<Outcome> {
        let appended = match batch {
            Batch::Samples(samples) => self.0.append(|file| {
                samples.iter().try_for_each(|(series, point)| line::sample(file, series, point))
            }),
            Batch::Notifications(notifications) => self.0.append(|file| {
                notifications.iter().try_for_each(|sent| line::notification(file, sent))
            }),
            _ => {
                let reason = "a file takes samples and notifications only".into();
                return Ok(Outcome::all(Verdict::Rejected { reason }));
            }
        };
        Ok(appended.map_or_else(|error| self.failed(&error), |()| Outcome::delivered()))
    }
}

impl FileSink {
    fn failed(&self, error: &io::Error) -> Outcome {
        let reason = format!("{}: {error}", self.0.path().display());
        Outcome::all(match fault(error) {
            Fault::Config => Verdict::Config { reason },
            Fault::Passing => Verdict::Retry { reason, after: None },
        })
    }
}

/// Who ends a fault.
#[derive(Debug, PartialEq)]
enum Fault {
    /// A person who changes the path or its rights.
    Config,
    /// Time: a full disk that is emptied.
    Passing,
}

fn fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidFilename => Fault::Config,
        _ => Fault::Passing,
    }
}

#[cfg(test)]
mod tests;
