//! A rig: an engine that tells sinks, beside a store of texts that outlives it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::{LogRecord, Logs, Samples, Series, Timestamp};

use crate::engine::{
    AlarmView, Effects, Engine, Handling, Input, Past, Setting, Silence, Standing,
    alarm::handling::HandlingState,
    log::{Found, LogBatch, LogCursor, LogRule, Matching},
    mute::{matcher::Matcher, silence::SilenceSpan},
    notify::{Flush, GroupBy, Inhibit, Rate, Route, StoredGroup, Withheld},
    series::slot::Slots,
    tests::harness::{MINUTE, level, threshold, timing},
    threshold::rule::Threshold,
};

/// What the configuration says of who is told what.
#[derive(Clone, Default)]
pub(super) struct Plan {
    pub(super) sources: Vec<&'static str>,
    pub(super) thresholds: Vec<Threshold>,
    pub(super) logs: Vec<LogRule>,
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
    /// Alarms that each sink knows of, and whether it is owed their end.
    pub(super) known: BTreeMap<(String, String), bool>,
    /// The sinks that do not tell of ends, or did not for a while.
    silent: BTreeSet<String>,
    /// How often each sink was told of the end of an alarm.
    pub(super) ends: BTreeMap<(String, String), usize>,
    standings: BTreeMap<String, String>,
    pub(super) groups: BTreeMap<(String, String), String>,
    /// The queue of the source `s`, and how far log evaluators have read it.
    queue: Vec<Logs>,
    cursors: BTreeMap<(String, String), (i64, String)>,
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

pub(super) fn silence(text: &str, span: SilenceSpan) -> Silence {
    let (author, reason) = ("kim".into(), "work".into());
    Silence { id: "S1".into(), matchers: matcher(text), author, reason, span }
}

fn engine(plan: &Plan, now: Timestamp) -> Engine {
    let Setting { sources, thresholds, logs, routes, inhibits, maintenance, .. } = plan.setting();
    let engine = Engine::new(sources, thresholds, now).with_logs(logs);
    engine.with_routes(routes, inhibits, maintenance)
}

impl Plan {
    fn setting(&self) -> Setting {
        let Self { sources, thresholds, logs, routes, inhibits, maintenance } = self.clone();
        let sources = sources.into_iter().map(timing).collect();
        let thresholds = thresholds.into_iter().map(Into::into).collect();
        let overrides = Vec::new();
        Setting {
            sources,
            thresholds,
            overrides,
            logs,
            routes,
            inhibits,
            maintenance,
            ..Setting::default()
        }
    }
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
            known: BTreeMap::new(),
            silent: BTreeSet::new(),
            ends: BTreeMap::new(),
            standings: BTreeMap::new(),
            groups: BTreeMap::new(),
            queue: Vec::new(),
            cursors: BTreeMap::new(),
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
        if !self.plan.logs.is_empty() {
            // What is due in this moment is due by then.
            let heard = Input::Heard { source: "s".into(), until: slot, vouched: false };
            self.step(heard, slot.after(Duration::from_millis(1)));
        }
    }

    /// A line of a host in the log of the source `s`.
    pub(super) fn log(&mut self, host: &str) {
        let mut logs = Logs::default();
        let (received, host, message) = (self.now, host.as_bytes(), &b"kill"[..]);
        logs.push(&LogRecord { received, raw: message, message, host, ..LogRecord::default() });
        self.queue.push(logs);
        self.read(self.queue.len() - 1);
    }

    /// Log evaluators are given a batch of the queue.
    fn read(&mut self, place: usize) {
        let found = match Matching::new("s", BTreeMap::new(), &self.plan.logs) {
            Ok(matching) => matching.find(&self.queue[place], self.now),
            Err(_) => Found::default(),
        };
        let (source, queue, position) = ("s".into(), "q".into(), i64::try_from(place).unwrap());
        self.input(Input::Records(LogBatch { source, queue, position, found }));
    }

    /// Steps, after the ticks that the engine wanted until then.
    pub(super) fn step(&mut self, input: Input, now: Timestamp) {
        self.pass(now);
        let effects = self.engine.step(input, now);
        self.take(effects);
    }

    fn pass(&mut self, now: Timestamp) {
        for _ in 0..100_000 {
            let Some(due) = self.engine.next_due().filter(|due| *due <= now) else { break };
            self.now = self.now.max(due);
            let effects = self.engine.step(Input::Tick, self.now);
            self.take(effects);
        }
        self.now = now;
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
        let cursor =
            |((evaluator, source), (position, state)): (&(String, String), &(i64, String))| {
                let (evaluator, source, queue) = (evaluator.clone(), source.clone(), "q".into());
                let state = serde_json::from_str(state).unwrap();
                LogCursor { evaluator, source, queue, position: *position, state }
            };
        let cursors: Vec<_> = self.cursors.iter().map(cursor).collect();
        let past = Past { standings, occurrences, floor: 0, handlings, silences, groups, cursors };
        let Plan { sources, thresholds, routes, .. } = &self.plan;
        let names = sources.iter().map(|name| (*name).to_owned());
        let names = names.chain(thresholds.iter().map(|one| one.name.clone()));
        let instances = names.chain(routes.iter().map(|route| route.sink.clone())).collect();
        let effects = self.engine.restore(past, &instances, self.now);
        self.take(effects);
        self.forget_sinks();
        // What lies behind the least cursor is read again.
        let read = self.plan.logs.iter().map(|rule| {
            let cursor = self.cursors.get(&(rule.name.clone(), "s".into()));
            cursor.map_or(0, |(position, _)| usize::try_from(*position).unwrap() + 1)
        });
        for place in read.min().unwrap_or(self.queue.len())..self.queue.len() {
            self.read(place);
        }
    }

    /// The plan is replaced while the engine runs.
    pub(super) fn reload(&mut self, plan: Plan) {
        self.pass(self.now);
        let effects = self.engine.reload(plan.setting(), self.now);
        self.plan = plan;
        self.take(effects);
        self.forget_sinks();
    }

    /// The ends that a sink which is gone is owed are the writer's.
    fn forget_sinks(&mut self) {
        let routes = &self.plan.routes;
        self.known.retain(|(sink, _), _| routes.iter().any(|route| route.sink == *sink));
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

    /// The configuration has other sinks.
    pub(super) fn routes(&mut self, routes: Vec<Route>) {
        self.plan.routes.clone_from(&routes);
        let Plan { inhibits, maintenance, .. } = self.plan.clone();
        self.input(Input::Routes { routes, inhibits, maintenance });
        self.forget_sinks();
    }

    fn take(&mut self, effects: Effects) {
        let silent = self.plan.routes.iter().filter(|route| !route.resolved);
        self.silent.extend(silent.map(|route| route.sink.clone()));
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
        for cursor in &effects.cursors {
            let state = serde_json::to_string(&cursor.state).unwrap();
            let of = (cursor.evaluator.clone(), cursor.source.clone());
            self.cursors.insert(of, (cursor.position, state));
        }
        for flush in &effects.flushes {
            self.check(flush);
        }
        for ended in effects.transitions.iter().filter(|one| one.change.is_end()) {
            self.settle(&ended.alarm.id);
        }
        self.handlings.extend(effects.handled.iter().cloned());
        self.flushes.extend(effects.flushes);
        self.withheld.extend(effects.withheld);
        self.handled.extend(effects.handled);
    }

    /// What the writer does when an alarm has ended: a sink that did not tell of ends for a while
    /// is told of what it is owed from before, and owes no other.
    fn settle(&mut self, alarm: &str) {
        for sink in &self.silent {
            let covered = self.groups.keys().any(|(of, key)| {
                of == sink && key.rsplit_once('#').is_some_and(|(_, id)| id == alarm)
            });
            let pair = (sink.clone(), alarm.to_owned());
            if !covered && self.known.remove(&pair) == Some(true) {
                *self.ends.entry(pair).or_default() += 1;
            }
        }
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
                let mut routes = self.plan.routes.iter();
                let owes = routes.any(|route| route.sink == flush.sink && route.resolved);
                *self.known.entry(pair).or_default() |= owes;
            } else {
                let known = self.known.remove(&pair);
                assert!(known.is_some(), "an end of what nobody knows: {pair:?}");
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
}
