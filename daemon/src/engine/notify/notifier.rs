//! Notifier: takes what alarms do and what people say of them, and hands it to the sinks' groups.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use haetae_plugin::{Severity, Timestamp};

use super::{
    Inhibit, Route,
    active::{ActiveAlarm, Views},
    pending::{Pending, Timer},
    rows::{Again, Member},
    sink_groups::SinkGroups,
    start::Start,
};
use crate::engine::{
    AlarmView, Change, Effects, Handling, Silence, Transition,
    alarm::{handling::HandlingState, id::AlarmId, labels::Labels},
    mute::reasons::Mutes,
};

/// Why a person ended an alarm.
pub(in crate::engine) const CLOSED: &str = "closed";

/// Who is told what and when.
#[derive(Debug, Default)]
pub(in crate::engine) struct Notifier {
    pub(super) alarms: BTreeMap<AlarmId, ActiveAlarm>,
    /// The names of evaluators, each once.
    names: BTreeSet<Arc<str>>,
    pub(super) mutes: Mutes,
    pub(super) sinks: Vec<SinkGroups>,
    pub(super) pending: Pending,
    pub(super) start: Start,
    /// Groups whose turn it is, in a step that goes on.
    pub(super) due: VecDeque<(usize, u32)>,
    /// How often that led to more that is due.
    pub(super) rounds: usize,
}

impl Notifier {
    /// Replaces what the configuration says. Sinks that stay go on with their groups.
    pub(in crate::engine) fn configure(
        &mut self,
        routes: Vec<Route>,
        (inhibits, maintenance): (Vec<Inhibit>, Vec<Silence>),
        reads: BTreeMap<String, Vec<String>>,
        now: Timestamp,
        views: Views<'_>,
    ) {
        self.mutes.configure(inhibits, maintenance, reads);
        self.pending.timers.retain(|(_, timer)| matches!(timer, Timer::Handling(_)));
        self.pending.urgent.clear();
        let mut before = std::mem::take(&mut self.sinks);
        for (index, mut route) in routes.into_iter().enumerate() {
            // Each alarm is looked up there.
            route.inputs.sort_unstable();
            let known = before.iter().position(|sink| sink.route.sink == route.sink);
            let mut sink = match known.map(|at| before.swap_remove(at)) {
                Some(mut sink) => {
                    (sink.route, sink.index) = (route, index);
                    sink
                }
                None => SinkGroups::new(route, index),
            };
            sink.go_on_all(now, &mut self.pending);
            self.sinks.push(sink);
        }
        for sink in before {
            sink.forget(&mut self.pending);
        }
        let alarms = std::mem::take(&mut self.alarms);
        for (id, active) in &alarms {
            let Some(alarm) = views.view(*id, active) else { continue };
            self.mutes.add(*id, &alarm);
            self.offer(*id, &alarm, now);
        }
        self.alarms = alarms;
        self.watch_silences(now);
    }

    /// People silence this now, and nothing else.
    pub(in crate::engine) fn silence(&mut self, silences: Vec<Silence>, now: Timestamp) {
        self.mutes.silences = silences;
        self.watch_silences(now);
        self.wake_withheld(now);
    }

    /// A person handled an alarm: it stands so now.
    pub(in crate::engine) fn handle(
        &mut self,
        alarm: &str,
        handling: Handling,
        now: Timestamp,
        views: Views<'_>,
    ) {
        let Some(id) = AlarmId::parse(alarm).filter(|id| self.alarms.contains_key(id)) else {
            return;
        };
        let again = Some(Again::Reopened);
        self.set_handling(id, handling, again, now, views);
    }

    pub(super) fn set_handling(
        &mut self,
        id: AlarmId,
        handling: Handling,
        again: Option<Again>,
        now: Timestamp,
        views: Views<'_>,
    ) {
        let closed = |handling: &Handling| matches!(handling.state, HandlingState::Closed { .. });
        let (is, expires) = (closed(&handling), handling.expires());
        let before = self.mutes.handlings.insert(id, handling);
        let was = before.as_ref().is_some_and(closed);
        let timer = Timer::Handling(id);
        if let Some(before) = before.and_then(|before| before.expires()) {
            self.pending.timers.remove(&(before, timer));
        }
        self.pending.timers.extend(expires.map(|at| (at, timer)));
        let view = self.alarms.get(&id).and_then(|active| views.view(id, active));
        for sink in &mut self.sinks {
            match (was, is, &view) {
                (false, true, Some(view)) => {
                    sink.close(id, view.clone().over(now, CLOSED), &mut self.pending);
                }
                (true, false, _) => sink.reopen(id, again, &mut self.pending),
                _ => {}
            }
            sink.wake_alarm(id, now, &mut self.pending);
        }
        // While it was closed it may have become one that a sink does not want.
        if let (true, Some(view)) = (was && !is, &view) {
            self.offer(id, view, now);
        }
    }

    /// A source has spoken, or is known to be down.
    pub(in crate::engine) fn heard(&mut self, source: &str) {
        self.start.unheard.remove(source);
    }

    /// Takes what alarms did in a step.
    pub(in crate::engine) fn take(&mut self, effects: &Effects, now: Timestamp, views: Views<'_>) {
        let (mut flapping, mut ended) = (BTreeSet::new(), false);
        for transition in &effects.transitions {
            let Transition { alarm, change, .. } = transition;
            let Some(id) = AlarmId::parse(&alarm.id) else { continue };
            if change.is_flapping() {
                self.note_flapping(id, *change, &mut flapping);
                continue;
            }
            let row = effects.standings.binary_search_by(|row| row.alarm.id.cmp(&alarm.id));
            let row = row.ok().and_then(|at| effects.standings.get(at));
            let labels = row.map_or(&alarm.labels, |row| &row.labels);
            if change.is_end() {
                self.end(id, transition, now);
                ended = true;
            } else {
                let labels = Labels::from(labels);
                let has = views.has(&alarm.evaluator, &labels, id);
                self.fire(id, alarm, labels, has, now);
                self.change_handling(id, *change, now, views);
                self.offer(id, alarm, now);
            }
            // Nothing is left that could settle it.
            if *change == Change::Closed && self.mutes.flapping.contains(&id.fingerprint()) {
                self.note_flapping(id, Change::Settled, &mut flapping);
            }
        }
        // Once, however many of them ended.
        if ended && self.mutes.ends_with_alarms() {
            self.wake_withheld(now);
        }
        self.forget_flapping(effects, &mut flapping);
        self.wake_flapping(&flapping, now);
    }

    /// An alarm fires, maybe with another severity than before; whether its evaluator `has` it.
    pub(super) fn fire(
        &mut self,
        id: AlarmId,
        alarm: &AlarmView,
        labels: Labels,
        has: bool,
        now: Timestamp,
    ) {
        let critical = alarm.severity == Severity::Critical;
        let evaluator = self.name(&alarm.evaluator);
        let kept = (!has).then(|| Box::new(alarm.clone()));
        if let Some(before) =
            self.alarms.insert(id, ActiveAlarm { evaluator, labels, kept, critical })
        {
            let before = AlarmView { severity: before.severity(), ..alarm.clone() };
            let freed = self.mutes.remove(id, &before);
            self.mutes.add(id, alarm);
            self.wake_freed(freed, now);
        } else {
            self.mutes.add(id, alarm);
        }
    }

    /// Puts an alarm into the groups of the sinks that want it.
    pub(super) fn offer(&mut self, id: AlarmId, alarm: &AlarmView, now: Timestamp) {
        for sink in &mut self.sinks {
            let wants = sink.wants(alarm);
            match sink.members.get(&id) {
                None if !wants => continue,
                None => sink.join(id, alarm, now, &mut self.pending),
                Some(Member { notified: None, foreign: false, .. }) if !wants => {
                    sink.end(id, None, now, &mut self.pending);
                    continue;
                }
                Some(_) => {}
            }
            sink.wake_alarm(id, now, &mut self.pending);
        }
    }

    fn end(&mut self, id: AlarmId, transition: &Transition, now: Timestamp) {
        let alarm = &transition.alarm;
        // One that is closed at the start was never taken up again.
        let severity = self.alarms.remove(&id).map_or(alarm.severity, |active| active.severity());
        let before = AlarmView { severity, ..alarm.clone() };
        let freed = self.mutes.remove(id, &before);
        if let Some(expires) = self.mutes.handlings.remove(&id).and_then(|it| it.expires()) {
            self.pending.timers.remove(&(expires, Timer::Handling(id)));
        }
        let closed = transition.change == Change::Closed;
        for sink in &mut self.sinks {
            sink.end(id, Some((alarm.clone(), closed)), now, &mut self.pending);
        }
        self.wake_freed(freed, now);
    }

    /// What was said of a lesser trouble does not hold for a worse one.
    fn change_handling(&mut self, id: AlarmId, change: Change, now: Timestamp, views: Views<'_>) {
        let before = self.mutes.handlings.get(&id);
        if let Some(handling) = before.and_then(|handling| handling.after_change(change)) {
            self.pending.handled.push((id.to_string(), handling.clone()));
            self.set_handling(id, handling, None, now, views);
        }
    }

    fn wake_freed(&mut self, (freed, more): (Vec<AlarmId>, bool), now: Timestamp) {
        for sink in &mut self.sinks {
            for id in &freed {
                sink.wake_alarm(*id, now, &mut self.pending);
            }
        }
        if more {
            self.wake_withheld(now);
        }
    }

    pub(super) fn wake_withheld(&mut self, now: Timestamp) {
        for sink in &mut self.sinks {
            sink.wake_withheld(now, &mut self.pending);
        }
    }

    pub(super) fn watch_silences(&mut self, now: Timestamp) {
        self.pending.timers.retain(|(_, timer)| *timer != Timer::Silences);
        let change = self.mutes.next_change(now);
        self.pending.timers.extend(change.map(|at| (at, Timer::Silences)));
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name = Arc::<str>::from(name);
        self.names.insert(Arc::clone(&name));
        name
    }
}
