//! An identity: the series that one alarm is about, and where that alarm stands.

mod renumber;
mod verdict;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::{Severity, Timestamp};

use super::{
    alarm::{AlarmView, CHANGED, Change, Condition},
    evidence::Evidence,
    expected::Expected,
    labels::Labels,
    levels::{Levels, top},
    member::{Member, Slot},
    occurrence::Fingerprint,
    standing::{AlarmState, Standing},
    threshold::Threshold,
};

/// One alarm's series and state.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) fingerprint: Fingerprint,
    /// The occurrence that fires, or else the next one.
    pub(super) occurrence: u32,
    /// Sorted when it is judged, so that sums do not depend on the order of arrival.
    members: Vec<Member>,
    sorted: bool,
    levels: Levels,
    pub(super) evidence: Evidence,
    since: Timestamp,
    updated: Timestamp,
    value: Option<f64>,
    unit: Arc<str>,
    /// Why it is ok again.
    ending: Ending,
    /// Its evaluator with other numbers, if it is not judged by the evaluator's own.
    pub(super) numbers: Option<Arc<Threshold>>,
    /// That it must be there, if it must.
    pub(super) expected: Option<Box<Expected>>,
    /// What stands in for its series until they speak again after a restart.
    awaited: Option<Box<Awaited>>,
}

/// An alarm's change and the severity that it had before, or has now.
pub(super) type Changed = (Change, Severity);

/// The series of a restored identity, some of which have not spoken yet.
#[derive(Debug)]
struct Awaited {
    /// How many they were.
    series: usize,
    /// The time of the newest point before the restart.
    seen: Option<Timestamp>,
    /// How long they have been silent since the restart, counted as a member's silence is.
    silent: Duration,
}

/// Why an alarm ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Cleared,
    Ended,
    NoDataOk,
    Forgotten,
    RuleChanged,
}

impl Identity {
    /// An identity without series, ok.
    pub(super) fn new(fingerprint: Fingerprint, occurrence: u32, unit: Arc<str>) -> Self {
        Self {
            fingerprint,
            occurrence,
            members: Vec::new(),
            sorted: true,
            levels: Levels::default(),
            evidence: Evidence::Late,
            since: Timestamp::default(),
            updated: Timestamp::default(),
            value: None,
            unit,
            ending: Ending::Cleared,
            numbers: None,
            expected: None,
            awaited: None,
        }
    }

    /// An identity as it was stored; it holds its condition until its series speak again.
    pub(super) fn restored(
        fingerprint: Fingerprint,
        standing: &Standing,
        levels: Levels,
        unit: Arc<str>,
    ) -> Self {
        let alarm = &standing.alarm;
        let state = standing.state.clone().unwrap_or_default();
        let (series, seen) = (state.series, state.seen);
        Self {
            levels,
            since: alarm.since,
            updated: alarm.updated,
            value: alarm.value,
            awaited: Some(Box::new(Awaited { series, seen, silent: Duration::ZERO })),
            ..Self::new(fingerprint, standing.occurrence, unit)
        }
    }

    /// Its id.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.fingerprint, self.occurrence)
    }

    /// Adds a series.
    pub(super) fn add(&mut self, member: Member) {
        if self.members.is_empty() {
            // Most identities have one series.
            self.members.reserve_exact(1);
        }
        self.sorted &= self.members.last().is_none_or(|last| last.order(&member).is_lt());
        self.members.push(member);
        let spoken = self.members.len();
        self.awaited.take_if(|awaited| awaited.series <= spoken);
    }

    /// The evaluator as it is judged: with its own numbers, or with those of an override.
    pub(super) fn under<'a>(&'a self, own: &'a Threshold) -> &'a Threshold {
        self.numbers.as_deref().unwrap_or(own)
    }

    /// Takes the unit of a series, if none had spoken.
    pub(super) fn measured_in(&mut self, unit: Arc<str>) {
        if self.unit.is_empty() {
            self.unit = unit;
        }
    }

    /// Whether it goes on from before the restart and not all of its series have spoken.
    pub(super) fn awaits(&self) -> bool {
        self.awaited.is_some()
    }

    /// Judges a slot whose sources have said everything. Series that are let go of join `gone`.
    pub(super) fn judge(&mut self, slot: &Slot<'_>, gone: &mut Vec<Member>) -> Option<Changed> {
        let before = self.levels.severity();
        self.updated = slot.at;
        self.ending = Ending::Cleared;
        if !self.sorted {
            self.members.sort_by(Member::order);
            self.sorted = true;
        }
        for member in &mut self.members {
            member.read(slot);
        }
        let seen = self.expected.as_ref().and_then(|_| self.seen());
        self.let_go(slot, gone);
        self.weigh(slot);
        self.expect(slot, seen);
        let changed = match (before, self.levels.severity()) {
            (None, Some(after)) => (Change::Fired, after),
            (Some(before), None) => (Change::Resolved, before),
            (Some(before), Some(after)) if after > before => (Change::Worse, after),
            (Some(before), Some(after)) if after < before => (Change::Better, after),
            _ => return None,
        };
        if changed.0 == Change::Fired {
            self.since = slot.at;
        }
        Some(changed)
    }

    /// Whether nothing is left to remember: it is ok, and no series of it speaks.
    pub(super) fn is_over(&self) -> bool {
        let silent = matches!(self.evidence, Evidence::NoData { .. })
            && !self.members.iter().any(Member::has_value);
        let nothing = self.members.is_empty() && self.awaited.is_none();
        let spare = self.expected.as_ref().is_none_or(|expected| expected.is_forgotten());
        self.levels.is_ok() && spare && (nothing || silent)
    }

    /// Hands out its series.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.members
    }

    /// What it looks like beside its evaluator; `None` if it is ok.
    pub(super) fn view(&self, threshold: &Threshold, labels: &Labels) -> Option<AlarmView> {
        let (condition, severity, since) = self.levels.standing(self.since)?;
        let mut view = self.blank(threshold, labels, severity);
        view.condition = condition;
        view.since = since;
        Some(view)
    }

    /// The severity with which it fires.
    pub(super) fn severity(&self) -> Option<Severity> {
        self.levels.severity()
    }

    /// What it looks like in the slot in which it ended.
    pub(super) fn ended(
        &self,
        threshold: &Threshold,
        labels: &Labels,
        severity: Severity,
    ) -> AlarmView {
        self.blank(threshold, labels, severity).over(self.updated, self.ending.as_str())
    }

    /// What of its levels a later slot can depend on; it is stored when that changes.
    pub(super) fn kept(&self, threshold: &Threshold) -> Levels {
        self.levels.kept(threshold)
    }

    /// What is stored of it while it goes on.
    pub(super) fn standing(&self, threshold: &Threshold, labels: &Labels) -> Standing {
        let alarm = self.view(threshold, labels).unwrap_or_else(|| {
            self.blank(threshold, labels, top(threshold).unwrap_or(Severity::Warning))
        });
        let mut state = AlarmState::new(self.kept(threshold), self.series(), self.seen());
        state.silent = self.expected.as_ref().map(|expected| expected.silent).unwrap_or_default();
        Standing { state: Some(state), ..self.stored(labels, alarm) }
    }

    /// What is stored of it when it has ended.
    pub(super) fn stored(&self, labels: &Labels, alarm: AlarmView) -> Standing {
        Standing::new(self.fingerprint, self.occurrence, labels.to_map(), alarm)
    }

    fn blank(&self, threshold: &Threshold, labels: &Labels, severity: Severity) -> AlarmView {
        let mut labels: BTreeMap<_, _> = labels.to_map();
        labels.extend(threshold.labels.clone());
        AlarmView {
            id: self.id(),
            evaluator: threshold.name.clone(),
            labels,
            severity,
            condition: Condition::Ok,
            evidence: self.evidence,
            since: self.since,
            updated: self.updated,
            ended: None,
            value: self.value,
            unit: (*self.unit).into(),
            summaries: threshold.summary.clone(),
            runbook: threshold.runbook.clone(),
            threshold: threshold.judged_by.clone(),
            reason: self.levels.by_absence.then(|| "no data".into()),
        }
    }

    /// How many series it has.
    fn series(&self) -> usize {
        let awaited = self.awaited.iter().map(|awaited| awaited.series);
        awaited.fold(self.members.len(), usize::max)
    }

    /// The time of the newest fresh point of any of its series.
    fn seen(&self) -> Option<Timestamp> {
        let awaited = self.awaited.iter().filter_map(|awaited| awaited.seen);
        self.members.iter().filter_map(|member| member.seen).chain(awaited).max()
    }
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Ended => "ended",
            Self::NoDataOk => "no data ok",
            Self::Forgotten => "forgotten",
            Self::RuleChanged => CHANGED,
        }
    }
}
