//! Matching: which records of a batch the rules on its source want, found in one pass.
//!
//! It is done outside of the engine's thread: expressions take time.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use haetae_plugin::{LogRecord, Logs, Timestamp};
use regex::bytes::{Captures, RegexSet, RegexSetBuilder};

use super::rule::{LogCondition, LogRule};
use crate::engine::{alarm::labels::Labels, mute::matcher::Matcher};

/// Bytes of a line that are shown.
pub const EXCERPT: usize = 512;
/// Bytes of a label's value; what is longer is cut.
const VALUE: usize = 256;
/// Room for the expressions of all rules on one source together.
const ROOM: usize = 64 << 20;

const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const FACILITIES: [&str; 16] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock",
];

/// The rules on one source.
#[derive(Debug)]
pub struct Matching {
    source: String,
    /// Labels of the source.
    labels: BTreeMap<String, String>,
    rules: Vec<Arc<LogRule>>,
    /// The expressions of the rules that have one.
    set: RegexSet,
    /// The rule of each of them.
    of_set: Vec<usize>,
}

/// What was found in a batch.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How many records it has.
    pub(super) records: u64,
    /// When the first and the last of them were received.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// Up to when its source has said everything, if it says so: what is older comes again.
    pub(super) vouched: Option<Timestamp>,
    /// The records that rules want, of rules that want any.
    pub(super) wanted: Vec<WantedRecords>,
}

/// The records that a rule wants.
#[derive(Clone, Debug)]
pub(super) struct WantedRecords {
    /// The rule as it was when they were matched: by now the plan may be another one.
    pub(super) rule: Arc<LogRule>,
    /// In the order of the records.
    pub(super) hits: Vec<Hit>,
}

/// A record that a rule wants.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) time: Timestamp,
    /// What identifies its alarm.
    pub(super) labels: Labels,
    /// What else its summary mentions.
    pub(super) fields: Vec<(String, String)>,
    pub(super) excerpt: String,
}

impl Found {
    /// The records that this rule wants. One of its name that told alarms apart otherwise was
    /// another one.
    pub(super) fn of(&self, rule: &LogRule) -> &[Hit] {
        let mut wanted = self.wanted.iter();
        let own = wanted.find(|wanted| wanted.rule.name == rule.name);
        let own = own.filter(|wanted| wanted.rule.identity() == rule.identity());
        own.map_or(&[], |wanted| &wanted.hits)
    }

    /// A word of a source without a record.
    pub(in crate::engine) fn heard(until: Timestamp, vouched: bool) -> Self {
        let span = (!vouched).then_some((until, until));
        Self { span, vouched: vouched.then_some(until), ..Self::default() }
    }
}

impl Matching {
    /// The rules that read a source which has these labels. The error is for a person: together
    /// their expressions are too large.
    pub fn new(
        source: &str,
        labels: BTreeMap<String, String>,
        rules: &[LogRule],
    ) -> Result<Self, String> {
        let rules: Vec<_> = rules
            .iter()
            .filter(|rule| rule.inputs.iter().any(|input| input == source))
            .map(|rule| Arc::new(rule.clone()))
            .collect();
        let (of_set, patterns): (Vec<_>, Vec<_>) = rules
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| Some((at, rule.pattern.as_ref()?.as_str())))
            .unzip();
        let set = RegexSetBuilder::new(patterns).size_limit(ROOM).build();
        let set = set.map_err(|error| error.to_string())?;
        Ok(Self { source: source.into(), labels, rules, set, of_set })
    }

    /// The names of the rules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// Finds what the rules want in a batch that was written down at `appended`: nothing in it
    /// was received later.
    pub fn find(&self, logs: &Logs, appended: Timestamp) -> Found {
        let none = Timestamp::default();
        let vouched = Some(logs.complete_until()).filter(|until| *until != none);
        let mut found = Found {
            records: logs.len() as u64,
            vouched: vouched.map(|until| until.min(appended)),
            ..Found::default()
        };
        let mut hits: Vec<_> = self.rules.iter().map(|_| Vec::new()).collect();
        for record in logs.iter() {
            let received = if record.received == none { appended } else { record.received };
            let time = received.min(appended);
            let (first, last) = found.span.unwrap_or((time, time));
            found.span = Some((first.min(time), last.max(time)));
            self.judge(&record, time, &mut hits);
        }
        let by_rule = self.rules.iter().zip(hits).filter(|(_, hits)| !hits.is_empty());
        found.wanted =
            by_rule.map(|(rule, hits)| WantedRecords { rule: Arc::clone(rule), hits }).collect();
        found
    }

    /// Adds the record to those that each rule wants.
    fn judge(&self, record: &LogRecord<'_>, time: Timestamp, hits: &mut [Vec<Hit>]) {
        let text = if record.message.is_empty() { record.raw } else { record.message };
        let fits = self.set.matches(text);
        let mut fits = fits.iter().filter_map(|at| self.of_set.get(at)).peekable();
        for ((at, rule), hits) in self.rules.iter().enumerate().zip(hits) {
            if rule.pattern.is_some() && fits.next_if(|next| **next == at).is_none() {
                continue;
            }
            let captures = rule.pattern.as_ref().and_then(|pattern| pattern.captures(text));
            let line = CapturedRecord { matching: self, record, captures };
            let wanted =
                |matcher: &Matcher| matcher.matches(line.label(matcher.label()).as_deref());
            if !rule.matchers.iter().all(wanted) {
                continue;
            }
            let new = match &rule.watch {
                LogCondition::New { label, .. } => Some(label.as_str()),
                _ => None,
            };
            let identifying: Vec<_> = rule.by.iter().map(String::as_str).chain(new).collect();
            let values: Vec<_> =
                identifying.iter().filter_map(|name| Some((*name, line.label(name)?))).collect();
            // A record without the label has no value of it, new or known.
            if new.is_some_and(|new| values.iter().all(|(name, _)| *name != new)) {
                continue;
            }
            let fields = rule.mentioned().filter(|name| !identifying.contains(name));
            let fields =
                fields.filter_map(|name| Some((name.into(), line.label(name)?.into_owned())));
            hits.push(Hit {
                time,
                labels: values.iter().map(|(name, value)| (*name, &**value)).collect(),
                fields: fields.collect(),
                excerpt: text_of(if record.raw.is_empty() { text } else { record.raw }, EXCERPT)
                    .into_owned(),
            });
        }
    }
}

/// A record, and what an expression has captured of it.
struct CapturedRecord<'a> {
    matching: &'a Matching,
    record: &'a LogRecord<'a>,
    captures: Option<Captures<'a>>,
}

impl CapturedRecord<'_> {
    /// The value of a label: a named group, a field, a pair of the structured data, a label of
    /// the source. What is empty is missing.
    fn label(&self, name: &str) -> Option<Cow<'_, str>> {
        let group = self.captures.as_ref().and_then(|captures| captures.name(name));
        if let Some(group) = group {
            return Some(text_of(group.as_bytes(), VALUE)).filter(|text| !text.is_empty());
        }
        label(self.record, name, &self.matching.source, &self.matching.labels)
    }
}

/// The value of a record's label: a field, a pair of the structured data, a label of its source.
/// What is empty is missing.
pub fn label<'a>(
    record: &LogRecord<'a>,
    name: &str,
    source: &'a str,
    labels: &'a BTreeMap<String, String>,
) -> Option<Cow<'a, str>> {
    let field = match name {
        "host" => record.host,
        "application" => record.application,
        "process" => record.process,
        "message_id" => record.message_id,
        "peer" => record.peer,
        "source" => source.as_bytes(),
        "severity" => word(&SEVERITIES, record.severity)?.as_bytes(),
        "facility" => return Some(facility(record.facility)),
        _ => {
            let pair = record.pairs.iter().find(|(key, _)| *key == name.as_bytes());
            pair.map(|(_, value)| *value).or_else(|| labels.get(name).map(String::as_bytes))?
        }
    };
    Some(text_of(field, VALUE)).filter(|text| !text.is_empty())
}

fn word(words: &[&'static str], number: u32) -> Option<&'static str> {
    words.get(usize::try_from(number).ok()?).copied()
}

fn facility(number: u32) -> Cow<'static, str> {
    match word(&FACILITIES, number) {
        Some(word) => word.into(),
        None => format!("local{}", number.saturating_sub(16)).into(),
    }
}

/// Bytes as text, at most so many; what is no text is shown as such.
fn text_of(bytes: &[u8], most: usize) -> Cow<'_, str> {
    let cut = bytes.get(..most).unwrap_or(bytes);
    match std::str::from_utf8(cut) {
        Ok(text) => text.into(),
        // A character that the cut went through is left out.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(cut.get(..error.valid_up_to()).unwrap_or_default())
        }
        Err(_) => {
            let mut text = String::from_utf8_lossy(cut).into_owned();
            let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or(0));
            text.into()
        }
    }
}
