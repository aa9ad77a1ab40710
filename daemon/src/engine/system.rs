//! System alarms: what is wrong with haetae itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::{Severity, Timestamp};

use super::{
    alarm::{
        changes::Changes,
        id::{Fingerprint, Occurrences},
        labels::Labels,
        stored::Standing,
        view::{AlarmView, Change, Condition, INSTANCE_REMOVED, Transition},
    },
    problem::{Problem, SYSTEM},
    threshold::evidence::Evidence,
};

/// What a problem of the clock is about.
pub const CLOCK: &str = "clock";

/// How long the clock runs on before a jump of it is over.
const SETTLED: Duration = Duration::from_mins(1);

/// The most system alarms at once; problems beyond it are not told apart any more.
const MOST: usize = 10_000;

/// The system alarms that fire.
#[derive(Debug, Default)]
pub(super) struct System {
    firing: BTreeMap<(String, Problem), Firing>,
    /// What problems may be of; `None`: of anything.
    known: Option<BTreeSet<String>>,
}

#[derive(Debug)]
struct Firing {
    fingerprint: Fingerprint,
    occurrence: u32,
    since: Timestamp,
    updated: Timestamp,
    detail: String,
}

impl System {
    /// Raises a problem of an instance; one that is raised already takes the new detail.
    pub(super) fn raise(
        &mut self,
        instance: &str,
        problem: Problem,
        detail: String,
        now: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        // The last words of an instance that is gone.
        if self.known.as_ref().is_some_and(|known| !known.contains(instance)) {
            return;
        }
        let key = (instance.to_owned(), problem);
        if let Some(firing) = self.firing.get_mut(&key) {
            firing.updated = now;
            if firing.detail != detail {
                firing.detail = detail;
                changes.store(firing.standing(&key, firing.view(&key)));
            }
            return;
        }
        if self.firing.len() >= MOST {
            return;
        }
        let fingerprint = Fingerprint::of(SYSTEM, &labels(&key));
        let occurrence = occurrences.next(fingerprint);
        occurrences.remember(fingerprint, occurrence);
        let firing = Firing { fingerprint, occurrence, since: now, updated: now, detail };
        let alarm = firing.view(&key);
        changes.store(firing.standing(&key, alarm.clone()));
        changes.transitions.push(Transition { change: Change::Fired, alarm, at: now });
        self.firing.insert(key, firing);
    }

    /// Raises a problem of an instance, or ends it if there is nothing to say of it.
    pub(super) fn say(
        &mut self,
        instance: &str,
        (problem, detail): (Problem, Option<String>),
        now: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        match detail {
            Some(detail) => self.raise(instance, problem, detail, now, occurrences, changes),
            None => self.end(instance, problem, now, changes),
        }
    }

    /// Ends a problem of an instance, if it was raised.
    pub(super) fn end(
        &mut self,
        instance: &str,
        problem: Problem,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let key = (instance.to_owned(), problem);
        let Some(firing) = self.firing.remove(&key) else { return };
        let alarm = firing.view(&key).over(now, "cleared");
        changes.store(firing.standing(&key, alarm.clone()));
        changes.transitions.push(Transition { change: Change::Resolved, alarm, at: now });
    }

    /// Ends the problem of a clock that has run on for a while; one from the future is of another
    /// clock.
    pub(super) fn settle_clock(&mut self, now: Timestamp, changes: &mut Changes) {
        let jumped = self.jumped();
        if jumped.is_some_and(|at| now < at || at.after(SETTLED) <= now) {
            self.end(CLOCK, Problem::ClockJumped, now, changes);
        }
    }

    /// When the problem of the clock is over, if it has one.
    pub(super) fn clock_settles(&self) -> Option<Timestamp> {
        Some(self.jumped()?.after(SETTLED))
    }

    /// When the clock jumped.
    fn jumped(&self) -> Option<Timestamp> {
        // Asked in each step: mostly there is no problem at all.
        if self.firing.is_empty() {
            return None;
        }
        let key = (CLOCK.to_owned(), Problem::ClockJumped);
        self.firing.get(&key).map(|firing| firing.updated)
    }

    /// From now on problems are of these: those of others are closed, and raised no more.
    pub(super) fn know(
        &mut self,
        instances: BTreeSet<String>,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let gone = self.firing.keys().map(|(instance, _)| instance);
        let gone: BTreeSet<_> = gone.filter(|it| !instances.contains(*it)).cloned().collect();
        for instance in gone {
            self.retire(&instance, now, changes);
        }
        self.known = Some(instances);
    }

    /// Closes the alarms of an instance that is gone.
    pub(super) fn retire(&mut self, instance: &str, now: Timestamp, changes: &mut Changes) {
        let gone = |key: &(String, Problem), _: &mut Firing| key.0 == instance;
        for (key, firing) in self.firing.extract_if(.., gone) {
            let alarm = firing.view(&key).over(now, INSTANCE_REMOVED);
            changes.store(firing.standing(&key, alarm.clone()));
            changes.transitions.push(Transition { change: Change::Closed, alarm, at: now });
        }
    }

    /// Goes on with an alarm that was stored; `None` if it is of no problem that is known.
    pub(super) fn restore(&mut self, standing: &Standing) -> Option<Problem> {
        let alarm = &standing.alarm;
        let instance = standing.labels.get("instance")?;
        let problem = Problem::parse(standing.labels.get("problem")?)?;
        let key = (instance.clone(), problem);
        let fingerprint = Fingerprint::parse(&standing.fingerprint);
        let firing = Firing {
            fingerprint: fingerprint.unwrap_or_else(|| Fingerprint::of(SYSTEM, &labels(&key))),
            occurrence: standing.occurrence,
            since: alarm.since,
            updated: alarm.updated,
            detail: alarm.reason.clone().unwrap_or_default(),
        };
        if let Some(known) = self.firing.get(&key) {
            // A row that is read twice goes on once.
            return (known.occurrence == standing.occurrence).then_some(problem);
        }
        if self.firing.len() >= MOST {
            return None;
        }
        self.firing.insert(key, firing);
        Some(problem)
    }

    /// The severities of all that fire.
    pub(super) fn firing(&self) -> impl Iterator<Item = Severity> {
        self.firing.keys().map(|(_, problem)| problem.severity())
    }

    /// The alarm that these labels identify, if it fires.
    pub(super) fn alarm(&self, labels: &Labels) -> Option<AlarmView> {
        let mut values = labels.iter().map(|(_, value)| value);
        let (instance, problem) = (values.next()?, Problem::parse(values.next()?)?);
        let key = (instance.to_owned(), problem);
        self.firing.get(&key).map(|firing| firing.view(&key))
    }

    /// All that fire.
    pub(super) fn alarms(&self) -> impl Iterator<Item = AlarmView> {
        self.firing.iter().map(|(key, firing)| firing.view(key))
    }
}

impl Firing {
    fn view(&self, key: &(String, Problem)) -> AlarmView {
        AlarmView {
            id: format!("{}-{}", self.fingerprint, self.occurrence),
            evaluator: SYSTEM.into(),
            labels: labels(key).to_map(),
            severity: key.1.severity(),
            condition: Condition::Firing,
            evidence: Evidence::Fresh,
            flapping: false,
            since: self.since,
            updated: self.updated,
            ended: None,
            value: None,
            unit: String::new(),
            summaries: key.1.summaries(),
            runbook: None,
            threshold: None,
            reason: Some(self.detail.clone()),
            excerpts: Vec::new(),
        }
    }

    fn standing(&self, key: &(String, Problem), alarm: AlarmView) -> Standing {
        Standing::new(self.fingerprint, self.occurrence, labels(key).to_map(), alarm)
    }
}

/// What there is to say of a clock that stood at `from` and stands at `to`.
pub(super) fn jumped(from: Timestamp, to: Timestamp) -> String {
    let (way, by) = if to < from { ("back", from.since(to)) } else { ("ahead", to.since(from)) };
    let by = Duration::from_secs(by.as_secs());
    let (from, to) = (time_in_words(from), time_in_words(to));
    format!(
        "the clock went {way} by {by:?}, from {from} to {to}: it was set, or the machine was suspended"
    )
}

/// A time as it stands in a text: RFC 3339, in UTC, to the second.
pub fn time_in_words(time: Timestamp) -> String {
    jiff::Timestamp::from_second(time.seconds()).unwrap_or_default().to_string()
}

fn labels((instance, problem): &(String, Problem)) -> Labels {
    [("instance", instance.as_str()), ("problem", problem.as_str())].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Effects;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// A system, and the occurrences that are an engine's.
    #[derive(Default)]
    struct Alone {
        system: System,
        occurrences: Occurrences,
    }

    impl Alone {
        fn raise(&mut self, instance: &str, problem: Problem, second: i64, why: &str) -> Effects {
            let mut changes = Changes::default();
            let Self { system, occurrences } = self;
            system.raise(instance, problem, why.into(), at(second), occurrences, &mut changes);
            changes.into_effects()
        }

        fn end(&mut self, instance: &str, problem: Problem, second: i64) -> Effects {
            let mut changes = Changes::default();
            self.system.end(instance, problem, at(second), &mut changes);
            changes.into_effects()
        }
    }

    #[test]
    fn an_instance_that_is_gone_takes_its_problems_along_and_raises_no_more() {
        let mut alone = Alone::default();
        alone.raise("gone", Problem::SourceDown, 1, "refused");
        alone.raise("stays", Problem::SourceDown, 1, "refused");
        let mut changes = Changes::default();
        alone.system.know(BTreeSet::from(["stays".into()]), at(2), &mut changes);
        let ended = changes.into_effects().transitions;
        let ended: Vec<_> =
            ended.iter().map(|it| (it.change, &it.alarm.labels["instance"])).collect();
        assert_eq!(ended, [(Change::Closed, &"gone".to_owned())]);
        assert_eq!(alone.raise("gone", Problem::Hung, 3, "its last words"), Effects::default());
        assert_eq!(alone.raise("stays", Problem::Hung, 3, "its own").transitions.len(), 1);
    }

    #[test]
    fn a_problem_fires_once_ends_once_and_is_a_new_occurrence_when_it_comes_again() {
        let mut alone = Alone::default();
        let first = alone.raise("paas", Problem::SourceDown, 1, "refused");
        let fired = &first.transitions[0];
        assert_eq!((fired.change, fired.at), (Change::Fired, at(1)));
        assert_eq!(fired.alarm.labels["problem"], "source-down");
        assert_eq!(first.standings[0].alarm, fired.alarm);
        assert_eq!(alone.raise("paas", Problem::SourceDown, 2, "refused"), Effects::default());
        let again = alone.raise("paas", Problem::SourceDown, 2, "timed out");
        assert_eq!(again.transitions, []);
        assert_eq!(again.standings[0].alarm.reason.as_deref(), Some("timed out"));
        let shown: Vec<_> = alone.system.alarms().collect();
        assert_eq!(shown, [again.standings[0].alarm.clone()]);
        assert_eq!((shown[0].since, shown[0].updated), (at(1), at(2)));
        let end = alone.end("paas", Problem::SourceDown, 3);
        let ended = &end.transitions[0];
        assert_eq!((ended.change, ended.alarm.ended), (Change::Resolved, Some(at(3))));
        assert_eq!(end.standings[0].alarm, ended.alarm);
        assert_eq!(ended.alarm.id, fired.alarm.id);
        assert_eq!(alone.end("paas", Problem::SourceDown, 4), Effects::default());
        let second = alone.raise("paas", Problem::SourceDown, 5, "refused");
        let second = &second.transitions[0].alarm.id;
        assert!(fired.alarm.id.ends_with("-1") && second.ends_with("-2"));
    }

    #[test]
    fn problems_of_one_instance_are_told_apart() {
        let mut alone = Alone::default();
        for problem in [Problem::Hung, Problem::PluginPanicked] {
            assert_eq!(alone.raise("a", problem, 1, "").transitions.len(), 1);
        }
        assert_eq!(alone.end("a", Problem::Hung, 2).transitions.len(), 1);
        assert_eq!(alone.system.alarms().count(), 1);
    }

    #[test]
    fn the_number_of_problems_is_bounded() {
        let mut alone = Alone::default();
        for index in 0..MOST + 5 {
            alone.raise(&index.to_string(), Problem::Hung, 1, "");
        }
        assert_eq!(alone.system.alarms().count(), MOST);
    }
}
