//! Group state: what there is to tell of a group now, and what is withheld.

use std::collections::BTreeMap;

use haetae_plugin::{Severity, Timestamp};

use super::{
    Why,
    active::{ActiveAlarm, Views},
    dedup::{Facts, Verdict, verdict},
    rows::{Again, Member},
    sink_groups::SinkGroups,
};
use crate::engine::{
    AlarmView,
    alarm::id::AlarmId,
    mute::{fits::fits, reasons::Mutes},
};

/// All that a sink does not decide.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) alarms: &'a BTreeMap<AlarmId, ActiveAlarm>,
    pub(super) mutes: &'a Mutes,
    pub(super) views: Views<'a>,
    pub(super) at: Timestamp,
}

/// What there is to notify of a group now.
#[derive(Debug)]
pub(super) struct GroupState {
    pub(super) number: u32,
    pub(super) verdict: Verdict,
    /// Alarms that fire, unmuted.
    pub(super) firing: Vec<FiringMember>,
    pub(super) ends: Vec<AlarmId>,
    /// Those among them that come and go, which is news.
    pub(super) announces: Vec<AlarmId>,
    /// What is withheld now, or not any more.
    pub(super) withheld: Vec<(AlarmId, Option<Why>)>,
    /// Those that others are to be told of.
    pub(super) escalated: Vec<AlarmId>,
    /// When others are to be told of more.
    pub(super) escalates: Option<Timestamp>,
    /// Until when the quiet hours hold something back.
    pub(super) quiet: Option<Timestamp>,
}

/// An alarm of a group that fires, unmuted.
#[derive(Debug)]
pub(super) struct FiringMember {
    pub(super) id: AlarmId,
    pub(super) alarm: AlarmView,
    pub(super) is_news: bool,
}

impl SinkGroups {
    /// What stands against telling this sink of an alarm that fires.
    pub(super) fn against(&self, id: AlarmId, alarm: &AlarmView, scene: Scene<'_>) -> Vec<Why> {
        let member = self.members.get(&id).copied().unwrap_or_default();
        let mut against = Vec::new();
        if !self.wants(alarm) && !member.foreign {
            against.push(Why::NotWanted { place: self.route.place.clone() });
        }
        against.extend(scene.mutes.against(id, alarm, scene.alarms, scene.at));
        against.extend(self.quiet(alarm, scene.at));
        // That it is handled does not matter to whom it is escalated.
        if member.again == Some(Again::EscalatedAnyway) {
            against.retain(|why| !matches!(why, Why::Handled { .. }));
        }
        if self.announces(id, scene) {
            against.retain(|why| *why != Why::Flapping);
        }
        against
    }

    /// That it is night for this sink and this alarm.
    pub(super) fn quiet(&self, alarm: &AlarmView, at: Timestamp) -> Option<Why> {
        let quiet = self.route.quiet.as_ref()?;
        let until = quiet.hours.holds(at)?;
        let excepted = !quiet.except.is_empty() && fits(&quiet.except, alarm);
        (!excepted).then(|| Why::Quiet { place: quiet.place.clone(), until })
    }

    /// When a group is told the same again.
    pub(super) fn repeat_at(&self, number: u32) -> Option<Timestamp> {
        let group = self.groups.get(&number)?;
        let step = usize::try_from(group.step).unwrap_or(usize::MAX);
        let every = self.route.repeat.get(step).or(self.route.repeat.last())?;
        group.notified.filter(|_| !every.is_zero()).map(|(at, _)| at.after(*every))
    }

    /// Looks at a group. Without news the alarms are not even looked at.
    pub(super) fn state(&self, number: u32, scene: Scene<'_>) -> GroupState {
        let repeat_at = self.repeat_at(number);
        let is_time = repeat_at.is_some_and(|due| due <= scene.at);
        let mut state = GroupState {
            number,
            verdict: verdict(&Facts::default()),
            firing: Vec::new(),
            ends: Vec::new(),
            announces: Vec::new(),
            withheld: Vec::new(),
            escalated: Vec::new(),
            escalates: None,
            quiet: None,
        };
        let mut facts = Facts::default();
        let mut rest = Vec::new();
        for (_, id) in self.within.range((number, AlarmId::FIRST)..=(number, AlarmId::LAST)) {
            let (Some(member), Some(active)) = (self.members.get(id), scene.alarms.get(id)) else {
                continue;
            };
            facts.knows |= member.notified.is_some();
            facts.fires |= member.notified.is_some();
            self.consider_escalation(*id, active, *member, scene, &mut state);
            let announces = self.announces(*id, scene);
            let is_news = announces || member.is_news(active.severity());
            if !is_news && !is_time && member.why == 0 {
                rest.push(*id);
                continue;
            }
            let Some(alarm) = scene.views.view(*id, active) else { continue };
            if let Some(why) = self.against(*id, &alarm, scene).into_iter().next() {
                if is_news || is_time {
                    state.hold(&why);
                    state.withheld.push((*id, Some(why)));
                    facts.muted = true;
                }
            } else {
                state.withheld.extend((member.why != 0).then_some((*id, None)));
                if announces {
                    facts.flapping = true;
                    state.announces.push(*id);
                } else {
                    facts.see(*member, alarm.severity, is_time);
                }
                state.firing.push(FiringMember { id: *id, alarm, is_news });
            }
        }
        self.add_ends(number, scene, &mut facts, &mut state);
        state.verdict = verdict(&facts);
        if matches!(state.verdict, Verdict::Notify(_)) {
            self.add_rest(rest, scene, &mut state);
        }
        state
    }

    /// What the sink knows of a group.
    pub(super) fn facts(&self, number: u32) -> Facts {
        let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
        let mut members = self.within.range(all.clone()).filter_map(|(_, id)| self.members.get(id));
        let fires = members.any(|member| member.notified.is_some());
        let knows = fires || self.ends.range(all).next().is_some();
        Facts { knows, fires, ..Facts::default() }
    }

    /// Ends are told whatever mutes the alarm, but not at night.
    fn add_ends(&self, number: u32, scene: Scene<'_>, facts: &mut Facts, state: &mut GroupState) {
        let ends = self.ends.range((number, AlarmId::FIRST)..=(number, AlarmId::LAST));
        facts.closed = true;
        for ((_, id), end) in ends {
            facts.knows = true;
            if let Some(why) = self.quiet(&end.alarm, scene.at) {
                state.hold(&why);
                facts.muted = true;
            } else if scene.mutes.flapping.contains(&id.fingerprint()) {
                facts.muted = true;
            } else {
                facts.ended = true;
                facts.closed &= end.closed;
                state.ends.push(*id);
            }
        }
    }

    /// A notice shows what else fires, unmuted.
    fn add_rest(&self, rest: Vec<AlarmId>, scene: Scene<'_>, state: &mut GroupState) {
        for id in rest {
            let active = scene.alarms.get(&id);
            let Some(alarm) = active.and_then(|active| scene.views.view(id, active)) else {
                continue;
            };
            if self.against(id, &alarm, scene).is_empty() {
                state.firing.push(FiringMember { id, alarm, is_news: false });
            }
        }
    }

    /// Whether others are to be told of an alarm that the sink was told of.
    fn consider_escalation(
        &self,
        id: AlarmId,
        active: &ActiveAlarm,
        member: Member,
        scene: Scene<'_>,
        state: &mut GroupState,
    ) {
        let Some(escalate) = self.route.escalate.as_ref() else { return };
        if member.notified.is_none() || member.escalated {
            return;
        }
        let due = member.since.after(escalate.after);
        if due > scene.at {
            state.escalates = state.escalates.into_iter().chain([due]).min();
            return;
        }
        let Some(alarm) = scene.views.view(id, active) else { return };
        let mut against = scene.mutes.against(id, &alarm, scene.alarms, scene.at);
        let stops = |why: &Why| escalate.unless_acknowledged || !matches!(why, Why::Handled { .. });
        match against.find(stops) {
            None => state.escalated.push(id),
            // It is looked at again when that ends; of whether an alarm flaps that is known.
            Some(why) if member.why == 0 && why != Why::Flapping => {
                state.withheld.push((id, Some(why)));
            }
            Some(_) => {}
        }
    }
}

impl Facts {
    /// Takes an unmuted alarm in.
    pub(super) fn see(&mut self, member: Member, severity: Severity, is_time: bool) {
        match (member.again, member.notified) {
            (Some(Again::Reopened), _) => self.reopened = true,
            (Some(Again::Escalated | Again::EscalatedAnyway), _) => self.escalated = true,
            (_, None) => self.new = true,
            (_, Some(notified)) if notified < severity => self.worse = true,
            (_, Some(notified)) if notified > severity => self.better = true,
            (Some(Again::Settled), Some(_)) => self.repeat = true,
            (None, Some(_)) => self.repeat |= is_time,
        }
    }
}

impl GroupState {
    fn hold(&mut self, why: &Why) {
        if let Why::Quiet { until, .. } = why {
            self.quiet = self.quiet.into_iter().chain(*until).min();
        }
    }
}
