//! System alarms: what is wrong with haetae itself.

use std::collections::BTreeMap;

use haetae_plugin::{Severity, Timestamp};
use serde::Serialize;

use super::{
    alarm::{AlarmView, Change, Condition, Labels, Occurrences, Transition, fingerprint},
    evidence::Evidence,
};

/// The name of the built-in evaluator.
pub const SYSTEM: &str = "system";

/// The most system alarms at once; problems beyond it are not told apart any more.
const MOST: usize = 10_000;

/// What can be wrong with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// A source does not answer.
    SourceDown,
    /// A sink does not take what it is given.
    SinkFailing,
    /// A plugin panicked and was restarted.
    PluginPanicked,
    /// A call did not return in time.
    Hung,
    /// There was more than a limit allows.
    LimitExceeded,
    /// A sink refused something for good.
    DeliveryRejected,
    /// Slots of an evaluator were not judged in time.
    SlotsMissed,
}

/// The system alarms that fire.
#[derive(Debug, Default)]
pub(super) struct System {
    firing: BTreeMap<(String, Problem), Firing>,
    occurrences: Occurrences,
}

#[derive(Debug)]
struct Firing {
    since: Timestamp,
    updated: Timestamp,
    detail: String,
    id: String,
}

impl Problem {
    /// Its word, as the label `problem` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceDown => "source-down",
            Self::SinkFailing => "sink-failing",
            Self::PluginPanicked => "plugin-panicked",
            Self::Hung => "hung",
            Self::LimitExceeded => "limit-exceeded",
            Self::DeliveryRejected => "delivery-rejected",
            Self::SlotsMissed => "slots-missed",
        }
    }

    /// How bad it is: critical if something is no longer watched or told.
    pub const fn severity(self) -> Severity {
        match self {
            Self::SourceDown | Self::SinkFailing | Self::Hung => Severity::Critical,
            _ => Severity::Warning,
        }
    }

    fn summaries(self) -> BTreeMap<String, String> {
        let (en, ko) = match self {
            Self::SourceDown => ("does not answer", "응답하지 않습니다"),
            Self::SinkFailing => ("cannot deliver", "전달하지 못하고 있습니다"),
            Self::PluginPanicked => {
                ("panicked and was restarted", "비정상 종료되어 다시 시작했습니다")
            }
            Self::Hung => ("hangs", "멈춰 있습니다"),
            Self::LimitExceeded => ("exceeds a limit", "한도를 넘었습니다"),
            Self::DeliveryRejected => ("was refused a delivery", "전달이 거부되었습니다"),
            Self::SlotsMissed => ("missed slots", "평가 시점을 놓쳤습니다"),
        };
        let line = |language: &str, text| (language.into(), format!("{{{{instance}}}}: {text}"));
        BTreeMap::from([line("en", en), line("ko", ko)])
    }
}

impl System {
    /// Raises a problem of an instance; one that is raised already takes the new detail.
    pub(super) fn raise(
        &mut self,
        instance: &str,
        problem: Problem,
        detail: String,
        now: Timestamp,
    ) -> Option<Transition> {
        let key = (instance.to_owned(), problem);
        if let Some(firing) = self.firing.get_mut(&key) {
            firing.detail = detail;
            firing.updated = now;
            return None;
        }
        if self.firing.len() >= MOST {
            return None;
        }
        let fingerprint = fingerprint(SYSTEM, &labels(&key));
        let occurrence = self.occurrences.next(&fingerprint);
        let id = format!("{fingerprint}-{occurrence}");
        self.occurrences.remember(fingerprint, occurrence);
        let firing = Firing { since: now, updated: now, detail, id };
        let alarm = view(&key, &firing);
        self.firing.insert(key, firing);
        Some(Transition { change: Change::Fired, alarm, at: now })
    }

    /// Ends a problem of an instance, if it was raised.
    pub(super) fn end(
        &mut self,
        instance: &str,
        problem: Problem,
        now: Timestamp,
    ) -> Option<Transition> {
        let key = (instance.to_owned(), problem);
        let firing = self.firing.remove(&key)?;
        let alarm = AlarmView {
            condition: Condition::Ok,
            ended: Some(now),
            updated: now,
            reason: Some("cleared".into()),
            ..view(&key, &firing)
        };
        Some(Transition { change: Change::Resolved, alarm, at: now })
    }

    /// All that fire.
    pub(super) fn alarms(&self) -> impl Iterator<Item = AlarmView> {
        self.firing.iter().map(|(key, firing)| view(key, firing))
    }
}

fn view(key: &(String, Problem), firing: &Firing) -> AlarmView {
    AlarmView {
        id: firing.id.clone(),
        evaluator: SYSTEM.into(),
        labels: labels(key),
        severity: key.1.severity(),
        condition: Condition::Firing,
        evidence: Evidence::Fresh,
        since: firing.since,
        updated: firing.updated,
        ended: None,
        value: None,
        unit: String::new(),
        summaries: key.1.summaries(),
        runbook: None,
        reason: Some(firing.detail.clone()),
    }
}

fn labels((instance, problem): &(String, Problem)) -> Labels {
    Labels::from([
        ("instance".into(), instance.clone()),
        ("problem".into(), problem.as_str().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_fires_once_ends_once_and_is_a_new_occurrence_when_it_comes_again() {
        let mut system = System::default();
        let at = Timestamp::from_seconds;
        let raise = |system: &mut System, second, detail: &str| {
            system.raise("paas", Problem::SourceDown, detail.into(), at(second))
        };
        let first = raise(&mut system, 1, "refused").unwrap();
        assert_eq!((first.change, first.at), (Change::Fired, at(1)));
        assert_eq!(first.alarm.labels["problem"], "source-down");
        assert_eq!(raise(&mut system, 2, "timed out"), None);
        let shown: Vec<_> = system.alarms().collect();
        assert_eq!(shown[0].reason.as_deref(), Some("timed out"));
        assert_eq!((shown[0].since, shown[0].updated), (at(1), at(2)));
        let end = system.end("paas", Problem::SourceDown, at(3)).unwrap();
        assert_eq!((end.change, end.alarm.ended), (Change::Resolved, Some(at(3))));
        assert_eq!(end.alarm.id, first.alarm.id);
        assert_eq!(system.end("paas", Problem::SourceDown, at(4)), None);
        let second = raise(&mut system, 5, "refused").unwrap();
        assert!(first.alarm.id.ends_with("-1") && second.alarm.id.ends_with("-2"));
    }

    #[test]
    fn problems_of_one_instance_are_told_apart() {
        let mut system = System::default();
        for problem in [Problem::Hung, Problem::PluginPanicked] {
            assert!(system.raise("a", problem, String::new(), Timestamp::default()).is_some());
        }
        assert!(system.end("a", Problem::Hung, Timestamp::default()).is_some());
        assert_eq!(system.alarms().count(), 1);
    }

    #[test]
    fn the_number_of_problems_is_bounded() {
        let mut system = System::default();
        for index in 0..MOST + 5 {
            let name = index.to_string();
            system.raise(&name, Problem::Hung, String::new(), Timestamp::default());
        }
        assert_eq!(system.alarms().count(), MOST);
    }
}
