//! Overrides of an evaluator: which numbers each of its identities is judged by.

use haetae_plugin::Timestamp;

use super::{Evaluator, judging::record};
use crate::engine::{
    alarm::{changes::Changes, labels::Labels, stored::Kept},
    threshold::{
        identity::Identity,
        overrides::{Override, Overrides, Preview},
        rule::Threshold,
    },
};

impl Evaluator {
    /// Judges by these overrides from now on, and by none that were before.
    pub(in crate::engine) fn override_with(
        &mut self,
        all: &[Override],
        now: Timestamp,
        changes: &mut Changes,
    ) {
        self.overrides = Overrides::of(&self.threshold, all);
        for (labels, identity) in &mut self.identities {
            let numbers = self.overrides.resolve(&self.threshold, labels);
            let stored = identity.kept(identity.under(&self.threshold));
            let before = std::mem::replace(&mut identity.numbers, numbers.clone());
            let before = before.as_deref().unwrap_or(&self.threshold);
            let after = numbers.as_deref().unwrap_or(&self.threshold);
            if (&before.judged_by, before.warning, before.critical)
                != (&after.judged_by, after.warning, after.critical)
            {
                renumber((before, after), labels, identity, stored, now, changes);
            }
        }
    }

    /// Adds what other overrides would do; `id` is the one in question.
    pub(in crate::engine) fn preview(&self, all: &[Override], id: &str, preview: &mut Preview) {
        let overrides = Overrides::of(&self.threshold, all);
        for (labels, identity) in &self.identities {
            let numbers = overrides.resolve(&self.threshold, labels);
            let after = numbers.as_deref().unwrap_or(&self.threshold);
            preview.applies += usize::from(after.judged_by.as_deref() == Some(id));
            let both = (identity.under(&self.threshold), after);
            preview.changes.extend(identity.foreseen(both, labels));
        }
    }
}

/// An identity that stands as `stored` goes on under other numbers; what that changes is recorded.
pub(super) fn renumber(
    (before, after): (&Threshold, &Threshold),
    labels: &Labels,
    identity: &mut Identity,
    stored: Kept,
    now: Timestamp,
    changes: &mut Changes,
) {
    let judgement = identity.renumber((before, after), now);
    record((after, now), labels, identity, stored, judgement, changes);
    // Which numbers an alarm is judged by is a part of what is known of it.
    if before.judged_by != after.judged_by && identity.kept(after) != Kept::default() {
        changes.store(identity.standing(after, labels));
    }
}
