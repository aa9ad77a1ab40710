//! The verdict: what was expected beside what happened.

use super::{happened::Happened, timeline::Timeline};
use crate::config::{Expectation, RuleTest, Stand};

/// How a test went.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// What was expected and what happened, in the order of time.
    pub entries: Vec<Compared>,
    /// Where the alarms stood.
    pub timeline: Timeline,
}

/// One thing that was expected, or happened, or both.
#[derive(Clone, Debug)]
pub enum Compared {
    /// It was expected and happened.
    Met(Expectation, Happened),
    /// It was expected and did not happen.
    Missing(Expectation),
    /// It happened and was not expected.
    Unexpected(Happened),
}

impl TestResult {
    /// Whether all that was expected happened, and nothing else.
    pub fn passed(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry, Compared::Met(..)))
    }
}

impl Compared {
    /// Its time and what stands there.
    fn key(&self) -> (std::time::Duration, Stand) {
        match self {
            Self::Met(expected, _) | Self::Missing(expected) => (expected.at, expected.stand),
            Self::Unexpected(happened) => (happened.at, happened.stand),
        }
    }
}

/// Compares: each expectation needs a change of its own, and each change an expectation.
pub(super) fn judge(test: &RuleTest, happened: Vec<Happened>, timeline: Timeline) -> TestResult {
    let mut taken: Vec<Option<usize>> = vec![None; happened.len()];
    for expected in 0..test.expectations.len() {
        let mut tried = vec![false; happened.len()];
        assign(expected, &test.expectations, &happened, &mut taken, &mut tried);
    }
    let mut entries = Vec::new();
    for (index, expected) in test.expectations.iter().enumerate() {
        let met = taken.iter().zip(&happened).find(|(by, _)| **by == Some(index));
        entries.push(match met {
            Some((_, happened)) => Compared::Met(expected.clone(), happened.clone()),
            None => Compared::Missing(expected.clone()),
        });
    }
    let free =
        happened.into_iter().zip(taken).filter(|(one, by)| by.is_none() && one.stand.is_change());
    entries.extend(free.map(|(happened, _)| Compared::Unexpected(happened)));
    entries.sort_by_key(|entry| entry.key().0);
    TestResult { entries, timeline }
}

/// Finds a change for an expectation; one that another has taken is handed over if that one finds
/// another, so that the order in which they are written never decides.
fn assign(
    expected: usize,
    expectations: &[Expectation],
    happened: &[Happened],
    taken: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    let Some(expectation) = expectations.get(expected) else { return false };
    for (index, one) in happened.iter().enumerate() {
        if !fits(expectation, one) || tried.get(index) != Some(&false) {
            continue;
        }
        if let Some(tried) = tried.get_mut(index) {
            *tried = true;
        }
        let holder = taken.get(index).copied().flatten();
        let free = holder.is_none_or(|holder| assign(holder, expectations, happened, taken, tried));
        if free && let Some(place) = taken.get_mut(index) {
            *place = Some(expected);
            return true;
        }
    }
    false
}

fn fits(expected: &Expectation, happened: &Happened) -> bool {
    let close = |wanted: f64| {
        // What a person writes down of a mean has fewer digits.
        happened.value.is_some_and(|value| (value - wanted).abs() <= wanted.abs().max(1.0) * 1e-6)
    };
    expected.at == happened.at
        && expected.stand == happened.stand
        && expected.labels.iter().all(|(name, value)| happened.labels.get(name) == Some(value))
        && expected.value.is_none_or(close)
        && expected.summary.as_ref().is_none_or(|summary| *summary == happened.summary)
        && (expected.reason.is_none() || expected.reason == happened.reason)
}
