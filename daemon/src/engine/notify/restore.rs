//! Restore: groups go on where the process before this one left them.

use std::{collections::BTreeSet, time::Duration};

use haetae_plugin::Timestamp;

use super::{
    StoredGroup,
    active::Views,
    notifier::Notifier,
    pending::{Pending, Timer},
    rows::{GroupState, Member, MemberRow, flapping_key},
    sink_groups::{Group, SinkGroups},
    start::Start,
};
use crate::engine::{
    Handling, Standing,
    alarm::{id::AlarmId, labels::Labels},
};

impl Notifier {
    /// Nobody is told anything until these sources have spoken, or until then.
    pub(in crate::engine) fn hold(
        &mut self,
        sources: BTreeSet<String>,
        most: Duration,
        now: Timestamp,
    ) {
        let until = Some(now.after(most));
        self.start = Start { until, most, unheard: sources, unsettled: true };
    }

    /// Goes on with what was stored, in the order of sinks and keys; before the alarms that are in
    /// the groups. What of it can't be read, in words: that is left where it is.
    pub(in crate::engine) fn recall(&mut self, groups: &[StoredGroup]) -> Vec<String> {
        let mut unreadable = Vec::new();
        for StoredGroup { sink, key, state } in groups {
            let row = match GroupState::read(state.as_deref().unwrap_or_default()) {
                Ok(row) => row,
                Err(error) => {
                    unreadable.push(format!("{key} of {sink} can't be read: {error}"));
                    continue;
                }
            };
            let found = self.sinks.iter_mut().find(|it| it.route.sink == *sink);
            if !found.is_some_and(|found| found.recall(key, row)) {
                self.pending.forget(sink, key.clone());
            }
        }
        unreadable
    }

    /// Goes on with what people said of alarms.
    pub(in crate::engine) fn recall_handlings(&mut self, handlings: Vec<(String, Handling)>) {
        for (alarm, handling) in handlings {
            let Some(id) = AlarmId::parse(&alarm) else { continue };
            let timer = Timer::Handling(id);
            self.pending.timers.extend(handling.expires().map(|at| (at, timer)));
            self.mutes.handlings.insert(id, handling);
        }
    }

    /// An alarm fires that did before the restart.
    pub(in crate::engine) fn resume(
        &mut self,
        standing: &Standing,
        labels: Labels,
        now: Timestamp,
        views: Views<'_>,
    ) {
        let Some(id) = AlarmId::parse(&standing.alarm.id) else { return };
        let is_as_stored = views.fires_as_stored(&standing.alarm, &labels, id);
        let view = if is_as_stored {
            None
        } else {
            views.view_by_labels(&standing.alarm.evaluator, &labels, id)
        };
        // Of what no evaluator shows there is what was stored.
        let alarm = view.as_ref().unwrap_or(&standing.alarm);
        self.fire(id, alarm, labels, is_as_stored || view.is_some(), now);
        self.offer(id, alarm, now);
    }

    /// Lets go of what nobody knows any more. Groups are looked at again when they were to be.
    pub(in crate::engine) fn settle(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.start.unsettled) {
            return;
        }
        let Self { alarms, sinks, pending, mutes, .. } = self;
        mutes.handlings.retain(|id, _| alarms.contains_key(id));
        for sink in sinks.iter_mut() {
            let gone = sink.members.keys().filter(|id| !alarms.contains_key(id));
            for id in gone.copied().collect::<Vec<_>>() {
                sink.end(id, None, now, pending);
            }
            sink.forget_calm(&mutes.flapping, pending);
            sink.go_on_all(now, pending);
        }
        self.watch_silences(now);
    }

    /// The clock went back: nothing was told in the future.
    pub(in crate::engine) fn follow_clock(&mut self, now: Timestamp) {
        for sink in &mut self.sinks {
            sink.recent.retain(|flushed| *flushed <= now);
            for group in sink.groups.values_mut() {
                group.notified = group.notified.map(|(at, reason)| (at.min(now), reason));
            }
            for member in sink.members.values_mut() {
                member.since = member.since.min(now);
            }
            sink.go_on_all(now, &mut self.pending);
        }
        self.start.until = self.start.until.map(|until| until.min(now.after(self.start.most)));
        self.watch_silences(now);
    }
}

impl SinkGroups {
    /// Looks at all groups anew, each when it may be told of.
    pub(super) fn go_on_all(&mut self, now: Timestamp, pending: &mut Pending) {
        self.waiting.clear();
        self.over.clear();
        for number in self.groups.keys().copied().collect::<Vec<_>>() {
            self.schedule(number, None, pending);
            self.wake(number, now, pending);
            if self.is_handed_on(number) {
                self.schedule(number, Some(now), pending);
            }
            self.close_if_over(number, pending);
        }
    }

    /// The sink is gone, and its groups with it.
    pub(super) fn forget(mut self, pending: &mut Pending) {
        let sink = self.route.sink.clone();
        for number in self.groups.keys().copied().collect::<Vec<_>>() {
            let Some(key) = self.groups.get(&number).map(Group::key) else { continue };
            let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
            let ends = self.ends.range(all.clone()).map(|((_, id), _)| id);
            for id in self.within.range(all).map(|(_, id)| id).chain(ends) {
                pending.forget(&sink, format!("{key}#{id}"));
            }
            pending.forget(&sink, key);
        }
        for fingerprint in std::mem::take(&mut self.announced) {
            pending.forget(&sink, flapping_key(fingerprint));
        }
    }

    /// Takes a row; whether it is of any use.
    fn recall(&mut self, key: &str, row: GroupState) -> bool {
        match row {
            GroupState::Group(row) => {
                let number = self.recall_group(&row);
                self.groups.get(&number).is_some_and(|group| group.key() == key)
            }
            GroupState::Flapping(fingerprint) => {
                self.announced.insert(fingerprint);
                flapping_key(fingerprint) == key
            }
            GroupState::Member(row) => self.recall_member(key, row).is_some(),
        }
    }

    fn recall_member(&mut self, key: &str, MemberRow { member, end }: MemberRow) -> Option<()> {
        let (group, id) = key.rsplit_once('#')?;
        let id = AlarmId::parse(id)?;
        let group = self.number(group)?;
        let is_member = member != Member::default();
        if let Some(end) = end {
            self.ends.insert((group, id), end);
        }
        if is_member {
            self.enter(id, Member { group, ..member });
        }
        Some(())
    }
}
