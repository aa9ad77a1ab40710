//! Due: the groups whose turn it is, told in parts where nothing depends on the others.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use haetae_plugin::Timestamp;

use super::{
    active::Views,
    group_state::Scene,
    notifier::Notifier,
    pending::Timer,
    sink_groups::{Group, SinkGroups},
};
use crate::engine::{
    Effects,
    progress::{PART, Progress},
};

/// How often what one sink is told may lead to what another one is told, in one moment.
const MOST_ROUNDS: usize = 8;

impl Notifier {
    /// Tells what was due before this moment. What is due in it waits until it is over, so that
    /// nothing depends on what of it came first.
    pub(in crate::engine) fn due(&mut self, now: Timestamp, views: Views<'_>) -> Progress {
        let at = now.before(Duration::from_nanos(1));
        for sink in &mut self.sinks {
            sink.close_before(now, &mut self.pending);
        }
        loop {
            if self.due.is_empty() {
                self.rounds += 1;
                if self.rounds > MOST_ROUNDS || self.is_starting(at) {
                    break;
                }
                let groups = self.ring_before(now, at, views);
                self.due = self.in_order(groups);
            }
            if self.due.is_empty() {
                break;
            }
            self.attempt_part(at, views);
            if !self.due.is_empty() {
                return Progress::More;
            }
        }
        self.rounds = 0;
        Progress::Done
    }

    /// Tells what waits for nothing. While the moment is not `whole`, an alarm to come may mute
    /// others: only what can't be muted so is told.
    pub(in crate::engine) fn prompt(
        &mut self,
        now: Timestamp,
        whole: bool,
        views: Views<'_>,
    ) -> Progress {
        if self.due.is_empty() {
            let mut groups = std::mem::take(&mut self.pending.urgent);
            if self.is_starting(now) {
                return Progress::Done;
            }
            if !whole {
                let known = !self.mutes.inhibits.is_any();
                let later = |(sink, _): &(usize, u32)| !known || !self.is_independent(*sink);
                self.pending.urgent = groups.extract_if(.., later).collect();
            }
            self.due = self.in_order(groups);
        }
        // What telling makes urgent is for the next step.
        if !self.due.is_empty() {
            self.attempt_part(now, views);
        }
        if self.due.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Whether what a sink is told of a group depends on no other group.
    fn is_independent(&self, sink: usize) -> bool {
        let hands_on = |sink: &SinkGroups| sink.route.escalate.is_some();
        let is_free = |sink: &SinkGroups| sink.route.rate.most == 0;
        self.sinks.get(sink).is_some_and(is_free) && !self.sinks.iter().any(hands_on)
    }

    /// Groups as they are told: those that are told in parts first, by key, since their numbers tell
    /// who came first within a moment.
    fn in_order(&self, groups: BTreeSet<(usize, u32)>) -> VecDeque<(usize, u32)> {
        let independent: Vec<_> =
            (0..self.sinks.len()).map(|sink| self.is_independent(sink)).collect();
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_cached_key(|(sink, number)| {
            let key = self.sinks.get(*sink).and_then(|it| it.groups.get(number)).map(Group::key);
            (independent.get(*sink) == Some(&false), *sink, key)
        });
        groups.into()
    }

    /// Tells a part of the groups whose turn it is: some of those that are independent, or all others.
    fn attempt_part(&mut self, at: Timestamp, views: Views<'_>) {
        let first = self.due.iter().take(PART);
        let independent = first.take_while(|(sink, _)| self.is_independent(*sink)).count();
        let count = if independent > 0 { independent } else { self.due.len() };
        let part = self.due.drain(..count).collect();
        self.attempt(&part, at, views);
    }

    /// The groups whose time has come.
    fn ring_before(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        views: Views<'_>,
    ) -> BTreeSet<(usize, u32)> {
        let mut groups = BTreeSet::new();
        while let Some(timer) = self.pending.ring_before(now) {
            match timer {
                Timer::Group(sink, number) => {
                    groups.insert((sink, number));
                }
                other => self.ring(other, at, views, &mut groups),
            }
        }
        groups
    }

    /// When it is to be asked again at the latest.
    pub(in crate::engine) fn next_due(&self) -> Option<Timestamp> {
        let over = |at: &Timestamp| at.after(Duration::from_nanos(1));
        let until = self.start.until.filter(|_| !self.start.unheard.is_empty());
        let first = self.pending.timers.first().map(|(at, _)| over(at));
        let first = first.map(|first| until.map_or(first, |until| first.max(over(&until))));
        let closes = self.sinks.iter().filter_map(|sink| sink.over.first());
        closes.map(|(at, _)| over(at)).chain(first).min()
    }

    /// What it led to.
    pub(in crate::engine) fn drain(&mut self, effects: &mut Effects) {
        self.pending.drain(effects);
    }

    pub(super) fn is_starting(&self, at: Timestamp) -> bool {
        !self.start.unheard.is_empty() && self.start.until.is_some_and(|until| at < until)
    }

    fn ring(
        &mut self,
        timer: Timer,
        at: Timestamp,
        views: Views<'_>,
        groups: &mut BTreeSet<(usize, u32)>,
    ) {
        match timer {
            Timer::Handling(id) => {
                let before = self.mutes.handlings.get(&id);
                if let Some(handling) = before.and_then(|handling| handling.after_time(at)) {
                    self.pending.handled.push((id.to_string(), handling.clone()));
                    self.set_handling(id, handling, None, at, views);
                }
            }
            Timer::Silences => {
                self.wake_withheld(at);
                self.watch_silences(at);
            }
            Timer::Quiet(sink) => {
                if let Some(sink) = self.sinks.get_mut(sink) {
                    sink.wake_withheld(at, &mut self.pending);
                }
            }
            Timer::Rate(index) => {
                if let Some(sink) = self.sinks.get(index) {
                    groups.extend(sink.waiting.iter().map(|number| (index, *number)));
                }
            }
            Timer::Group(..) => {}
        }
    }

    fn attempt(&mut self, groups: &BTreeSet<(usize, u32)>, at: Timestamp, views: Views<'_>) {
        let Self { alarms, mutes, sinks, pending, .. } = self;
        let scene = Scene { alarms, mutes, views, at };
        // Those that hand alarms on come first, so that whoever takes them over is told once.
        let hands_on =
            |index: &usize| sinks.get(*index).is_none_or(|it| it.route.escalate.is_none());
        let mut order: Vec<_> = (0..sinks.len()).collect();
        order.sort_by_key(hands_on);
        for index in order {
            let Some(sink) = sinks.get_mut(index) else { continue };
            let own = groups.range((index, 0)..=(index, u32::MAX)).map(|(_, number)| *number);
            let own: Vec<_> = own.collect();
            for number in &own {
                sink.schedule(*number, None, pending);
            }
            if own.is_empty() {
                continue;
            }
            let alarms = sink.attempt(own, scene, pending);
            let Some(escalate) = sink.route.escalate.clone().filter(|_| !alarms.is_empty()) else {
                continue;
            };
            let from = sink.route.sink.clone();
            if let Some(sink) = sinks.iter_mut().find(|sink| sink.route.sink == escalate.to) {
                sink.take_over(&from, &escalate, &alarms, at, pending);
            }
        }
    }
}
