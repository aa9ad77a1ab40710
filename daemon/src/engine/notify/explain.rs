//! Explain: why a sink is told of an alarm or not, and what it is told next.

use haetae_plugin::{Reason, Timestamp};

use super::{
    Explanation, Why,
    active::Views,
    dedup::{Verdict, verdict},
    group_state::Scene,
    notifier::Notifier,
    sink_groups::{Group, SinkGroups},
};
use crate::engine::{AlarmView, alarm::id::AlarmId};

impl Notifier {
    /// What is known of an alarm, sink by sink.
    pub(in crate::engine) fn explain(
        &self,
        alarm: &str,
        at: Timestamp,
        views: Views<'_>,
    ) -> Vec<Explanation> {
        let Some(id) = AlarmId::parse(alarm) else { return Vec::new() };
        let scene = Scene { alarms: &self.alarms, mutes: &self.mutes, views, at };
        let starting = self.start.until.filter(|_| self.is_starting(at));
        self.sinks.iter().filter_map(|sink| sink.explain(id, starting, scene)).collect()
    }
}

impl Notifier {
    /// What mutes an alarm for every sink alike, but for how it is handled.
    pub(in crate::engine) fn muted(&self, alarm: &AlarmView, at: Timestamp) -> Vec<Why> {
        let Some(id) = AlarmId::parse(&alarm.id).filter(|id| self.alarms.contains_key(id)) else {
            return Vec::new();
        };
        let against = self.mutes.against(id, alarm, &self.alarms, at);
        against.filter(|why| !matches!(why, Why::Handled { .. })).collect()
    }
}

impl SinkGroups {
    fn explain(
        &self,
        id: AlarmId,
        starting: Option<Timestamp>,
        scene: Scene<'_>,
    ) -> Option<Explanation> {
        let Some(active) = scene.alarms.get(&id) else {
            return self.explain_end(id, starting, scene);
        };
        let alarm = scene.views.view(id, active)?;
        let mut against = self.against(id, &alarm, scene);
        against.extend(starting.map(|until| Why::Starting { until }));
        let member = self.members.get(&id);
        let group = member.and_then(|member| self.groups.get(&member.group));
        let place = self.route.place.clone();
        let mut next = None;
        if let (Some(member), Some(group)) = (member, group) {
            let unmuted =
                against.iter().try_fold(scene.at, |latest, why| Some(latest.max(until(why)?)));
            let announces = self.announces(id, scene);
            let is_news = announces || member.is_news(active.severity());
            let due = if is_news {
                Some(self.may_flush(member.group, scene.at))
            } else {
                self.repeat_at(member.group)
            };
            if is_news {
                let due = group.due.into_iter().chain(due).max()?.max(scene.at);
                if against.is_empty() {
                    against.push(Why::Grouped { place: place.clone(), due });
                }
            } else if let Some((notified, _)) = group.notified {
                against.push(Why::RepeatNotDue { place: place.clone(), notified, due });
            }
            let mut facts = self.facts(member.group);
            facts.flapping = announces;
            facts.see(*member, alarm.severity, true);
            if let (Some(unmuted), Some(due), Verdict::Notify(reason)) =
                (unmuted, due, verdict(&facts))
            {
                next = Some((unmuted.max(due), reason));
            }
        }
        Some(Explanation {
            sink: self.route.sink.clone(),
            place,
            notified: group
                .filter(|_| member.is_some_and(|it| it.notified.is_some()))
                .and_then(|it| it.notified),
            group: group.map(Group::key),
            against,
            next,
        })
    }

    /// What is known of one that is over: that it is yet to be told.
    fn explain_end(
        &self,
        id: AlarmId,
        starting: Option<Timestamp>,
        scene: Scene<'_>,
    ) -> Option<Explanation> {
        let at = scene.at;
        let ((number, _), end) = self.ends.iter().find(|((_, ended), _)| *ended == id)?;
        let (group, place) = (self.groups.get(number)?, self.route.place.clone());
        let due = self.may_flush(*number, at).max(at);
        let mut against = vec![Why::Grouped { place: place.clone(), due }];
        against.extend(self.quiet(&end.alarm, at));
        let flaps = scene.mutes.flapping.contains(&id.fingerprint());
        against.extend(flaps.then_some(Why::Flapping));
        against.extend(starting.map(|until| Why::Starting { until }));
        let unmuted = against.iter().try_fold(due, |latest, why| Some(latest.max(until(why)?)));
        let reason = if end.closed { Reason::Closed } else { Reason::Resolved };
        Some(Explanation {
            sink: self.route.sink.clone(),
            place,
            group: Some(group.key()),
            notified: group.notified,
            against,
            next: unmuted.map(|due| (due, reason)),
        })
    }
}

/// Until when something stands against it, if that is known.
const fn until(why: &Why) -> Option<Timestamp> {
    match why {
        Why::Silenced { until, .. }
        | Why::Maintenance { until, .. }
        | Why::Handled { until, .. }
        | Why::Quiet { until, .. } => *until,
        Why::Grouped { due, .. } => Some(*due),
        Why::RepeatNotDue { due, .. } => *due,
        Why::Starting { until } => Some(*until),
        Why::NotWanted { .. }
        | Why::Inhibited { .. }
        | Why::SourceDown { .. }
        | Why::Flapping
        | Why::Ended => None,
    }
}
