//! Look: what there is to tell of a group now, and what is withheld.

use std::collections::BTreeMap;

use haetae_plugin::{Severity, Timestamp};

use super::{
    Why,
    active::{AlarmId, Live, Views, fits},
    dedup::{Facts, Verdict, verdict},
    rows::{Again, Member},
    sink_groups::Arm,
};
use crate::engine::{AlarmView, mute::reasons::Mutes};

/// All that a sink does not decide.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) alarms: &'a BTreeMap<AlarmId, Live>,
    pub(super) mutes: &'a Mutes,
    pub(super) views: Views<'a>,
    pub(super) at: Timestamp,
}

/// What a look at a group has shown.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) number: u32,
    pub(super) verdict: Verdict,
    /// Alarms that fire, unmuted, and whether they are news.
    pub(super) firing: Vec<(AlarmId, AlarmView, bool)>,
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

impl Arm {
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
        group.told.filter(|_| !every.is_zero()).map(|(at, _)| at.after(*every))
    }

    /// Looks at a group. Without news the alarms are not even looked at.
    pub(super) fn look(&self, number: u32, scene: Scene<'_>) -> Look {
        let repeat_at = self.repeat_at(number);
        let is_time = repeat_at.is_some_and(|due| due <= scene.at);
        let mut look = Look {
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
            let (Some(member), Some(live)) = (self.members.get(id), scene.alarms.get(id)) else {
                continue;
            };
            facts.knows |= member.told.is_some();
            facts.fires |= member.told.is_some();
            self.consider_escalation(*id, live, *member, scene, &mut look);
            let announces = self.announces(*id, scene);
            let is_news = announces || member.is_news(live.severity());
            if !is_news && !is_time && member.why == 0 {
                rest.push(*id);
                continue;
            }
            let Some(alarm) = scene.views.view(*id, live) else { continue };
            if let Some(why) = self.against(*id, &alarm, scene).into_iter().next() {
                if is_news || is_time {
                    look.hold(&why);
                    look.withheld.push((*id, Some(why)));
                    facts.muted = true;
                }
            } else {
                look.withheld.extend((member.why != 0).then_some((*id, None)));
                if announces {
                    facts.flapping = true;
                    look.announces.push(*id);
                } else {
                    facts.see(*member, alarm.severity, is_time);
                }
                look.firing.push((*id, alarm, is_news));
            }
        }
        self.look_at_ends(number, scene, &mut facts, &mut look);
        look.verdict = verdict(&facts);
        if matches!(look.verdict, Verdict::Tell(_)) {
            self.add_rest(rest, scene, &mut look);
        }
        look
    }

    /// What the sink knows of a group.
    pub(super) fn facts(&self, number: u32) -> Facts {
        let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
        let mut members = self.within.range(all.clone()).filter_map(|(_, id)| self.members.get(id));
        let fires = members.any(|member| member.told.is_some());
        let knows = fires || self.ends.range(all).next().is_some();
        Facts { knows, fires, ..Facts::default() }
    }

    /// Ends are told whatever mutes the alarm, but not at night.
    fn look_at_ends(&self, number: u32, scene: Scene<'_>, facts: &mut Facts, look: &mut Look) {
        let ends = self.ends.range((number, AlarmId::FIRST)..=(number, AlarmId::LAST));
        facts.closed = true;
        for ((_, id), end) in ends {
            facts.knows = true;
            if let Some(why) = self.quiet(&end.alarm, scene.at) {
                look.hold(&why);
                facts.muted = true;
            } else if scene.mutes.flapping.contains(&id.fingerprint()) {
                facts.muted = true;
            } else {
                facts.ended = true;
                facts.closed &= end.closed;
                look.ends.push(*id);
            }
        }
    }

    /// A notice shows what else fires, unmuted.
    fn add_rest(&self, rest: Vec<AlarmId>, scene: Scene<'_>, look: &mut Look) {
        for id in rest {
            let live = scene.alarms.get(&id);
            let Some(alarm) = live.and_then(|live| scene.views.view(id, live)) else { continue };
            if self.against(id, &alarm, scene).is_empty() {
                look.firing.push((id, alarm, false));
            }
        }
    }

    /// Whether others are to be told of an alarm that the sink was told of.
    fn consider_escalation(
        &self,
        id: AlarmId,
        live: &Live,
        member: Member,
        scene: Scene<'_>,
        look: &mut Look,
    ) {
        let Some(escalate) = self.route.escalate.as_ref() else { return };
        if member.told.is_none() || member.escalated {
            return;
        }
        let due = member.since.after(escalate.after);
        if due > scene.at {
            look.escalates = look.escalates.into_iter().chain([due]).min();
            return;
        }
        let Some(alarm) = scene.views.view(id, live) else { return };
        let mut against = scene.mutes.against(id, &alarm, scene.alarms, scene.at);
        let stops = |why: &Why| escalate.unless_acknowledged || !matches!(why, Why::Handled { .. });
        match against.find(stops) {
            None => look.escalated.push(id),
            // It is looked at again when that ends; of the pace of an alarm that is known.
            Some(why) if member.why == 0 && why != Why::Flapping => {
                look.withheld.push((id, Some(why)));
            }
            Some(_) => {}
        }
    }
}

impl Facts {
    /// Takes an unmuted alarm in.
    pub(super) fn see(&mut self, member: Member, severity: Severity, is_time: bool) {
        match (member.again, member.told) {
            (Some(Again::Reopened), _) => self.reopened = true,
            (Some(Again::Escalated | Again::EscalatedAnyway), _) => self.escalated = true,
            (_, None) => self.new = true,
            (_, Some(told)) if told < severity => self.worse = true,
            (_, Some(told)) if told > severity => self.better = true,
            (Some(Again::Settled), Some(_)) => self.repeat = true,
            (None, Some(_)) => self.repeat |= is_time,
        }
    }
}

impl Look {
    fn hold(&mut self, why: &Why) {
        if let Why::Quiet { until, .. } = why {
            self.quiet = self.quiet.into_iter().chain(*until).min();
        }
    }
}
