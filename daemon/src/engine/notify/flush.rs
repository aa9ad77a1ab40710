//! Tell: what was looked at is told, or waits because the sink was told too much.

use std::collections::{BTreeMap, BTreeSet};

use haetae_plugin::{Reason, Timestamp};

use super::{
    Flush, Withheld,
    dedup::Verdict,
    group_state::{FiringMember, GroupState, Scene},
    pending::{Pending, Timer},
    rows::hash,
    sink_groups::{Group, SinkGroups, digest_key},
};
use crate::engine::{AlarmView, alarm::id::AlarmId};

impl SinkGroups {
    /// Looks at groups and tells what is to be told. The answer is what others are to be told of.
    pub(super) fn attempt(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        scene: Scene<'_>,
        pending: &mut Pending,
    ) -> Vec<AlarmId> {
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        // Numbers tell who came first within a moment; keys do not.
        numbers.sort_by_cached_key(|number| self.groups.get(number).map(Group::key));
        let (mut ready, mut escalated) = (Vec::new(), Vec::new());
        for number in numbers {
            if !self.groups.contains_key(&number) {
                continue;
            }
            let state = self.state(number, scene);
            escalated.extend(&state.escalated);
            for id in &state.escalated {
                if let Some(member) = self.members.get_mut(id) {
                    member.escalated = true;
                }
                self.store_member(number, *id, pending);
            }
            self.withhold(&state, scene.at, pending);
            if let Some(until) = state.quiet {
                pending.timers.insert((until, Timer::Quiet(self.index)));
            }
            match state.verdict {
                Verdict::Notify(reason) => ready.push((reason, state)),
                Verdict::Keep(_) => {
                    self.waiting.remove(&number);
                    let repeat = self.repeat_at(number).filter(|due| *due > scene.at);
                    self.schedule(number, repeat.into_iter().chain(state.escalates).min(), pending);
                }
            }
        }
        self.flush_or_wait(ready, scene, pending);
        escalated
    }

    /// Tells as much as the sink takes; what is more waits and becomes one notice.
    fn flush_or_wait(
        &mut self,
        ready: Vec<(Reason, GroupState)>,
        scene: Scene<'_>,
        pending: &mut Pending,
    ) {
        let (at, rate) = (scene.at, self.route.rate);
        while self.recent.front().is_some_and(|flushed| flushed.after(rate.per) <= at) {
            self.recent.pop_front();
        }
        let most = usize::try_from(rate.most).unwrap_or(usize::MAX);
        let free = if most == 0 { usize::MAX } else { most.saturating_sub(self.recent.len()) };
        // The turn of what waits is in this very moment, but has not come.
        let known: BTreeSet<_> = ready.iter().map(|(_, state)| state.number).collect();
        let is_early = free > 0 && !self.waiting.is_subset(&known);
        let mut ready = ready.into_iter();
        // What waits, or does not fit, is told together: in the last notice that is free.
        let alone = if free == 0 || is_early || !self.waiting.is_empty() {
            0
        } else if ready.len() <= free {
            ready.len()
        } else {
            free - 1
        };
        for (reason, state) in ready.by_ref().take(alone) {
            self.flush(reason, vec![state], at, pending);
        }
        let rest: Vec<_> = ready.collect();
        if rest.is_empty() {
            return;
        }
        if free == 0 || is_early {
            for (_, state) in rest {
                self.schedule(state.number, None, pending);
                self.waiting.insert(state.number);
            }
            let frees = self.recent.front().map(|flushed| flushed.after(rate.per));
            let frees = if is_early { Some(at) } else { frees };
            pending.timers.extend(frees.map(|frees| (frees, Timer::Rate(self.index))));
            return;
        }
        self.waiting.clear();
        let first = rest.first().map_or(Reason::Digest, |(reason, _)| *reason);
        let reason = if rest.len() > 1 { Reason::Digest } else { first };
        self.flush(reason, rest.into_iter().map(|(_, state)| state).collect(), at, pending);
    }

    /// One notice about one group, or about many.
    fn flush(
        &mut self,
        reason: Reason,
        states: Vec<GroupState>,
        at: Timestamp,
        pending: &mut Pending,
    ) {
        let is_digest = states.len() > 1;
        let own = states.first().and_then(|state| self.groups.get(&state.number));
        let key = if is_digest { digest_key(at) } else { own.map(Group::key).unwrap_or_default() };
        let (mut firing, mut ended, mut news) = (Vec::new(), Vec::new(), Vec::new());
        let mut notified = Vec::new();
        for state in states {
            let is_new = !state.ends.is_empty() || state.firing.iter().any(|it| it.is_news);
            for FiringMember { id, alarm, is_news } in state.firing {
                self.notify_member(id, &alarm, is_news, at, pending);
                if is_news {
                    news.push(alarm.id.clone());
                }
                firing.push(alarm);
            }
            for id in state.ends {
                let Some(end) = self.ends.remove(&(state.number, id)) else { continue };
                self.store_member(state.number, id, pending);
                news.push(end.alarm.id.clone());
                ended.push(*end.alarm);
            }
            for id in state.announces {
                self.announce(id, pending);
            }
            notified.push((state.number, is_new, state.escalates));
        }
        for (number, is_new, escalates) in notified {
            if let Some(group) = self.groups.get_mut(&number) {
                group.step = if is_new { 0 } else { group.step.saturating_add(1) };
                group.notified = Some((at, reason));
            }
            self.go_on(number, escalates, at, pending);
        }
        firing.sort_by(AlarmView::worst_first);
        ended.sort_by(AlarmView::worst_first);
        let alarms: Vec<_> = firing.into_iter().chain(ended).collect();
        let labels = common(&alarms);
        self.recent.push_back(at);
        let sink = self.route.sink.clone();
        pending.flushes.push(Flush { sink, key, labels, reason, alarms, news, at });
    }

    /// The sink knows of an alarm now.
    fn notify_member(
        &mut self,
        id: AlarmId,
        alarm: &AlarmView,
        is_news: bool,
        at: Timestamp,
        pending: &mut Pending,
    ) {
        let Some(member) = self.members.get_mut(&id).filter(|_| is_news) else { return };
        if member.notified.is_none() {
            // A new beginning, of which others have not been told either.
            (member.since, member.escalated) = (at, false);
        }
        (member.notified, member.again) = (Some(alarm.severity), None);
        let group = member.group;
        self.store_member(group, id, pending);
    }

    /// A group was told: it is looked at again when that is to be repeated or escalated.
    fn go_on(
        &mut self,
        number: u32,
        escalates: Option<Timestamp>,
        at: Timestamp,
        pending: &mut Pending,
    ) {
        self.store_group(number, pending);
        let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
        let is_notified =
            |id: &AlarmId| self.members.get(id).is_some_and(|it| it.notified.is_some());
        let any_notified = || self.within.range(all).any(|(_, id)| is_notified(id));
        let escalate = self.route.escalate.as_ref().filter(|_| any_notified());
        let new = escalate.map(|escalate| at.after(escalate.after));
        let repeat = self.repeat_at(number);
        self.schedule(number, escalates.into_iter().chain(new).chain(repeat).min(), pending);
        self.close_if_over(number, pending);
    }

    /// Notes what is withheld, if that is not known yet.
    fn withhold(&mut self, state: &GroupState, at: Timestamp, pending: &mut Pending) {
        for (id, why) in &state.withheld {
            let hash = why.as_ref().map_or(0, |why| {
                // Zero is kept for nothing.
                hash(&serde_json::to_vec(why).unwrap_or_default()).max(1)
            });
            let Some(member) = self.members.get_mut(id).filter(|member| member.why != hash) else {
                continue;
            };
            member.why = hash;
            let (sink, alarm, why) = (self.route.sink.clone(), id.to_string(), why.clone());
            pending.withhold(Withheld { sink, alarm, why, at });
            self.store_member(state.number, *id, pending);
        }
    }
}

/// The labels that all have.
fn common(alarms: &[AlarmView]) -> BTreeMap<String, String> {
    let mut alarms = alarms.iter();
    let mut common = alarms.next().map(|alarm| alarm.labels.clone()).unwrap_or_default();
    for alarm in alarms {
        common.retain(|name, value| alarm.labels.get(name) == Some(value));
    }
    common
}
