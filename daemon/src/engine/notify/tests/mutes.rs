//! Mutes: what stands against telling, and what is told when it ends.

use std::time::Duration;

use haetae_plugin::{Reason, Samples, Timestamp};
use jiff::tz::TimeZone;

use super::{
    rig::{Rig, acknowledged, matcher, plan, prompt, route, series, silence},
    shown::why,
};
use crate::engine::{
    Handling, Input,
    alarm::handling::{CloseCode, HandlingState},
    mute::{calendar::Recurring, silence::SilenceSpan},
    notify::{Inhibit, Quiet, Route, Why},
    series::slot::Slots,
    tests::harness::MINUTE,
    threshold::rule::Threshold,
};

pub(super) fn closed() -> Handling {
    let state = HandlingState::Closed { by: "kim".into(), code: CloseCode::Noise };
    Handling { state, owner: None }
}

fn whys(rig: &Rig, index: usize) -> Vec<String> {
    rig.explain(index).against.iter().map(why).collect()
}

fn next(rig: &Rig, index: usize) -> Option<String> {
    let (at, reason) = rig.explain(index).next?;
    Some(format!("{} {}", at.since(rig.start).as_secs(), super::shown::word(reason)))
}

#[test]
fn a_silence_holds_back_what_is_new_but_not_the_end_of_what_was_told() {
    let mut rig = Rig::new(plan(vec![prompt("mail")]));
    rig.slot("~..");
    let until = rig.start.after(MINUTE * 10);
    rig.silence(vec![silence("host=a", SilenceSpan::Between(rig.start, until))]);
    rig.slot("~~#");
    assert_eq!(rig.notified(), ["60 mail first +0", "120 mail first +2"]);
    assert_eq!(rig.held(), ["mail silenced S1 kim work"]);
    assert_eq!(whys(&rig, 1), ["silenced S1 kim work"]);
    assert_eq!(next(&rig, 1).as_deref(), Some("600 first"));
    rig.slot(".~#");
    assert_eq!(rig.notified(), ["180 mail resolved -0"]);
    rig.wait(MINUTE * 8);
    assert_eq!(rig.notified(), ["600 mail first +1"]);
    assert_eq!(rig.held(), ["mail -"]);
}

#[test]
fn a_silence_until_resolved_lasts_as_long_as_its_alarms() {
    let mut rig = Rig::new(plan(vec![prompt("mail")]));
    rig.slot("~..");
    let (from, alarms) = (rig.now, vec![rig.id(0)]);
    rig.silence(vec![silence("host=a", SilenceSpan::UntilResolved { from, alarms })]);
    rig.slot("#~.");
    assert_eq!(rig.notified(), ["60 mail first +0"]);
    rig.slot(".~.");
    assert_eq!(rig.notified(), ["180 mail first +1", "180 mail resolved -0"]);
}

#[test]
fn a_silence_that_is_taken_back_lets_everything_through() {
    let mut rig = Rig::new(plan(vec![prompt("mail")]));
    rig.silence(vec![silence(
        "evaluator=cpu",
        SilenceSpan::Between(rig.start, rig.start.after(MINUTE * 99)),
    )]);
    rig.slot("~..");
    assert_eq!(rig.notified(), [""; 0]);
    rig.silence(Vec::new());
    assert_eq!(rig.notified(), ["60 mail first +0"]);
}

#[test]
fn maintenance_is_a_silence_of_the_configuration() {
    let every = Recurring::parse("00:00-23:59", TimeZone::UTC).unwrap();
    let mut works = silence("severity=warning", SilenceSpan::Recurring(every));
    works.author = "haetae.toml:7".into();
    let mut rig =
        Rig::new(super::rig::Plan { maintenance: vec![works], ..plan(vec![prompt("mail")]) });
    rig.slot("~#.");
    assert_eq!(rig.notified(), ["60 mail first +1"]);
    assert_eq!(rig.held(), ["mail maintenance haetae.toml:7"]);
    assert_eq!(whys(&rig, 0), ["maintenance haetae.toml:7"]);
    // Until 23:59.
    let end = Timestamp::from_seconds(1_700_000_000 + 3600 + 45 * 60 + 40);
    assert_eq!(rig.explain(0).next.unwrap().0, end);
    rig.slot("##.");
    assert_eq!(rig.notified(), ["120 mail first +0"]);
}

fn inhibit(when: &str, mute: &str) -> Inhibit {
    let (when, mute) = (matcher(when), matcher(mute));
    Inhibit { place: "haetae.toml:5".into(), when, mute, equal: vec!["host".into(), "none".into()] }
}

#[test]
fn an_alarm_that_explains_others_mutes_them_until_the_last_such_ends() {
    // 0 and 1 are on host a, 2 is on host b.
    let inhibits = vec![inhibit("severity=critical", "severity=warning")];
    let mut rig = Rig::new(super::rig::Plan { inhibits, ..plan(vec![route("mail")]) });
    rig.slot("#~~");
    rig.wait(MINUTE);
    assert_eq!(rig.notified(), ["90 mail first +0 +2"]);
    assert_eq!(rig.held(), ["mail inhibited haetae.toml:5"]);
    let Why::Inhibited { by, .. } = &rig.explain(1).against[0] else { panic!("not inhibited") };
    assert_eq!(*by, rig.id(0));
    rig.slot(".~~");
    rig.wait(MINUTE * 6);
    assert_eq!(rig.notified(), ["390 mail new-alarms -0 +1 =2"]);
}

#[test]
fn of_two_that_mute_one_may_lapse() {
    let inhibits = vec![inhibit("id=~\"0|1\"", "id=5")];
    let mut rig = Rig::new(super::rig::Plan { inhibits, ..plan(vec![prompt("mail")]) });
    let say = |rig: &mut Rig, values: &[(usize, f64)]| {
        let slot = Slots::of("s", MINUTE).next(rig.now);
        let mut samples = Samples::at(slot);
        for (index, value) in values {
            let id = index.to_string();
            let one = haetae_plugin::Series::gauge("cpu", "percent").label("id", id);
            samples.push(&one.label("host", "a").build(), *value);
        }
        rig.step(Input::Samples { source: "s".into(), samples }, slot);
    };
    say(&mut rig, &[(0, 95.0), (1, 95.0), (5, 95.0)]);
    assert_eq!(rig.notified().len(), 2);
    say(&mut rig, &[(0, 10.0), (1, 95.0), (5, 95.0)]);
    assert_eq!(rig.notified(), ["120 mail resolved -0"]);
    say(&mut rig, &[(0, 95.0), (1, 10.0), (5, 95.0)]);
    assert_eq!(rig.notified().len(), 2);
    say(&mut rig, &[(0, 10.0), (1, 10.0), (5, 95.0)]);
    assert_eq!(rig.notified().len(), 2);
}

#[test]
fn alarms_on_both_sides_mute_neither_themselves_nor_each_other() {
    let inhibits = vec![inhibit("evaluator=cpu", "severity=critical")];
    let mut rig = Rig::new(super::rig::Plan { inhibits, ..plan(vec![prompt("mail")]) });
    rig.slot("##.");
    assert_eq!(rig.notified().len(), 2);
    // One that is only a source does.
    rig.slot("~..");
    rig.notified();
    rig.slot("~#.");
    assert_eq!(rig.notified(), [""; 0]);
}

#[test]
fn a_source_that_is_down_mutes_the_alarms_that_rest_on_it() {
    let both = Threshold { inputs: vec!["s".into(), "t".into()], ..super::rig::cpu() };
    let mut rig = Rig::new(super::rig::Plan {
        sources: vec!["s", "t"],
        thresholds: vec![both],
        ..plan(vec![Route { repeat: vec![MINUTE * 2], ..prompt("mail") }])
    });
    let say = |rig: &mut Rig| {
        let slot = Slots::of("s", MINUTE).next(rig.now);
        for source in ["s", "t"] {
            let mut samples = Samples::at(slot);
            samples.push(&series(0), 95.0);
            rig.step(Input::Samples { source: source.into(), samples }, slot);
        }
    };
    for _ in 0..3 {
        say(&mut rig);
    }
    assert_eq!(rig.notified(), ["120 mail first +0"]);
    rig.input(Input::SourceDown { source: "t".into(), reason: "refused".into() });
    assert_eq!(rig.notified(), ["180 mail first +source-down"]);
    rig.wait(MINUTE * 2 + Duration::from_secs(1));
    assert_eq!(rig.notified(), ["300 mail repeat =source-down"]);
    assert_eq!(rig.held(), ["mail source down t"]);
    assert_eq!(whys(&rig, 0)[0], "source down t");
    rig.input(Input::SourceUp { source: "t".into() });
    assert_eq!(rig.notified(), ["301 mail resolved -source-down", "301 mail repeat =0"]);
}

#[test]
fn an_acknowledgement_stops_repeats_until_it_ends_or_the_alarm_gets_worse() {
    let sink = Route { repeat: vec![MINUTE], ..prompt("mail") };
    let mut rig = Rig::new(plan(vec![sink.clone()]));
    rig.slot("~..");
    let until = rig.start.after(MINUTE * 5);
    rig.handle(0, acknowledged(Some(until), false));
    rig.wait(MINUTE * 3);
    assert_eq!(rig.notified(), ["60 mail first +0"]);
    assert_eq!(rig.held(), ["mail acknowledged kim"]);
    assert_eq!(whys(&rig, 0)[0], "acknowledged kim");
    rig.wait(MINUTE * 2);
    assert_eq!(rig.handled, [(rig.id(0), Handling::default())]);
    assert_eq!(rig.notified(), ["300 mail repeat =0"]);
    for (sticky, notified) in [(false, vec!["120 mail worse +0"]), (true, Vec::new())] {
        let mut rig = Rig::new(plan(vec![sink.clone()]));
        rig.slot("~..");
        rig.handle(0, acknowledged(None, sticky));
        rig.notified();
        rig.slot("#..");
        assert_eq!(
            (rig.notified(), rig.handled.len()),
            (notified.iter().map(|it| (*it).to_owned()).collect(), usize::from(!sticky))
        );
    }
}

#[test]
fn closing_an_alarm_is_its_end_and_reopening_it_a_new_beginning() {
    let mut rig = Rig::new(plan(vec![prompt("mail")]));
    rig.slot("~..");
    rig.handle(0, closed());
    rig.wait(MINUTE * 5);
    assert_eq!(rig.notified(), ["60 mail first +0", "60 mail closed -0"]);
    rig.handle(0, Handling::default());
    rig.slot("~..");
    assert_eq!(rig.notified(), ["360 mail reopened +0"]);
    rig.handle(0, closed());
    rig.slot("#..");
    assert_eq!(rig.notified(), ["420 mail closed -0", "480 mail first +0"]);
    rig.slot("...");
    assert_eq!(rig.notified(), ["540 mail resolved -0"]);
    assert!(rig.groups.is_empty(), "{:?}", rig.groups);
}

#[test]
fn an_end_that_nobody_heard_of_is_none_when_the_alarm_is_reopened() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~..");
    rig.wait(MINUTE);
    rig.handle(0, closed());
    rig.handle(0, Handling::default());
    rig.wait(MINUTE * 9);
    assert_eq!(rig.notified(), ["90 mail first +0"]);
}

#[test]
fn quiet_hours_hold_all_but_what_is_excepted_until_they_end() {
    // It begins at 22:13:20 in UTC.
    let hours = Recurring::parse("22:00-22:30", TimeZone::UTC).unwrap();
    let quiet =
        Quiet { place: "haetae.toml:8".into(), hours, except: matcher("severity=critical") };
    let mut rig = Rig::new(plan(vec![Route { quiet: Some(quiet), ..prompt("mail") }]));
    let end = Timestamp::from_seconds(1_700_000_000 + 16 * 60 + 40);
    rig.slot("~#~");
    rig.slot("~#.");
    rig.slot("~..");
    assert_eq!(rig.notified(), ["60 mail first +1", "180 mail resolved -1"]);
    assert_eq!(whys(&rig, 0), ["quiet haetae.toml:8"]);
    assert_eq!(rig.explain(0).next.unwrap().0, end);
    rig.wait(MINUTE * 20);
    let after = end.since(rig.start).as_secs();
    assert_eq!(rig.notified(), [format!("{after} mail first +0")]);
}

#[test]
fn it_says_what_stands_against_telling_and_what_comes_next() {
    let sink = Route { repeat: vec![MINUTE * 60], matchers: matcher("id!=2"), ..route("mail") };
    let mut rig = Rig::new(plan(vec![sink]));
    rig.slot("~.~");
    let one = rig.explain(0);
    assert_eq!(one.group.as_deref(), Some(&*format!("evaluator=\"cpu\"@{}", rig.now.nanos())));
    assert_eq!((one.notified, whys(&rig, 0)), (None, vec!["grouped haetae.toml:4".to_owned()]));
    assert_eq!(next(&rig, 0).as_deref(), Some("90 first"));
    assert_eq!(whys(&rig, 2), ["not wanted haetae.toml:4"]);
    assert_eq!(next(&rig, 2), None);
    rig.wait(MINUTE);
    let one = rig.explain(0);
    let notified = one
        .notified
        .map(|(at, reason)| (at.since(rig.start).as_secs(), super::shown::word(reason)));
    assert_eq!(notified, Some((90, "first".into())));
    assert_eq!(whys(&rig, 0), ["repeat not due haetae.toml:4"]);
    let again = rig.start.after(Duration::from_secs(3690));
    assert!(
        matches!(rig.explain(0).against[0], Why::RepeatNotDue { due: Some(due), .. } if due == again)
    );
    assert_eq!(next(&rig, 0).as_deref(), Some("3690 repeat"));
    rig.handle(0, acknowledged(None, false));
    assert_eq!(whys(&rig, 0)[0], "acknowledged kim");
    assert_eq!(next(&rig, 0), None);
    assert!(rig.engine.explain("0-1", rig.now).is_empty());
    // Of two that stand against it, the one that lasts longer counts.
    let [hour, day] = [60, 24 * 60].map(|minutes| rig.start.after(MINUTE * minutes));
    rig.handle(0, acknowledged(Some(day), false));
    assert_eq!(next(&rig, 0).as_deref(), Some("86400 repeat"));
    rig.handle(0, acknowledged(Some(hour), false));
    rig.silence(vec![silence("host=a", SilenceSpan::Between(rig.start, day))]);
    assert_eq!(next(&rig, 0).as_deref(), Some("86400 repeat"));
    rig.handle(0, acknowledged(Some(day), false));
    rig.silence(vec![silence("host=a", SilenceSpan::Between(rig.start, hour))]);
    assert_eq!(next(&rig, 0).as_deref(), Some("86400 repeat"));
}

/// What is said of an alarm that is over, in seconds since the start: what stands against telling
/// the end, until when the group waits, what the sink was told, what comes next.
type OfTheEnd = (Vec<String>, u64, Option<Reason>, Option<(u64, Reason)>);

fn of_the_end(rig: &Rig, alarm: &str) -> OfTheEnd {
    let end = rig.engine.explain(alarm, rig.now).remove(0);
    assert!(end.group.is_some(), "{end:?}");
    let Why::Grouped { due, .. } = end.against[0] else { panic!("{end:?}") };
    let after = |at: Timestamp| at.since(rig.start).as_secs();
    let next = end.next.map(|(at, reason)| (after(at), reason));
    let against = end.against.iter().skip(1).map(why).collect();
    (against, after(due), end.notified.map(|(_, reason)| reason), next)
}

#[test]
fn it_says_when_the_end_is_told_and_what_stands_against_that() {
    let mut rig = Rig::new(plan(vec![route("mail")]));
    rig.slot("~~.");
    rig.wait(MINUTE);
    let [ended, closed_by_kim] = [0, 1].map(|index| rig.id(index));
    rig.handle(1, closed());
    rig.slot("..~");
    let notified = Some(Reason::First);
    let next = |reason| (Vec::new(), 390, notified, Some((390, reason)));
    assert_eq!(of_the_end(&rig, &ended), next(Reason::Resolved));
    assert_eq!(of_the_end(&rig, &closed_by_kim), next(Reason::Closed));
    // One that joined a group which was told was not told itself.
    let joined = rig.explain(2);
    let due = rig.start.after(Duration::from_secs(390));
    assert_eq!((joined.notified, joined.next), (None, Some((due, Reason::NewAlarms))));
    assert!(matches!(joined.against[0], Why::Grouped { due: at, .. } if at == due));
    // After a restart nobody is told anything before the source speaks.
    rig.restart();
    let (against, _, notified, next) = of_the_end(&rig, &ended);
    assert_eq!((against, notified), (vec!["starting".to_owned()], Some(Reason::First)));
    assert!(next.is_some(), "it lasts so long at most");
    assert!(rig.explain(2).next.is_some());
    rig.hear();
    assert_eq!(of_the_end(&rig, &ended).0, [""; 0]);
    assert_eq!(whys(&rig, 2), ["grouped haetae.toml:4"]);
}

#[test]
fn an_end_that_the_quiet_hours_hold_is_told_when_they_are_over() {
    let hours = Recurring::parse("22:20-22:30", TimeZone::UTC).unwrap();
    let quiet = Quiet { place: "haetae.toml:8".into(), hours, except: Vec::new() };
    let mut rig = Rig::new(plan(vec![Route { quiet: Some(quiet), ..prompt("mail") }]));
    rig.slot("~..");
    let ended = rig.id(0);
    rig.wait(MINUTE * 7);
    rig.slot("...");
    assert_eq!(rig.notified(), ["60 mail first +0"]);
    let now = rig.now.since(rig.start).as_secs();
    let over = Timestamp::from_seconds(1_700_000_000 + 16 * 60 + 40).since(rig.start).as_secs();
    let said = (vec!["quiet haetae.toml:8".to_owned()], now);
    let (against, due, notified, next) = of_the_end(&rig, &ended);
    assert_eq!(((against, due), notified), (said, Some(Reason::First)));
    assert_eq!(next, Some((over, Reason::Resolved)));
}
