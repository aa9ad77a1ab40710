//! Log records: one byte arena and fixed headers, so that a received frame is copied once.

use abi_stable::{StableAbi, std_types::RVec};

use crate::Timestamp;

/// A batch of log records.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default)]
pub struct Logs {
    bytes: RVec<u8>,
    headers: RVec<Header>,
    pairs: RVec<Pair>,
    complete_until: Timestamp,
    reserved: u64,
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    length: u32,
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default)]
struct Header {
    time: Timestamp,
    received: Timestamp,
    raw: Span,
    message: Span,
    json: Span,
    peer: Span,
    host: Span,
    application: Span,
    process: Span,
    message_id: Span,
    first_pair: u32,
    pairs: u32,
    facility: u32,
    severity: u32,
    flags: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default)]
struct Pair {
    name: Span,
    value: Span,
}

/// One received log line. Bytes that are not UTF-8 stay as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// When it happened, as the sender claims.
    pub time: Timestamp,
    /// When we received it.
    pub received: Timestamp,
    /// The line as it came.
    pub raw: &'a [u8],
    /// The message: a part of `raw`, or a text of its own.
    pub message: &'a [u8],
    /// One parsed JSON object as text; empty if there is none.
    pub json: &'a [u8],
    /// Who sent it to us: an address.
    pub peer: &'a [u8],
    /// The host that it names.
    pub host: &'a [u8],
    /// The application that it names.
    pub application: &'a [u8],
    /// The process id that it names.
    pub process: &'a [u8],
    /// The message id that it names.
    pub message_id: &'a [u8],
    /// Structured data, flattened to `sd_id.param` pairs.
    pub pairs: Vec<(&'a [u8], &'a [u8])>,
    /// Syslog facility, 0 to 23.
    pub facility: u32,
    /// Syslog severity, 0 (emergency) to 7 (debug).
    pub severity: u32,
    /// [`LogRecord::CUT`]; unknown bits are ignored.
    pub flags: u32,
}

impl LogRecord<'_> {
    /// The record was longer than the limit and was cut.
    pub const CUT: u32 = 1;
}

impl Logs {
    /// An empty batch that is complete up to `complete_until`.
    pub fn at(complete_until: Timestamp) -> Self {
        Self { complete_until, ..Self::default() }
    }

    /// Adds a record; each byte is copied once. Past 4 GiB of text nothing is added: `false`.
    pub fn push(&mut self, record: &LogRecord<'_>) -> bool {
        let texts = [
            record.json,
            record.peer,
            record.host,
            record.application,
            record.process,
            record.message_id,
        ];
        let pairs: usize = record.pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let total = record.raw.len()
            + record.message.len()
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + pairs;
        if u32::try_from(self.bytes.len() + total).is_err() {
            return false;
        }
        let raw = self.store(record.raw);
        let message = match part_of(record.raw, record.message) {
            Some(offset) => Span { start: raw.start + offset, length: length(record.message) },
            None => self.store(record.message),
        };
        let [json, peer, host, application, process, message_id] = texts.map(|t| self.store(t));
        let first_pair = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        for (name, value) in &record.pairs {
            let pair = Pair { name: self.store(name), value: self.store(value) };
            self.pairs.push(pair);
        }
        self.headers.push(Header {
            time: record.time,
            received: record.received,
            raw,
            message,
            json,
            peer,
            host,
            application,
            process,
            message_id,
            first_pair,
            pairs: u32::try_from(record.pairs.len()).unwrap_or(u32::MAX),
            facility: record.facility,
            severity: record.severity,
            flags: record.flags,
            reserved: 0,
        });
        true
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The records, as borrowed views. A range that lies outside the arena reads as empty.
    pub fn iter(&self) -> impl Iterator<Item = LogRecord<'_>> {
        self.headers.iter().map(|header| LogRecord {
            time: header.time,
            received: header.received,
            raw: self.text(header.raw),
            message: self.text(header.message),
            json: self.text(header.json),
            peer: self.text(header.peer),
            host: self.text(header.host),
            application: self.text(header.application),
            process: self.text(header.process),
            message_id: self.text(header.message_id),
            pairs: self.pairs_of(header),
            facility: header.facility,
            severity: header.severity,
            flags: header.flags,
        })
    }

    /// The watermark: the source will say nothing more about times up to here.
    pub fn complete_until(&self) -> Timestamp {
        self.complete_until
    }

    fn store(&mut self, text: &[u8]) -> Span {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(text);
        Span { start, length: length(text) }
    }

    fn text(&self, span: Span) -> &[u8] {
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        self.bytes.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn pairs_of(&self, header: &Header) -> Vec<(&[u8], &[u8])> {
        let start = usize::try_from(header.first_pair).unwrap_or(usize::MAX);
        let count = usize::try_from(header.pairs).unwrap_or(usize::MAX);
        let pairs = self.pairs.get(start..start.saturating_add(count)).unwrap_or_default();
        pairs.iter().map(|pair| (self.text(pair.name), self.text(pair.value))).collect()
    }
}

fn length(text: &[u8]) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Where `part` lies within `whole`, if it is a slice of it.
fn part_of(whole: &[u8], part: &[u8]) -> Option<u32> {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (offset + part.len() <= whole.len()).then(|| u32::try_from(offset).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_pushed() {
        let raw = b"<14>1 - web app 7 ID [x@1 k=\"v\"] hello \xff";
        let record = LogRecord {
            time: Timestamp::from_seconds(7),
            received: Timestamp::from_seconds(8),
            raw,
            message: &raw[33..],
            host: b"web",
            pairs: vec![(b"x@1.k", b"v"), (b"", b"")],
            severity: 6,
            flags: LogRecord::CUT,
            ..LogRecord::default()
        };
        let mut logs = Logs::at(Timestamp::from_seconds(9));
        assert!(logs.push(&record));
        assert!(logs.push(&record));
        assert_eq!(
            logs.bytes.len(),
            2 * (raw.len() + 3 + 6),
            "the message is part of the raw line"
        );
        assert_eq!(logs.iter().collect::<Vec<_>>(), [record.clone(), record]);
    }
}
