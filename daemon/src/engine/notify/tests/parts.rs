//! Parts: what a step with many alarms hands pending, and when each of them is told. In tests a part is
//! three alarms.

use haetae_plugin::Samples;

use super::rig::{Plan, Rig, matcher, plan, prompt, route, series};
use crate::engine::{
    Effects, Input, Step, notify::Inhibit, progress::PART, series::slot::Slots,
    tests::harness::MINUTE,
};

/// Ten alarms fire in one slot: the parts of that step.
fn storm(plan: Plan) -> Vec<Effects> {
    let mut rig = Rig::new(plan);
    let slot = Slots::of("s", MINUTE).next(rig.now);
    let mut samples = Samples::at(slot);
    (0..10).for_each(|index| samples.push(&series(index), 95.0));
    let mut step = Step::new(Input::Samples { source: "s".into(), samples }, slot);
    std::iter::from_fn(|| rig.engine.advance(&mut step)).collect()
}

/// The alarms that a part stores, and those that it tells a sink of.
fn ids<'a>(part: &'a Effects, sink: &str) -> (Vec<&'a str>, Vec<&'a str>) {
    let stored = part.standings.iter().map(|row| row.alarm.id.as_str());
    let flushes = part.flushes.iter().filter(|flush| flush.sink == sink);
    let mut notified: Vec<_> =
        flushes.flat_map(|flush| &flush.alarms).map(|alarm| alarm.id.as_str()).collect();
    notified.sort_unstable();
    (stored.collect(), notified)
}

#[test]
fn a_storm_is_handed_out_in_parts_in_the_order_of_the_store_each_with_what_it_tells() {
    let parts = storm(plan(vec![prompt("hook"), route("mail")]));
    assert!(parts.len() > 10 / PART, "{}", parts.len());
    let mut all = Vec::new();
    for part in &parts {
        let (stored, notified) = ids(part, "hook");
        assert!(stored.len() <= PART);
        assert_eq!(stored, notified);
        assert_eq!(ids(part, "mail").1, [""; 0], "its group waits for the moment to be over");
        all.extend(stored);
    }
    assert!(all.is_sorted() && all.len() == 10, "{all:?}");
}

#[test]
fn what_an_alarm_of_a_later_part_mutes_is_not_told_before() {
    let (when, mute) = (matcher("id=9"), matcher("id!=9"));
    let inhibit = Inhibit { place: "haetae.toml:5".into(), when, mute, equal: Vec::new() };
    let mut plan = plan(vec![prompt("hook")]);
    plan.inhibits = vec![inhibit];
    let parts = storm(plan);
    let notified = parts.iter().flat_map(|part| &part.flushes).flat_map(|flush| &flush.alarms);
    let notified: Vec<_> = notified.map(|alarm| alarm.labels["id"].as_str()).collect();
    assert_eq!(notified, ["9"]);
}
