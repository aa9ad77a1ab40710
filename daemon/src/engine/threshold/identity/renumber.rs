//! Renumbering: an identity goes on under other numbers.

use std::time::Duration;

use haetae_plugin::{Severity, Timestamp};

use super::{Awaited, Ending, Identity, Judgement, verdict::Member};
use crate::engine::{
    alarm::{
        changes::Changes,
        flap::Flaps,
        labels::Labels,
        stored::Kept,
        view::{AlarmView, Change, Transition},
    },
    threshold::{
        condition::Comparison,
        levels::{Levels, levels},
        overrides::Foreseen,
        rule::Threshold,
    },
};

impl Identity {
    /// Goes on under other numbers, as after a restart: what fires does until it clears under the
    /// new ones, and of a level that was taken away nothing is left.
    pub(in crate::engine) fn renumber(
        &mut self,
        (before, after): (&Threshold, &Threshold),
        now: Timestamp,
    ) -> Judgement {
        let was = self.severity();
        self.levels = self.levels.kept(before).kept(after);
        self.waits &= self.levels.severity().is_some();
        let turned = match (was, self.severity()) {
            (Some(was), None) => {
                // What follows is a new occurrence, which owes nothing to this one.
                (self.levels, self.flaps) = (Levels::default(), Flaps::default());
                Some((Change::Closed, was))
            }
            (Some(was), Some(is)) if is < was => Some((Change::Better, is)),
            _ => None,
        };
        if turned.is_some() {
            (self.updated, self.ending) = (now, Ending::RuleChanged);
        }
        Judgement { changed: turned, flapping: None }
    }

    /// Exchanges its series for what `keep` makes of them; how many are lost. What is lost because
    /// others stand in for it is waited for.
    pub(in crate::engine) fn keep_series(
        &mut self,
        others: bool,
        keep: impl FnMut(Member) -> Option<Member>,
    ) -> usize {
        let (before, seen) = (self.members.len(), self.seen());
        self.members = std::mem::take(&mut self.members).into_iter().filter_map(keep).collect();
        // Sources may be in another order now.
        self.sorted = false;
        let lost = before - self.members.len();
        if others && lost > 0 && self.members.is_empty() {
            self.awaited = Some(Box::new(Awaited { series: lost, seen, silent: Duration::ZERO }));
        }
        lost
    }

    /// Whether nothing can speak for it any more: it has no series and waits for none, or fires
    /// because it was expected and is not now.
    pub(in crate::engine) fn is_orphaned(&self) -> bool {
        let unexpected = self.levels.by_absence && self.seen().is_none() && self.expected.is_none();
        let mute = self.members.is_empty() && self.awaited.is_none() && self.expected.is_none();
        // One that is ok and only remembers its changes needs nobody to speak.
        let remembers = self.levels.is_ok() && self.flaps != Flaps::default();
        unexpected || mute && !remembers
    }

    /// Ends because nothing judges it any more; one that never fired is forgotten.
    pub(in crate::engine) fn close(
        &self,
        (threshold, stored): (&Threshold, Kept),
        labels: &Labels,
        reason: &str,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        if let Some(severity) = self.severity() {
            let ended = self.blank(threshold, labels, severity).over(now, reason);
            let alarm = AlarmView { flapping: false, ..ended };
            changes.store(self.stored(labels, alarm.clone()));
            changes.transitions.push(Transition { change: Change::Closed, alarm, at: now });
        } else if stored != Kept::default() {
            changes.delete(self.id());
        }
    }

    /// What its last value leads to under these numbers, once it has been so for long enough.
    pub(in crate::engine) fn foresee(&self, threshold: &Threshold) -> Option<Severity> {
        let (value, mut now) = (self.value?, self.levels);
        let on =
            levels(threshold).rev().find(|(level, severity)| match Comparison::of(value, level) {
                Comparison::Holds => true,
                Comparison::Between => now.machine(*severity).is_on(),
                Comparison::Clear => false,
            });
        on.map(|(_, severity)| severity)
    }

    /// How it would change from one set of numbers to another.
    pub(in crate::engine) fn foreseen(
        &self,
        (before, after): (&Threshold, &Threshold),
        labels: &Labels,
    ) -> Option<Foreseen> {
        let (now, then) = (self.foresee(before), self.foresee(after));
        let alarm = self.blank(after, labels, Severity::Warning);
        let (value, unit, labels) = (self.value?, alarm.unit, alarm.labels);
        let (alarm, evaluator) = (alarm.id, alarm.evaluator);
        (now != then).then_some(Foreseen { alarm, evaluator, labels, value, unit, now, then })
    }
}
