//! Restore: an evaluator goes on with an alarm that was stored.

use std::collections::btree_map::Entry;

use haetae_plugin::Timestamp;

use super::{Evaluator, expected};
use crate::engine::{
    alarm::{
        changes::Changes,
        id::Fingerprint,
        labels::Labels,
        stored::{Kept, Standing},
        view::{AlarmView, CHANGED, Change, Condition, Transition},
    },
    threshold::identity::Identity,
};

impl Evaluator {
    /// Goes on with an alarm that was stored, whose series are still to speak; the answer is why
    /// it can't.
    pub(in crate::engine) fn restore(
        &mut self,
        standing: &Standing,
        labels: &Labels,
        now: Timestamp,
        changes: &mut Changes,
    ) -> Option<&'static str> {
        let numbers = self.overrides.resolve(&self.threshold, labels);
        let threshold = numbers.as_deref().unwrap_or(&self.threshold);
        let kept = standing.kept(threshold);
        let by = self.threshold.by.as_deref();
        let fits = by.is_none_or(|by| standing.labels.keys().all(|name| by.contains(name)));
        let fits = fits
            && standing.state.as_ref().is_none_or(|it| it.is_identified_as_by(&self.threshold));
        let before = standing.alarm.is_firing().then_some(standing.alarm.severity);
        let silent = standing.state.as_ref().map(|state| state.silent).unwrap_or_default();
        let seen = standing.state.as_ref().and_then(|state| state.seen);
        let known = (labels, self.identities.len());
        let expected = expected::of(&self.threshold, &self.named, &self.inputs, known);
        let expected = expected.map(|it| Box::new(it.silent_for(silent, seen.is_some())));
        let learned = seen.is_some() && expected.as_ref().is_some_and(|it| !it.is_forgotten());
        let something = kept != Kept::default() || learned;
        // What never spoke fires because it was expected, and may be no more; of what is no longer
        // read no word can come.
        let by_name_alone = kept.levels.by_absence && seen.is_none();
        let unexpected = by_name_alone || !self.threshold.may_read(labels);
        let orphaned = expected.is_none() && unexpected;
        let goes_on = something && before.is_some() == kept.severity().is_some() && !orphaned;
        if !fits || !goes_on {
            return Some(CHANGED);
        }
        let fingerprint = Fingerprint::parse(&standing.fingerprint)
            .unwrap_or_else(|| Fingerprint::of(&self.threshold.name, labels));
        let unit = self.unit(&standing.alarm.unit);
        let mut identity = Identity::restored(fingerprint, standing, kept, unit);
        (identity.numbers, identity.expected) = (numbers, expected);
        let threshold = identity.under(&self.threshold);
        let stands =
            kept.standing(standing.alarm.since).map(|level| (level.condition, level.severity));
        let AlarmView { condition, severity, .. } = standing.alarm;
        let entry = match self.identities.entry(labels.clone()) {
            Entry::Vacant(entry) => entry,
            // A row that is read twice goes on once.
            Entry::Occupied(known) => {
                return (known.get().id() != standing.alarm.id).then_some(CHANGED);
            }
        };
        // Of a level that was taken away nothing is left.
        if stands != (condition != Condition::Ok).then_some((condition, severity)) {
            let alarm = identity.view(threshold, labels);
            let better = |alarm| Transition { change: Change::Better, alarm, at: now };
            let lesser = before > kept.severity();
            changes.transitions.extend(alarm.filter(|_| lesser).map(better));
            changes.store(identity.standing(threshold, labels));
        }
        entry.insert(Box::new(identity));
        None
    }
}
