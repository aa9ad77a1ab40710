//! One slot of an evaluator: each identity is judged, then the limit, then what there is to say.

use std::time::Duration;

use haetae_plugin::Timestamp;

use super::{Detached, Evaluator};
use crate::engine::{
    evidence::Evidence,
    identity::Identity,
    labels::Labels,
    limit::{let_in, summary},
    member::{Member, Slot},
    occurrence::Occurrences,
    record::record,
    source::Source,
    standing::Changes,
    system::Problem,
};

impl Evaluator {
    /// Judges a slot; the answer is the series that identities have let go of.
    pub(super) fn judge(
        &mut self,
        at: Timestamp,
        sources: &[Source],
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) -> Vec<Member> {
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
        let mut gone = Vec::new();
        let over = |labels: &Labels, identity: &mut Box<Identity>| {
            let numbers = identity.numbers.clone();
            let slot = slot.under(numbers.as_deref());
            let before = identity.kept(slot.threshold);
            let turn = identity.judge(&slot, roomy, &mut gone);
            self.status.errors += u64::from(identity.evidence == Evidence::EvaluationError);
            record((slot.threshold, slot.at), labels, identity, before, turn, changes);
            firing += usize::from(identity.severity().is_some());
            waiting |= identity.waits();
            identity.is_over()
        };
        let over: Vec<_> = self.identities.extract_if(.., over).collect();
        for (_, identity) in over {
            if identity.occurrence > 1 {
                occurrences.remember(identity.fingerprint, identity.occurrence - 1);
            }
            gone.extend(identity.into_members());
        }
        if waiting && firing < limit {
            let_in(&slot, &mut self.identities, limit - firing, changes);
        }
        self.tell(waiting);
        (self.late, self.jumped) = (false, false);
        self.status.judged += 1;
        self.status.judged_slot = Some(at);
        gone
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
        self.status.series -= gone.len();
    }

    /// Says what changed about missed slots and about the limit.
    fn tell(&mut self, waiting: bool) {
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
