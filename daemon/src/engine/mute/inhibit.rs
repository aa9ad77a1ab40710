//! Inhibit: an alarm that explains others mutes them while it fires.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fits::{fits, label},
    matcher::Matcher,
};
use crate::engine::{
    AlarmView,
    alarm::{id::AlarmId, labels::Labels},
};

/// That alarms mute others.
#[derive(Clone, Debug)]
pub struct Inhibit {
    /// Where the configuration says so: `haetae.toml:12`.
    pub place: String,
    /// Which alarms mute.
    pub when: Vec<Matcher>,
    /// Which are muted.
    pub mute: Vec<Matcher>,
    /// The labels in which both are alike; a missing one is an empty one.
    pub equal: Vec<String>,
}

/// Who mutes whom, whatever came first.
#[derive(Debug, Default)]
pub(in crate::engine) struct Inhibits {
    rules: Vec<Inhibit>,
    /// By rule and by what must be equal.
    sides: BTreeMap<(usize, Labels), Sides>,
}

/// Alarms that fire and are alike. One that is on both sides is muted only by one that is not,
/// or two such would mute each other for good.
#[derive(Debug, Default)]
struct Sides {
    sources: BTreeSet<AlarmId>,
    both: BTreeSet<AlarmId>,
    targets: BTreeSet<AlarmId>,
}

impl Inhibits {
    /// None of these mutes anything yet.
    pub(in crate::engine) fn new(rules: Vec<Inhibit>) -> Self {
        Self { rules, sides: BTreeMap::new() }
    }

    /// Whether there is any rule.
    pub(in crate::engine) const fn is_any(&self) -> bool {
        !self.rules.is_empty()
    }

    /// An alarm fires; if it did before, it is forgotten first.
    pub(in crate::engine) fn add(&mut self, id: AlarmId, alarm: &AlarmView) {
        for (index, rule) in self.rules.iter().enumerate() {
            let (is_source, is_target) = (fits(&rule.when, alarm), fits(&rule.mute, alarm));
            if is_source || is_target {
                let sides = self.sides.entry((index, equal(rule, alarm))).or_default();
                let side = match (is_source, is_target) {
                    (true, true) => &mut sides.both,
                    (true, false) => &mut sides.sources,
                    _ => &mut sides.targets,
                };
                side.insert(id);
            }
        }
    }

    /// An alarm, as it was when it was added, is over. The answer is those that it muted as the
    /// last one.
    pub(in crate::engine) fn remove(&mut self, id: AlarmId, alarm: &AlarmView) -> Vec<AlarmId> {
        let mut freed = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let key = (index, equal(rule, alarm));
            let Some(sides) = self.sides.get_mut(&key) else { continue };
            sides.targets.remove(&id);
            let (was_source, was_both) = (sides.sources.remove(&id), sides.both.remove(&id));
            // As long as another one mutes the same, it need not be looked at: many may end at once.
            if was_source && sides.sources.is_empty() {
                freed.extend(&sides.both);
            }
            if (was_source || was_both) && sides.sources.is_empty() && sides.both.is_empty() {
                freed.extend(&sides.targets);
            }
            if sides.targets.is_empty() && sides.both.is_empty() && sides.sources.is_empty() {
                self.sides.remove(&key);
            }
        }
        freed
    }

    /// Who mutes an alarm, and the line that says so.
    pub(in crate::engine) fn against(
        &self,
        id: AlarmId,
        alarm: &AlarmView,
    ) -> Option<(&str, AlarmId)> {
        self.rules.iter().enumerate().find_map(|(index, rule)| {
            if !fits(&rule.mute, alarm) {
                return None;
            }
            let sides = self.sides.get(&(index, equal(rule, alarm)))?;
            let is_source = sides.both.contains(&id);
            let both = sides.both.iter().filter(|_| !is_source);
            let by = sides.sources.iter().chain(both).find(|by| **by != id)?;
            Some((rule.place.as_str(), *by))
        })
    }
}

fn equal(rule: &Inhibit, alarm: &AlarmView) -> Labels {
    let pairs = rule.equal.iter().map(|name| (name.as_str(), label(alarm, name)));
    pairs.map(|(name, value)| (name, value.unwrap_or_default())).collect()
}
