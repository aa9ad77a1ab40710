//! A rig: an engine that tells sinks, beside a store of texts that outlives it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::{Reason, Samples, Series, Timestamp};

use crate::engine::{
    AlarmView, Effects, Engine, Handling, Input, Past, Silence, Standing,
    handling::HandlingState,
    matcher::Matcher,
    notify::{Explanation, Flush, GroupBy, Inhibit, Rate, Route, StoredGroup, Why, Withheld},
    silence::Span,
    slot::Slots,
    threshold::Threshold,
    trial::{MINUTE, level, threshold, timing},
};

const MARKS: [char; 3] = ['+', '=', '-'];

/// What the configuration says of who is told what.
#[derive(Clone, Default)]
pub(super) struct Plan {
    pub(super) sources: Vec<&'static str>,
    pub(super) thresholds: Vec<Threshold>,
    pub(super) routes: Vec<Route>,
    pub(super) inhibits: Vec<Inhibit>,
    pub(super) maintenance: Vec<Silence>,
}

pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) plan: Plan,
    pub(super) now: Timestamp,
    pub(super) start: Timestamp,
    pub(super) flushes: Vec<Flush>,
    pub(super) withheld: Vec<Withheld>,
    pub(super) handled: Vec<(String, Handling)>,
    pub(super) silences: Vec<Silence>,
    /// How alarms are handled, as the store has it.
    pub(super) handlings: BTreeMap<String, Handling>,
    /// Alarms that each sink knows of.
    pub(super) known: BTreeSet<(String, String)>,
    /// How often each sink was told of the end of an alarm.
    pub(super) ends: BTreeMap<(String, String), usize>,
    standings: BTreeMap<String, String>,
    pub(super) groups: BTreeMap<(String, String), String>,
}

/// A sink of the evaluators `cpu` and `mem` and of system alarms: a group an evaluator.
pub(super) fn route(sink: &str) -> Route {
    Route {
        sink: sink.into(),
        place: format!("haetae.toml:{}", sink.len()),
        inputs: vec!["cpu".into(), "mem".into()],
        system: true,
        matchers: Vec::new(),
        group_by: GroupBy::Labels(vec!["evaluator".into()]),
        group_wait: Duration::from_secs(30),
        group_interval: MINUTE * 5,
        repeat: Vec::new(),
        resolved: true,
        quiet: None,
        escalate: None,
        rate: Rate { most: 0, per: MINUTE },
    }
}

/// Each alarm for itself, at once.
pub(super) fn prompt(sink: &str) -> Route {
    let (group_wait, group_interval) = (Duration::ZERO, Duration::ZERO);
    Route { group_by: GroupBy::Alarm, group_wait, group_interval, ..route(sink) }
}

/// A warning above 70, critical above 90.
pub(super) fn cpu() -> Threshold {
    Threshold {
        warning: Some(level(70.0, 70.0, 0)),
        critical: Some(level(90.0, 90.0, 0)),
        ..threshold(0)
    }
}

pub(super) fn series(index: usize) -> Series {
    let series = Series::gauge("cpu", "percent").label("id", index.to_string());
    series.label("host", if index < 2 { "a" } else { "b" }).build()
}

pub(super) fn matcher(text: &str) -> Vec<Matcher> {
    vec![Matcher::parse(text).unwrap()]
}

pub(super) fn plan(routes: Vec<Route>) -> Plan {
    Plan { sources: vec!["s"], thresholds: vec![cpu()], routes, ..Plan::default() }
}

pub(super) fn acknowledged(until: Option<Timestamp>, sticky: bool) -> Handling {
    let state = HandlingState::Acknowledged { by: "kim".into(), until, sticky };
    Handling { state, owner: None }
}

pub(super) fn silence(text: &str, span: Span) -> Silence {
    let (author, reason) = ("kim".into(), "work".into());
    Silence { id: "S1".into(), matchers: matcher(text), author, reason, span }
}

fn engine(plan: &Plan, now: Timestamp) -> Engine {
    let Plan { sources, thresholds, routes, inhibits, maintenance } = plan.clone();
    let timings = sources.into_iter().map(timing).collect();
    Engine::new(timings, thresholds, now).with_routes(routes, inhibits, maintenance)
}

impl Rig {
    pub(super) fn new(plan: Plan) -> Self {
        let start = Slots::of("s", MINUTE).last(Timestamp::from_seconds(1_700_000_000));
        Self {
            engine: engine(&plan, start),
            plan,
            now: start,
            start,
            flushes: Vec::new(),
            withheld: Vec::new(),
            handled: Vec::new(),
            silences: Vec::new(),
            handlings: BTreeMap::new(),
            known: BTreeSet::new(),
            ends: BTreeMap::new(),
            standings: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// What the source `s` says in the next slot: a character a series; `#` is critical, `~` a
    /// warning, `.` nothing, a space no word of it.
    pub(super) fn slot(&mut self, text: &str) {
        let slot = Slots::of("s", MINUTE).next(self.now);
        let mut samples = Samples::at(slot);
        for (index, value) in text.chars().enumerate() {
            let value = match value {
                '#' => 95.0,
                '~' => 75.0,
                '.' => 10.0,
                _ => continue,
            };
            samples.push(&series(index), value);
        }
        self.step(Input::Samples { source: "s".into(), samples }, slot);
    }

    /// Steps, after the ticks that the engine wanted until then.
    pub(super) fn step(&mut self, input: Input, now: Timestamp) {
        for _ in 0..100_000 {
            let Some(due) = self.engine.next_due().filter(|due| *due <= now) else { break };
            self.now = self.now.max(due);
            let effects = self.engine.step(Input::Tick, self.now);
            self.take(effects);
        }
        self.now = now;
        let effects = self.engine.step(input, now);
        self.take(effects);
    }

    pub(super) fn input(&mut self, input: Input) {
        self.step(input, self.now);
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.step(Input::Tick, self.now.after(time));
    }

    pub(super) fn silence(&mut self, silences: Vec<Silence>) {
        self.silences.clone_from(&silences);
        self.input(Input::Silences(silences));
    }

    pub(super) fn handle(&mut self, index: usize, handling: Handling) {
        let alarm = self.id(index);
        self.handlings.insert(alarm.clone(), handling.clone());
        self.input(Input::Handled { alarm, handling });
    }

    /// The engine is killed, and another one goes on with the store.
    pub(super) fn restart(&mut self) {
        self.engine = engine(&self.plan, self.now);
        let standings = self.standings.values().map(|text| serde_json::from_str(text).unwrap());
        let (standings, ended): (Vec<Standing>, Vec<_>) =
            standings.partition(|row: &Standing| row.alarm.ended.is_none());
        let occurrences = ended.into_iter().map(|row| (row.fingerprint, row.occurrence)).collect();
        let groups = self.groups.iter().map(|((sink, key), text)| StoredGroup {
            sink: sink.clone(),
            key: key.clone(),
            state: Some(text.clone()),
        });
        let (silences, handlings) = (self.silences.clone(), self.handlings.clone());
        let groups = groups.collect();
        let handlings = handlings.into_iter().collect();
        let past = Past {
            standings,
            occurrences,
            floor: 0,
            handlings,
            silences,
            groups,
            cursors: Vec::new(),
        };
        let instances = ["s".into(), "t".into()].into();
        let effects = self.engine.restore(past, &instances, self.now);
        self.take(effects);
    }

    /// The source `s` speaks again after a start, and has nothing new to say.
    pub(super) fn hear(&mut self) {
        let alarms = self.engine.alarms();
        let mut alarms = alarms.iter().filter(|one| one.labels.contains_key("instance"));
        let down =
            alarms.any(|one| one.labels.get("problem").is_some_and(|it| it == "source-down"));
        let source = "s".into();
        self.input(if down {
            Input::SourceDown { source, reason: String::new() }
        } else {
            Input::Samples { source, samples: Samples::at(self.now) }
        });
    }

    /// The configuration has other sinks. The ends that one which is gone is owed are the
    /// writer's.
    pub(super) fn routes(&mut self, routes: Vec<Route>) {
        self.plan.routes.clone_from(&routes);
        let Plan { inhibits, maintenance, .. } = self.plan.clone();
        self.input(Input::Routes { routes, inhibits, maintenance });
        let routes = &self.plan.routes;
        self.known.retain(|(sink, _)| routes.iter().any(|route| route.sink == *sink));
    }

    fn take(&mut self, effects: Effects) {
        for standing in &effects.standings {
            let text = serde_json::to_string(standing).unwrap();
            self.standings.insert(standing.alarm.id.clone(), text);
        }
        for id in &effects.gone {
            self.standings.remove(id);
        }
        for StoredGroup { sink, key, state } in effects.groups {
            match state {
                Some(state) => self.groups.insert((sink, key), state),
                None => self.groups.remove(&(sink, key)),
            };
        }
        for flush in &effects.flushes {
            self.check(flush);
        }
        self.handlings.extend(effects.handled.iter().cloned());
        self.flushes.extend(effects.flushes);
        self.withheld.extend(effects.withheld);
        self.handled.extend(effects.handled);
    }

    /// What holds of every flush: each alarm is in it once, ends are of what the sink knows, and
    /// what the sink learns of has a row that knows it.
    fn check(&mut self, flush: &Flush) {
        assert!(!flush.alarms.is_empty(), "about nothing: {flush:?}");
        let ids: BTreeSet<_> = flush.alarms.iter().map(|alarm| &alarm.id).collect();
        assert_eq!(ids.len(), flush.alarms.len(), "twice in one: {flush:?}");
        assert!(flush.news.iter().all(|id| ids.contains(id)));
        let own = self.groups.keys().filter(|(sink, _)| *sink == flush.sink);
        let rows: BTreeSet<_> = own.filter_map(|(_, key)| Some(key.rsplit_once('#')?.1)).collect();
        for alarm in &flush.alarms {
            let pair = (flush.sink.clone(), alarm.id.clone());
            assert!(self.standings.contains_key(&alarm.id), "no state of {}", alarm.id);
            if alarm.is_firing() {
                assert!(rows.contains(alarm.id.as_str()), "no row that knows {pair:?}");
                self.known.insert(pair);
            } else {
                assert!(self.known.remove(&pair), "an end of what nobody knows: {pair:?}");
                *self.ends.entry(pair).or_default() += 1;
            }
        }
    }

    /// The alarm of a series.
    pub(super) fn alarm(&self, index: usize) -> AlarmView {
        let index = index.to_string();
        let alarms = self.engine.alarms().into_iter();
        alarms.into_iter().find(|one| one.labels.get("id") == Some(&index)).unwrap()
    }

    pub(super) fn id(&self, index: usize) -> String {
        self.alarm(index).id
    }

    /// Takes the flushes: seconds since the start, the sink, the reason, the alarms by their
    /// series: `+` new or changed, `=` the same, `-` ended.
    pub(super) fn told(&mut self) -> Vec<String> {
        let start = self.start;
        let show = |alarm: &AlarmView, news: &[String]| {
            let name = alarm.labels.get("id").or_else(|| alarm.labels.get("problem")).unwrap();
            let mark = match (alarm.is_firing(), news.contains(&alarm.id)) {
                (false, _) => '-',
                (true, true) => '+',
                (true, false) => '=',
            };
            format!("{mark}{name}")
        };
        let line = |flush: Flush| {
            let alarms = flush.alarms.iter().map(|alarm| show(alarm, &flush.news));
            let mut alarms: Vec<_> = alarms.collect();
            alarms.sort_by(|a, b| a.trim_start_matches(MARKS).cmp(b.trim_start_matches(MARKS)));
            let alarms = alarms.join(" ");
            let (after, reason) = (flush.at.since(start).as_secs(), word(flush.reason));
            format!("{after} {} {reason} {alarms}", flush.sink)
        };
        std::mem::take(&mut self.flushes).into_iter().map(line).collect()
    }

    /// Takes what was withheld: the sink, the series, why.
    pub(super) fn held(&mut self) -> Vec<String> {
        let withheld = std::mem::take(&mut self.withheld).into_iter();
        withheld
            .map(|one| format!("{} {}", one.sink, one.why.as_ref().map_or("-".into(), why)))
            .collect()
    }

    pub(super) fn explain(&self, index: usize) -> Explanation {
        self.engine.explain(&self.id(index), self.now).remove(0)
    }
}

pub(super) fn word(reason: Reason) -> String {
    serde_json::to_string(&reason).unwrap().trim_matches('"').into()
}

/// Why, with the place or the person.
pub(super) fn why(why: &Why) -> String {
    match why {
        Why::NotWanted { place } => format!("not wanted {place}"),
        Why::Silenced { silence, author, reason, .. } => {
            format!("silenced {silence} {author} {reason}")
        }
        Why::Maintenance { place, .. } => format!("maintenance {place}"),
        Why::Inhibited { place, .. } => format!("inhibited {place}"),
        Why::SourceDown { source } => format!("source down {source}"),
        Why::Handled { how, by, .. } => format!("{how} {by}"),
        Why::Quiet { place, .. } => format!("quiet {place}"),
        Why::Flapping => "flapping".into(),
        Why::Ended => "ended".into(),
        Why::Grouped { place, .. } => format!("grouped {place}"),
        Why::RepeatNotDue { place, .. } => format!("repeat not due {place}"),
        Why::Starting { .. } => "starting".into(),
    }
}
