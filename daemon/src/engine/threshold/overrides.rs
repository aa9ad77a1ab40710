//! Overrides: numbers that stand in for an evaluator's own within a scope.

use std::sync::Arc;

use haetae_plugin::Severity;
use serde::{Deserialize, Serialize};

use super::rule::{ExpectedIdentities, Level, Threshold};
use crate::engine::{alarm::labels::Labels, mute::matcher::Matcher};

/// Numbers for some of an evaluator's alarms.
#[derive(Clone, Debug)]
pub struct Override {
    /// Its id in the store, or where the configuration has it: `haetae.toml:12`.
    pub id: String,
    /// The evaluator.
    pub evaluator: String,
    /// Which of its alarms, by the labels that identify them and those that it adds; all must match.
    pub matchers: Vec<Matcher>,
    /// Replaces the evaluator's level whole; `None`: it stays.
    pub warning: Option<Level>,
    /// Likewise.
    pub critical: Option<Level>,
}

/// What other numbers would do now, if each alarm kept its last value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// How many identities would be judged by the threshold in question.
    pub applies: usize,
    /// Alarms whose severity would become another one.
    pub changes: Vec<Foreseen>,
}

/// An alarm that would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Its id, or the one that it would get.
    pub alarm: String,
    /// The evaluator that it is of.
    pub evaluator: String,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Its last value.
    pub value: f64,
    /// The value's unit.
    pub unit: String,
    /// The severity with which it fires now.
    pub now: Option<Severity>,
    /// The one with which it would, once its value has been so for long enough.
    pub then: Option<Severity>,
}

/// The overrides of one evaluator, the most specific first.
#[derive(Debug, Default)]
pub(super) struct Overrides(Vec<(Vec<Matcher>, Arc<Threshold>)>);

impl Overrides {
    /// Those of `all` that are about this evaluator; of two as specific, the later one counts.
    pub(super) fn of(own: &Threshold, all: &[Override]) -> Self {
        let named = all.iter().rev().filter(|one| one.evaluator == own.name);
        let mut named: Vec<_> = named.collect();
        // Stable: the newest stays before those that are as specific.
        named.sort_by_key(|one| {
            let equal = one.matchers.iter().filter(|matcher| matcher.is_equality()).count();
            std::cmp::Reverse((equal, one.matchers.len() - equal))
        });
        let merged = |one: &Override| (one.matchers.clone(), Arc::new(one.merged(own)));
        Self(named.into_iter().map(merged).collect())
    }

    /// The evaluator as an identity of it is judged, if that is not by the evaluator's numbers.
    pub(super) fn resolve(&self, own: &Threshold, labels: &Labels) -> Option<Arc<Threshold>> {
        if self.0.is_empty() {
            return None;
        }
        // As in an alarm's view, what the evaluator adds comes last.
        let value = |name: &str| {
            let added = own.labels.get(name).map(String::as_str);
            added.or_else(|| labels.get(name))
        };
        let fits = |matcher: &Matcher| matcher.matches(value(matcher.label()));
        let found = self.0.iter().find(|(matchers, _)| matchers.iter().all(fits));
        found.map(|(_, threshold)| Arc::clone(threshold))
    }
}

impl Override {
    /// The evaluator with these numbers.
    pub fn merged(&self, own: &Threshold) -> Threshold {
        Threshold {
            warning: self.warning.or(own.warning),
            critical: self.critical.or(own.critical),
            judged_by: Some(self.id.clone()),
            // Whom it expects is asked of the evaluator itself, and may be thousands.
            expect: ExpectedIdentities::Nobody,
            ..own.clone()
        }
    }
}
