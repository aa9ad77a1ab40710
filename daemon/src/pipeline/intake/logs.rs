//! Log records on their way in: what is over a limit is cut, marked and counted, never lost whole.

use haetae_plugin::{LogRecord, Logs};

use super::{Intake, POINTS};
use crate::{config::SourceLimits, plugin::event::Complaint};

/// What was over a limit in one batch.
#[derive(Default)]
struct Over {
    /// Records that were cut.
    cut: u64,
    /// Why the first of them was.
    first: Option<String>,
    /// Records over the number that one batch may have.
    flood: u64,
}

impl Intake {
    /// Takes what may be taken of a batch of logs.
    pub fn admit_logs(&self, logs: Logs) -> (Logs, Option<Complaint>) {
        let limits = &self.limits;
        // Mostly nothing is over a limit: then nothing is copied.
        if logs.len() <= POINTS && logs.iter().all(|record| excess(&record, limits).is_none()) {
            return (logs, None);
        }
        let mut over = Over { flood: logs.len().saturating_sub(POINTS) as u64, ..Over::default() };
        let mut taken = Logs::at(logs.complete_until());
        for record in logs.iter().take(POINTS) {
            let record = match excess(&record, limits) {
                None => record,
                Some(why) => {
                    over.cut += 1;
                    over.first.get_or_insert(why);
                    cut(record, limits)
                }
            };
            taken.push(&record);
        }
        (taken, over.complaint())
    }
}

impl Over {
    fn complaint(self) -> Option<Complaint> {
        let mut causes = Vec::new();
        let mut cure = "report it to the plugin's author";
        if self.flood > 0 {
            causes.push(format!("dropped {} records over {POINTS} in one batch", self.flood));
        }
        if let Some(first) = self.first {
            causes.push(format!("cut {} log records over a limit, the first: {first}", self.cut));
            cure = "see max_record, max_labels, max_label_name and max_label_value of the source";
        }
        let cause = causes.join("; ");
        let is_over = !cause.is_empty();
        let complaint =
            || Complaint { dropped: self.flood, cut: self.cut, cause, cure: cure.into() };
        is_over.then(complaint)
    }
}

/// The limit that a record is over, for a person.
fn excess(record: &LogRecord<'_>, limits: &SourceLimits) -> Option<String> {
    let texts = [("line", record.raw), ("message", record.message), ("JSON", record.json)];
    for (what, text) in texts {
        if text.len() > limits.max_record {
            let (length, most) = (text.len(), limits.max_record);
            return Some(format!("its {what} has {length} bytes, over max_record = {most}"));
        }
    }
    if record.pairs.len() > limits.max_labels {
        let (count, most) = (record.pairs.len(), limits.max_labels);
        return Some(format!("it has {count} fields, over max_labels = {most}"));
    }
    let value = |text: &[u8]| text.len() > limits.max_label_value;
    let is_long = |(name, text): &(&[u8], &[u8])| name.len() > limits.max_label_name || value(text);
    let fields = fields(record);
    if fields.into_iter().any(value) || record.pairs.iter().any(is_long) {
        return Some("a field of it is over max_label_name or max_label_value".into());
    }
    None
}

/// The record, with as much of it as the limits allow, and marked.
fn cut<'a>(mut record: LogRecord<'a>, limits: &SourceLimits) -> LogRecord<'a> {
    let (whole, line) = (record.raw, begin(record.raw, limits.max_record));
    record.message = match range_in(whole, record.message) {
        // It stays a part of the line, which holds it once.
        Some((start, end)) => line.get(start..end.min(line.len())).unwrap_or_default(),
        None => begin(record.message, limits.max_record),
    };
    record.raw = line;
    if record.json.len() > limits.max_record {
        // The begin of an object is none.
        record.json = &[];
    }
    for field in [
        &mut record.peer,
        &mut record.host,
        &mut record.application,
        &mut record.process,
        &mut record.message_id,
    ] {
        *field = begin(field, limits.max_label_value);
    }
    // Under the begin of its name a field would be another one.
    record.pairs.retain(|(name, _)| name.len() <= limits.max_label_name);
    record.pairs.truncate(limits.max_labels);
    for (_, value) in &mut record.pairs {
        *value = begin(value, limits.max_label_value);
    }
    record.flags |= LogRecord::CUT;
    record
}

fn fields<'a>(record: &LogRecord<'a>) -> [&'a [u8]; 5] {
    [record.peer, record.host, record.application, record.process, record.message_id]
}

/// The first bytes of a text, without a part of a character at their end.
fn begin(text: &[u8], most: usize) -> &[u8] {
    let Some(begin) = text.get(..most) else { return text };
    let is_boundary = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    // A character has four bytes at the most; what is longer is no text.
    let end = (most.saturating_sub(3)..=most).rev().find(is_boundary);
    end.and_then(|end| begin.get(..end)).unwrap_or(begin)
}

/// Where `part` lies within `whole`, if it is a slice of it.
fn range_in(whole: &[u8], part: &[u8]) -> Option<(usize, usize)> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use haetae_plugin::Timestamp;

    use super::*;
    use crate::pipeline::intake::tests::intake;

    /// What is admitted of one record: lines of 16 bytes, three fields with names and values of 8.
    fn admitted(record: &LogRecord<'_>) -> (Logs, Option<Complaint>) {
        let mut logs = Logs::at(Timestamp::from_seconds(7));
        assert!(logs.push(record));
        let (taken, complaint) = intake(1).admit_logs(logs);
        assert_eq!((taken.len(), taken.complete_until()), (1, Timestamp::from_seconds(7)));
        (taken, complaint)
    }

    #[test]
    fn a_long_line_is_cut_marked_and_counted_and_its_message_stays_a_part_of_it() {
        let raw = b"<14>app: a long line of text";
        let record = LogRecord { raw, message: &raw[9..], ..LogRecord::default() };
        let (taken, complaint) = admitted(&record);
        let cut = taken.iter().next().unwrap();
        assert_eq!((cut.raw, cut.message), (&raw[..16], &raw[9..16]));
        assert_eq!(cut.flags, LogRecord::CUT);
        let complaint = complaint.unwrap();
        assert_eq!((complaint.cut, complaint.dropped), (1, 0));
        let cause = "cut 1 log records over a limit, the first: \
                     its line has 28 bytes, over max_record = 16";
        assert_eq!(complaint.cause, cause);
    }

    #[test]
    fn a_cut_goes_through_no_character() {
        let raw = "가나다라마바".as_bytes();
        let (taken, _) = admitted(&LogRecord { raw, ..LogRecord::default() });
        assert_eq!(taken.iter().next().unwrap().raw, "가나다라마".as_bytes());
        let (taken, _) = admitted(&LogRecord { raw: &[0x80; 20], ..LogRecord::default() });
        assert_eq!(taken.iter().next().unwrap().raw, [0x80; 16]);
    }

    #[test]
    fn too_many_fields_are_cut_and_what_is_within_the_limits_is_untouched() {
        let pair = |name: &'static [u8]| (name, &b"value"[..]);
        let pairs = vec![pair(b"a"), pair(b"a-long-name"), pair(b"b"), pair(b"c"), pair(b"d")];
        let host = b"a-long-host";
        let json = b"{\"an\":\"object\"}";
        let record = LogRecord { pairs, host, json, ..LogRecord::default() };
        let (taken, complaint) = admitted(&record);
        let cut = taken.iter().next().unwrap();
        assert_eq!(cut.pairs, [pair(b"a"), pair(b"b"), pair(b"c")]);
        assert_eq!((cut.host, cut.json), (&host[..8], &json[..]));
        assert!(complaint.unwrap().cause.ends_with("it has 5 fields, over max_labels = 3"));

        let fine = LogRecord { raw: b"sixteen bytes ok", pairs: vec![pair(b"a")], ..record };
        let (taken, complaint) = admitted(&LogRecord { host: b"h", ..fine });
        assert_eq!((taken.iter().next().unwrap().flags, complaint), (0, None));
    }

    #[test]
    fn a_value_a_message_of_its_own_and_an_object_are_cut_too() {
        let long = &b"longer than sixteen bytes"[..];
        let cases = [
            LogRecord { message: long, ..LogRecord::default() },
            LogRecord { pairs: vec![(b"a", long)], ..LogRecord::default() },
            LogRecord { json: long, ..LogRecord::default() },
        ];
        let texts = [(&long[..16], &b""[..]), (b"", &long[..8]), (b"", b"")];
        for (record, (message, value)) in cases.iter().zip(texts) {
            let (taken, complaint) = admitted(record);
            let cut = taken.iter().next().unwrap();
            let found = cut.pairs.first().map_or(&b""[..], |(_, value)| *value);
            // The begin of an object is none.
            assert_eq!((cut.message, found, cut.json), (message, value, &b""[..]));
            assert_eq!((cut.flags, complaint.unwrap().cut), (LogRecord::CUT, 1));
        }
    }

    #[test]
    fn of_a_flood_what_is_over_the_number_is_dropped_and_counted() {
        let mut logs = Logs::at(Timestamp::from_seconds(7));
        for _ in 0..POINTS + 2 {
            assert!(logs.push(&LogRecord::default()));
        }
        let (taken, complaint) = intake(1).admit_logs(logs);
        assert_eq!((taken.len(), taken.complete_until()), (POINTS, Timestamp::from_seconds(7)));
        let complaint = complaint.unwrap();
        assert_eq!((complaint.dropped, complaint.cut), (2, 0));
        assert_eq!(complaint.cause, "dropped 2 records over 1000000 in one batch");
    }
}
