//! Writing: what follows from effects, as one transaction.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
};

use haetae_plugin::{Reason, Timestamp};

use super::{
    recipient::{Recipient, Recipients},
    render::quantity,
    thread::answer,
};
use crate::{
    engine::{AlarmView, Effects, Transition, notify::Flush},
    store::{
        About, Claimed, HAETAE, JournalEvent, Notice, NoticeKind, Record, StoreError, Transaction,
    },
};

/// Ends that are written, and alarms whose notices are rendered, at once.
const CHUNK: usize = 512;
/// What is written for the dispatchers of sinks.
#[derive(Debug, Default)]
pub(super) struct WrittenRows {
    /// Rows to be handed over to the dispatcher of a sink, by its name.
    pub(super) held: BTreeMap<String, Vec<Claimed>>,
    /// Sinks that are to look for other rows.
    pub(super) past: BTreeSet<String>,
}

/// A transaction in the making.
pub(super) struct Writing<'a, 't> {
    now: Timestamp,
    transaction: &'a mut Transaction<'t>,
    recipients: &'a Recipients,
    written: WrittenRows,
}

/// What sinks know of what they are told here, before it is written.
#[derive(Default)]
struct Heard {
    /// Sinks and alarms of which they know, among those whose end is told.
    known: HashSet<(String, String)>,
    /// Sinks and groups of which they are told here.
    groups: HashSet<(String, String)>,
}

impl<'a, 't> Writing<'a, 't> {
    pub(super) fn new(
        now: Timestamp,
        transaction: &'a mut Transaction<'t>,
        recipients: &'a Recipients,
    ) -> Self {
        Self { now, transaction, recipients, written: WrittenRows::default() }
    }

    /// Writes all that follows; the answer is what to hand over to whom once it is durable.
    pub(super) fn all(mut self, effects: &[Effects]) -> Result<WrittenRows, StoreError> {
        self.alarms(effects)?;
        let cursors = effects.iter().flat_map(|one| &one.cursors);
        let cursors: BTreeMap<_, _> = cursors.map(|one| (one.of(), one)).collect();
        self.transaction.save_log_cursors(cursors.into_values())?;
        let transitions: Vec<_> = effects.iter().flat_map(|one| &one.transitions).collect();
        self.journal(&transitions)?;
        for one in effects {
            self.transaction.lapse(&one.handled, self.now)?;
        }
        self.withheld(effects)?;
        let groups = effects.iter().flat_map(|one| &one.groups);
        self.transaction.save_groups(groups)?;
        let flushes: Vec<_> = effects.iter().flat_map(|one| &one.flushes).collect();
        self.flushes(&flushes)?;
        // Who knows of the beginning and is told of the end by no group: that is written by now.
        let ends = transitions.iter().filter(|one| one.change.is_end());
        for batch_size in ends.copied().collect::<Vec<_>>().chunks(CHUNK) {
            self.ends(batch_size)?;
        }
        for rows in self.written.held.values_mut() {
            let roots = self.transaction.roots(rows.iter().map(|row| row.id.as_str()))?;
            answer(rows, roots);
        }
        Ok(self.written)
    }

    /// Alarms as they stand after all effects.
    fn alarms(&mut self, effects: &[Effects]) -> Result<(), StoreError> {
        let mut last = BTreeMap::new();
        for one in effects {
            let kept = one.standings.iter().map(|standing| (&standing.alarm.id, Some(standing)));
            last.extend(kept);
            last.extend(one.gone.iter().map(|id| (id, None)));
        }
        let gone = last.iter().filter(|(_, standing)| standing.is_none());
        let gone: Vec<_> = gone.map(|(id, _)| (*id).clone()).collect();
        self.transaction.save_alarms(last.into_values().flatten())?;
        self.transaction.forget_alarms(&gone)
    }

    fn journal(&mut self, transitions: &[&Transition]) -> Result<(), StoreError> {
        let records = transitions.iter().map(|one| Record {
            at: one.at,
            alarm: &one.alarm.id,
            actor: HAETAE,
            act: JournalEvent::Changed,
            detail: detail(one),
        });
        self.transaction.record_all(records)
    }

    /// Why sinks are not told.
    fn withheld(&mut self, effects: &[Effects]) -> Result<(), StoreError> {
        let recipients = self.recipients;
        let records = effects.iter().flat_map(|one| &one.withheld).filter_map(|withheld| {
            let detail = recipients.get(&withheld.sink)?.voice.withheld(withheld);
            let (at, alarm) = (withheld.at, withheld.alarm.as_str());
            Some(Record { at, alarm, actor: HAETAE, act: JournalEvent::Withheld, detail })
        });
        self.transaction.record_all(records)
    }

    /// What sinks are told, a row each.
    fn flushes(&mut self, flushes: &[&Flush]) -> Result<(), StoreError> {
        let mut heard = Heard::default();
        let mut ended = Vec::new();
        for flush in flushes {
            let over = flush.alarms.iter().filter(|alarm| alarm.ended.is_some());
            ended.extend(over.map(|alarm| (flush.sink.as_str(), alarm.id.as_str())));
        }
        let some_end = !ended.is_empty();
        heard.known = self.transaction.known(&ended)?;
        let mut rest = flushes;
        while !rest.is_empty() {
            let mut weight = 0;
            let full = rest.iter().position(|flush| {
                weight += flush.alarms.len();
                weight > CHUNK
            });
            let count = full.unwrap_or(rest.len()).max(1);
            let (batch_size, later) = rest.split_at(count);
            let mut wanted = Vec::new();
            for flush in batch_size {
                let pair = |alarm: &AlarmView| (flush.sink.clone(), alarm.id.clone());
                let Some((sink, flush)) = self.wanted(flush, &mut heard)? else { continue };
                if some_end {
                    let firing = flush.alarms.iter().filter(|alarm| alarm.ended.is_none());
                    heard.known.extend(firing.map(pair));
                }
                wanted.push((sink, flush));
            }
            self.enqueue(&wanted)?;
            rest = later;
        }
        Ok(())
    }

    /// What is to be told of a flush: an end only to those who know of the beginning, and
    /// nothing a second time to a sink that is behind.
    fn wanted<'b>(
        &mut self,
        flush: &'b Flush,
        heard: &mut Heard,
    ) -> Result<Option<(&'a Recipient, Cow<'b, Flush>)>, StoreError> {
        let Some(sink) = self.recipients.get(&flush.sink) else { return Ok(None) };
        let group = (flush.sink.clone(), flush.key.clone());
        if flush.reason == Reason::Repeat
            && (heard.groups.contains(&group)
                || !self.transaction.pending(&[(&flush.sink, &flush.key)])?.is_empty())
        {
            let why = "not told again: the sink is failing and an earlier notice still waits";
            self.unsaid(flush, flush.alarms.iter(), why)?;
            return Ok(None);
        }
        let unheard = |alarm: &&AlarmView| {
            let pair = (flush.sink.clone(), alarm.id.clone());
            alarm.ended.is_some() && !heard.known.contains(&pair)
        };
        let unheard: HashSet<_> =
            flush.alarms.iter().filter(unheard).map(|alarm| alarm.id.as_str()).collect();
        let mut flush = Cow::Borrowed(flush);
        if !unheard.is_empty() {
            let of = flush.alarms.iter().filter(|alarm| unheard.contains(alarm.id.as_str()));
            self.unsaid(&flush, of, "its end is not told: the beginning never arrived")?;
            flush.to_mut().alarms.retain(|alarm| !unheard.contains(alarm.id.as_str()));
        }
        if flush.alarms.is_empty() {
            return Ok(None);
        }
        heard.groups.insert(group);
        Ok(Some((sink, flush)))
    }

    /// Why alarms of a flush are not told.
    fn unsaid<'b>(
        &mut self,
        flush: &Flush,
        alarms: impl Iterator<Item = &'b AlarmView>,
        why: &str,
    ) -> Result<(), StoreError> {
        let records = alarms.map(|alarm| Record {
            at: flush.at,
            alarm: &alarm.id,
            actor: HAETAE,
            act: JournalEvent::Withheld,
            detail: format!("{}: {why}", flush.sink),
        });
        self.transaction.record_all(records)
    }

    fn enqueue(&mut self, flushes: &[(&'a Recipient, Cow<'_, Flush>)]) -> Result<(), StoreError> {
        let mut behind = self.behind(flushes)?;
        let mut notices = Vec::new();
        let mut free = BTreeMap::new();
        for (sink, flush) in flushes {
            let name = sink.plan.name.as_str();
            let left = free.entry(name).or_insert_with(|| self.free_in_handoff(sink));
            // It is the first of its thread, and what comes after it is not.
            let first = behind.insert((name.into(), flush.key.clone()));
            let held = *left > 0 && first && flush.reason == Reason::First;
            *left -= usize::from(held);
            if !held {
                self.written.past.insert(name.into());
            }
            let lease = held.then(|| sink.lease(self.now));
            notices.push(Notice { lease, ..notice(sink, flush, self.now) });
        }
        for row in self.transaction.enqueue(notices, self.now)? {
            self.written.held.entry(row.sink.clone()).or_default().push(row);
        }
        Ok(())
    }

    /// Sinks and groups of which something waits already, among those that may be held.
    fn behind(
        &mut self,
        flushes: &[(&'a Recipient, Cow<'_, Flush>)],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let mut groups = Vec::new();
        for (sink, flush) in flushes {
            if flush.reason == Reason::First && self.free_in_handoff(sink) > 0 {
                groups.push((sink.plan.name.as_str(), flush.key.as_str()));
            }
        }
        self.transaction.pending(&groups)
    }

    /// How many more rows are held for a sink: none behind one that is not.
    fn free_in_handoff(&self, sink: &Recipient) -> usize {
        let name = &sink.plan.name;
        if self.written.past.contains(name) {
            return 0;
        }
        let held = self.written.held.get(name).map_or(0, Vec::len);
        sink.handoff.free().saturating_sub(held)
    }

    /// Ends that no group tells: to a fallback, or of a group that is gone.
    fn ends(&mut self, transitions: &[&Transition]) -> Result<(), StoreError> {
        let ids: Vec<_> = transitions.iter().map(|one| one.alarm.id.clone()).collect();
        let mut owed = BTreeMap::<_, Vec<_>>::new();
        for ((alarm, sink), thread) in self.transaction.knowing(&ids)? {
            owed.entry(alarm).or_default().push((sink, thread));
        }
        let mut notices = Vec::new();
        for one in transitions {
            for (sink, thread) in owed.remove(&one.alarm.id).into_iter().flatten() {
                // A sink that does not tell of ends owes none, but those of before it was told not to.
                if let Some(sink) = self.recipients.get(&sink)
                    && (sink.plan.resolved || thread.is_empty())
                {
                    self.written.past.insert(sink.plan.name.clone());
                    let flush = ending(sink, &one.alarm, &thread, one.at);
                    notices.push(notice(sink, &flush, self.now));
                }
            }
        }
        self.transaction.enqueue(notices, self.now)?;
        self.transaction.forget_obligations(&ids)
    }
}

/// The end of an alarm that is told by itself, after what waits in `thread`.
pub(super) fn ending(sink: &Recipient, alarm: &AlarmView, thread: &str, at: Timestamp) -> Flush {
    let own = || format!("{}/{}", alarm.evaluator, alarm.id);
    Flush {
        sink: sink.plan.name.clone(),
        key: if thread.is_empty() { own() } else { thread.into() },
        labels: alarm.labels.clone(),
        reason: alarm.ending().reason(),
        alarms: vec![alarm.clone()],
        news: vec![alarm.id.clone()],
        at,
    }
}

/// A flush in its final words, for whoever claims it.
pub(super) fn notice<'a>(sink: &'a Recipient, flush: &Flush, now: Timestamp) -> Notice<'a> {
    let about = |alarm: &AlarmView| About { alarm: alarm.id.clone(), ends: alarm.ended.is_some() };
    let alarms: Vec<_> = flush.alarms.iter().map(about).collect();
    let kind = if alarms.iter().all(|about| about.ends) {
        NoticeKind::Closing
    } else if flush.reason == Reason::Repeat {
        NoticeKind::Repeat
    } else {
        NoticeKind::Problem
    };
    Notice {
        sink: &sink.plan.name,
        alarms,
        kind,
        notification: sink.voice.notification(flush, now),
        give_up: sink.plan.give_up,
        lease: None,
    }
}

/// A few words for the journal.
fn detail(transition: &Transition) -> String {
    let alarm = &transition.alarm;
    let (change, severity) = (transition.change.as_str(), alarm.severity.as_str());
    let value = alarm.value.map(|value| format!(" at {}", quantity(value, &alarm.unit)));
    let reason = alarm.reason.as_ref().map(|reason| format!(": {reason}"));
    format!("{change} {severity}{}{}", value.unwrap_or_default(), reason.unwrap_or_default())
}
