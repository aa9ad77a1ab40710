//! One slot of an evaluator: each identity is judged, then the limit, then what there is to say; what
//! that changes of an alarm is recorded, for people and for the store.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::Timestamp;

use super::{Detached, Due, Evaluator};
use crate::engine::{
    alarm::{
        changes::Changes,
        flap::Flaps,
        id::{Fingerprint, Occurrences},
        labels::Labels,
        limit::summary,
        stored::Kept,
        view::Transition,
    },
    problem::Problem,
    progress::Progress,
    series::source::SourceState,
    threshold::{
        evidence::Evidence,
        identity::{
            Identity, Judgement,
            verdict::{Member, Slot},
        },
        rule::Threshold,
    },
};

/// A slot that is judged, and what is still to be recorded of it.
#[derive(Debug)]
pub(super) struct JudgedSlot {
    at: Timestamp,
    /// By fingerprint, as the store has them: rows that lie together are written together.
    changed: std::vec::IntoIter<Changed>,
    /// Identities of which nothing is left.
    over: BTreeMap<Labels, Box<Identity>>,
}

/// An identity of which there is something to record.
#[derive(Debug)]
struct Changed {
    fingerprint: Fingerprint,
    labels: Labels,
    before: Kept,
    judgement: Judgement,
}

impl Evaluator {
    /// Judges and records every slot that is due, until there are many changes.
    pub(super) fn judge_slots(
        &mut self,
        now: Timestamp,
        sources: &[SourceState],
        occurrences: &mut Occurrences,
        changes: &mut Changes,
        gone: &mut Vec<Member>,
    ) -> Progress {
        if self.judged.is_none() {
            self.skip_missed(now, sources);
        }
        loop {
            if let Some(mut judged) = self.judged.take()
                && self.record(&mut judged, occurrences, changes, gone) == Progress::More
            {
                self.judged = Some(judged);
                return Progress::More;
            }
            let at = self.done.after(self.slots.interval());
            // At the end of all time no slot follows.
            if at > now || at <= self.done {
                return Progress::Done;
            }
            match self.due(at, sources) {
                Due::Now => self.judged = Some(self.judge(at, sources, occurrences, gone)),
                Due::LateAt(limit) if limit <= now => {
                    self.late = true;
                    self.status.late += 1;
                }
                Due::LateAt(_) => return Progress::Done,
            }
            self.done = at;
        }
    }

    /// Judges a slot; the answer is what there is to record.
    fn judge(
        &mut self,
        at: Timestamp,
        sources: &[SourceState],
        occurrences: &Occurrences,
        gone: &mut Vec<Member>,
    ) -> JudgedSlot {
        self.introduce(occurrences);
        let every = self.slots.interval();
        let follows =
            !self.jumped && self.status.judged_slot.is_some_and(|before| before.after(every) == at);
        let slot = Slot {
            threshold: &self.threshold,
            sources,
            inputs: &self.inputs,
            at,
            every,
            interval: self.interval,
            stride: if self.jumped { Duration::ZERO } else { self.stride },
            passed: if follows { every } else { Duration::ZERO },
        };
        // Where all may fire each does so at once, else those that may are chosen afterwards.
        let limit = slot.threshold.limit;
        let roomy = self.identities.len() <= limit;
        let (mut firing, mut waiting) = (0, false);
        let mut changed = Vec::new();
        let over = |labels: &Labels, identity: &mut Box<Identity>| {
            let numbers = identity.numbers.clone();
            let slot = slot.under(numbers.as_deref());
            let before = identity.kept(slot.threshold);
            let judgement = identity.judge(&slot, roomy, gone);
            self.status.errors += u64::from(identity.evidence == Evidence::EvaluationError);
            firing += usize::from(identity.severity().is_some());
            waiting |= identity.waits();
            if must_record(slot.threshold, identity, before, judgement) {
                let (fingerprint, labels) = (identity.fingerprint, labels.clone());
                changed.push(Changed { fingerprint, labels, before, judgement });
            }
            identity.is_over()
        };
        let over = self.identities.extract_if(.., over).collect();
        if waiting && firing < limit {
            for (labels, identity) in let_in(&mut self.identities, limit - firing) {
                let numbers = identity.numbers.clone();
                let slot = slot.under(numbers.as_deref());
                let before = identity.kept(slot.threshold);
                let judgement = identity.let_fire(&slot);
                let (fingerprint, labels) = (identity.fingerprint, labels.clone());
                changed.push(Changed { fingerprint, labels, before, judgement });
            }
        }
        // Of one that is there twice the later is recorded later.
        changed.sort_by_key(|one| one.fingerprint);
        self.report(waiting);
        (self.late, self.jumped) = (false, false);
        self.status.judged += 1;
        self.status.judged_slot = Some(at);
        JudgedSlot { at, changed: changed.into_iter(), over }
    }

    /// Records what a slot led to, until there are many changes. Series that identities let go of
    /// join `gone`.
    fn record(
        &mut self,
        judged: &mut JudgedSlot,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
        gone: &mut Vec<Member>,
    ) -> Progress {
        for Changed { labels, before, judgement, .. } in judged.changed.by_ref() {
            let identity = judged.over.get_mut(&labels).or(self.identities.get_mut(&labels));
            let Some(identity) = identity else { continue };
            let numbers = identity.numbers.clone();
            let threshold = numbers.as_deref().unwrap_or(&self.threshold);
            record((threshold, judged.at), &labels, identity, before, judgement, changes);
            if changes.is_full() {
                return Progress::More;
            }
        }
        for identity in std::mem::take(&mut judged.over).into_values() {
            if identity.occurrence > 1 {
                occurrences.remember(identity.fingerprint, identity.occurrence - 1);
            }
            gone.extend(identity.into_members());
        }
        Progress::Done
    }

    /// Lets go of series.
    pub(super) fn let_go(&mut self, gone: &[Member], detached: &mut Vec<Detached>) {
        for member in gone {
            let input = self.inputs.iter_mut().find(|input| input.source == member.source);
            if let Some(input) = input {
                input.series -= 1;
            }
            detached.push(Detached { source: member.source, place: member.place });
        }
    }

    /// Says what changed about missed slots and about the limit.
    fn report(&mut self, waiting: bool) {
        if self.misses.judged() {
            self.news.push((Problem::SlotsMissed, None));
        }
        let those = self.identities.iter().filter(|(_, one)| one.waits());
        let those = those.map(|(labels, _)| labels);
        let over = waiting.then(|| summary(self.threshold.limit, those)).flatten();
        if !self.said || self.over_limit != over {
            self.said = true;
            self.over_limit.clone_from(&over);
            self.news.push((Problem::AlarmsOverLimit, over));
        }
    }
}

/// As many of those that wait as there is room for: the worst first, then those that have waited the
/// longest, then by their labels.
fn let_in(
    identities: &mut BTreeMap<Labels, Box<Identity>>,
    free: usize,
) -> impl Iterator<Item = (&Labels, &mut Box<Identity>)> {
    let mut waiting: Vec<_> = identities.iter_mut().filter(|(_, one)| one.waits()).collect();
    waiting.sort_by_key(|(_, one)| one.waiting_order());
    waiting.into_iter().take(free)
}

/// Whether there is anything to record of what a slot did to an identity that stood as `before`.
fn must_record(
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
