//! Records: what a slot changed of an alarm, told to people and to the store.

use super::{
    alarm::Transition,
    identity::{Changed, Identity},
    labels::Labels,
    levels::Levels,
    member::Slot,
    standing::Changes,
};

/// Records what a slot changed of an identity whose levels stood as `before`; one that ended
/// makes way for the next occurrence. A standing is stored exactly while the levels are not the
/// default.
pub(super) fn record(
    slot: &Slot<'_>,
    labels: &Labels,
    identity: &mut Identity,
    before: Levels,
    turn: Option<Changed>,
    changes: &mut Changes,
) {
    let threshold = slot.threshold;
    let mut was_stored = before != Levels::default();
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
        let transition = |alarm| Transition { change, alarm, at: slot.at };
        changes.transitions.extend(alarm.map(transition));
    }
    let after = identity.kept(threshold);
    let is_stored = after != Levels::default() && !identity.is_over();
    if is_stored && (!was_stored || after != before || turn.is_some()) {
        changes.store(identity.standing(threshold, labels));
    } else if was_stored && !is_stored {
        changes.delete(identity.id());
    }
}
