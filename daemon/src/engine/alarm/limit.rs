//! The limit: what fires stays, what would be too much waits, and one alarm says how much.

use std::{cmp::Reverse, collections::HashMap};

use haetae_plugin::{Severity, Timestamp};

use super::labels::Labels;

/// How many labels the summary names.
const NAMED: usize = 3;

/// Why an alarm that would fire does not.
pub(in crate::engine) const OVER: &str = "over the limit";

/// Which of those that wait fires first: the worst, then the one that has waited the longest.
pub(in crate::engine) type Rank = (Reverse<Option<Severity>>, Timestamp);

/// How many of these wait, and what most of them have in common; `None` if none does.
pub(in crate::engine) fn summary<'a>(
    limit: usize,
    waiting: impl Iterator<Item = &'a Labels>,
) -> Option<String> {
    let mut count = 0_usize;
    let mut alike: HashMap<(&str, &str), usize> = HashMap::new();
    for labels in waiting {
        count += 1;
        for label in labels.iter() {
            *alike.entry(label).or_default() += 1;
        }
    }
    let mut most: Vec<_> = alike.into_iter().filter(|(_, count)| *count > 1).collect();
    most.sort_by_key(|(label, count)| (Reverse(*count), *label));
    let named =
        |((name, value), count): &((&str, &str), usize)| format!("{name}={value} ({count})");
    let named: Vec<_> = most.iter().take(NAMED).map(named).collect();
    let alarms = if count == 1 { "alarm" } else { "alarms" };
    let most =
        if named.is_empty() { String::new() } else { format!("; most: {}", named.join(", ")) };
    (count > 0).then(|| format!("{count} more {alarms} than limit = {limit}{most}"))
}

#[cfg(test)]
mod tests {
    use crate::engine::{
        SYSTEM,
        tests::harness::{Harness, level, threshold},
        threshold::rule::Threshold,
    };

    fn limited(limit: usize) -> Threshold {
        Threshold { limit, ..threshold(0) }
    }

    /// The alarms that fire and those that wait, by their series, and what is said of those.
    fn shown(harness: &Harness) -> (String, String, Option<String>) {
        let alarms = harness.engine.alarms();
        let mut own: Vec<_> = alarms.iter().filter(|one| one.evaluator != SYSTEM).collect();
        own.sort_by_key(|one| one.labels["id"].clone());
        let ids = |firing: bool| {
            let those = own.iter().filter(|one| one.is_firing() == firing);
            those.map(|one| one.labels["id"].as_str()).collect()
        };
        let over = alarms.iter().find(|one| one.evaluator == SYSTEM);
        (ids(true), ids(false), over.and_then(|one| one.reason.clone()))
    }

    fn check(harness: &mut Harness, slot: &str, fires: &str, waits: &str, said: &str) {
        harness.slot(slot);
        let said = Some(said.to_owned()).filter(|said| !said.is_empty());
        assert_eq!(shown(harness), (fires.into(), waits.into(), said), "{slot}");
    }

    #[test]
    fn what_fires_stays_what_is_too_much_waits_and_fires_when_there_is_room() {
        let mut harness = Harness::new(vec![limited(2)]);
        check(&mut harness, "..##.", "23", "", "");
        check(&mut harness, "####.", "23", "01", "2 more alarms than limit = 2");
        check(&mut harness, "####.", "23", "01", "2 more alarms than limit = 2");
        check(&mut harness, "##.#.", "03", "1", "1 more alarm than limit = 2");
        // What waited in vain was never told.
        check(&mut harness, "#..#.", "03", "", "");
        let own = harness.changes();
        assert_eq!(
            own,
            ["Fired", "Fired", "Fired", "Resolved: cleared"].map(String::from),
            "{own:?}"
        );
        let system: Vec<_> =
            harness.transitions.iter().filter(|one| one.alarm.evaluator == SYSTEM).collect();
        let words = ["instance", "problem"].map(|name| system[0].alarm.labels[name].as_str());
        assert_eq!((words, system.len()), (["cpu", "alarms-over-limit"], 2));
    }

    #[test]
    fn prometheus_differs_the_limit_clears_nothing() {
        // There all alarms of the rule are cleared, in the middle of a mass outage.
        let mut harness = Harness::new(vec![limited(9)]);
        check(&mut harness, "#########", "012345678", "", "");
        harness.restart(vec![limited(3)], 0, false);
        check(&mut harness, "#########", "012345678", "", "");
        check(&mut harness, "#......##", "078", "", "");
        check(&mut harness, "##.....##", "078", "1", "1 more alarm than limit = 3");
        assert_eq!(harness.changes().len(), 9 + 6);
    }

    #[test]
    fn the_worst_fires_first_then_the_oldest_then_by_label() {
        let warning = Some(level(70.0, 60.0, 0));
        let mut harness = Harness::new(vec![Threshold { warning, ..limited(1) }]);
        check(&mut harness, "#....", "0", "", "");
        check(&mut harness, "#.8..", "0", "2", "1 more alarm than limit = 1");
        check(&mut harness, "#88.#", "0", "124", "3 more alarms than limit = 1");
        check(&mut harness, ".88.#", "4", "12", "2 more alarms than limit = 1");
        check(&mut harness, ".88..", "2", "1", "1 more alarm than limit = 1");
    }

    #[test]
    fn what_waits_goes_on_waiting_after_a_restart_and_fires_when_the_limit_is_raised() {
        let mut harness = Harness::new(vec![limited(1)]);
        let said = "2 more alarms than limit = 1";
        check(&mut harness, "###", "0", "12", said);
        let waits = harness.alarms().into_iter().find(|one| one.labels["id"] == "1").unwrap();
        assert_eq!(waits.reason.as_deref(), Some("over the limit"));
        harness.restart(vec![limited(1)], 2, false);
        assert_eq!(shown(&harness), ("0".into(), "12".into(), Some(said.into())));
        check(&mut harness, "###", "0", "12", said);
        harness.restart(vec![limited(2)], 2, false);
        check(&mut harness, "###", "01", "2", "1 more alarm than limit = 2");
        harness.restart(vec![limited(5)], 2, false);
        check(&mut harness, "###", "012", "", "");
        assert_eq!(harness.changes(), ["Fired"; 3]);
        let ids: std::collections::BTreeSet<_> =
            harness.alarms().into_iter().map(|one| one.id).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn what_was_waiting_fires_under_the_numbers_that_it_is_judged_by() {
        use crate::engine::{Matcher, Override};
        let mut harness = Harness::new(vec![limited(1)]);
        harness.override_with(vec![Override {
            id: "own".into(),
            evaluator: "cpu".into(),
            matchers: vec![Matcher::parse("id=1").unwrap()],
            warning: None,
            critical: Some(level(50.0, 40.0, 0)),
        }]);
        check(&mut harness, "##", "0", "1", "1 more alarm than limit = 1");
        check(&mut harness, ".#", "1", "", "");
        let fired = harness.transitions.iter().rfind(|one| one.alarm.evaluator != SYSTEM).unwrap();
        assert_eq!((fired.alarm.labels["id"].as_str(), fired.change.as_str()), ("1", "fired"));
        assert_eq!(fired.alarm.threshold.as_deref(), Some("own"));
    }

    #[test]
    fn the_summary_names_what_most_of_those_that_wait_have_in_common() {
        use haetae_plugin::{Samples, Series, Timestamp};

        use crate::engine::{
            Engine, Input,
            series::slot::Slots,
            tests::harness::{MINUTE, timing},
        };
        let start = Timestamp::from_seconds(1_700_000_000);
        let mut engine = Engine::new(vec![timing("s")], vec![limited(2)], start);
        let slot = Slots::of("s", MINUTE).next(start);
        let mut samples = Samples::at(slot);
        for index in 0..9 {
            let ip = format!("10.0.0.{}", index / 6);
            let series = Series::gauge("cpu", "percent").label("zone", "a").label("ip", ip);
            let series = series.label("rack", "r");
            samples.push(&series.label("id", index.to_string()).build(), 95.0);
        }
        engine.step(Input::Samples { source: "s".into(), samples }, slot);
        let alarms = engine.alarms();
        let over = alarms.iter().find(|one| one.evaluator == SYSTEM).unwrap();
        let expected =
            "7 more alarms than limit = 2; most: rack=r (7), zone=a (7), ip=10.0.0.0 (4)";
        assert_eq!(over.reason.as_deref(), Some(expected));
        // It is stored when it changes, and not else.
        let quiet = engine.step(Input::Tick, slot.after(std::time::Duration::from_secs(1)));
        assert!(quiet.is_empty());
    }
}
