//! An identity: the series that one alarm is about, and where that alarm stands.

use haetae_plugin::{Severity, Timestamp};

use super::{
    alarm::{AlarmView, Change, Condition, Labels, fingerprint},
    condition::{Judged, Machine, State},
    evidence::Evidence,
    member::{Member, Slot},
    threshold::{Level, Then, Threshold},
    window::Reading,
};

/// One alarm's series and state.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) fingerprint: String,
    /// The occurrence that fires, or else the next one.
    pub(super) occurrence: u32,
    /// Sorted, so that sums do not depend on the order of arrival.
    members: Vec<Member>,
    warning: Machine,
    critical: Machine,
    pub(super) evidence: Evidence,
    since: Timestamp,
    updated: Timestamp,
    value: Option<f64>,
    unit: String,
    /// Whether it fires because there is no data rather than because of a value.
    by_absence: bool,
    /// Why it is ok again.
    ending: &'static str,
}

/// An alarm's change and the severity that it had before, or has now.
pub(super) type Changed = (Change, Severity);

/// Whether all series of an identity have a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Partial,
}

impl Identity {
    /// An identity without series, ok.
    pub(super) fn new(evaluator: &str, labels: &Labels, unit: &str) -> Self {
        Self {
            fingerprint: fingerprint(evaluator, labels),
            occurrence: 1,
            members: Vec::new(),
            warning: Machine::default(),
            critical: Machine::default(),
            evidence: Evidence::Late,
            since: Timestamp::default(),
            updated: Timestamp::default(),
            value: None,
            unit: unit.into(),
            by_absence: false,
            ending: "cleared",
        }
    }

    /// Adds a series.
    pub(super) fn add(&mut self, member: Member) {
        let at = self.members.partition_point(|known| known.order(&member).is_lt());
        self.members.insert(at, member);
    }

    /// Judges a slot whose sources have said everything. Series that are let go of join `gone`.
    pub(super) fn judge(&mut self, slot: &Slot<'_>, gone: &mut Vec<Member>) -> Option<Changed> {
        let before = self.severity();
        self.updated = slot.at;
        self.ending = "cleared";
        for member in &mut self.members {
            member.read(slot);
        }
        self.let_go(slot, gone);
        self.weigh(slot);
        let changed = match (before, self.severity()) {
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
        self.is_ok() && (self.members.is_empty() || silent)
    }

    /// Hands out its series.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.members
    }

    /// What it looks like beside its evaluator; `None` if it is ok.
    pub(super) fn view(&self, threshold: &Threshold, labels: &Labels) -> Option<AlarmView> {
        let (condition, severity, since) = self.standing()?;
        let mut view = self.blank(threshold, labels, severity);
        view.condition = condition;
        view.since = since;
        Some(view)
    }

    /// What it looks like in the slot in which it ended.
    pub(super) fn ended(
        &self,
        threshold: &Threshold,
        labels: &Labels,
        severity: Severity,
    ) -> AlarmView {
        let mut view = self.blank(threshold, labels, severity);
        view.ended = Some(self.updated);
        view.reason = Some(self.ending.into());
        view
    }

    fn blank(&self, threshold: &Threshold, labels: &Labels, severity: Severity) -> AlarmView {
        let mut labels = labels.clone();
        labels.extend(threshold.labels.clone());
        AlarmView {
            id: format!("{}-{}", self.fingerprint, self.occurrence),
            evaluator: threshold.name.clone(),
            labels,
            severity,
            condition: Condition::Ok,
            evidence: self.evidence,
            since: self.since,
            updated: self.updated,
            ended: None,
            value: self.value,
            unit: self.unit.clone(),
            summaries: threshold.summary.clone(),
            runbook: threshold.runbook.clone(),
            reason: self.by_absence.then(|| "no data".into()),
        }
    }

    /// The level that decides, what it is in, and since when; `None` if all are ok.
    fn standing(&self) -> Option<(Condition, Severity, Timestamp)> {
        let levels = [(&self.critical, Severity::Critical), (&self.warning, Severity::Warning)];
        for (machine, severity) in levels {
            match machine.state() {
                State::Firing => return Some((Condition::Firing, severity, self.since)),
                State::Recovering => return Some((Condition::Recovering, severity, self.since)),
                State::Ok | State::Pending(_) => {}
            }
        }
        levels.into_iter().find_map(|(machine, severity)| match machine.state() {
            State::Pending(since) => Some((Condition::Pending, severity, since)),
            _ => None,
        })
    }

    fn severity(&self) -> Option<Severity> {
        let (condition, severity, _) = self.standing()?;
        (condition != Condition::Pending).then_some(severity)
    }

    fn is_ok(&self) -> bool {
        self.standing().is_none()
    }

    /// Lets go of series that ended, and of silent ones that the others can be judged without.
    fn let_go(&mut self, slot: &Slot<'_>, gone: &mut Vec<Member>) {
        let speaks = self.members.iter().any(Member::has_value);
        let spare = speaks && (self.is_ok() || slot.threshold.no_data.then == Then::Ok);
        gone.extend(self.members.extract_if(.., |member| {
            member.has_ended_for_good(slot) || (spare && member.is_silent(slot))
        }));
    }

    /// Decides what the evidence is, and lets the levels judge if it suffices.
    fn weigh(&mut self, slot: &Slot<'_>) {
        let (mut alive, mut absent, mut silent, mut errors) = (0, 0, 0, 0);
        let mut since = None;
        for member in self.members.iter().filter(|member| member.reading != Reading::Ended) {
            alive += 1;
            absent += usize::from(member.reading == Reading::Absent);
            errors += usize::from(member.reading == Reading::Error);
            if member.is_silent(slot) {
                silent += 1;
                since = since.max(member.seen);
            }
        }
        let no_data = Evidence::NoData { since };
        if alive == 0 {
            self.end("ended");
        } else if errors > 0 {
            self.evidence = Evidence::EvaluationError;
        } else if absent == 0 {
            self.evidence = Evidence::Fresh;
            self.step(slot, Extent::Whole);
        } else if absent < alive {
            self.evidence = if silent > 0 { no_data } else { Evidence::Late };
            self.step(slot, Extent::Partial);
        } else if silent < alive {
            self.evidence = Evidence::Late;
        } else {
            self.evidence = no_data;
            self.fall_silent(slot, since);
        }
    }

    /// Lets both levels judge the joined value. Of a part of the series only a value that the
    /// others could but make worse counts, and only if it holds.
    fn step(&mut self, slot: &Slot<'_>, extent: Extent) {
        let threshold = slot.threshold;
        let across = threshold.across;
        let top = top(threshold);
        for (level, severity) in levels(threshold) {
            let values = self.members.iter().filter_map(Member::value);
            let Some(value) = across.join(level.side, values) else { continue };
            if !value.is_finite() {
                self.evidence = Evidence::EvaluationError;
                return;
            }
            let mut judged = Judged::of(value, level);
            let suffices = judged == Judged::Holds && across.only_worsens(level.side);
            if extent == Extent::Partial && !suffices {
                continue;
            }
            self.value = Some(value);
            if Some(severity) == top {
                judged = self.without_absence(judged);
            }
            let machine = self.machine(severity);
            *machine = machine.step(judged, slot.at, level, slot.stride);
        }
        self.by_absence &= self.severity().is_some();
    }

    /// What fires for want of data has no value above `raise` to come back from: in the band
    /// it is clear.
    fn without_absence(&mut self, judged: Judged) -> Judged {
        match judged {
            Judged::Between if self.by_absence => Judged::Clear,
            Judged::Holds => {
                self.by_absence = false;
                judged
            }
            _ => judged,
        }
    }

    /// No series has said anything for as long as `no_data.after`.
    fn fall_silent(&mut self, slot: &Slot<'_>, since: Option<Timestamp>) {
        match slot.threshold.no_data.then {
            Then::Hold => {}
            Then::Ok => self.end("no data ok"),
            Then::Alarm => {
                // What never had a fresh point has not stopped.
                let (Some(top), Some(_)) = (top(slot.threshold), since) else { return };
                let machine = self.machine(top);
                if !machine.is_on() {
                    *machine = machine.raised();
                    self.by_absence = true;
                    self.value = None;
                }
            }
        }
    }

    fn end(&mut self, why: &'static str) {
        self.warning = Machine::default();
        self.critical = Machine::default();
        self.by_absence = false;
        self.ending = why;
    }

    fn machine(&mut self, severity: Severity) -> &mut Machine {
        match severity {
            Severity::Warning => &mut self.warning,
            Severity::Critical => &mut self.critical,
        }
    }
}

/// The levels that an evaluator has, the lesser first.
fn levels(threshold: &Threshold) -> impl DoubleEndedIterator<Item = (&Level, Severity)> {
    let warning = threshold.warning.iter().map(|level| (level, Severity::Warning));
    warning.chain(threshold.critical.iter().map(|level| (level, Severity::Critical)))
}

fn top(threshold: &Threshold) -> Option<Severity> {
    levels(threshold).next_back().map(|(_, severity)| severity)
}
