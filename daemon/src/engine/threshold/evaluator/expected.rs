//! Expected: which identities of an evaluator must be there.

use std::collections::BTreeSet;

use super::Evaluator;
use crate::engine::{
    alarm::{id::Occurrences, labels::Labels},
    threshold::{
        expected::ExpectedIdentity,
        feed::EvaluatorInput,
        rule::{ExpectedIdentities, Threshold},
    },
};

/// The identities that an evaluator names.
pub(super) fn named(threshold: &Threshold) -> BTreeSet<Labels> {
    match &threshold.expect {
        ExpectedIdentities::Named(named) => named.iter().map(Labels::from).collect(),
        ExpectedIdentities::Nobody | ExpectedIdentities::Learned { .. } => BTreeSet::new(),
    }
}

/// Whether an identity must be there, beside as many that are known. No more are learned than
/// there may be series.
pub(super) fn of(
    threshold: &Threshold,
    named: &BTreeSet<Labels>,
    inputs: &[EvaluatorInput],
    (labels, known): (&Labels, usize),
) -> Option<Box<ExpectedIdentity>> {
    match threshold.expect {
        ExpectedIdentities::Nobody => None,
        ExpectedIdentities::Named(_) => {
            named.contains(labels).then(|| Box::new(ExpectedIdentity::named()))
        }
        ExpectedIdentities::Learned { forget } => {
            let most = inputs.iter().fold(0_usize, |sum, input| sum.saturating_add(input.most));
            (known < most).then(|| Box::new(ExpectedIdentity::learned(forget)))
        }
    }
}

impl Evaluator {
    /// Makes the identities that it names and that are not there. Not before the first slot is
    /// judged: until then alarms are restored, and ids are not known to be free.
    pub(super) fn introduce(&mut self, occurrences: &Occurrences) {
        for labels in std::mem::take(&mut self.unmet) {
            self.identity(labels, "".into(), occurrences);
        }
    }
}
