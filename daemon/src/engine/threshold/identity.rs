//! An identity: the series that one alarm is about, and where that alarm stands.

mod renumber;
pub(super) mod verdict;

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::{Severity, Timestamp};
use smallvec::SmallVec;

use self::verdict::{Member, Slot};
use super::{
    evidence::Evidence,
    expected::ExpectedIdentity,
    levels::{ActiveLevel, Levels, top},
    rule::Threshold,
};
use crate::engine::alarm::{
    flap::Flaps,
    id::Fingerprint,
    labels::Labels,
    limit::{OVER, Rank},
    stored::{AlarmState, Kept, Standing},
    view::{AlarmView, CHANGED, Change, Condition},
};

/// The series of an identity: most have one.
type Members = SmallVec<[Member; 1]>;

/// One alarm's series and state.
#[derive(Debug)]
pub(in crate::engine) struct Identity {
    pub(super) fingerprint: Fingerprint,
    /// The occurrence that fires, or else the next one.
    pub(in crate::engine) occurrence: u32,
    /// Sorted when it is judged, so that sums do not depend on the order of arrival.
    members: Members,
    sorted: bool,
    levels: Levels,
    flaps: Flaps,
    /// Whether it would fire if there were fewer alarms.
    waits: bool,
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
    pub(super) expected: Option<Box<ExpectedIdentity>>,
    /// What stands in for its series until they speak again after a restart.
    awaited: Option<Box<Awaited>>,
}

/// What a slot did to an alarm.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Judgement {
    /// How it changed, and the severity that it had before, or has now.
    pub(in crate::engine) changed: Option<(Change, Severity)>,
    /// Whether it begins to flap, or settles.
    pub(in crate::engine) flapping: Option<Change>,
}

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
            members: Members::new(),
            sorted: true,
            levels: Levels::default(),
            flaps: Flaps::default(),
            waits: false,
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
        kept: Kept,
        unit: Arc<str>,
    ) -> Self {
        let alarm = &standing.alarm;
        let state = standing.state.clone().unwrap_or_default();
        let (series, seen) = (state.series, state.seen);
        let Kept { levels, flaps, waits, .. } = kept;
        // All series of one that merely remembers its changes may have ended.
        let awaits = series > 0 || !levels.is_ok() || standing.state.is_none();
        let awaited = || Box::new(Awaited { series, seen, silent: Duration::ZERO });
        Self {
            levels,
            flaps,
            waits,
            since: alarm.since,
            updated: alarm.updated,
            value: alarm.value,
            awaited: awaits.then(awaited),
            ..Self::new(fingerprint, standing.occurrence, unit)
        }
    }

    /// Its id.
    pub(in crate::engine) fn id(&self) -> String {
        format!("{}-{}", self.fingerprint, self.occurrence)
    }

    /// Whether its id starts so.
    pub(super) fn id_starts_with(&self, start: &str) -> bool {
        self.fingerprint.may_start_with(start) && self.id().starts_with(start)
    }

    /// Adds a series.
    pub(super) fn add(&mut self, member: Member) {
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

    /// Judges a slot whose sources have said everything; what would fire waits unless it `may`.
    /// Series that are let go of join `gone`.
    pub(super) fn judge(
        &mut self,
        slot: &Slot<'_>,
        may: bool,
        gone: &mut Vec<Member>,
    ) -> Judgement {
        let before = self.severity();
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
        let after = self.levels.severity();
        self.waits &= after.is_some();
        if before.is_none() && after.is_some() && !may {
            if !self.waits {
                self.since = slot.at;
            }
            self.waits = true;
        }
        self.judgement(slot, before)
    }

    /// Lets one that waits fire.
    pub(super) fn let_fire(&mut self, slot: &Slot<'_>) -> Judgement {
        self.waits = false;
        self.judgement(slot, None)
    }

    /// Whether it would fire if there were fewer.
    pub(in crate::engine) fn waits(&self) -> bool {
        self.waits
    }

    /// Which of those that wait fires first: the worst, then the one that has waited the longest.
    pub(in crate::engine) fn waiting_order(&self) -> Rank {
        (Reverse(self.levels.severity()), self.since)
    }

    /// What has become of it since it fired with the severity `before`.
    fn judgement(&mut self, slot: &Slot<'_>, before: Option<Severity>) -> Judgement {
        let changed = match (before, self.severity()) {
            (None, Some(after)) => Some((Change::Fired, after)),
            (Some(before), None) => Some((Change::Resolved, before)),
            (Some(before), Some(after)) if after > before => Some((Change::Worse, after)),
            (Some(before), Some(after)) if after < before => Some((Change::Better, after)),
            _ => None,
        };
        if matches!(changed, Some((Change::Fired, _))) {
            self.since = slot.at;
        }
        let edge = matches!(changed, Some((Change::Fired | Change::Resolved, _)));
        let flapping = self.flaps.judge(edge, slot.at, slot.threshold.flap.as_ref(), slot.every);
        Judgement { changed, flapping }
    }

    /// Whether nothing is left to remember: it is ok, has not changed of late, and no series of it
    /// speaks.
    pub(in crate::engine) fn is_over(&self) -> bool {
        let silent = matches!(self.evidence, Evidence::NoData { .. })
            && !self.members.iter().any(Member::has_value);
        let nothing = self.members.is_empty() && self.awaited.is_none();
        let spare = self.expected.as_ref().is_none_or(|expected| expected.is_forgotten());
        let calm = self.flaps == Flaps::default();
        self.levels.is_ok() && calm && spare && (nothing || silent)
    }

    /// Hands out its series.
    pub(super) fn into_members(self) -> Members {
        self.members
    }

    /// What it looks like beside its evaluator; `None` if it is ok.
    pub(in crate::engine) fn view(
        &self,
        threshold: &Threshold,
        labels: &Labels,
    ) -> Option<AlarmView> {
        let now = Kept { levels: self.levels, waits: self.waits, ..Kept::default() };
        let ActiveLevel { condition, severity, since } = now.standing(self.since)?;
        let mut view = self.blank(threshold, labels, severity);
        view.condition = condition;
        view.since = since;
        Some(view)
    }

    /// What it looks like, be it ok.
    pub(in crate::engine) fn shown(&self, threshold: &Threshold, labels: &Labels) -> AlarmView {
        let top = || top(threshold).unwrap_or(Severity::Warning);
        let ok = || AlarmView { since: self.updated, ..self.blank(threshold, labels, top()) };
        self.view(threshold, labels).unwrap_or_else(ok)
    }

    /// The severity with which it fires.
    pub(super) fn severity(&self) -> Option<Severity> {
        self.levels.severity().filter(|_| !self.waits)
    }

    /// What it looks like in the slot in which it ended.
    pub(in crate::engine) fn ended(
        &self,
        threshold: &Threshold,
        labels: &Labels,
        severity: Severity,
    ) -> AlarmView {
        self.blank(threshold, labels, severity).over(self.updated, self.ending.as_str())
    }

    /// What of it a later slot can depend on.
    pub(in crate::engine) fn kept(&self, threshold: &Threshold) -> Kept {
        let silence = self.expected.as_ref().and_then(|expected| expected.remembered());
        let (levels, flaps, waits) = (self.levels.kept(threshold), self.flaps, self.waits);
        Kept { levels, flaps, waits, silence }
    }

    /// What is stored of it while it goes on.
    pub(in crate::engine) fn standing(&self, threshold: &Threshold, labels: &Labels) -> Standing {
        let alarm = self.shown(threshold, labels);
        let kept = self.kept(threshold);
        let mut state = AlarmState::new(threshold, kept, self.series(), self.seen());
        state.silent = self.expected.as_ref().map(|expected| expected.silent).unwrap_or_default();
        Standing { state: Some(state), ..self.stored(labels, alarm) }
    }

    /// What is stored of it when it has ended.
    pub(in crate::engine) fn stored(&self, labels: &Labels, alarm: AlarmView) -> Standing {
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
            flapping: self.flaps.is_flapping(),
            since: self.since,
            updated: self.updated,
            ended: None,
            value: self.value,
            unit: (*self.unit).into(),
            summaries: threshold.summary.clone(),
            runbook: threshold.runbook.clone(),
            threshold: threshold.judged_by.clone(),
            reason: if self.waits {
                Some(OVER.into())
            } else {
                self.levels.by_absence.then(|| "no data".into())
            },
            excerpts: Vec::new(),
        }
    }

    /// How many series it has.
    fn series(&self) -> usize {
        let awaited = self.awaited.iter().map(|awaited| awaited.series);
        awaited.fold(self.members.len(), usize::max)
    }

    /// How many of its series are of a source.
    #[cfg(test)]
    pub(super) fn series_of(&self, source: usize) -> usize {
        self.members.iter().filter(|member| member.source == source).count()
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
