//! Ids: a stable fingerprint of an identity, and how often it has fired.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use sha2::{Digest, Sha256};

use super::labels::Labels;

/// How many identities the occurrences are remembered of after they are gone.
const REMEMBERED: usize = 100_000;

/// The stable half of an alarm's id: SHA-256 of the evaluator and the labels, 12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct Fingerprint(u64);

impl Fingerprint {
    /// The same as a number.
    pub(in crate::engine) const fn number(self) -> u64 {
        self.0
    }

    /// The fingerprint of an identity.
    pub(in crate::engine) fn of(evaluator: &str, labels: &Labels) -> Self {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            // The length comes first, so that no two identities are the same text.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(evaluator);
        for (name, value) in labels.iter() {
            part(name);
            part(value);
        }
        let digest = hash.finalize();
        Self(digest.iter().take(6).fold(0, |start, byte| (start << 8) | u64::from(*byte)))
    }

    /// Whether what it is shown as may start so; of many, most are ruled out without a text.
    pub(in crate::engine) fn may_start_with(self, start: &str) -> bool {
        let digits = start.split_once('-').map_or(start, |(digits, _)| digits);
        let hidden = 12_usize.checked_sub(digits.len());
        let shift = hidden.and_then(|hidden| u32::try_from(4 * hidden).ok());
        let (Some(shift), Ok(number)) = (shift, u64::from_str_radix(digits, 16)) else {
            return digits.is_empty();
        };
        self.0 >> shift == number
    }

    /// Reads what it is shown as.
    pub(in crate::engine) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// An alarm's id as numbers: its fingerprint and its occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct AlarmId(u64, u32);

impl AlarmId {
    pub(in crate::engine) const FIRST: Self = Self(0, 0);
    pub(in crate::engine) const LAST: Self = Self(u64::MAX, u32::MAX);

    /// Reads what it is shown as.
    pub(in crate::engine) fn parse(text: &str) -> Option<Self> {
        let (fingerprint, occurrence) = text.rsplit_once('-')?;
        Some(Self(u64::from_str_radix(fingerprint, 16).ok()?, occurrence.parse().ok()?))
    }

    /// The id of an occurrence of a fingerprint.
    pub(in crate::engine) const fn new(fingerprint: u64, occurrence: u32) -> Self {
        Self(fingerprint, occurrence)
    }

    /// What all occurrences of one alarm share.
    pub(in crate::engine) const fn fingerprint(self) -> u64 {
        self.0
    }

    /// All occurrences of a fingerprint.
    pub(in crate::engine) const fn occurrences(fingerprint: u64) -> std::ops::RangeInclusive<Self> {
        Self(fingerprint, 0)..=Self(fingerprint, u32::MAX)
    }
}

impl fmt::Display for AlarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}-{}", self.0, self.1)
    }
}

/// How often identities that are gone have fired, so that no id is ever given twice.
#[derive(Debug, Default)]
pub(in crate::engine) struct Occurrences {
    known: HashMap<Fingerprint, u32>,
    /// Beneath what all that were forgotten lie.
    floor: u32,
}

impl Occurrences {
    /// The number of the next occurrence.
    pub(in crate::engine) fn next(&self, fingerprint: Fingerprint) -> u32 {
        self.known.get(&fingerprint).copied().unwrap_or(0).max(self.floor).saturating_add(1)
    }

    /// Remembers the last occurrence of an identity. When full, all later ones count from the
    /// greatest number so far, which needs no memory.
    pub(in crate::engine) fn remember(&mut self, fingerprint: Fingerprint, last: u32) {
        let full = self.known.len() >= REMEMBERED;
        match self.known.entry(fingerprint) {
            Entry::Occupied(mut known) => *known.get_mut() = last.max(*known.get()),
            Entry::Vacant(free) if !full => {
                free.insert(last);
            }
            Entry::Vacant(_) => {
                self.floor = self.known.drain().map(|(_, last)| last).fold(self.floor, u32::max);
                self.known.insert(fingerprint, last);
            }
        }
    }

    /// All occurrences from now on are above `floor`.
    pub(in crate::engine) fn above(&mut self, floor: u32) {
        self.floor = self.floor.max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn a_fingerprint_is_found_by_how_it_starts() {
        let fingerprint = Fingerprint(0x00ab_12cd_34ef);
        for start in ["", "0", "00ab12", "00ab12cd34ef", "00ab12cd34ef-7"] {
            assert!(fingerprint.may_start_with(start), "{start}");
        }
        for start in ["1", "ab", "00ab12cd34ee", "00ab12cd34ef0", "zz"] {
            assert!(!fingerprint.may_start_with(start), "{start}");
        }
    }

    #[test]
    fn a_fingerprint_is_stable_and_tells_identities_apart() {
        let one = Fingerprint::of("cpu", &labels(&[("ip", "10.0.0.1"), ("id", "a")]));
        assert_eq!(one, Fingerprint::of("cpu", &labels(&[("id", "a"), ("ip", "10.0.0.1")])));
        assert_eq!(one.to_string(), "5da970a1d332");
        assert_eq!(Fingerprint::parse("5da970a1d332"), Some(one));
        let others = [
            ("mem", labels(&[("ip", "10.0.0.1"), ("id", "a")])),
            ("cpu", labels(&[("ip", "10.0.0.1")])),
            ("cpu", labels(&[("ida", "ip10.0.0.1")])),
            ("cpu", labels(&[])),
        ];
        for (evaluator, labels) in others {
            assert_ne!(one, Fingerprint::of(evaluator, &labels), "{evaluator} {labels:?}");
        }
    }

    #[test]
    fn no_occurrence_is_given_twice_even_when_many_were_forgotten() {
        let a = Fingerprint(u64::MAX);
        let mut occurrences = Occurrences::default();
        assert_eq!(occurrences.next(a), 1);
        occurrences.remember(a, 7);
        occurrences.remember(a, 3);
        assert_eq!(occurrences.next(a), 8);
        for index in 0..2 * REMEMBERED as u64 {
            occurrences.remember(Fingerprint(index), 1);
        }
        assert_eq!(occurrences.next(a), 8);
        assert!(occurrences.known.len() <= REMEMBERED);
        occurrences.above(20);
        assert_eq!(occurrences.next(a), 21);
    }
}
