//! Log evaluators as rows of text: lines go in, transitions come out.

use std::collections::BTreeMap;

use haetae_plugin::{LogRecord, Logs, Timestamp};
use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;
use crate::engine::{
    Change, Effects, Engine, Input, Matcher, Past, SYSTEM, Setting, SourceTiming, Standing,
    Summaries, Transition,
    notify::{GroupBy, Rate, Route, Why},
    threshold::rule::Threshold,
};

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn rule(name: &str, pattern: &str, by: &[&str], watch: LogCondition) -> LogRule {
    LogRule {
        name: name.into(),
        inputs: vec!["s".into()],
        matchers: Vec::new(),
        pattern: Some(Regex::new(pattern).unwrap()),
        by: by.iter().map(|name| (*name).into()).collect(),
        labels: BTreeMap::new(),
        watch,
        limit: 1_000,
        summary: Summaries::from_iter([("en".into(), "{{host}}: {{pid}}".into())]),
        runbook: None,
    }
}

fn count(at_least: usize, seconds: u32) -> Count {
    Count { at_least, within: SECOND * seconds }
}

fn levels<T>(warning: Option<T>, critical: Option<T>) -> Levels<T> {
    Levels { warning, critical }
}

fn new(learn: u32, forget: u32, told: u32) -> LogCondition {
    let (learn, forget) = (SECOND * learn, SECOND * forget);
    LogCondition::New {
        label: "v".into(),
        learn,
        forget,
        levels: levels(Some(SECOND * told), None),
    }
}

fn rules() -> Vec<LogRule> {
    vec![
        rule(
            "count",
            r"kill (?P<pid>\d+)",
            &["host"],
            LogCondition::Count(levels(Some(count(2, 3)), Some(count(4, 5)))),
        ),
        rule(
            "quiet",
            "beat",
            &["host"],
            LogCondition::Absence(levels(Some(SECOND * 3), Some(SECOND * 6))),
        ),
        rule("none", "beat", &[], LogCondition::Absence(levels(None, Some(SECOND * 4)))),
        rule("new", r"v=(?P<v>\w+)", &[], new(2, 8, 2)),
        LogRule { limit: 1, ..rule("few", r"v=(?P<v>\w+)", &[], new(0, 3, 2)) },
        LogRule {
            limit: 2,
            ..rule(
                "some",
                r"v=(?P<v>\w+)",
                &["v", "host"],
                LogCondition::Count(levels(Some(count(1, 3)), Some(count(2, 2)))),
            )
        },
    ]
}

/// A line: milliseconds, host, message.
type Said = (i64, &'static str, String);

fn logs(lines: &[Said], vouched: Option<i64>) -> Logs {
    let mut logs = Logs::at(vouched.map(at).unwrap_or_default());
    for (millis, host, message) in lines {
        let raw = message.as_bytes();
        let (received, host) = (at(*millis), host.as_bytes());
        logs.push(&LogRecord { received, raw, message: raw, host, ..LogRecord::default() });
    }
    logs
}

/// An engine, the batches of its queue, and what was written of it.
struct Harness {
    pub(in crate::engine) engine: Engine,
    rules: Vec<LogRule>,
    matching: Matching,
    batches: Vec<Logs>,
    standings: BTreeMap<String, String>,
    cursors: BTreeMap<(String, String), String>,
    positions: BTreeMap<(String, String), i64>,
    written: Vec<Transition>,
}

fn timing() -> SourceTiming {
    SourceTiming { name: "s".into(), interval: SECOND, deadline: SECOND, max_series: 9 }
}

fn matching(rules: &[LogRule]) -> Matching {
    Matching::new("s", BTreeMap::new(), rules).unwrap()
}

fn engine(rules: &[LogRule]) -> Engine {
    Engine::new(vec![timing()], Vec::<Threshold>::new(), at(0)).with_logs(rules.to_vec())
}

impl Harness {
    fn new(rules: Vec<LogRule>) -> Self {
        Self {
            engine: engine(&rules),
            matching: matching(&rules),
            rules,
            batches: Vec::new(),
            standings: BTreeMap::new(),
            cursors: BTreeMap::new(),
            positions: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    fn write(&mut self, effects: Effects) {
        for one in &effects.transitions {
            let stored = effects.standings.iter().any(|row| row.alarm.id == one.alarm.id);
            assert!(stored, "not stored: {one:?}");
            let cursor = effects.cursors.iter().any(|row| row.evaluator == one.alarm.evaluator);
            let without = one.alarm.evaluator == SYSTEM || one.change == Change::Closed;
            assert!(cursor || without, "written without its cursor: {one:?}");
        }
        for id in &effects.gone {
            assert!(self.standings.remove(id).is_some(), "deleted what was not stored: {id}");
        }
        for row in effects.standings {
            self.standings.insert(row.alarm.id.clone(), serde_json::to_string(&row).unwrap());
        }
        for cursor in effects.cursors {
            self.positions.insert(cursor.of(), cursor.position);
            self.cursors.insert(cursor.of(), serde_json::to_string(&cursor.state).unwrap());
        }
        self.written.extend(effects.transitions);
    }

    fn input(&mut self, sequence: usize) -> Input {
        let found = self.matching.find(&self.batches[sequence], at(i64::from(u32::MAX)));
        let (source, queue, position) = ("s".into(), "q".into(), i64::try_from(sequence).unwrap());
        Input::Records(LogBatch { source, queue, position, found })
    }

    fn say(&mut self, lines: &[Said], vouched: Option<i64>, now: Timestamp) {
        self.batches.push(logs(lines, vouched));
        let input = self.input(self.batches.len() - 1);
        let effects = self.engine.step(input, now);
        self.write(effects);
    }

    fn hear(&mut self, millis: i64, vouched: bool) {
        self.hear_of("s", millis, vouched);
    }

    fn hear_of(&mut self, source: &str, millis: i64, vouched: bool) {
        let heard = Input::Heard { source: source.into(), until: at(millis), vouched };
        let effects = self.engine.step(heard, at(millis));
        self.write(effects);
    }

    /// Killed and started again: what was written is all that is left, and the queue says again
    /// what lies behind its least cursor.
    fn killed(&mut self, now: Timestamp) {
        let cursor = |(of, state): (&(String, String), &String)| LogCursor {
            source: of.0.clone(),
            evaluator: of.1.clone(),
            queue: "q".into(),
            position: self.positions[of],
            state: serde_json::from_str(state).unwrap(),
        };
        let rows: Vec<Standing> =
            self.standings.values().map(|text| serde_json::from_str(text).unwrap()).collect();
        let (standings, ended): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.alarm.ended.is_none());
        let occurrences = ended.into_iter().map(|row| (row.fingerprint, row.occurrence)).collect();
        let cursors: Vec<_> = self.cursors.iter().map(cursor).collect();
        let all = cursors.len() == self.rules.len();
        let from = cursors.iter().map(|cursor| cursor.position + 1).min().filter(|_| all);
        (self.engine, self.matching) = (engine(&self.rules), matching(&self.rules));
        let past = Past { standings, occurrences, cursors, ..Past::default() };
        let instances = self.rules.iter().map(|rule| rule.name.clone()).collect();
        let effects = self.engine.restore(past, &instances, now);
        self.write(effects);
        for sequence in usize::try_from(from.unwrap_or(0)).unwrap()..self.batches.len() {
            let input = self.input(sequence);
            let effects = self.engine.step(input, now);
            self.write(effects);
        }
    }

    /// The plan is replaced by these rules while the engine runs.
    fn reload(&mut self, rules: Vec<LogRule>, now: Timestamp) {
        let setting =
            Setting { sources: vec![timing()], logs: rules.clone(), ..Setting::default() };
        self.matching = matching(&rules);
        self.rules = rules;
        let effects = self.engine.reload(setting, now);
        self.write(effects);
    }

    /// Each transition: when, of whom, how.
    fn notified(&self) -> Vec<String> {
        let word = |one: &Transition| {
            let alarm = &one.alarm;
            let millis = one.at.millis() - 1_000_000;
            let labels: Vec<_> = alarm.labels.values().cloned().collect();
            let (change, severity) = (one.change.as_str(), alarm.severity.as_str());
            let value = alarm.value.map(|value| format!(" {value}")).unwrap_or_default();
            format!(
                "{millis} {} [{}] {change} {severity}{value}",
                alarm.evaluator,
                labels.join(",")
            )
        };
        let own = self.written.iter().filter(|one| one.alarm.evaluator != SYSTEM);
        own.map(word).collect()
    }

    /// The alarms that fire and those that wait, by their value of `v`, and what is said of those.
    fn shown(&self) -> (String, String, Option<String>) {
        let alarms = self.engine.alarms();
        let those = |firing: bool| {
            let own = alarms.iter().filter(|one| one.evaluator != SYSTEM);
            let own = own.filter(|one| one.is_firing() == firing);
            let mut values: Vec<_> = own.map(|one| one.labels["v"].as_str()).collect();
            values.sort_unstable();
            values.concat()
        };
        let over = alarms.iter().find(|one| one.evaluator == SYSTEM);
        (those(true), those(false), over.and_then(|one| one.reason.clone()))
    }
}

/// A rule that tells of new values for ten seconds, of so many at once.
fn limited(limit: usize) -> Vec<LogRule> {
    vec![LogRule { limit, ..rule("new", r"v=(?P<v>\w+)", &[], new(0, 60, 10)) }]
}

fn is_shown(harness: &Harness, fires: &str, waits: &str, said: &str) {
    let said = Some(said.to_owned()).filter(|said| !said.is_empty());
    assert_eq!(harness.shown(), (fires.into(), waits.into(), said));
}

#[test]
fn a_log_evaluator_has_a_limit_as_others_have() {
    let mut harness = Harness::new(limited(2));
    let seen = |millis: i64, v: &str| (millis, "a", format!("v={v}"));
    for (millis, v) in [(0, "d"), (1_000, "c"), (2_000, "b"), (3_000, "a"), (4_000, "e")] {
        harness.say(&[seen(millis, v)], None, at(millis));
        harness.hear(millis + 999, false);
    }
    is_shown(&harness, "cd", "abe", "3 more alarms than limit = 2");
    let waits = harness
        .engine
        .alarms()
        .into_iter()
        .find(|one| one.labels.get("v").is_some_and(|v| v == "b"));
    let waits = waits.unwrap();
    assert_eq!(waits.reason.as_deref(), Some("over the limit"));
    // Room that is left goes to the one that has waited the longest, at that time; what waited in
    // vain is never told.
    harness.hear(10_500, false);
    is_shown(&harness, "bc", "ae", "2 more alarms than limit = 2");
    harness.killed(at(10_600));
    is_shown(&harness, "bc", "ae", "2 more alarms than limit = 2");
    harness.hear(12_500, false);
    is_shown(&harness, "ae", "", "");
    harness.hear(20_000, false);
    is_shown(&harness, "", "", "");
    let expected = [
        "0 new [d] fired warning",
        "1000 new [c] fired warning",
        "10000 new [b] fired warning",
        "10000 new [d] resolved warning",
        "11000 new [a] fired warning",
        "11000 new [c] resolved warning",
        "12000 new [b] resolved warning",
        "12000 new [e] fired warning",
        "13000 new [a] resolved warning",
        "14000 new [e] resolved warning",
    ];
    let mut told = harness.notified();
    told.dedup();
    assert_eq!(told, expected);
    let system: Vec<_> =
        harness.written.iter().filter(|one| one.alarm.evaluator == SYSTEM).collect();
    let words = ["instance", "problem"].map(|name| system[0].alarm.labels[name].as_str());
    assert_eq!((words, system.len()), (["new", "alarms-over-limit"], 2));
}

#[test]
fn of_a_thousand_new_values_no_more_than_the_limit_fire_at_once_and_one_alarm_says_so() {
    let mut harness = Harness::new(limited(100));
    let lines: Vec<_> = (0..1_000).map(|v| (v, "a", format!("v={v}"))).collect();
    harness.say(&lines, None, at(1_000));
    assert_eq!(harness.written.len(), 101);
    harness.hear(30_000, false);
    is_shown(&harness, "", "", "");
    let own = harness.written.iter().filter(|one| one.alarm.evaluator != SYSTEM);
    let mut firing: BTreeMap<Timestamp, i32> = BTreeMap::new();
    for one in own {
        *firing.entry(one.at).or_default() += if one.change == Change::Fired { 1 } else { -1 };
    }
    let (mut most, mut now) = (0, 0);
    for change in firing.values() {
        now += change;
        most = most.max(now);
    }
    assert_eq!((most, now), (100, 0));
}

#[test]
fn a_reload_raises_the_limit_and_a_rule_that_is_gone_takes_what_was_said_of_it_along() {
    let mut harness = Harness::new(limited(1));
    let lines = ["a", "b", "c"].map(|v| (0, "a", format!("v={v}")));
    harness.say(&lines, None, at(0));
    is_shown(&harness, "a", "bc", "2 more alarms than limit = 1");
    let setting = |rules: Vec<LogRule>| {
        let interval = SECOND;
        let timing = SourceTiming { name: "s".into(), interval, deadline: interval, max_series: 9 };
        Setting { sources: vec![timing], logs: rules, ..Setting::default() }
    };
    let effects = harness.engine.reload(setting(limited(2)), at(10));
    harness.write(effects);
    harness.hear(20, false);
    is_shown(&harness, "ab", "c", "1 more alarm than limit = 2");
    let effects = harness.engine.reload(setting(Vec::new()), at(30));
    assert!(effects.transitions.iter().all(|one| one.change == Change::Closed));
    assert_eq!(effects.transitions.len(), 3, "two that fired, and what was said of the third");
    is_shown(&harness, "", "", "");
}

#[test]
fn while_its_source_is_down_nobody_is_told_of_an_alarm_of_a_log() {
    let route = Route {
        sink: "mail".into(),
        place: "haetae.toml:1".into(),
        inputs: vec!["new".into()],
        system: true,
        matchers: Vec::new(),
        group_by: GroupBy::Alarm,
        group_wait: SECOND,
        group_interval: SECOND,
        repeat: vec![SECOND * 5],
        resolved: true,
        quiet: None,
        escalate: None,
        rate: Rate { most: 0, per: SECOND },
    };
    let engine = engine(&limited(9)).with_routes(vec![route], Vec::new(), Vec::new());
    let mut harness = Harness { engine, ..Harness::new(limited(9)) };
    let mut flushes = Vec::new();
    let mut withheld = Vec::new();
    harness.batches.push(logs(&[(0, "a", "v=1".to_owned())], None));
    let down = Input::SourceDown { source: "s".into(), reason: "gone".into() };
    for (millis, input) in
        [(0, harness.input(0)), (100, down), (2_000, Input::Tick), (7_500, Input::Tick)]
    {
        let effects = harness.engine.step(input, at(millis));
        flushes.extend(effects.flushes);
        withheld.extend(effects.withheld);
    }
    let told: Vec<_> = flushes.iter().map(|one| one.alarms[0].evaluator.as_str()).collect();
    assert_eq!(told, ["system", "system"], "the outage, and again: {flushes:#?}");
    assert_eq!(withheld.len(), 1, "{withheld:#?}");
    assert_eq!(withheld[0].why, Some(Why::SourceDown { source: "s".into() }));
    let up = Input::SourceUp { source: "s".into() };
    harness.engine.step(up, at(8_000));
    let effects = harness.engine.step(Input::Tick, at(9_500));
    let mut told: Vec<_> =
        effects.flushes.iter().map(|one| one.alarms[0].evaluator.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["new", "system"], "{:#?}", effects.flushes);
}

fn notified(rules: Vec<LogRule>, lines: &[(i64, &'static str, &str)], until: i64) -> Vec<String> {
    let mut harness = Harness::new(rules);
    for (millis, host, message) in lines {
        harness.say(&[(*millis, host, (*message).into())], None, at(*millis));
    }
    harness.hear(until, false);
    harness.notified()
}

#[test]
fn a_count_fires_rises_falls_and_ends_when_its_window_empties() {
    let lines = [
        (0, "a", "kill 1"),
        (1_000, "b", "kill 2"),
        (2_000, "a", "kill 3"),
        (2_500, "a", "kill 4"),
        (2_600, "a", "kill 5"),
    ];
    assert_eq!(
        notified(rules()[..1].to_vec(), &lines, 60_000),
        [
            "2000 count [a] fired warning 2",
            "2600 count [a] worse critical 4",
            "5000 count [a] better warning 4",
            "5500 count [a] resolved warning 4",
        ]
    );
}

#[test]
fn what_is_expected_and_does_not_come_is_an_alarm_until_it_comes() {
    let lines =
        [(0, "a", "beat"), (1_000, "b", "beat"), (2_000, "a", "beat"), (7_500, "b", "beat")];
    assert_eq!(
        notified(rules()[1..2].to_vec(), &lines, 8_000),
        [
            "4000 quiet [b] fired warning",
            "5000 quiet [a] fired warning",
            "7000 quiet [b] worse critical",
            "7500 quiet [b] resolved critical",
            "8000 quiet [a] worse critical",
        ]
    );
    let never = notified(rules()[2..3].to_vec(), &[(0, "a", "something else")], 4_000);
    assert_eq!(never, ["4000 none [] fired critical"]);
}

#[test]
fn a_value_is_new_once_unless_it_was_there_from_the_beginning_or_is_forgotten() {
    let lines = [
        (0, "a", "v=1"),
        (1_999, "a", "v=2"),
        (2_000, "a", "v=3"),
        (3_000, "a", "v=3"),
        (6_000, "a", "v=2"),
        (9_000, "a", "v=1"),
        (9_100, "a", "nothing"),
    ];
    assert_eq!(
        notified(rules()[3..4].to_vec(), &lines, 9_500),
        [
            "2000 new [3] fired warning",
            "4000 new [3] resolved warning",
            "9000 new [1] fired warning",
        ]
    );
}

#[test]
fn time_in_which_nobody_listened_is_no_absence_unless_the_source_vouches_for_it() {
    for (vouched, fired) in [(false, 0), (true, 2)] {
        let mut harness = Harness::new(rules()[1..2].to_vec());
        harness.say(&[(0, "a", "beat".into())], vouched.then_some(0), at(0));
        let down = Input::SourceDown { source: "s".into(), reason: "gone".into() };
        drop(harness.engine.step(down, at(100)));
        harness.hear(60_000, vouched);
        assert_eq!(harness.written.len(), fired, "{vouched}: {:?}", harness.notified());
        harness.killed(at(70_000));
        harness.hear(90_000, vouched);
        assert_eq!(harness.written.len(), fired, "{vouched}: {:?}", harness.notified());
        // Heard up to 90 s: three seconds without the record from then on are an absence.
        harness.hear(93_000, vouched);
        assert_eq!(harness.written.len(), fired.max(1), "{vouched}: {:?}", harness.notified());
    }
}

#[test]
fn time_in_which_some_source_did_not_listen_is_left_out_once() {
    let both = LogRule { inputs: vec!["s".into(), "t".into()], ..rules()[1].clone() };
    for (down, beat) in [(&["s", "t"][..], None), (&["t"], Some(59_000))] {
        let mut harness = Harness::new(vec![both.clone()]);
        harness.say(&[(0, "a", "beat".into())], None, at(0));
        harness.hear_of("t", 0, false);
        for source in down {
            let down = Input::SourceDown { source: (*source).into(), reason: "gone".into() };
            drop(harness.engine.step(down, at(100)));
        }
        if let Some(beat) = beat {
            harness.say(&[(beat, "a", "beat".into())], None, at(beat));
        }
        for millis in [60_000, 62_999, 64_000] {
            harness.hear_of("s", millis, false);
            harness.hear_of("t", millis, false);
        }
        assert_eq!(harness.notified(), ["63000 quiet [a] fired warning"], "{down:?}");
    }
}

#[test]
fn a_suspended_machine_and_a_clock_that_is_set_ahead_are_no_absence() {
    for (vouched, fired) in [(false, 0), (true, 2)] {
        let mut harness = Harness::new(rules()[1..2].to_vec());
        harness.say(&[(0, "a", "beat".into())], vouched.then_some(0), at(0));
        let effects = harness.engine.step(Input::Jumped { from: at(1_000) }, at(60_000));
        harness.write(effects);
        harness.hear(60_000, vouched);
        assert_eq!(harness.notified().len(), fired, "{vouched}: {:?}", harness.notified());
    }
}

#[test]
fn a_clock_that_had_run_ahead_hides_nothing_that_comes_after() {
    let years = 100_000_000_000;
    for restarted in [false, true] {
        let mut harness = Harness::new(rules()[..4].to_vec());
        harness.say(&[(years, "a", "v=1".into())], Some(years), at(years));
        if restarted {
            harness.killed(at(0));
        } else {
            let effects = harness.engine.step(Input::Tick, at(0));
            harness.write(effects);
        }
        for millis in [5_000, 5_500] {
            let lines = [(millis, "a", "kill 1 v=9".to_owned())];
            harness.say(&lines, Some(millis), at(millis));
        }
        let told = harness.notified().into_iter().filter(|one| one.contains("fired"));
        let expected = [
            "4000 none [] fired critical",
            "5000 new [9] fired warning",
            "5500 count [a] fired warning 2",
        ];
        let mut told: Vec<_> = told.collect();
        told.sort();
        assert_eq!(told, expected, "{restarted}");
    }
}

#[test]
fn what_is_expected_is_expected_also_where_another_rule_had_begun_under_the_name() {
    let mut harness = Harness::new(vec![rule(
        "none",
        "beat",
        &["host"],
        LogCondition::Count(levels(None, Some(count(9, 1)))),
    )]);
    harness.say(&[(0, "a", "beat".into())], None, at(0));
    harness.rules = rules()[2..3].to_vec();
    harness.killed(at(100));
    harness.hear(200, false);
    harness.hear(4_199, false);
    assert_eq!(harness.notified(), [""; 0]);
    harness.hear(4_200, false);
    assert_eq!(harness.notified(), ["4200 none [] fired critical"]);
}

#[test]
fn a_restart_with_another_kind_or_other_labels_closes_alarms_and_begins_anew_as_a_reload_does() {
    let absence = |by: &[&str]| LogRule {
        by: by.iter().map(|name| (*name).into()).collect(),
        ..rules()[2].clone()
    };
    let begun = |rule: LogRule| {
        let mut harness = Harness::new(vec![rule]);
        harness.say(&[(0, "a", "something else".into())], None, at(0));
        harness.hear(4_000, false);
        harness
    };
    let fired = "4000 none [] fired critical";
    let mut harness = begun(absence(&[]));
    harness.rules = vec![absence(&["host"])];
    harness.killed(at(5_000));
    assert_eq!(harness.notified(), [fired, "5000 none [] closed critical"]);
    // The same in another order goes on.
    let mut harness = begun(absence(&[]));
    harness.killed(at(5_000));
    assert_eq!(harness.notified(), [fired]);
    assert_eq!(absence(&["a", "b"]).identity(), absence(&["b", "a"]).identity());
    // What a rule of another kind had known is not held against values.
    let mut harness = Harness::new(vec![LogRule { name: "new".into(), ..rules()[0].clone() }]);
    harness.say(&[(0, "a", "kill 1".into())], None, at(0));
    harness.rules = rules()[3..4].to_vec();
    harness.killed(at(60_000));
    harness.say(&[(61_000, "a", "v=1".into())], None, at(61_000));
    harness.say(&[(63_000, "a", "v=2".into())], None, at(63_000));
    assert_eq!(harness.notified(), ["63000 new [2] fired warning"]);
}

#[test]
fn what_a_source_that_vouches_says_again_is_counted_once() {
    let mut harness = Harness::new(rules()[..1].to_vec());
    let lines = [(500, "a", "kill 1".to_owned())];
    for _ in 0..3 {
        harness.say(&lines, Some(1_000), at(1_000));
    }
    assert_eq!(harness.notified(), [""; 0]);
    assert_eq!(harness.engine.evaluators()[0].matches, 1);
}

#[test]
fn an_alarm_shows_its_newest_lines_cut_and_its_summary_says_what_was_captured() {
    let mut harness = Harness::new(rules()[..1].to_vec());
    let line = |millis, pid: usize| (millis, "a", format!("kill {pid} {}", "가".repeat(400)));
    let lines: Vec<_> = (0_i64..6).zip(1..).map(|(millis, pid)| line(millis, pid)).collect();
    harness.say(&lines, None, at(10));
    let alarm = &harness.engine.alarms()[0];
    assert_eq!(alarm.summaries.text("en"), Some("{{host}}: 6"));
    assert_eq!(alarm.excerpts.len(), EXCERPTS);
    assert!(alarm.excerpts.iter().all(|line| line.len() <= EXCERPT && line.ends_with('가')));
    assert!(alarm.excerpts[2].starts_with("kill 6 "));
}

#[test]
fn label_sets_are_capped_and_what_is_over_is_counted() {
    let mut harness = Harness::new(vec![rule(
        "n",
        r"v=(?P<v>\w+)",
        &["v"],
        LogCondition::Absence(levels(None, Some(SECOND))),
    )]);
    let lines: Vec<_> = (0..MOST_SETS + 5).map(|number| (0, "a", format!("v={number}"))).collect();
    harness.say(&lines, None, at(0));
    let status = &harness.engine.evaluators()[0];
    assert_eq!((status.series, status.ignored), (MOST_SETS, 5));
    let longest = harness.standings.values().map(String::len).max().unwrap();
    assert!(longest < 2_000, "{longest}");
}

#[test]
fn matchers_read_fields_pairs_and_words() {
    let mut one = rule(
        "m",
        "x",
        &["severity", "facility", "x@1.k", "source", "plane"],
        LogCondition::Count(levels(None, Some(count(1, 1)))),
    );
    one.matchers =
        [r#"severity=~"crit|err""#, "host!=b"].map(|text| Matcher::parse(text).unwrap()).into();
    let mut logs = Logs::default();
    for (severity, host) in [(3, "a"), (3, "b"), (6, "a")] {
        let (host, pairs) = (str::as_bytes(host), vec![(&b"x@1.k"[..], &b"v"[..])]);
        logs.push(&LogRecord {
            raw: b"\xffx",
            host,
            severity,
            facility: 17,
            pairs,
            ..LogRecord::default()
        });
    }
    let plane = BTreeMap::from([("plane".to_owned(), "paas".to_owned())]);
    let found = Matching::new("s", plane, &[one]).unwrap().find(&logs, at(5));
    assert_eq!(found.wanted[0].hits.len(), 1);
    let labels: Vec<_> = found.wanted[0].hits[0].labels.iter().collect();
    assert_eq!(
        labels,
        [
            ("facility", "local1"),
            ("plane", "paas"),
            ("severity", "err"),
            ("source", "s"),
            ("x@1.k", "v")
        ]
    );
    assert_eq!(
        found.wanted[0].hits[0].time,
        at(5),
        "what says no time was received when it was written down"
    );
}

#[test]
fn nothing_is_written_more_than_once_a_second_while_nobody_is_told() {
    let mut harness = Harness::new(rules()[1..2].to_vec());
    let mut writes = 0;
    for millis in 0..5_000 {
        harness.batches.push(logs(&[(millis, "a", "beat".into())], None));
        let input = harness.input(harness.batches.len() - 1);
        writes += usize::from(!harness.engine.step(input, at(millis)).is_empty());
    }
    assert_eq!(writes, 5);
}

fn stream() -> impl Strategy<Value = Vec<Said>> {
    let message = prop_oneof![
        3 => (0..9_u32).prop_map(|pid| format!("kill {pid}")),
        3 => Just("beat".to_owned()),
        2 => (0..4_u32).prop_map(|version| format!("v={version}")),
        1 => Just("else".to_owned()),
    ];
    let line = (0..1_500_i64, prop_oneof![Just("a"), Just("b")], message);
    prop::collection::vec(line, 1..60).prop_map(|lines| {
        let mut now = 0;
        lines
            .into_iter()
            .map(|(pause, host, message)| {
                now += pause;
                (now, host, message)
            })
            .collect()
    })
}

#[test]
fn what_was_matched_before_a_reload_counts_for_the_rule_of_its_name() {
    let once = || LogCondition::Count(levels(Some(count(1, 3)), None));
    let (kill, beat) =
        (rule("kill", "kill", &["host"], once()), rule("beat", "beat", &["host"], once()));
    let other = rule("kill", "kill", &["process"], once());
    for (after, expected) in [
        (vec![kill.clone(), beat.clone()], vec!["beat", "kill"]),
        (vec![beat.clone(), kill.clone()], vec!["beat", "kill"]),
        (vec![rule("new", "new", &[], once()), beat.clone()], vec!["beat"]),
        // One that tells its alarms apart by other labels is another one.
        (vec![other, beat.clone()], vec!["beat"]),
        (Vec::new(), Vec::new()),
    ] {
        let mut harness = Harness::new(vec![kill.clone(), beat.clone()]);
        harness.batches.push(logs(&[(10, "a", "kill".into()), (11, "b", "beat".into())], None));
        let matched = harness.input(0);
        harness.reload(after, at(12));
        let effects = harness.engine.step(matched, at(13));
        harness.write(effects);
        let fired = harness.written.iter().filter(|one| one.change == Change::Fired);
        let mut fired: Vec<_> = fired.map(|one| one.alarm.evaluator.as_str()).collect();
        fired.sort_unstable();
        assert_eq!(fired, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_lines_are_split_and_whenever_it_is_killed_the_alarms_are_the_same(
        lines in stream(),
        cuts in prop::collection::vec((1..6_usize, 0..4_u32), 60),
    ) {
        let vouch = |part: &[Said]| part.last().map(|line| line.0);
        let mut whole = Harness::new(rules());
        whole.say(&lines, vouch(&lines), at(0));
        let mut parts = Harness::new(rules());
        let mut rest = &lines[..];
        for (size, fate) in cuts {
            if rest.is_empty() { break; }
            let (part, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            let now = at(part.last().unwrap().0);
            // Lines of one instant may be torn apart: of the last one it can't vouch yet.
            parts.say(part, vouch(part).map(|last| last - 1), now);
            if fate == 0 { parts.killed(now); }
        }
        prop_assume!(rest.is_empty());
        let end = lines.last().unwrap().0 + 20_000;
        for harness in [&mut whole, &mut parts] {
            harness.hear(end, true);
            harness.killed(at(end));
        }
        let (mut whole, mut parts) = (whole.notified(), parts.notified());
        whole.sort();
        parts.sort();
        prop_assert_eq!(whole, parts);
    }
}

/// What a reload may make of the rules.
fn others(choice: usize) -> Vec<LogRule> {
    let mut all = rules();
    match choice {
        0 => all.truncate(2),
        1 => all[0].watch = LogCondition::Count(levels(None, Some(count(1, 2)))),
        2 => all.iter_mut().for_each(|rule| rule.by.clear()),
        3 => all[1].labels = BTreeMap::from([("team".into(), "x".into())]),
        4 => all[3].watch = LogCondition::Absence(levels(Some(SECOND), None)),
        5 => all.clear(),
        _ => {}
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reload_of_the_same_rules_changes_nothing(
        lines in stream(),
        reloads in prop::collection::vec(any::<bool>(), 60),
    ) {
        let run = |reloads: &[bool]| {
            let mut harness = Harness::new(rules());
            for (index, line) in lines.iter().enumerate() {
                let now = at(line.0);
                harness.say(std::slice::from_ref(line), None, now);
                if reloads.get(index) == Some(&true) {
                    harness.reload(rules(), now);
                }
            }
            harness.hear(lines.last().unwrap().0 + 20_000, false);
            harness.notified()
        };
        prop_assert_eq!(run(&[]), run(&reloads));
    }

    #[test]
    fn whatever_the_rules_become_and_whenever_it_is_killed_each_alarm_begins_and_ends_once(
        lines in stream(),
        fates in prop::collection::vec(0..12_usize, 60),
    ) {
        let mut harness = Harness::new(rules());
        for (line, fate) in lines.iter().zip(fates) {
            let now = at(line.0);
            harness.say(std::slice::from_ref(line), Some(line.0 - 1), now);
            match fate {
                0..8 => harness.reload(others(fate), now),
                8 => harness.killed(now),
                _ => {}
            }
        }
        harness.reload(Vec::new(), at(lines.last().unwrap().0));
        prop_assert!(harness.engine.alarms().is_empty());
        let mut fires = BTreeMap::new();
        for one in &harness.written {
            let before = fires.insert(one.alarm.id.clone(), !one.change.is_end());
            let expected = (one.change != Change::Fired).then_some(true);
            prop_assert_eq!(before, expected, "{:?}", one);
        }
        prop_assert!(fires.values().all(|fires| !fires), "{:?}", fires);
        let left = harness.standings.values().map(|text| serde_json::from_str::<Standing>(text).unwrap());
        let left: Vec<_> = left.filter(|row| row.alarm.ended.is_none()).collect();
        prop_assert!(left.is_empty(), "{:?}", left);
    }
}

#[test]
fn an_end_is_a_transition_of_the_occurrence_that_fired() {
    let mut harness = Harness::new(rules()[..1].to_vec());
    for millis in [0, 1, 10_000, 10_001] {
        harness.say(&[(millis, "a", "kill 1".into())], None, at(millis));
    }
    let seen: Vec<_> = harness
        .written
        .iter()
        .map(|one| (one.change, one.alarm.id.split_once('-').unwrap().1.to_owned()))
        .collect();
    let expected = [(Change::Fired, "1"), (Change::Resolved, "1"), (Change::Fired, "2")];
    assert_eq!(seen, expected.map(|(change, occurrence)| (change, occurrence.to_owned())));
}
