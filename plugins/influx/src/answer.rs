//! The answer to a question, read as the stream of JSON documents that `chunked=true` makes it.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead, BufReader, Read},
};

use haetae_plugin::{Error, Result};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::server::refused;

/// Bytes of one answer at most.
pub(crate) const BYTES: u64 = 256 << 20;
/// Bytes of one document at most: ten thousand rows have less than one MiB.
const DOCUMENT: u64 = 16 << 20;

/// An answer that is being read: a document a line, each but the last marked `partial`.
pub(crate) struct Answer<R> {
    reader: BufReader<R>,
    /// Bytes that may still come.
    left: u64,
    line: Vec<u8>,
    state: State,
}

/// What must come next.
#[derive(PartialEq)]
enum State {
    /// A document, if only to say that there is nothing.
    Empty,
    /// A document: the last one was marked `partial`.
    Open,
    /// The end.
    Whole,
}

/// Rows of one series.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Table {
    /// The measurement.
    pub(crate) name: String,
    /// Tags by which the answer is grouped.
    pub(crate) tags: BTreeMap<String, String>,
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// The rows.
    #[serde(rename = "values")]
    pub(crate) rows: Vec<Vec<Cell>>,
    partial: bool,
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    /// None: `fill(null)`, or a field that this point lacks.
    Null,
    /// A whole number, times too.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// What no number can be made of.
    Other(&'static str),
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    results: Vec<Part>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    series: Vec<Table>,
    error: Option<String>,
    #[serde(default)]
    partial: bool,
}

impl<R: Read> Answer<R> {
    /// Begins to read; `most` bytes at most.
    pub(crate) fn new(body: R, most: u64) -> Self {
        let reader = BufReader::with_capacity(64 << 10, body);
        Self { reader, left: most, line: Vec::new(), state: State::Empty }
    }

    /// The tables of the next document; `None` once the answer is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Table>>> {
        loop {
            self.line.clear();
            let most = self.left.min(DOCUMENT);
            let mut limited = self.reader.by_ref().take(most.saturating_add(1));
            let read = limited.read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| Error::from(error).context("the answer broke off"))?;
            if read as u64 > most {
                return Err(Error::config(
                    "the answer is too large: ask for less, or for a mean over a window",
                ));
            }
            self.left -= read as u64;
            if read == 0 {
                return self.end();
            }
            if !self.line.trim_ascii().is_empty() {
                return self.document().map(Some);
            }
        }
    }

    fn end(&self) -> Result<Option<Vec<Table>>> {
        match self.state {
            State::Whole => Ok(None),
            State::Empty => Err(Error::failed("the answer is empty")),
            State::Open => Err(Error::failed(
                "the answer is cut off: the connection ended, or the server's max-row-limit",
            )),
        }
    }

    fn document(&mut self) -> Result<Vec<Table>> {
        let document: Document = serde_json::from_slice(&self.line).map_err(|error| {
            Error::failed(format!("the answer is cut off, or not of InfluxDB 1.x: {error}"))
        })?;
        let errors = document.results.iter().map(|part| &part.error);
        if let Some(error) = errors.chain([&document.error]).flatten().next() {
            return Err(refused(error));
        }
        if self.state == State::Whole || document.results.is_empty() {
            return Err(Error::failed("the answer is not of InfluxDB 1.x"));
        }
        let (mut tables, mut partial) = (Vec::new(), false);
        for part in document.results {
            partial |= part.partial || part.series.iter().any(|table| table.partial);
            tables.extend(part.series);
        }
        self.state = if partial { State::Open } else { State::Whole };
        Ok(tables)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a row")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
        #[expect(clippy::cast_precision_loss, reason = "values are floats to us")]
        Ok(i64::try_from(value).map_or(Cell::Number(value as f64), Cell::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell::Number(value))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell, E> {
        Ok(Cell::Other("a boolean"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Cell, E> {
        Ok(Cell::Other("text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other("an object"))
    }
}

#[cfg(test)]
mod tests;
