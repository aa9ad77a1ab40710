//! Records: what a slot changed of an alarm, told to people and to the store.

use haetae_plugin::Timestamp;

use super::{
    identity::{Identity, Judgement},
    rule::Threshold,
};
use crate::engine::alarm::{
    changes::Changes, flap::Flaps, labels::Labels, stored::Kept, view::Transition,
};

/// Whether there is anything to record of what a slot did to an identity that stood as `before`.
pub(super) fn must_record(
    threshold: &Threshold,
    identity: &Identity,
    before: Kept,
    judgement: Judgement,
) -> bool {
    judgement.changed.is_some()
        || judgement.flapping.is_some()
        || must_store(before, identity.kept(threshold))
        || (before != Kept::default() && identity.is_over())
}

/// Whether what is kept has to be written. How long ago changes were is known from their times: that
/// they are too old to count is not written to a row that stays.
fn must_store(before: Kept, after: Kept) -> bool {
    let too_old = after.flaps == Flaps::default() && !before.flaps.is_flapping();
    let stays = before != Kept::default() && after != Kept::default();
    if too_old && stays {
        return Kept { flaps: after.flaps, ..before } != after;
    }
    before != after
}

/// Records what a slot, or another number, changed of an identity that stood as `before`; one that
/// ended makes way for the next occurrence. A standing is stored exactly while what is kept is not
/// the default.
pub(super) fn record(
    (threshold, at): (&Threshold, Timestamp),
    labels: &Labels,
    identity: &mut Identity,
    before: Kept,
    judgement: Judgement,
    changes: &mut Changes,
) {
    let mut was_stored = before != Kept::default();
    let mut shown = None;
    if let Some((change, severity)) = judgement.changed {
        let alarm = if change.is_end() {
            let alarm = identity.ended(threshold, labels, severity);
            changes.store(identity.stored(labels, alarm.clone()));
            identity.occurrence = identity.occurrence.saturating_add(1);
            was_stored = false;
            Some(alarm)
        } else {
            identity.view(threshold, labels)
        };
        if judgement.flapping.is_some() {
            shown.clone_from(&alarm);
        }
        let transition = |alarm| Transition { change, alarm, at };
        changes.transitions.extend(alarm.map(transition));
    }
    if let Some(change) = judgement.flapping {
        let alarm = shown.unwrap_or_else(|| identity.shown(threshold, labels));
        changes.transitions.push(Transition { change, alarm, at });
    }
    let after = identity.kept(threshold);
    let is_stored = after != Kept::default() && !identity.is_over();
    if is_stored && (!was_stored || must_store(before, after) || judgement.changed.is_some()) {
        changes.store(identity.standing(threshold, labels));
    } else if was_stored && !is_stored {
        changes.delete(identity.id());
    }
}
