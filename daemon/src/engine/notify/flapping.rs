//! Flapping: of an alarm that comes and goes a sink is told once that it does, and once how it ended
//! up; its beginnings and ends in between are not told.

use std::collections::BTreeSet;

use haetae_plugin::Timestamp;

use super::{
    group_state::Scene,
    notifier::Notifier,
    pending::Pending,
    rows::{Again, GroupState, flapping_key},
    sink_groups::SinkGroups,
};
use crate::engine::{Change, Effects, Standing, alarm::id::AlarmId};

impl Notifier {
    /// An alarm that still stands comes and goes since before the restart.
    pub(in crate::engine) fn recall_pace(&mut self, standing: &Standing) {
        let id = AlarmId::parse(&standing.alarm.id).filter(|_| standing.alarm.flapping);
        self.mutes.flapping.extend(id.map(AlarmId::fingerprint));
    }

    /// An alarm begins or ceases to come and go. Its id may be of an occurrence that is over or
    /// has not begun, so that only its fingerprint counts.
    pub(super) fn note_flapping(
        &mut self,
        id: AlarmId,
        change: Change,
        flapping: &mut BTreeSet<u64>,
    ) {
        let fingerprint = id.fingerprint();
        if change == Change::Flapping {
            self.mutes.flapping.insert(fingerprint);
        } else if self.mutes.flapping.remove(&fingerprint) {
            for sink in &mut self.sinks {
                sink.calm(fingerprint, &mut self.pending);
            }
        }
        flapping.insert(fingerprint);
    }

    /// What nothing remembers any more does not come and go either.
    pub(super) fn forget_flapping(&mut self, effects: &Effects, flapping: &mut BTreeSet<u64>) {
        if self.mutes.flapping.is_empty() {
            return;
        }
        for id in effects.gone.iter().filter_map(|id| AlarmId::parse(id)) {
            if self.mutes.flapping.contains(&id.fingerprint()) {
                self.note_flapping(id, Change::Settled, flapping);
            }
        }
    }

    /// Looks at the groups with an occurrence of any of these fingerprints.
    pub(super) fn wake_flapping(&mut self, flapping: &BTreeSet<u64>, now: Timestamp) {
        if flapping.is_empty() {
            return;
        }
        for sink in &mut self.sinks {
            let all = flapping.iter().map(|fingerprint| AlarmId::occurrences(*fingerprint));
            let members = all.flat_map(|all| sink.members.range(all)).map(|(_, one)| one.group);
            let ends = sink.ends.keys().filter(|(_, id)| flapping.contains(&id.fingerprint()));
            for group in members.chain(ends.map(|(group, _)| *group)).collect::<BTreeSet<_>>() {
                sink.wake(group, now, &mut self.pending);
            }
        }
    }
}

impl SinkGroups {
    /// Whether an alarm comes and goes, and the sink is yet to be told so.
    pub(super) fn announces(&self, id: AlarmId, scene: Scene<'_>) -> bool {
        let fingerprint = id.fingerprint();
        scene.mutes.flapping.contains(&fingerprint) && !self.announced.contains(&fingerprint)
    }

    /// The sink was told that an alarm comes and goes.
    pub(super) fn announce(&mut self, id: AlarmId, pending: &mut Pending) {
        let fingerprint = id.fingerprint();
        if self.announced.insert(fingerprint) {
            pending.store(
                &self.route.sink,
                flapping_key(fingerprint),
                GroupState::Flapping(fingerprint),
            );
        }
    }

    /// An alarm does not come and go any more: if the sink was told so and it fires, it is told
    /// that too.
    fn calm(&mut self, fingerprint: u64, pending: &mut Pending) {
        if !self.announced.remove(&fingerprint) {
            return;
        }
        pending.forget(&self.route.sink, flapping_key(fingerprint));
        let members = self.members.range_mut(AlarmId::occurrences(fingerprint));
        let mut notified = Vec::new();
        for (id, member) in members.filter(|(_, member)| member.notified.is_some()) {
            member.again = member.again.or(Some(Again::Settled));
            notified.push((member.group, *id));
        }
        for (group, id) in notified {
            self.store_member(group, id, pending);
        }
    }

    /// Forgets what the sink was told of alarms that do not come and go any more.
    pub(super) fn forget_calm(&mut self, flapping: &BTreeSet<u64>, pending: &mut Pending) {
        let over = self.announced.difference(flapping).copied();
        for fingerprint in over.collect::<Vec<_>>() {
            self.calm(fingerprint, pending);
        }
    }
}
