//! Tell: what was looked at is told, or waits because the sink was told too much.

use std::collections::{BTreeMap, BTreeSet};

use haetae_plugin::{Reason, Timestamp};

use super::{
    Flush, Withheld,
    active::AlarmId,
    dedup::Verdict,
    group_state::{Look, Scene},
    pending::{Out, Timer},
    rows::hash,
    sink_groups::{Arm, Group, digest_key},
};
use crate::engine::AlarmView;

impl Arm {
    /// Looks at groups and tells what is to be told. The answer is what others are to be told of.
    pub(super) fn attempt(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        scene: Scene<'_>,
        out: &mut Out,
    ) -> Vec<AlarmId> {
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        // Numbers tell who came first within a moment; keys do not.
        numbers.sort_by_cached_key(|number| self.groups.get(number).map(Group::key));
        let (mut ready, mut escalated) = (Vec::new(), Vec::new());
        for number in numbers {
            if !self.groups.contains_key(&number) {
                continue;
            }
            let look = self.look(number, scene);
            escalated.extend(&look.escalated);
            for id in &look.escalated {
                if let Some(member) = self.members.get_mut(id) {
                    member.escalated = true;
                }
                self.store_member(number, *id, out);
            }
            self.withhold(&look, scene.at, out);
            if let Some(until) = look.quiet {
                out.timers.insert((until, Timer::Quiet(self.index)));
            }
            match look.verdict {
                Verdict::Tell(reason) => ready.push((reason, look)),
                Verdict::Keep(_) => {
                    self.waiting.remove(&number);
                    let repeat = self.repeat_at(number).filter(|due| *due > scene.at);
                    self.schedule(number, repeat.into_iter().chain(look.escalates).min(), out);
                }
            }
        }
        self.tell_or_wait(ready, scene, out);
        escalated
    }

    /// Tells as much as the sink takes; what is more waits and becomes one notice.
    fn tell_or_wait(&mut self, ready: Vec<(Reason, Look)>, scene: Scene<'_>, out: &mut Out) {
        let (at, rate) = (scene.at, self.route.rate);
        while self.recent.front().is_some_and(|told| told.after(rate.per) <= at) {
            self.recent.pop_front();
        }
        let most = usize::try_from(rate.most).unwrap_or(usize::MAX);
        let free = if most == 0 { usize::MAX } else { most.saturating_sub(self.recent.len()) };
        // The turn of what waits is in this very moment, but has not come.
        let known: BTreeSet<_> = ready.iter().map(|(_, look)| look.number).collect();
        let is_early = free > 0 && !self.waiting.is_subset(&known);
        let mut ready = ready.into_iter();
        let alone = match ready.len() {
            _ if free == 0 || is_early => 0,
            all if self.waiting.is_empty() && all <= free => all,
            _ if self.waiting.is_empty() => free - 1,
            _ => 0,
        };
        for (reason, look) in ready.by_ref().take(alone) {
            self.tell(reason, vec![look], at, out);
        }
        let rest: Vec<_> = ready.collect();
        if rest.is_empty() {
            return;
        }
        if free == 0 || is_early {
            for (_, look) in rest {
                self.schedule(look.number, None, out);
                self.waiting.insert(look.number);
            }
            let frees = self.recent.front().map(|told| told.after(rate.per));
            let frees = if is_early { Some(at) } else { frees };
            out.timers.extend(frees.map(|frees| (frees, Timer::Rate(self.index))));
            return;
        }
        self.waiting.clear();
        let first = rest.first().map_or(Reason::Digest, |(reason, _)| *reason);
        let reason = if rest.len() > 1 { Reason::Digest } else { first };
        self.tell(reason, rest.into_iter().map(|(_, look)| look).collect(), at, out);
    }

    /// One notice about one group, or about many.
    fn tell(&mut self, reason: Reason, looks: Vec<Look>, at: Timestamp, out: &mut Out) {
        let is_digest = looks.len() > 1;
        let own = looks.first().and_then(|look| self.groups.get(&look.number));
        let key = if is_digest { digest_key(at) } else { own.map(Group::key).unwrap_or_default() };
        let (mut firing, mut ended, mut news) = (Vec::new(), Vec::new(), Vec::new());
        let mut told = Vec::new();
        for look in looks {
            let is_new = !look.ends.is_empty() || look.firing.iter().any(|(_, _, is)| *is);
            for (id, alarm, is_news) in look.firing {
                self.tell_member(id, &alarm, is_news, at, out);
                news.extend(is_news.then(|| alarm.id.clone()));
                firing.push(alarm);
            }
            for id in look.ends {
                let Some(end) = self.ends.remove(&(look.number, id)) else { continue };
                self.store_member(look.number, id, out);
                news.push(end.alarm.id.clone());
                ended.push(*end.alarm);
            }
            for id in look.announces {
                self.announce(id, out);
            }
            told.push((look.number, is_new, look.escalates));
        }
        for (number, is_new, escalates) in told {
            if let Some(group) = self.groups.get_mut(&number) {
                group.step = if is_new { 0 } else { group.step.saturating_add(1) };
                group.told = Some((at, reason));
            }
            self.go_on(number, escalates, at, out);
        }
        firing.sort_by(AlarmView::worst_first);
        ended.sort_by(AlarmView::worst_first);
        let alarms: Vec<_> = firing.into_iter().chain(ended).collect();
        let labels = common(&alarms);
        self.recent.push_back(at);
        let sink = self.route.sink.clone();
        out.flushes.push(Flush { sink, key, labels, reason, alarms, news, at });
    }

    /// The sink knows of an alarm now.
    fn tell_member(
        &mut self,
        id: AlarmId,
        alarm: &AlarmView,
        is_news: bool,
        at: Timestamp,
        out: &mut Out,
    ) {
        let Some(member) = self.members.get_mut(&id).filter(|_| is_news) else { return };
        if member.told.is_none() {
            // A new beginning, of which others have not been told either.
            (member.since, member.escalated) = (at, false);
        }
        (member.told, member.again) = (Some(alarm.severity), None);
        let group = member.group;
        self.store_member(group, id, out);
    }

    /// A group was told: it is looked at again when that is to be repeated or escalated.
    fn go_on(&mut self, number: u32, escalates: Option<Timestamp>, at: Timestamp, out: &mut Out) {
        self.store_group(number, out);
        let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
        let is_told = |id: &AlarmId| self.members.get(id).is_some_and(|it| it.told.is_some());
        let told = || self.within.range(all).any(|(_, id)| is_told(id));
        let escalate = self.route.escalate.as_ref().filter(|_| told());
        let new = escalate.map(|escalate| at.after(escalate.after));
        let repeat = self.repeat_at(number);
        self.schedule(number, escalates.into_iter().chain(new).chain(repeat).min(), out);
        self.close_if_over(number, out);
    }

    /// Notes what is withheld, if that is not known yet.
    fn withhold(&mut self, look: &Look, at: Timestamp, out: &mut Out) {
        for (id, why) in &look.withheld {
            let hash = why.as_ref().map_or(0, |why| {
                // Zero is kept for nothing.
                hash(&serde_json::to_vec(why).unwrap_or_default()).max(1)
            });
            let Some(member) = self.members.get_mut(id).filter(|member| member.why != hash) else {
                continue;
            };
            member.why = hash;
            let (sink, alarm, why) = (self.route.sink.clone(), id.to_string(), why.clone());
            out.withhold(Withheld { sink, alarm, why, at });
            self.store_member(look.number, *id, out);
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
