//! Trials: an engine that is fed text, a character a slot.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Point, Samples, Series, Timestamp};

use crate::engine::{
    AlarmView, Change, Condition, Effects, Engine, Evidence, Input, Override, Past, SYSTEM,
    Setting, SourceTiming, Standing, Transition,
    series::slot::Slots,
    threshold::rule::{
        Across, Debounce, ExpectedIdentities, Flap, LIMIT, Level, NoData, Side, Then, Threshold,
    },
};

pub(in crate::engine) const MINUTE: Duration = Duration::from_mins(1);

/// An engine with the source `s` that speaks every minute.
pub(in crate::engine) struct Harness {
    pub(in crate::engine) engine: Engine,
    pub(in crate::engine) transitions: Vec<Transition>,
    pub(in crate::engine) slot: Timestamp,
    pub(in crate::engine) stored: Stored,
    series: Vec<Series>,
    /// All that was said.
    said: Vec<Samples>,
}

/// A store: what outlives the engine, by id, as text.
#[derive(Default)]
pub(in crate::engine) struct Stored(pub(in crate::engine) BTreeMap<String, String>);

impl Stored {
    fn write(&mut self, effects: &Effects) {
        for one in &effects.transitions {
            let notified = effects.standings.iter().any(|row| row.alarm.id == one.alarm.id);
            assert!(notified, "not stored: {one:?}");
        }
        for standing in &effects.standings {
            let text = serde_json::to_string(standing).unwrap();
            self.0.insert(standing.alarm.id.clone(), text);
        }
        for id in &effects.gone {
            assert!(self.0.remove(id).is_some(), "deleted what was not stored: {id}");
        }
    }

    pub(in crate::engine) fn rows(&self) -> impl Iterator<Item = Standing> {
        self.0.values().map(|text| serde_json::from_str(text).unwrap())
    }

    fn past(&self) -> Past {
        let (standings, ended): (Vec<_>, Vec<_>) =
            self.rows().partition(|row| row.alarm.ended.is_none());
        let occurrences = ended.into_iter().map(|row| (row.fingerprint, row.occurrence)).collect();
        Past { standings, occurrences, ..Past::default() }
    }
}

/// A timing whose slots are late as soon as the next one is due.
pub(in crate::engine) fn timing(name: &str) -> SourceTiming {
    let (interval, deadline) = (MINUTE, Duration::ZERO);
    SourceTiming { name: name.into(), interval, deadline, max_series: 100 }
}

pub(in crate::engine) fn level(raise: f64, clear: f64, minutes: u32) -> Level {
    let debounce = Debounce::For(MINUTE * minutes);
    Level { side: Side::Above, raise, clear, debounce, clear_for: Duration::ZERO }
}

/// Critical above 90, clear at 80; each label set is an identity.
pub(in crate::engine) fn threshold(minutes: u32) -> Threshold {
    Threshold {
        name: "cpu".into(),
        inputs: vec!["s".into()],
        metric: "cpu".into(),
        matchers: Vec::new(),
        by: None,
        across: Across::Worst,
        labels: BTreeMap::new(),
        warning: None,
        critical: Some(level(90.0, 80.0, minutes)),
        no_data: NoData { after: None, then: Then::Hold },
        over: None,
        limit: LIMIT,
        flap: Some(Flap::default()),
        every: None,
        summary: <_>::default(),
        runbook: None,
        expect: ExpectedIdentities::Nobody,
        judged_by: None,
    }
}

pub(in crate::engine) fn series(index: usize) -> Series {
    Series::gauge("cpu", "percent").label("id", index.to_string()).build()
}

impl Harness {
    pub(in crate::engine) fn new(thresholds: Vec<Threshold>) -> Self {
        let start = Timestamp::from_seconds(1_700_000_000);
        let slot = Slots::of("s", MINUTE).last(start);
        let engine = Engine::new(vec![timing("s")], thresholds, start);
        Self {
            engine,
            transitions: Vec::new(),
            slot,
            stored: Stored::default(),
            series: (0..9).map(series).collect(),
            said: Vec::new(),
        }
    }

    /// The engine is killed, and another one starts with these evaluators after `down` slots;
    /// its windows are refilled with what was said before if `refilled`.
    pub(in crate::engine) fn restart(
        &mut self,
        thresholds: Vec<Threshold>,
        down: u32,
        refilled: bool,
    ) {
        self.restart_with(thresholds, Vec::new(), down);
        let now = self.slot.after(Duration::from_secs(2));
        for samples in self.said.clone().into_iter().filter(|_| refilled) {
            self.step(Input::History { source: "s".into(), samples }, now);
        }
    }

    /// The same, under overrides that are given to the engine first; no window is refilled.
    pub(super) fn restart_with(
        &mut self,
        thresholds: Vec<Threshold>,
        overrides: Vec<Override>,
        down: u32,
    ) {
        self.slot = self.slot.after(MINUTE * down);
        let now = self.slot.after(Duration::from_secs(2));
        self.engine = Engine::new(vec![timing("s")], thresholds, now);
        let effects = self.engine.step(Input::Overrides(overrides), now);
        assert!(effects.is_empty(), "{effects:?}");
        let instances = ["s".to_owned(), "cpu".to_owned()].into();
        let effects = self.engine.restore(self.stored.past(), &instances, now);
        self.take(effects);
    }

    /// The plan is replaced by these evaluators while the engine runs.
    pub(super) fn reload(&mut self, thresholds: Vec<Threshold>) -> Effects {
        self.reload_with(vec![timing("s")], thresholds, Vec::new())
    }

    /// The same with other sources and overrides.
    pub(super) fn reload_with(
        &mut self,
        sources: Vec<SourceTiming>,
        thresholds: Vec<Threshold>,
        overrides: Vec<Override>,
    ) -> Effects {
        let now = self.slot.after(Duration::from_secs(2));
        let thresholds = thresholds.into_iter().map(Into::into).collect();
        let setting = Setting { sources, thresholds, overrides, ..Setting::default() };
        let effects = self.engine.reload(setting, now);
        self.stored.write(&effects);
        self.transitions.extend(effects.transitions.iter().cloned());
        effects
    }

    /// These overrides, in the place of all that were before.
    pub(in crate::engine) fn override_with(&mut self, overrides: Vec<Override>) {
        self.step(Input::Overrides(overrides), self.slot.after(Duration::from_secs(2)));
    }

    fn take(&mut self, effects: Effects) {
        self.stored.write(&effects);
        self.transitions.extend(effects.transitions);
    }

    /// One slot; a character a series: `#` 95, `~` 85, `.` 10, digits tens, `n` NaN, `d` 95 but
    /// delayed, `e` end, `x` none. A lone `!`: the source is down; a lone space: it says nothing.
    pub(in crate::engine) fn slot(&mut self, text: &str) {
        self.slot = self.slot.after(MINUTE);
        let now = self.slot.after(Duration::from_secs(1));
        let input = match text {
            "!" => Input::SourceDown { source: "s".into(), reason: "refused".into() },
            " " => Input::Tick,
            values => {
                let mut samples = Samples::at(self.slot);
                for (series, value) in self.series.iter().zip(values.chars()) {
                    push(&mut samples, series, value, self.slot);
                }
                self.said.push(samples.clone());
                Input::Samples { source: "s".into(), samples }
            }
        };
        self.step(input, now);
    }

    /// Slots of one series, a character each.
    pub(in crate::engine) fn slots(&mut self, text: &str) {
        for slot in text.chars() {
            self.slot(&slot.to_string());
        }
    }

    /// Steps, after the ticks that the engine wanted until then.
    pub(super) fn step(&mut self, input: Input, now: Timestamp) {
        for _ in 0..10 {
            let Some(due) = self.engine.next_due().filter(|due| *due < now) else { break };
            let effects = self.engine.step(Input::Tick, due);
            self.take(effects);
        }
        let effects = self.engine.step(input, now);
        self.take(effects);
    }

    /// Steps without the ticks that the engine wanted: nobody was there to give them.
    pub(in crate::engine) fn step_at_once(&mut self, input: Input, now: Timestamp) {
        let effects = self.engine.step(input, now);
        self.take(effects);
    }

    /// All alarms but those of the system.
    pub(in crate::engine) fn alarms(&self) -> Vec<AlarmView> {
        let alarms = self.engine.alarms().into_iter();
        alarms.filter(|alarm| alarm.evaluator != SYSTEM).collect()
    }

    /// All transitions but those of system alarms, as `Fired`, `Resolved: cleared` …
    pub(in crate::engine) fn changes(&self) -> Vec<String> {
        let own = self.transitions.iter().filter(|one| one.alarm.evaluator != SYSTEM);
        own.map(|one| match &one.alarm.reason {
            Some(reason) => format!("{:?}: {reason}", one.change),
            None => format!("{:?}", one.change),
        })
        .collect()
    }

    /// The condition of the worst alarm: `-` ok, `p` pending, `F` firing, `R` recovering; small
    /// for the severity warning.
    pub(in crate::engine) fn condition(&self) -> char {
        self.alarms().first().map_or('-', |alarm| match alarm.condition {
            Condition::Ok => '-',
            Condition::Pending => 'p',
            Condition::Firing => 'F',
            Condition::Recovering => 'R',
        })
    }

    /// The evidence of the worst alarm: `=` fresh, `l` late, `0` no data, `!` source down,
    /// `E` error, `-` no alarm.
    pub(super) fn evidence(&self) -> char {
        self.alarms().first().map_or('-', |alarm| match alarm.evidence {
            Evidence::Fresh => '=',
            Evidence::Late => 'l',
            Evidence::NoData { .. } => '0',
            Evidence::SourceDown { .. } => '!',
            Evidence::EvaluationError => 'E',
        })
    }
}

fn push(samples: &mut Samples, series: &Series, value: char, at: Timestamp) {
    let tens = value.to_digit(10).map(|tens| f64::from(tens) * 10.0);
    match value {
        'e' => samples.end(series, at),
        'd' => samples.push_flagged(series, 95.0, at, Point::DELAYED),
        '#' => samples.push(series, 95.0),
        '~' => samples.push(series, 85.0),
        '.' => samples.push(series, 10.0),
        'n' => samples.push(series, f64::NAN),
        _ => tens.into_iter().for_each(|value| samples.push(series, value)),
    }
}

/// Runs one series, a character a slot.
pub(in crate::engine) fn run(threshold: Threshold, slots: &str) -> (Harness, String, String) {
    let words: Vec<_> = slots.chars().map(String::from).collect();
    run_words(threshold, &words)
}

/// Runs several series, a word a slot.
pub(super) fn run_words(threshold: Threshold, slots: &[String]) -> (Harness, String, String) {
    let mut harness = Harness::new(vec![threshold]);
    let (mut conditions, mut evidence) = (String::new(), String::new());
    for slot in slots {
        harness.slot(slot);
        conditions.push(harness.condition());
        evidence.push(harness.evidence());
    }
    (harness, conditions, evidence)
}

fn check(threshold: Threshold, slots: &str, conditions: &str, changes: &[&str]) -> Harness {
    let (harness, seen, _) = run(threshold, slots);
    assert_eq!(seen, conditions, "{slots}");
    assert_eq!(harness.changes(), changes, "{slots}");
    harness
}

fn check_words(threshold: Threshold, slots: &str, conditions: &str, evidence: &str) -> Harness {
    let words: Vec<_> = slots.split(' ').map(String::from).collect();
    let (harness, seen, why) = run_words(threshold, &words);
    assert_eq!((seen.as_str(), why.as_str()), (conditions, evidence), "{slots}");
    harness
}

pub(super) fn no_data(minutes: u32, then: Then) -> Threshold {
    Threshold { no_data: NoData { after: None, then }, ..threshold(minutes) }
}

pub(super) fn by_host(across: Across, minutes: u32) -> Threshold {
    Threshold { by: Some(Vec::new()), across, ..threshold(minutes) }
}

#[test]
fn an_alarm_has_the_time_of_its_slot_and_an_id_of_its_occurrence() {
    let harness = check(threshold(1), "##..#", "pF--p", &["Fired", "Resolved: cleared"]);
    let [fired, resolved] = harness.transitions.as_slice() else { panic!("two transitions") };
    assert_eq!(fired.at, harness.slot.before(MINUTE * 3));
    assert_eq!((fired.alarm.since, fired.alarm.ended), (fired.at, None));
    assert_eq!(resolved.alarm.id, fired.alarm.id);
    assert_eq!((resolved.alarm.since, resolved.alarm.ended), (fired.at, Some(resolved.at)));
    assert_eq!(resolved.alarm.condition, Condition::Ok);
    assert_eq!(resolved.alarm.value, Some(10.0));
    assert_eq!(resolved.alarm.unit, "percent");
    let pending = harness.alarms();
    assert!(fired.alarm.id.ends_with("-1") && pending[0].id.ends_with("-2"), "{pending:?}");
    assert_eq!(pending[0].since, harness.slot);
}

#[test]
fn severity_rises_and_falls_within_one_alarm() {
    let warning = Some(level(70.0, 60.0, 0));
    let harness = check(
        Threshold { warning, ..threshold(1) },
        "8##7.",
        "FFFF-",
        &["Fired", "Worse", "Better", "Resolved: cleared"],
    );
    let ids: std::collections::BTreeSet<_> =
        harness.transitions.iter().map(|one| one.alarm.id.clone()).collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn missing_points_are_late_then_no_data_and_hold() {
    let cases = [
        ("##xxxxxx##", "pFFFFFFFFF", "==ll0000=="),
        ("#xxxx#", "pppppp", "=ll00="),
        ("##nn##", "pFFFFF", "==EE=="),
        ("##dd##", "pFFFFF", "==ll=="),
        ("##!!!##", "pFFFFFF", "==!!!=="),
        ("##   ##", "pFFFFFF", "===ll=="),
    ];
    for (slots, conditions, evidence) in cases {
        let (_, seen, why) = run(threshold(1), slots);
        assert_eq!((seen.as_str(), why.as_str()), (conditions, evidence), "{slots}");
    }
}

#[test]
fn no_data_does_what_it_is_told_to() {
    check(no_data(0, Then::Hold), ".xxxxx.", "-------", &[]);
    check(no_data(0, Then::Hold), "#xxxxx.", "FFFFFF-", &["Fired", "Resolved: cleared"]);
    let raised = ["Fired: no data", "Resolved: cleared"];
    check(no_data(5, Then::Alarm), ".xxxx.", "---FF-", &raised);
    check(no_data(5, Then::Alarm), ".xxxx~", "---FF-", &raised);
    check(no_data(5, Then::Alarm), ".xxxx#.", "---FFF-", &raised);
    check(no_data(0, Then::Ok), "#xxxx#", "FFF--F", &["Fired", "Resolved: no data ok", "Fired"]);
}

#[test]
fn a_source_that_is_down_or_late_is_no_absence() {
    for slots in [".!!!!!!!!!.", ".         .", ".!x!x!x!x!x."] {
        let threshold = Threshold {
            no_data: NoData { after: Some(MINUTE), then: Then::Alarm },
            ..threshold(0)
        };
        let conditions = "-".repeat(slots.len());
        check(threshold, slots, &conditions, &[]);
    }
}

#[test]
fn a_slot_of_an_outage_that_is_judged_after_it_is_no_absence() {
    // With a deadline, the next batch comes before the slot of the outage is late.
    let patient = SourceTiming { deadline: Duration::from_secs(20), ..timing("s") };
    let start = Timestamp::from_seconds(1_700_000_000);
    let no_data = NoData { after: Some(MINUTE), then: Then::Alarm };
    let alarming = Threshold { no_data, ..threshold(0) };
    let mut harness = Harness::new(Vec::new());
    harness.engine = Engine::new(vec![patient], vec![alarming], start);
    for slot in [".", ".", "!", ".", "."] {
        harness.slot(slot);
    }
    assert_eq!(harness.changes(), [""; 0]);
    assert_eq!(harness.engine.evaluators()[0].judged, 5);
    harness.slot("x");
    assert_eq!(harness.changes(), ["Fired: no data"]);
}

#[test]
fn a_source_that_is_down_is_one_alarm_of_the_system() {
    let (harness, ..) = run(threshold(0), "##!!!#");
    let system = harness.transitions.iter().filter(|one| one.alarm.evaluator == SYSTEM);
    let system: Vec<_> =
        system.map(|one| (one.change, one.alarm.labels["instance"].as_str())).collect();
    assert_eq!(system, [(Change::Fired, "s"), (Change::Resolved, "s")]);
}

#[test]
fn a_series_that_ends_takes_its_alarm_along() {
    check(threshold(0), "#e", "F-", &["Fired", "Resolved: ended"]);
    check(threshold(5), "##e##", "pp-pp", &[]);
    let harness = check(threshold(0), "#e#", "F-F", &["Fired", "Resolved: ended", "Fired"]);
    assert!(harness.alarms()[0].id.ends_with("-2"));
    let (harness, ..) = run(threshold(0), ".e");
    assert_eq!(harness.engine.evaluators()[0].series, 0);
}

#[test]
fn a_silent_series_without_alarm_is_forgotten() {
    for then in [Then::Hold, Then::Ok] {
        let (harness, ..) = run(no_data(0, then), ".xxxxx");
        assert_eq!(harness.engine.evaluators()[0].series, 0);
    }
    let (harness, ..) = run(no_data(0, Then::Hold), "#xxxxx");
    assert_eq!(harness.engine.evaluators()[0].series, 1);
}

#[test]
fn some_of_several_series_may_raise_but_never_clear() {
    check_words(by_host(Across::Worst, 0), ".. x# x. x. x. x. ..", "-FFFFF-", "-ll000-");
}

#[test]
fn a_sum_does_not_depend_on_the_order_of_arrival() {
    let start = Timestamp::from_seconds(1_700_000_000);
    let slot = Slots::of("s", MINUTE).next(start);
    let values = [0.1, 0.2, 0.3];
    let sums = [[0, 1, 2], [2, 1, 0], [1, 2, 0]].map(|order| {
        let critical = Some(level(0.0, 0.0, 0));
        let sum = Threshold { critical, ..by_host(Across::Sum, 0) };
        let mut engine = Engine::new(vec![timing("s")], vec![sum], start);
        let mut samples = Samples::at(slot);
        for index in order {
            samples.push(&series(index), values[index]);
        }
        let spoken = Input::Samples { source: "s".into(), samples };
        engine.step(spoken, slot).transitions.remove(0).alarm.value
    });
    assert_eq!(sums, [Some(0.1 + 0.2 + 0.3); 3]);
}

#[test]
fn where_the_missing_could_make_it_better_some_do_not_raise() {
    for across in [Across::Mean, Across::Sum, Across::Min, Across::Count] {
        let seen = check_words(by_host(across, 0), ".. x# ..", "---", "---");
        assert_eq!(seen.changes(), [""; 0], "{across:?}");
    }
}

#[test]
fn a_silent_series_is_forgotten_so_that_the_others_are_judged() {
    // Two minutes late, then silent: the sum is that of the other one.
    check_words(by_host(Across::Sum, 0), ".. x# x# x# x# ..", "---FF-", "---==-");
}

#[test]
fn with_over_nothing_is_judged_before_half_of_it_is_covered() {
    use crate::engine::threshold::rule::{Aggregation, Over};
    let over = |value| Threshold { over: Some(Over { length: MINUTE * 4, value }), ..threshold(0) };
    check(over(Aggregation::Mean), "####", "-FFF", &["Fired"]);
    check(over(Aggregation::Min), "##.##", "-F---", &["Fired", "Resolved: cleared"]);
    check(over(Aggregation::Max), "##xx.", "-FFFF", &["Fired"]);
}

#[test]
fn a_slot_is_judged_when_all_is_said_and_late_after_the_slowest() {
    let start = Timestamp::from_seconds(1_700_000_000);
    let second = SourceTiming {
        name: "slow".into(),
        interval: MINUTE * 5,
        deadline: Duration::from_secs(20),
        max_series: 1,
    };
    let both = Threshold { inputs: vec!["s".into(), "slow".into()], ..threshold(0) };
    let mut engine = Engine::new(vec![timing("s"), second], vec![both], start);
    let slot = Slots::of("slow", MINUTE * 5).next(start);
    let limit = slot.after(MINUTE * 5).after(Duration::from_secs(20));
    assert_eq!(engine.next_due(), Some(limit));
    let say = |source: &str| Input::Samples {
        source: source.into(),
        samples: Samples::at(slot).with(&series(0), 95.0),
    };
    assert_eq!(engine.step(say("s"), slot).transitions, []);
    assert_eq!(engine.next_due(), Some(limit));
    let transitions = engine.step(say("slow"), slot).transitions;
    assert_eq!(transitions.len(), 1);
    assert_eq!((transitions[0].change, transitions[0].at), (Change::Fired, slot));
    let mut late = Engine::new(vec![timing("s")], vec![threshold(0)], start);
    let due = late.next_due().unwrap();
    assert_eq!(late.step(Input::Tick, due).transitions, []);
    let status = &late.evaluators()[0];
    assert_eq!((status.judged, status.late, status.missed), (0, 1, 0));
}

#[test]
fn slots_that_nobody_asked_about_are_counted_not_judged() {
    let (mut harness, ..) = run(no_data(0, Then::Alarm), "..");
    let changes = harness.transitions.len();
    harness.slot = harness.slot.after(MINUTE * 60 * 24);
    let now = harness.slot;
    harness.engine.step(Input::Tick, now);
    let status = harness.engine.evaluators().remove(0);
    assert_eq!((status.judged, status.late, status.missed), (2, 2, 24 * 60 - 3));
    harness.slot(".");
    assert_eq!(harness.transitions.len(), changes);
}

#[test]
fn no_more_series_than_allowed_are_known() {
    let one = SourceTiming { max_series: 1, ..timing("s") };
    let start = Timestamp::from_seconds(1_700_000_000);
    let mut engine = Engine::new(vec![one], vec![threshold(0)], start);
    let slot = Slots::of("s", MINUTE).next(start);
    let samples = Samples::at(slot).with(&series(0), 95.0).with(&series(1), 95.0);
    let spoken = Input::Samples { source: "s".into(), samples };
    let transitions = engine.step(spoken, slot).transitions;
    assert_eq!(transitions.len(), 1);
    let status = &engine.evaluators()[0];
    assert_eq!((status.series, status.ignored), (1, 1));
}

#[test]
fn what_nobody_configured_harms_nothing() {
    let threshold = Threshold { inputs: vec!["other".into()], ..threshold(0) };
    let mut harness = Harness::new(vec![threshold]);
    harness.slot("#");
    let unknown = || Input::Samples { source: "?".into(), samples: Samples::default() };
    harness.step(unknown(), Timestamp::from_nanos(i64::MAX));
    harness.step(unknown(), Timestamp::from_nanos(i64::MIN));
    assert_eq!(harness.transitions, []);
    assert_eq!(harness.engine.next_due(), None);
}

#[test]
fn alarms_come_worst_first() {
    let warning = Some(level(70.0, 60.0, 0));
    let mut harness = Harness::new(vec![Threshold { warning, ..threshold(1) }]);
    harness.slot("88.");
    harness.slot("8#.");
    harness.slot("8#8");
    let shown = harness.alarms().into_iter();
    let shown: Vec<_> =
        shown.map(|one| (one.labels["id"].clone(), one.severity.as_str())).collect();
    let expected = [("1", "critical"), ("0", "warning"), ("2", "warning")];
    assert_eq!(shown, expected.map(|(id, severity)| (id.to_owned(), severity)));
}
