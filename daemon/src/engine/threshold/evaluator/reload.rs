//! Reload of an evaluator: it goes on with what the one of the same name knew.

use std::sync::Arc;

use haetae_plugin::Timestamp;

use super::{Evaluator, expected, renumber::renumber};
use crate::engine::{
    alarm::{changes::Changes, id::Occurrences, labels::Labels, view::CHANGED},
    reload::Moves,
    status::EvaluatorStatus,
    threshold::identity::Identity,
};

impl Evaluator {
    /// Goes on with the alarms, series and slots of `before`; the answer is the series that it has,
    /// by source and place.
    pub(in crate::engine) fn succeed(
        &mut self,
        mut before: Self,
        moves: &Moves,
        now: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) -> Vec<(usize, usize)> {
        if before.threshold.identifying() != self.threshold.identifying() {
            before.close_all(CHANGED, now, occurrences, changes);
            return Vec::new();
        }
        if !before.inputs.is_empty() {
            let same = self.slots == before.slots;
            self.done = if same { before.done } else { self.slots.last(before.done) };
        }
        (self.late, self.jumped) = (before.late, before.jumped);
        std::mem::swap(&mut self.misses, &mut before.misses);
        (self.over_limit, self.said) = (before.over_limit.take(), before.said);
        self.news = std::mem::take(&mut before.news);
        self.unit = Arc::clone(&before.unit);
        self.status = EvaluatorStatus { series: 0, ..before.status.clone() };
        let mut attached = Vec::new();
        for (labels, mut identity) in std::mem::take(&mut before.identities) {
            let stored = identity.kept(identity.under(&before.threshold));
            let others = attached.len();
            self.take_series(&mut identity, &before, moves, &mut attached);
            self.expect_as_before(&mut identity, &labels);
            let unread = identity.expected.is_none() && !self.threshold.may_read(&labels);
            if unread || identity.is_orphaned() {
                let threshold = identity.under(&before.threshold);
                identity.close((threshold, stored), &labels, CHANGED, now, changes);
                remember(&identity, occurrences);
                attached.truncate(others);
                continue;
            }
            self.count_series(attached.get(others..).unwrap_or_default());
            let numbers = self.overrides.resolve(&self.threshold, &labels);
            let was = std::mem::replace(&mut identity.numbers, numbers.clone());
            let was = was.as_deref().unwrap_or(&before.threshold);
            let is = numbers.as_deref().unwrap_or(&self.threshold);
            renumber((was, is), &labels, &mut identity, stored, now, changes);
            self.identities.insert(labels, identity);
        }
        attached
    }

    /// Ends all alarms: nothing judges them any more.
    pub(in crate::engine) fn close_all(
        &self,
        reason: &str,
        now: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        for (labels, identity) in &self.identities {
            let threshold = identity.under(&self.threshold);
            let stored = identity.kept(threshold);
            identity.close((threshold, stored), labels, reason, now, changes);
            remember(identity, occurrences);
        }
    }

    /// Leaves an identity the series that it still reads.
    fn take_series(
        &self,
        identity: &mut Identity,
        before: &Self,
        moves: &Moves,
        attached: &mut Vec<(usize, usize)>,
    ) {
        let (was, is) = (&before.threshold, &self.threshold);
        let others = was.metric != is.metric || was.inputs != is.inputs;
        identity.keep_series(others, |member| {
            let (source, places) = moves.get(member.source)?.as_ref()?;
            let place = *places.get(&member.place)?;
            let reads = self.inputs.iter().any(|input| input.source == *source);
            let reads = reads && member.series().name() == is.metric;
            if !reads || !self.wants(member.series()) {
                return None;
            }
            attached.push((*source, place));
            Some(member.moved(*source, place))
        });
    }

    /// It has these series now.
    fn count_series(&mut self, attached: &[(usize, usize)]) {
        for (source, _) in attached {
            let input = self.inputs.iter_mut().find(|input| input.source == *source);
            if let Some(input) = input {
                input.series += 1;
            }
        }
    }

    /// It must be there if it is expected now; how long it has been silent counts on.
    fn expect_as_before(&self, identity: &mut Identity, labels: &Labels) {
        let known = (labels, self.identities.len());
        let now = expected::of(&self.threshold, &self.named, &self.inputs, known);
        let before = identity.expected.take();
        identity.expected = now.map(|now| match before {
            Some(before) => Box::new(now.after(&before)),
            None => now,
        });
    }
}

/// The ids that it had are never given again.
fn remember(identity: &Identity, occurrences: &mut Occurrences) {
    let last =
        if identity.severity().is_some() { identity.occurrence } else { identity.occurrence - 1 };
    if last > 0 {
        occurrences.remember(identity.fingerprint, last);
    }
}
