//! Log lines that a test writes into a file, and a sink that takes some of them only at a second try.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::PathBuf,
};

use haetae_plugin::{
    Batch, Call, Context, Error, LogRecord, Logs, Outcome, Records, Result, Sink, Source, Verdict,
};

/// The options of the kind `lines`, which is source and sink.
#[haetae_plugin::options]
pub(crate) struct LinesOptions {
    /// Of the source, lines `HOST TEXT`, each said once; of the sink, a line for each record it took.
    path: PathBuf,
}

/// Says each line of the file once.
pub(crate) struct Lines {
    path: PathBuf,
    /// Lines that are acknowledged, and those that were said.
    acked: usize,
    said: usize,
}

impl Source for Lines {
    const YIELDS: &'static [Records] = &[Records::Logs];
    type Options = LinesOptions;

    fn open(options: LinesOptions, _: Context) -> Result<Self> {
        Ok(Self { path: options.path, acked: 0, said: 0 })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let mut logs = Logs::at(call.window.to);
        for line in text.lines().skip(self.acked) {
            let (host, text) = line.split_once(' ').unwrap_or((line, ""));
            let (time, raw) = (call.window.to, line.as_bytes());
            let (host, message) = (host.as_bytes(), text.as_bytes());
            let record =
                LogRecord { time, received: time, raw, message, host, ..LogRecord::default() };
            logs.push(&record);
        }
        self.said = text.lines().count();
        Ok(logs.into())
    }

    fn ack(&mut self) -> Result<()> {
        self.acked = self.said;
        Ok(())
    }
}

/// Takes each record; one with `later` in its text at the second try.
pub(crate) struct Picky {
    path: PathBuf,
    seen: HashSet<Vec<u8>>,
}

impl Sink for Picky {
    const TAKES: &'static [Records] = &[Records::Logs];
    type Options = LinesOptions;

    fn open(options: LinesOptions, _: Context) -> Result<Self> {
        Ok(Self { path: options.path, seen: HashSet::new() })
    }

    fn deliver(&mut self, batch: &Batch, _: Call) -> Result<Outcome> {
        let Batch::Logs(logs) = batch else { return Err(Error::failed("no logs")) };
        let mut outcome = Outcome::delivered();
        let mut taken = Vec::new();
        for (index, record) in (0..).zip(logs.iter()) {
            let is_later = String::from_utf8_lossy(record.raw).contains("later");
            if is_later && self.seen.insert(record.raw.to_vec()) {
                let verdict = Verdict::Retry { reason: "later".into(), after: None };
                outcome = outcome.but(index, verdict);
                continue;
            }
            let (flags, size) = (record.flags, record.raw.len());
            let begin = record.raw.get(..40).unwrap_or(record.raw);
            let begin = String::from_utf8_lossy(begin);
            taken.push(format!("flags={flags} size={size} {begin}\n"));
        }
        self.write(&taken.concat())?;
        Ok(outcome)
    }
}

impl Picky {
    fn write(&self, text: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(text.as_bytes())
    }
}
