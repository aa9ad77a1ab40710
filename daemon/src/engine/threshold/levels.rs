//! Both levels of one alarm: the worse one that is on decides.

use haetae_plugin::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    condition::{LevelState, Machine},
    rule::{Level, Threshold},
};
use crate::engine::alarm::view::Condition;

/// The level that decides about an alarm.
pub(in crate::engine) struct ActiveLevel {
    pub(in crate::engine) condition: Condition,
    pub(in crate::engine) severity: Severity,
    /// Since when it is in its condition.
    pub(in crate::engine) since: Timestamp,
}

/// Where both levels of an alarm stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::engine) struct Levels {
    warning: Machine,
    critical: Machine,
    /// Whether it fires because there is no data rather than because of a value.
    pub(super) by_absence: bool,
}

impl Levels {
    /// What little an alarm's condition says of its levels.
    pub(in crate::engine) fn of(
        condition: Condition,
        severity: Severity,
        since: Timestamp,
    ) -> Self {
        let mut levels = Self::default();
        *levels.machine(severity) = match condition {
            Condition::Ok => Machine::default(),
            Condition::Pending => Machine::pending(since),
            Condition::Firing | Condition::Recovering => Machine::default().raised(),
        };
        levels
    }

    /// The level of a severity.
    pub(super) fn machine(&mut self, severity: Severity) -> &mut Machine {
        match severity {
            Severity::Warning => &mut self.warning,
            Severity::Critical => &mut self.critical,
        }
    }

    /// The level that decides; `None` if all are ok. `since` is when the alarm fired.
    pub(in crate::engine) fn standing(&self, since: Timestamp) -> Option<ActiveLevel> {
        let active = |condition, severity, since| Some(ActiveLevel { condition, severity, since });
        let levels = [(&self.critical, Severity::Critical), (&self.warning, Severity::Warning)];
        for (machine, severity) in levels {
            match machine.state() {
                LevelState::Firing => return active(Condition::Firing, severity, since),
                LevelState::Recovering => return active(Condition::Recovering, severity, since),
                LevelState::Ok | LevelState::Pending(_) => {}
            }
        }
        levels.into_iter().find_map(|(machine, severity)| match machine.state() {
            LevelState::Pending(since) => active(Condition::Pending, severity, since),
            _ => None,
        })
    }

    /// The severity with which it fires.
    pub(in crate::engine) fn severity(&self) -> Option<Severity> {
        let level = self.standing(Timestamp::default())?;
        (level.condition != Condition::Pending).then_some(level.severity)
    }

    /// Whether it neither fires nor is about to.
    pub(super) fn is_ok(&self) -> bool {
        self.standing(Timestamp::default()).is_none()
    }

    /// What of it a later slot can depend on, under these numbers; the default if nothing.
    pub(in crate::engine) fn kept(&self, threshold: &Threshold) -> Self {
        let kept = |machine: Machine, level: Option<&Level>| {
            level.map(|level| machine.kept(level.debounce)).unwrap_or_default()
        };
        let warning = kept(self.warning, threshold.warning.as_ref());
        let critical = kept(self.critical, threshold.critical.as_ref());
        let by_absence = self.by_absence && (warning.is_on() || critical.is_on());
        Self { warning, critical, by_absence }
    }
}

/// The levels that an evaluator has, the lesser first.
pub(super) fn levels(threshold: &Threshold) -> impl DoubleEndedIterator<Item = (&Level, Severity)> {
    let warning = threshold.warning.iter().map(|level| (level, Severity::Warning));
    warning.chain(threshold.critical.iter().map(|level| (level, Severity::Critical)))
}

/// The greatest severity that an evaluator has.
pub(super) fn top(threshold: &Threshold) -> Option<Severity> {
    levels(threshold).next_back().map(|(_, severity)| severity)
}
