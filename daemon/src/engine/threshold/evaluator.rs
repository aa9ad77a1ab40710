//! An evaluator at work: its slots, its alarms, and what it counted.

mod expected;
mod judging;
mod query;
mod reload;
mod renumber;
mod restore;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use haetae_plugin::{Series, Timestamp};

use self::judging::JudgedSlot;
use super::{
    feed::EvaluatorInput,
    identity::{Identity, verdict::Member},
    missed_slots::Misses,
    overrides::Overrides,
    rule::Threshold,
};
use crate::engine::{
    alarm::{
        changes::Changes,
        id::{AlarmId, Fingerprint, Occurrences},
        labels::Labels,
        view::AlarmView,
    },
    problem::{News, Problem},
    progress::Progress,
    series::{slot::Slots, source::SourceState},
    status::EvaluatorStatus,
};

/// The most slots that may wait at once to be judged; older ones are missed.
const MOST_WAITING: u64 = 1000;

/// A threshold evaluator and all that it knows.
#[derive(Debug)]
pub(in crate::engine) struct Evaluator {
    threshold: Arc<Threshold>,
    overrides: Overrides,
    /// The identities that it names as expected.
    named: BTreeSet<Labels>,
    /// Those of them that may not be there yet.
    unmet: BTreeSet<Labels>,
    inputs: Vec<EvaluatorInput>,
    slots: Slots,
    /// The interval of its slowest source.
    interval: Duration,
    stride: Duration,
    /// The slot up to which all are judged, late or missed.
    done: Timestamp,
    /// Whether that one was late.
    late: bool,
    /// Whether the clock jumped since: what passed then counts toward nothing.
    jumped: bool,
    /// A slot of which something is still to be recorded.
    judged: Option<JudgedSlot>,
    misses: Misses,
    /// What was last said of alarms over the limit, and whether anything was: an earlier run may have.
    over_limit: Option<String>,
    said: bool,
    news: Vec<News>,
    identities: BTreeMap<Labels, Box<Identity>>,
    /// The unit of the newest series; most have the same one.
    unit: Arc<str>,
    /// Without its series: its inputs count them.
    status: EvaluatorStatus,
}

/// A series that an evaluator has let go of.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Detached {
    pub(in crate::engine) source: usize,
    pub(in crate::engine) place: usize,
}

impl Evaluator {
    /// An evaluator whose first slot is the first after `now`. Inputs that are no source are
    /// passed over; without any, it never judges.
    pub(in crate::engine) fn new(
        threshold: Arc<Threshold>,
        sources: &[SourceState],
        now: Timestamp,
    ) -> Self {
        let reads = |source: &SourceState| threshold.inputs.contains(&source.timing.name);
        let inputs = sources.iter().enumerate().filter(|(_, source)| reads(source));
        let inputs: Vec<_> = inputs
            .map(|(at, source)| EvaluatorInput {
                source: at,
                series: 0,
                most: source.timing.max_series,
            })
            .collect();
        let timings = sources.iter().filter(|source| reads(source)).map(|source| &source.timing);
        // Of two that are as slow, the name decides.
        let slowest = timings.max_by_key(|timing| (timing.interval, &timing.name));
        let interval = slowest.map(|timing| timing.interval).unwrap_or_default();
        let slots = match (threshold.every, slowest) {
            (Some(every), _) => Slots::of(&threshold.name, every),
            (None, Some(slowest)) => Slots::of(&slowest.name, interval),
            (None, None) => Slots::of(&threshold.name, interval),
        };
        let every = slots.interval();
        let status = EvaluatorStatus { name: threshold.name.clone(), ..EvaluatorStatus::default() };
        Self {
            inputs,
            slots,
            interval,
            // Judged more often than measured, values lie an interval apart and may slip a slot.
            stride: if every < interval { interval.saturating_add(every) } else { every },
            done: slots.last(now),
            late: false,
            jumped: false,
            judged: None,
            misses: Misses::new(),
            over_limit: None,
            said: false,
            news: Vec::new(),
            identities: BTreeMap::new(),
            unit: "".into(),
            status,
            overrides: Overrides::default(),
            unmet: expected::named(&threshold),
            named: expected::named(&threshold),
            threshold,
        }
    }

    /// The sources that it reads.
    pub(in crate::engine) fn inputs(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().map(|input| input.source)
    }

    /// Its name.
    pub(in crate::engine) fn name(&self) -> &str {
        &self.threshold.name
    }

    /// The metric that it reads.
    pub(in crate::engine) fn metric(&self) -> &str {
        &self.threshold.metric
    }

    /// For how long it needs a point: its window, and as long as a slot may wait.
    pub(in crate::engine) fn keep(&self, sources: &[SourceState]) -> Duration {
        let every = self.slots.interval();
        let over = self.threshold.over.map_or(every, |over| over.length);
        over.saturating_add(every).saturating_add(self.patience(sources))
    }

    /// Whether its matchers fit a series of its metric.
    pub(in crate::engine) fn wants(&self, series: &Series) -> bool {
        let mut matchers = self.threshold.matchers.iter();
        matchers.all(|matcher| matcher.matches(series.label(matcher.label())))
    }

    /// Takes a series, unless it has as many of that source as it may: an alarm that waits for it
    /// can't go on without. One that has ended is of interest only to such an alarm.
    pub(in crate::engine) fn attach(
        &mut self,
        source: usize,
        place: usize,
        (series, ended): (&Series, bool),
        occurrences: &Occurrences,
    ) -> bool {
        let labels = identifying(self.threshold.by.as_deref(), series);
        let awaited = self.identities.get(&labels).is_some_and(|identity| identity.awaits());
        if ended && !awaited {
            return false;
        }
        let input = self.inputs.iter_mut().find(|input| input.source == source);
        let Some(input) = input.filter(|input| awaited || input.series < input.most) else {
            self.status.ignored += 1;
            return false;
        };
        input.series += 1;
        let unit = self.unit(series.unit());
        let member = Member::new(source, place, series.clone());
        self.identity(labels, unit, occurrences).add(member);
        true
    }

    /// The identity with these labels; a new one if there is none.
    fn identity(
        &mut self,
        labels: Labels,
        unit: Arc<str>,
        occurrences: &Occurrences,
    ) -> &mut Identity {
        let known = self.identities.len();
        match self.identities.entry(labels) {
            Entry::Occupied(known) => {
                let identity = known.into_mut();
                identity.measured_in(unit);
                identity
            }
            Entry::Vacant(free) => {
                let fingerprint = Fingerprint::of(&self.threshold.name, free.key());
                let occurrence = occurrences.next(fingerprint);
                let mut identity = Identity::new(fingerprint, occurrence, unit);
                identity.numbers = self.overrides.resolve(&self.threshold, free.key());
                identity.expected =
                    expected::of(&self.threshold, &self.named, &self.inputs, (free.key(), known));
                free.insert(Box::new(identity))
            }
        }
    }

    /// Forgets slots that a clock, which went back to `now`, ran ahead to.
    pub(in crate::engine) fn follow_clock(&mut self, now: Timestamp) {
        if self.done > now.after(self.slots.interval()) {
            self.done = self.slots.last(now);
        }
    }

    /// The clock jumped from `from` to `now`, or the machine was suspended: slots in between are
    /// passed over, and it is nobody's fault.
    pub(in crate::engine) fn jump(&mut self, from: Timestamp, now: Timestamp) {
        self.jumped = true;
        let last = self.slots.last(now);
        if last > from && last > self.done && !self.inputs.is_empty() {
            self.miss(self.slots.between(self.done, last));
            self.done = last;
        }
    }

    /// What there is to be said of it since it was asked last.
    pub(in crate::engine) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Judges every slot whose sources have said everything, and lets go of those that are too
    /// late: a late slot changes and counts nothing. The answer is the series that it let go of, and
    /// whether it is to be asked again, since there are many changes already.
    pub(in crate::engine) fn judge_due(
        &mut self,
        now: Timestamp,
        sources: &[SourceState],
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) -> (Vec<Detached>, Progress) {
        let (mut gone, mut progress) = (Vec::new(), Progress::Done);
        if !self.inputs.is_empty() {
            progress = self.judge_slots(now, sources, occurrences, changes, &mut gone);
        }
        let mut detached = Vec::new();
        self.let_go(&gone, &mut detached);
        (detached, progress)
    }

    /// The alarm that these labels identify, if it is not ok.
    pub(in crate::engine) fn alarm(
        &self,
        labels: &Labels,
        sources: &[SourceState],
    ) -> Option<AlarmView> {
        let down = self.inputs().filter_map(|source| sources.get(source)?.down).min();
        let identity = self.identities.get(labels)?;
        let view = identity.view(identity.under(&self.threshold), labels)?;
        Some(AlarmView { evidence: view.evidence.beside(down, self.late), ..view })
    }

    /// The identity of these labels, if its alarm fires under this id.
    fn firing_as(&self, labels: &Labels, id: AlarmId) -> Option<&Identity> {
        let identity = self.identities.get(labels)?;
        let is = AlarmId::new(identity.fingerprint.number(), identity.occurrence) == id;
        (is && identity.severity().is_some()).then_some(&**identity)
    }

    /// Whether the alarm that these labels identify fires under this id.
    pub(in crate::engine) fn fires(&self, labels: &Labels, id: AlarmId) -> bool {
        self.firing_as(labels, id).is_some()
    }

    /// Whether it does so as it was stored: with the same severity and the same labels.
    pub(in crate::engine) fn fires_as_stored(
        &self,
        stored: &AlarmView,
        labels: &Labels,
        id: AlarmId,
    ) -> bool {
        let Some(identity) = self.firing_as(labels, id) else { return false };
        let own = &identity.under(&self.threshold).labels;
        let others = || labels.iter().filter(|(name, _)| !own.contains_key(*name));
        let has = |name: &str, value: &str| stored.labels.get(name).is_some_and(|it| it == value);
        identity.severity() == Some(stored.severity)
            && stored.labels.len() == own.len() + others().count()
            && own.iter().all(|(name, value)| has(name, value))
            && others().all(|(name, value)| has(name, value))
    }

    /// When it wants to be asked again at the latest.
    pub(in crate::engine) fn next_due(&self, sources: &[SourceState]) -> Option<Timestamp> {
        let at = self.done.after(self.slots.interval());
        let due = match self.due(at, sources) {
            Due::Now => at,
            Due::LateAt(limit) => limit,
        };
        (!self.inputs.is_empty()).then_some(due)
    }

    /// Passes over slots that nobody asked about while they could be judged.
    fn skip_missed(&mut self, now: Timestamp, sources: &[SourceState]) {
        let every = self.slots.interval();
        let waiting = self.patience(sources).as_nanos() / every.as_nanos();
        let most = u64::try_from(waiting).unwrap_or(u64::MAX).min(MOST_WAITING) + 2;
        let behind = self.slots.between(self.done, now);
        if behind > most {
            let first = self.done.after(every);
            let reported = self.misses.miss(behind - most, first, now);
            self.news.extend(reported.map(|detail| (Problem::SlotsMissed, Some(detail))));
            self.miss(behind - most);
            let keep = every.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX));
            self.done = self.slots.last(now).before(keep);
        }
    }

    fn miss(&mut self, slots: u64) {
        self.status.missed = self.status.missed.saturating_add(slots);
    }

    fn due(&self, at: Timestamp, sources: &[SourceState]) -> Due {
        let inputs = self.inputs().filter_map(|source| sources.get(source));
        let late = inputs.filter(|source| !source.has_reached(at));
        match late.map(SourceState::patience).max() {
            None => Due::Now,
            Some(patience) => Due::LateAt(at.after(patience)),
        }
    }

    /// The unit, shared with the series before if it is the same.
    fn unit(&mut self, unit: &str) -> Arc<str> {
        if *self.unit != *unit {
            self.unit = unit.into();
        }
        Arc::clone(&self.unit)
    }

    fn patience(&self, sources: &[SourceState]) -> Duration {
        let inputs = self.inputs().filter_map(|source| sources.get(source));
        inputs.map(SourceState::patience).max().unwrap_or_default()
    }
}

enum Due {
    Now,
    /// Some source has not said everything; from then on the slot is late.
    LateAt(Timestamp),
}

fn identifying(by: Option<&[String]>, series: &Series) -> Labels {
    let labels = series.labels();
    match by {
        None => labels.collect(),
        Some(by) => labels.filter(|(name, _)| by.iter().any(|by| by == name)).collect(),
    }
}
