//! Effects: what a step led to, for the store and for people.

use std::collections::BTreeSet;

use super::{
    alarm::{handling::Handling, stored::Standing, view::Transition},
    log::LogCursor,
    notify::{Flush, StoredGroup, Withheld},
};

/// What a step led to. It is written in one transaction, so that after a restart either all of
/// it has happened or nothing.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// What people are told, in the order of time and name. The alarm of each is among the
    /// standings, as it is at the end of the step.
    pub transitions: Vec<Transition>,
    /// Alarms whose durable form changed, by id; each replaces what was stored under its id.
    pub standings: Vec<Standing>,
    /// Ids to be deleted: they never fired, and nothing of them is left to remember.
    pub gone: Vec<String>,
    /// What sinks are told, in the order of time.
    pub flushes: Vec<Flush>,
    /// Groups whose durable form changed; each replaces what was stored under its sink and key.
    pub groups: Vec<StoredGroup>,
    /// What is withheld from a sink, and what is not any more.
    pub withheld: Vec<Withheld>,
    /// Alarms whose handling changed by itself: an acknowledgement that ended, or fell.
    pub handled: Vec<(String, Handling)>,
    /// Where log evaluators have got to; what follows from the batches up to there is in here or
    /// was before.
    pub cursors: Vec<LogCursor>,
    /// The plan that they and all later ones follow from, if this is the first that it led to.
    pub plan: Option<u64>,
}

impl Effects {
    /// Adds what a later one led to. What it stores is not deleted by what came before: whoever
    /// writes them stores first.
    pub fn extend(&mut self, later: Self) {
        if !self.gone.is_empty() {
            let stored = later.standings.iter().map(|standing| standing.alarm.id.as_str());
            let stored: BTreeSet<_> = stored.collect();
            self.gone.retain(|id| !stored.contains(id.as_str()));
        }
        self.transitions.extend(later.transitions);
        self.standings.extend(later.standings);
        self.gone.extend(later.gone);
        self.flushes.extend(later.flushes);
        self.groups.extend(later.groups);
        self.withheld.extend(later.withheld);
        self.handled.extend(later.handled);
        self.cursors.extend(later.cursors);
        self.plan = later.plan.or(self.plan);
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.transitions.is_empty()
            && self.standings.is_empty()
            && self.gone.is_empty()
            && self.flushes.is_empty()
            && self.groups.is_empty()
            && self.withheld.is_empty()
            && self.handled.is_empty()
            && self.cursors.is_empty()
            && self.plan.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::harness::{run, threshold};

    #[test]
    fn of_a_deletion_and_what_is_stored_after_it_the_later_counts() {
        let (harness, ..) = run(threshold(5), "#");
        let row = harness.stored.rows().next().unwrap();
        let id = row.alarm.id.clone();
        let stored = || Effects { standings: vec![row.clone()], ..Effects::default() };
        let deleted = || Effects { gone: vec![id.clone()], ..Effects::default() };
        // Whoever writes them stores first and deletes then.
        let both = |mut one: Effects, later| {
            one.extend(later);
            (one.standings.len(), one.gone.len())
        };
        assert_eq!(both(stored(), deleted()), (1, 1));
        assert_eq!(both(deleted(), stored()), (1, 0));
    }
}
