//! Groups of one sink: who is in them, and what the sink knows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use haetae_plugin::{Reason, Timestamp};

use super::{
    GroupBy, Route, Why, Withheld,
    pending::{Pending, Timer},
    rows::{Again, End, GroupRow, GroupState, Member, MemberRow, hash},
};
use crate::engine::{
    AlarmView, SYSTEM,
    alarm::id::AlarmId,
    mute::fits::{fits, label},
};

/// The most bytes of a text that makes a group.
const LONGEST: usize = 500;

/// A sink and its groups.
#[derive(Debug)]
pub(super) struct SinkGroups {
    pub(super) route: Route,
    /// Its place among all.
    pub(super) index: usize,
    pub(super) groups: BTreeMap<u32, Group>,
    /// Groups by what makes them.
    open: BTreeMap<Arc<str>, u32>,
    pub(super) members: BTreeMap<AlarmId, Member>,
    /// The same by group.
    pub(super) within: BTreeSet<(u32, AlarmId)>,
    /// Ends that are owed, by group.
    pub(super) ends: BTreeMap<(u32, AlarmId), End>,
    /// Fingerprints of alarms of which it was told that they come and go.
    pub(super) announced: BTreeSet<u64>,
    /// When it was told last.
    pub(super) recent: VecDeque<Timestamp>,
    /// Groups that wait because it was told too much.
    pub(super) waiting: BTreeSet<u32>,
    /// Groups that were over, and when.
    pub(super) over: BTreeSet<(Timestamp, u32)>,
    next: u32,
}

/// A group of alarms.
#[derive(Debug)]
pub(super) struct Group {
    /// What makes it.
    text: Arc<str>,
    /// Whether that is its key too: no later group is made by the same.
    bare: bool,
    pub(super) opened: Timestamp,
    /// The last notice about it.
    pub(super) notified: Option<(Timestamp, Reason)>,
    /// How often it was repeated since it told something new.
    pub(super) step: u32,
    /// When it is looked at next.
    pub(super) due: Option<Timestamp>,
}

impl Group {
    pub(super) fn key(&self) -> String {
        if self.bare {
            return (*self.text).into();
        }
        format!("{}@{}", self.text, self.opened.nanos())
    }
}

impl SinkGroups {
    pub(super) const fn new(route: Route, index: usize) -> Self {
        Self {
            route,
            index,
            groups: BTreeMap::new(),
            open: BTreeMap::new(),
            members: BTreeMap::new(),
            within: BTreeSet::new(),
            ends: BTreeMap::new(),
            announced: BTreeSet::new(),
            recent: VecDeque::new(),
            waiting: BTreeSet::new(),
            over: BTreeSet::new(),
            next: 0,
        }
    }

    /// Whether the sink is told of an alarm at all.
    pub(super) fn wants(&self, alarm: &AlarmView) -> bool {
        let Route { sink, inputs, system, matchers, .. } = &self.route;
        // An alarm about a sink is of no use to that sink.
        if alarm.evaluator == SYSTEM && alarm.labels.get("instance") == Some(sink) {
            return false;
        }
        let named = match alarm.evaluator.as_str() {
            SYSTEM => *system,
            evaluator => inputs.binary_search_by(|one| one.as_str().cmp(evaluator)).is_ok(),
        };
        named && fits(matchers, alarm)
    }

    /// Whether its groups wait for nothing.
    const fn is_prompt(&self) -> bool {
        let Route { group_by, group_wait, group_interval, .. } = &self.route;
        matches!(group_by, GroupBy::Alarm) && group_wait.is_zero() && group_interval.is_zero()
    }

    /// An alarm fires that is in no group.
    pub(super) fn join(
        &mut self,
        id: AlarmId,
        alarm: &AlarmView,
        now: Timestamp,
        pending: &mut Pending,
    ) {
        let (text, bare) = match &self.route.group_by {
            GroupBy::Alarm => (id.to_string(), true),
            GroupBy::Labels(names) => (text(names, alarm), false),
        };
        let group = self.open(&text, bare, now, pending);
        self.enter(id, Member { group, ..Member::default() });
    }

    /// The group that a text makes.
    pub(super) fn open(
        &mut self,
        text: &str,
        bare: bool,
        now: Timestamp,
        pending: &mut Pending,
    ) -> u32 {
        if let Some(number) = self.open.get(text) {
            return *number;
        }
        let number = self.insert(text, bare, now);
        self.store_group(number, pending);
        number
    }

    fn insert(&mut self, text: &str, bare: bool, opened: Timestamp) -> u32 {
        while self.groups.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let (number, text) = (self.next, Arc::<str>::from(text));
        self.next = self.next.wrapping_add(1);
        self.open.insert(Arc::clone(&text), number);
        self.groups
            .insert(number, Group { text, bare, opened, notified: None, step: 0, due: None });
        number
    }

    pub(super) fn enter(&mut self, id: AlarmId, member: Member) {
        self.within.insert((member.group, id));
        self.members.insert(id, member);
    }

    /// Goes on with a group as it was stored.
    pub(super) fn recall_group(&mut self, row: &GroupRow) -> u32 {
        let number = self.insert(&row.text, row.bare, row.opened);
        if let Some(group) = self.groups.get_mut(&number) {
            (group.notified, group.step) = (row.notified, row.step);
        }
        number
    }

    /// Looks at the group of an alarm as soon as it may be told of.
    pub(super) fn wake_alarm(&mut self, id: AlarmId, now: Timestamp, pending: &mut Pending) {
        if let Some(group) = self.members.get(&id).map(|member| member.group) {
            self.wake(group, now, pending);
        }
    }

    /// Looks at a group as soon as it may be told of.
    pub(super) fn wake(&mut self, number: u32, now: Timestamp, pending: &mut Pending) {
        let Some(group) = self.groups.get(&number) else { return };
        if self.waiting.contains(&number) {
            return;
        }
        let due = self.may_flush(number, now).max(now);
        if group.due.is_none_or(|known| due < known) {
            self.schedule(number, Some(due), pending);
        }
        if self.is_prompt() && due <= now {
            pending.urgent.insert((self.index, number));
        }
    }

    /// From when on a group may be told of; what lies in the future is of a clock that went back.
    pub(super) fn may_flush(&self, number: u32, now: Timestamp) -> Timestamp {
        let Route { group_wait, group_interval, .. } = self.route;
        self.groups.get(&number).map_or_else(Timestamp::default, |group| match group.notified {
            None => group.opened.min(now).after(group_wait),
            Some((at, _)) => at.min(now).after(group_interval),
        })
    }

    /// Looks at a group then, and not before.
    pub(super) fn schedule(&mut self, number: u32, due: Option<Timestamp>, pending: &mut Pending) {
        let Some(group) = self.groups.get_mut(&number) else { return };
        let timer = Timer::Group(self.index, number);
        if let Some(before) = std::mem::replace(&mut group.due, due) {
            pending.timers.remove(&(before, timer));
        }
        pending.timers.extend(due.map(|due| (due, timer)));
    }

    /// Looks at all groups with something that is held back.
    pub(super) fn wake_withheld(&mut self, now: Timestamp, pending: &mut Pending) {
        let withheld = self.members.values().filter(|member| member.why != 0);
        let held = withheld.map(|member| member.group).chain(self.ends.keys().map(|(it, _)| *it));
        for number in held.collect::<BTreeSet<_>>() {
            self.wake(number, now, pending);
        }
    }

    /// An alarm ended; if the sink knows of it, the end is owed.
    pub(super) fn end(
        &mut self,
        id: AlarmId,
        end: Option<(AlarmView, bool)>,
        now: Timestamp,
        pending: &mut Pending,
    ) {
        let Some(member) = self.leave(id) else { return };
        let key = (member.group, id);
        if member.notified.is_none() && member.why != 0 && end.is_some() {
            let (sink, alarm, why) = (self.route.sink.clone(), id.to_string(), Some(Why::Ended));
            pending.withhold(Withheld { sink, alarm, why, at: now });
        }
        if let (Some(notified), Some((alarm, closed)), true) =
            (member.notified, end, self.route.resolved)
        {
            let since = member.since;
            self.ends.insert(key, End { alarm: Box::new(alarm), closed, notified, since });
        }
        self.store_member(member.group, id, pending);
        self.wake(member.group, now, pending);
        self.close_with_the_moment(member.group, now, pending);
    }

    /// A person is done with an alarm: to the sink that is its end.
    pub(super) fn close(&mut self, id: AlarmId, alarm: AlarmView, pending: &mut Pending) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let Member { group, since, .. } = *member;
        member.again = None;
        if let (Some(notified), true) = (member.notified.take(), self.route.resolved) {
            let alarm = Box::new(alarm);
            self.ends.insert((group, id), End { alarm, closed: true, notified, since });
        }
        self.store_member(group, id, pending);
    }

    /// It is not: if the sink has not heard of the end, there was none. While it was closed the
    /// sink may have ceased to want it.
    pub(super) fn reopen(&mut self, id: AlarmId, again: Option<Again>, pending: &mut Pending) {
        let owed = self.ends.keys().find(|(_, one)| *one == id).map(|(group, _)| *group);
        let joined = self.members.get(&id).map(|member| member.group);
        if let Some(group) = owed.filter(|group| joined != Some(*group)) {
            // With other groups since a restart, it may have joined one of those.
            let before = self.leave(id);
            if let Some(Member { group, .. }) = before {
                self.store_member(group, id, pending);
                self.close_if_over(group, pending);
            }
            self.enter(id, Member { group, ..before.unwrap_or_default() });
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        if let Some(end) = self.ends.remove(&(member.group, id)) {
            (member.notified, member.since) = (Some(end.notified), end.since);
        } else {
            member.again = again;
        }
        let group = member.group;
        self.store_member(group, id, pending);
    }

    /// An alarm is in no group any more.
    pub(super) fn leave(&mut self, id: AlarmId) -> Option<Member> {
        let member = self.members.remove(&id)?;
        self.within.remove(&(member.group, id));
        Some(member)
    }

    /// A group of labels that is over now may be joined yet: which of an end and a beginning comes
    /// first within a moment decides nothing.
    fn close_with_the_moment(&mut self, number: u32, now: Timestamp, pending: &mut Pending) {
        if self.groups.get(&number).is_some_and(|group| group.bare) {
            self.close_if_over(number, pending);
        } else if self.is_over(number) {
            self.over.insert((now, number));
        }
    }

    /// Closes what was over in a moment before this one.
    pub(super) fn close_before(&mut self, now: Timestamp, pending: &mut Pending) {
        while let Some((_, number)) = self.over.first().filter(|(at, _)| *at < now).copied() {
            self.over.pop_first();
            self.close_if_over(number, pending);
        }
    }

    fn is_over(&self, number: u32) -> bool {
        let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
        self.within.range(all.clone()).next().is_none() && self.ends.range(all).next().is_none()
    }

    /// A group without alarms that owes nothing is over.
    pub(super) fn close_if_over(&mut self, number: u32, pending: &mut Pending) {
        if !self.is_over(number) {
            return;
        }
        self.schedule(number, None, pending);
        self.waiting.remove(&number);
        if let Some(group) = self.groups.remove(&number) {
            if self.open.get(&group.text) == Some(&number) {
                self.open.remove(&group.text);
            }
            pending.forget(&self.route.sink, group.key());
        }
    }

    pub(super) fn store_group(&self, number: u32, pending: &mut Pending) {
        let Some(group) = self.groups.get(&number) else { return };
        let Group { bare, opened, notified, step, .. } = *group;
        let row = GroupRow { text: (*group.text).into(), bare, opened, notified, step };
        pending.store(&self.route.sink, group.key(), GroupState::Group(row));
    }

    /// Stores what is known of an alarm in a group, if there is something to know.
    pub(super) fn store_member(&self, number: u32, id: AlarmId, pending: &mut Pending) {
        let Some(group) = self.groups.get(&number) else { return };
        let key = format!("{}#{id}", group.key());
        let member = self.members.get(&id).filter(|member| member.group == number);
        let end = self.ends.get(&(number, id)).cloned();
        // One that was handed on is in no group that would be found again without its row.
        let matters = |member: &&Member| {
            let Member { notified, again, why, foreign, .. } = **member;
            notified.is_some() || again.is_some() || why != 0 || foreign
        };
        let member = member.filter(matters).copied();
        if member.is_none() && end.is_none() {
            return pending.forget(&self.route.sink, key);
        }
        let row = MemberRow { member: member.unwrap_or_default(), end };
        pending.store(&self.route.sink, key, GroupState::Member(row));
    }

    /// The group with a key.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        let timed = key.rsplit_once('@').map_or(key, |(text, _)| text);
        let mut numbers = [timed, key].into_iter().filter_map(|text| self.open.get(text));
        numbers.find(|number| self.groups.get(number).is_some_and(|it| it.key() == key)).copied()
    }
}

/// The key of a digest.
pub(super) fn digest_key(at: Timestamp) -> String {
    format!("digest@{}", at.nanos())
}

/// `evaluator="cpu",host="a"`: those labels of an alarm. A very long text is cut, so that whatever
/// it is a key of can be looked up by it.
fn text(names: &[String], alarm: &AlarmView) -> String {
    let value = |name: &str| label(alarm, name).unwrap_or_default().to_owned();
    let pairs = names.iter().map(|name| format!("{name}={:?}", value(name)));
    let text = pairs.collect::<Vec<_>>().join(",");
    if text.len() <= LONGEST {
        return text;
    }
    let (start, _) = text.split_at(text.floor_char_boundary(LONGEST));
    format!("{start}…{:016x}", hash(text.as_bytes()))
}
