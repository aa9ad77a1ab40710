//! Records: what a slot changed of an alarm, told to people and to the store.

use haetae_plugin::Timestamp;

use super::{
    alarm::Transition,
    identity::{Changed, Identity},
    labels::Labels,
    levels::Levels,
    standing::Changes,
    threshold::Threshold,
};

/// What is stored of an identity, as far as a later slot can depend on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Before {
    levels: Levels,
    /// Of one that was learned: for how long it has been silent, roughly.
    silence: Option<u32>,
}

impl Before {
    /// What is stored of it now.
    pub(super) fn of(identity: &Identity, threshold: &Threshold) -> Self {
        let silence = identity.expected.as_ref().and_then(|expected| expected.remembered());
        Self { levels: identity.kept(threshold), silence }
    }

    /// Whether there is anything to store.
    pub(super) fn is_stored(&self) -> bool {
        self.levels != Levels::default() || self.silence.is_some()
    }
}

/// Records what a slot changed of an identity whose levels stood as `before`; one that ended
/// makes way for the next occurrence. A standing is stored exactly while the levels are not the
/// default, and while it is remembered.
pub(super) fn record(
    (threshold, at): (&Threshold, Timestamp),
    labels: &Labels,
    identity: &mut Identity,
    before: Before,
    turn: Option<Changed>,
    changes: &mut Changes,
) {
    let mut was_stored = before.is_stored();
    if let Some((change, severity)) = turn {
        let alarm = if change.is_end() {
            let alarm = identity.ended(threshold, labels, severity);
            changes.store(identity.stored(labels, alarm.clone()));
            identity.occurrence = identity.occurrence.saturating_add(1);
            was_stored = false;
            Some(alarm)
        } else {
            identity.view(threshold, labels)
        };
        let transition = |alarm| Transition { change, alarm, at };
        changes.transitions.extend(alarm.map(transition));
    }
    let after = Before::of(identity, threshold);
    let is_stored = after.is_stored() && !identity.is_over();
    if is_stored && (!was_stored || after != before || turn.is_some()) {
        changes.store(identity.standing(threshold, labels));
    } else if was_stored && !is_stored {
        changes.delete(identity.id());
    }
}
