//! Alarms, as the engine hands them out, and their ids.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use haetae_plugin::{Severity, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::evidence::Evidence;

/// The labels that identify an alarm of one evaluator.
pub(super) type Labels = BTreeMap<String, String>;

/// How many identities an evaluator remembers the occurrences of after they are gone.
const REMEMBERED: usize = 10_000;

/// An alarm as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmView {
    /// A stable fingerprint of its identity, `-`, its occurrence.
    pub id: String,
    /// The evaluator that it is of.
    pub evaluator: String,
    /// The labels that identify it and those that the evaluator adds.
    pub labels: BTreeMap<String, String>,
    /// Its severity; if pending, the one that it would have; if ok, the last one.
    pub severity: Severity,
    /// Where it stands.
    pub condition: Condition,
    /// What that rests on.
    pub evidence: Evidence,
    /// Since when it fires; for a pending one, since when it is pending.
    pub since: Timestamp,
    /// The slot at which it was looked at last.
    pub updated: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The value that was judged last.
    pub value: Option<f64>,
    /// The unit of the value.
    pub unit: String,
    /// One line on what is wrong, by language: templates, not filled in.
    pub summaries: BTreeMap<String, String>,
    /// Where it says what to do.
    pub runbook: Option<String>,
    /// Why it ended (`cleared`, `ended`, `no data ok`), or why it fires without a value.
    pub reason: Option<String>,
}

/// Where an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Nothing is wrong.
    Ok,
    /// It holds, but not yet long or often enough.
    Pending,
    /// It fires.
    Firing,
    /// It fires and is clear, but not yet long enough.
    Recovering,
}

/// An alarm that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// How.
    pub change: Change,
    /// What it is now.
    pub alarm: AlarmView,
    /// The slot that changed it; for a system alarm, the time of the input.
    pub at: Timestamp,
}

/// How an alarm changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It began to fire.
    Fired,
    /// Its severity rose.
    Worse,
    /// Its severity fell, and it still fires.
    Better,
    /// It ended.
    Resolved,
}

impl Condition {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Recovering => "recovering",
        }
    }
}

impl Change {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Resolved => "resolved",
        }
    }
}

impl AlarmView {
    /// Whether it fires; a recovering one does until it has recovered.
    pub const fn is_firing(&self) -> bool {
        matches!(self.condition, Condition::Firing | Condition::Recovering)
    }

    /// Orders alarms: the worst first, then the oldest, then by name.
    pub(super) fn worst_first(&self) -> impl Ord + use<> {
        let on = self.is_firing();
        let name = (self.evaluator.clone(), self.labels.clone());
        (Reverse(on), Reverse(self.severity), self.since, name)
    }
}

/// The stable half of an alarm's id: SHA-256 of the evaluator and the labels, 12 hexadecimal digits.
pub(super) fn fingerprint(evaluator: &str, labels: &Labels) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        // The length comes first, so that no two identities are the same text.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    part(evaluator);
    for (name, value) in labels {
        part(name);
        part(value);
    }
    let digest = hash.finalize();
    let start = digest.iter().take(6).fold(0_u64, |start, byte| (start << 8) | u64::from(*byte));
    format!("{start:012x}")
}

/// How often identities that are gone have fired, so that no id is ever given twice.
#[derive(Debug, Default)]
pub(super) struct Occurrences {
    known: HashMap<String, u32>,
    /// Beneath what all that were forgotten lie.
    floor: u32,
}

impl Occurrences {
    /// The number of the next occurrence.
    pub(super) fn next(&self, fingerprint: &str) -> u32 {
        self.known.get(fingerprint).copied().unwrap_or(0).max(self.floor).saturating_add(1)
    }

    /// Remembers the last occurrence of an identity. When full, all later ones count from the
    /// greatest number so far, which needs no memory.
    pub(super) fn remember(&mut self, fingerprint: String, last: u32) {
        if self.known.len() >= REMEMBERED {
            self.floor = self.known.drain().map(|(_, last)| last).fold(self.floor, u32::max);
        }
        self.known.insert(fingerprint, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_fingerprint_is_stable_and_tells_identities_apart() {
        let one = fingerprint("cpu", &labels(&[("ip", "10.0.0.1"), ("id", "a")]));
        assert_eq!(one, fingerprint("cpu", &labels(&[("id", "a"), ("ip", "10.0.0.1")])));
        assert_eq!(one, "5da970a1d332");
        let others = [
            ("mem", labels(&[("ip", "10.0.0.1"), ("id", "a")])),
            ("cpu", labels(&[("ip", "10.0.0.1")])),
            ("cpu", labels(&[("ida", "ip10.0.0.1")])),
            ("cpu", labels(&[])),
        ];
        for (evaluator, labels) in others {
            assert_ne!(one, fingerprint(evaluator, &labels), "{evaluator} {labels:?}");
        }
    }

    #[test]
    fn no_occurrence_is_given_twice_even_when_many_were_forgotten() {
        let mut occurrences = Occurrences::default();
        assert_eq!(occurrences.next("a"), 1);
        occurrences.remember("a".into(), 7);
        assert_eq!(occurrences.next("a"), 8);
        for index in 0..2 * REMEMBERED {
            occurrences.remember(format!("b{index}"), 1);
        }
        assert_eq!(occurrences.next("a"), 8);
        assert!(occurrences.known.len() <= REMEMBERED);
    }
}
