//! Inhibition: whoever comes first, the same is muted.

use haetae_plugin::{Severity, Timestamp};
use proptest::{collection::vec, prelude::*};

use super::rig::matcher;
use crate::engine::{
    AlarmView, Condition, Evidence,
    alarm::id::AlarmId,
    mute::{fits::fits, inhibit::Inhibits},
    notify::Inhibit,
    tests::properties::config,
};

fn alarm(severity: Severity, host: Option<&str>) -> AlarmView {
    AlarmView {
        id: String::new(),
        evaluator: "cpu".into(),
        labels: host.map(|host| ("host".into(), host.into())).into_iter().collect(),
        severity,
        condition: Condition::Firing,
        evidence: Evidence::Fresh,
        since: Timestamp::default(),
        updated: Timestamp::default(),
        ended: None,
        value: None,
        unit: String::new(),
        summaries: <_>::default(),
        runbook: None,
        threshold: None,
        reason: None,
        flapping: false,
        excerpts: Vec::new(),
    }
}

fn any_alarm() -> impl Strategy<Value = AlarmView> {
    let host = prop_oneof![Just(None), Just(Some("")), Just(Some("a")), Just(Some("b"))];
    (any::<bool>(), host).prop_map(|(critical, host)| {
        alarm(if critical { Severity::Critical } else { Severity::Warning }, host)
    })
}

/// What should be muted, in the fewest words.
fn model(rule: &Inhibit, alarms: &[Option<AlarmView>], index: usize) -> bool {
    let Some(target) = &alarms[index] else { return false };
    let host = |alarm: &AlarmView| alarm.labels.get("host").cloned().unwrap_or_default();
    let both = |alarm: &AlarmView| fits(&rule.when, alarm) && fits(&rule.mute, alarm);
    let others = alarms.iter().enumerate().filter(|(other, _)| *other != index);
    let mut others = others.filter_map(|(_, alarm)| alarm.as_ref());
    fits(&rule.mute, target)
        && others.any(|source| {
            fits(&rule.when, source)
                && host(source) == host(target)
                && !(both(source) && both(target))
        })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_comes_and_goes_in_whatever_order_the_same_is_muted(
        alarms in vec(any_alarm(), 1..8),
        order in vec((0_usize..8, any::<bool>()), 1..40),
        mute in prop_oneof![Just("severity=warning"), Just("evaluator=cpu"), Just("host=a")],
    ) {
        let rule = Inhibit {
            place: "haetae.toml:1".into(),
            when: matcher("severity=critical"),
            mute: matcher(mute),
            equal: vec!["host".into()],
        };
        let mut inhibits = Inhibits::new(vec![rule.clone()]);
        let mut firing: Vec<Option<AlarmView>> = vec![None; alarms.len()];
        let id = |index: usize| AlarmId::parse(&format!("{index:x}-1")).unwrap();
        for (index, fires) in order {
            let index = index % alarms.len();
            let alarm = &alarms[index];
            let before: Vec<_> = (0..alarms.len()).map(|at| model(&rule, &firing, at)).collect();
            let freed = match (fires, firing[index].is_some()) {
                (true, false) => {
                    inhibits.add(id(index), alarm);
                    firing[index] = Some(alarm.clone());
                    Vec::new()
                }
                (false, true) => {
                    firing[index] = None;
                    inhibits.remove(id(index), alarm)
                }
                _ => continue,
            };
            for (at, alarm) in firing.iter().enumerate() {
                let is = alarm.as_ref().is_some_and(|it| inhibits.against(id(at), it).is_some());
                let expected = model(&rule, &firing, at);
                prop_assert_eq!(is, expected, "{} of {:?}", at, firing);
                let is_free = before[at] && !expected && at != index;
                prop_assert_eq!(is_free, freed.contains(&id(at)), "{} of {:?}", at, firing);
            }
        }
    }
}
