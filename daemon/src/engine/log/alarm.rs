//! A log alarm: the alarm of one label set of a log evaluator, and where it stands.

use std::{cmp::Reverse, collections::BTreeMap};

use haetae_plugin::{Severity, Timestamp};

use super::{
    matches::Matches,
    rule::{LogCondition, LogRule},
};
use crate::engine::{
    alarm::{
        id::Fingerprint,
        labels::Labels,
        limit::{OVER, Rank},
        stored::{AlarmState, Standing},
        summary::Summaries,
        view::{AlarmView, Change, Condition},
    },
    threshold::evidence::Evidence,
};

/// The alarm of one label set.
#[derive(Debug)]
pub(super) struct LogAlarm {
    pub(super) fingerprint: Fingerprint,
    /// The occurrence that fires, or else the next one.
    pub(super) occurrence: u32,
    pub(super) matches: Matches,
    /// With which it fires.
    pub(super) severity: Option<Severity>,
    /// With which it would fire if there were fewer.
    pub(super) waits: Option<Severity>,
    since: Timestamp,
    updated: Timestamp,
    /// When it is to be looked at without a match.
    pub(super) due: Option<Timestamp>,
    /// Whether its occurrence has a row.
    pub(super) stored: bool,
}

impl LogAlarm {
    /// One that does not fire.
    pub(super) fn new(fingerprint: Fingerprint, occurrence: u32, matches: Matches) -> Self {
        let (since, updated) = (Timestamp::default(), Timestamp::default());
        Self {
            fingerprint,
            occurrence,
            matches,
            severity: None,
            waits: None,
            since,
            updated,
            due: None,
            stored: false,
        }
    }

    /// One as it was stored.
    pub(super) fn restored(
        fingerprint: Fingerprint,
        standing: &Standing,
        matches: Matches,
    ) -> Self {
        let alarm = &standing.alarm;
        let waits = standing.state.as_ref().is_some_and(|state| state.waits);
        Self {
            waits: waits.then_some(alarm.severity),
            severity: alarm.is_firing().then_some(alarm.severity),
            since: alarm.since,
            updated: alarm.updated,
            stored: true,
            ..Self::new(fingerprint, standing.occurrence, matches)
        }
    }

    /// Judges it at a time: how it changed, and what it is then or was last. What would fire waits
    /// unless it `may`.
    pub(super) fn judge(
        &mut self,
        rule: &LogRule,
        at: Timestamp,
        may: bool,
    ) -> Option<(Change, Severity)> {
        let (before, after) = (self.severity, self.matches.level(rule, at));
        self.updated = at;
        if before.is_none() && after.is_some() && !may {
            if self.waits.is_none() {
                self.since = at;
            }
            self.waits = after;
            return None;
        }
        (self.severity, self.waits) = (after, None);
        Some(match (before, after) {
            (None, Some(after)) => {
                self.since = at;
                self.matches.count = self.matches.within(rule, at);
                (Change::Fired, after)
            }
            (Some(before), None) => (Change::Resolved, before),
            (Some(before), Some(after)) if after > before => (Change::Worse, after),
            (Some(before), Some(after)) if after < before => (Change::Better, after),
            _ => return None,
        })
    }

    /// Makes way for the next occurrence; what ended.
    pub(super) fn end(&mut self, rule: &LogRule, labels: &Labels, severity: Severity) -> AlarmView {
        let alarm = self.blank(rule, labels, severity).over(self.updated, "cleared");
        self.occurrence = self.occurrence.saturating_add(1);
        self.stored = false;
        self.matches.count = 0;
        if !matches!(rule.watch, LogCondition::Absence(_)) {
            self.matches.excerpts.clear();
        }
        alarm
    }

    /// Its id.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.fingerprint, self.occurrence)
    }

    /// What it looks like; `None` if it neither fires nor waits to.
    pub(super) fn view(&self, rule: &LogRule, labels: &Labels) -> Option<AlarmView> {
        let mut view = self.blank(rule, labels, self.severity.or(self.waits)?);
        view.condition = Condition::Firing;
        if self.waits.is_some() {
            (view.condition, view.reason) = (Condition::Pending, Some(OVER.into()));
        }
        Some(view)
    }

    /// Its place among those that wait, if it does.
    pub(super) fn rank(&self) -> Option<Rank> {
        self.waits.map(|severity| (Reverse(Some(severity)), self.since))
    }

    /// What is stored of it while it goes on.
    pub(super) fn standing(&self, rule: &LogRule, labels: &Labels) -> Standing {
        let quiet = || self.blank(rule, labels, Severity::Warning);
        let alarm = self.view(rule, labels).unwrap_or_else(quiet);
        let state = Some(AlarmState::of_log(self.matches.clone(), self.waits.is_some()));
        Standing { state, ..self.stored(labels, self.occurrence, alarm) }
    }

    /// What is stored of an occurrence.
    pub(super) fn stored(&self, labels: &Labels, occurrence: u32, alarm: AlarmView) -> Standing {
        Standing::new(self.fingerprint, occurrence, labels.to_map(), alarm)
    }

    fn blank(&self, rule: &LogRule, labels: &Labels, severity: Severity) -> AlarmView {
        let mut labels: BTreeMap<_, _> = labels.to_map();
        labels.extend(rule.labels.clone());
        let counts = matches!(rule.watch, LogCondition::Count(_));
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 matches")]
        let value = (counts && self.matches.count > 0).then_some(self.matches.count as f64);
        AlarmView {
            id: self.id(),
            evaluator: rule.name.clone(),
            severity,
            condition: Condition::Ok,
            evidence: Evidence::Fresh,
            since: self.since,
            updated: self.updated,
            ended: None,
            value,
            unit: String::new(),
            summaries: self.summaries(rule, &labels),
            labels,
            runbook: rule.runbook.clone(),
            threshold: None,
            reason: None,
            flapping: false,
            excerpts: self.matches.excerpts.clone(),
        }
    }

    /// Its summaries; what the newest record says is filled in, labels are left.
    fn summaries(&self, rule: &LogRule, labels: &BTreeMap<String, String>) -> Summaries {
        let fields = || self.matches.fields.iter().filter(|(name, _)| !labels.contains_key(*name));
        rule.summary.with(|text| {
            fields().fold(text.to_owned(), |text, (name, value)| {
                let places = [format!("{{{{{name}}}}}"), format!("{{{{ {name} }}}}")];
                places.iter().fold(text, |text, place| text.replace(place, value))
            })
        })
    }
}
