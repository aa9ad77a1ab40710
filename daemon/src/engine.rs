//! The engine: pure and synchronous, it turns evidence into alarms.
//!
//! It is handed inputs and the time, and answers with transitions and with what the store is to
//! keep of its alarms. A slot is judged as soon as
//! every source of an evaluator has said everything about it; too late, it changes and counts
//! nothing. No evidence is never evidence: what nobody saw neither raises nor clears. What an
//! input leads to comes in parts, so that of a storm the first is handed on while the rest is judged.

pub mod alarm;
mod effects;
mod input;
pub mod log;
pub mod mute;
pub mod notify;
mod problem;
mod progress;
mod query;
mod reload;
mod restore;
mod series;
mod status;
mod system;
pub mod threshold;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use haetae_plugin::{Samples, Timestamp};

use self::{
    alarm::{changes::Changes, id::Occurrences},
    log::{Found, LogBatch, LogEvaluator, LogRule},
    notify::{Inhibit, Notifier, Views},
    progress::Progress,
    series::{route::Route, source::SourceState},
    system::{System, jumped},
    threshold::{evaluator::Evaluator, rule::Threshold},
};
pub use self::{
    alarm::{
        handling::Handling,
        stored::{AlarmState, Standing},
        summary::Summaries,
        view::{AlarmView, Change, Condition, Transition},
    },
    effects::Effects,
    input::Input,
    mute::{
        matcher::{Matcher, MatcherError},
        silence::Silence,
    },
    problem::{Problem, SYSTEM},
    reload::Setting,
    restore::Past,
    series::{
        slot::{last_slot, next_slot, slot_phase},
        source::{MOST_POINTS, SourceTiming},
    },
    status::EvaluatorStatus,
    system::{CLOCK, time_in_words},
    threshold::{
        condition::MOST_SLOTS,
        evidence::Evidence,
        overrides::{Foreseen, Override, Preview},
    },
};

/// All evaluators, what they know, and the alarms that follow from it.
#[derive(Debug)]
pub struct Engine {
    sources: Vec<SourceState>,
    evaluators: Vec<Evaluator>,
    logs: Vec<LogEvaluator>,
    system: System,
    occurrences: Occurrences,
    notifier: Notifier,
    now: Timestamp,
}

/// An input on its way through the engine.
#[derive(Debug)]
pub struct Step {
    now: Timestamp,
    /// Until what was due before it is told.
    input: Option<Input>,
    is_judged: bool,
    is_over: bool,
}

impl Step {
    /// What an input at a time leads to.
    pub fn new(input: Input, now: Timestamp) -> Self {
        Self { now, input: Some(input), is_judged: false, is_over: false }
    }
}

impl Engine {
    /// An engine that judges slots after `now`.
    pub fn new(
        sources: Vec<SourceTiming>,
        evaluators: Vec<impl Into<Arc<Threshold>>>,
        now: Timestamp,
    ) -> Self {
        let mut sources: Vec<_> = sources.into_iter().map(SourceState::new).collect();
        let make = |threshold| Evaluator::new(threshold, &sources, now);
        let evaluators: Vec<_> = evaluators.into_iter().map(Into::into).map(make).collect();
        for (index, evaluator) in evaluators.iter().enumerate() {
            let route = Route { evaluator: index, keep: evaluator.keep(&sources) };
            for input in evaluator.inputs() {
                if let Some(source) = sources.get_mut(input) {
                    source.route(evaluator.metric(), route);
                }
            }
        }
        let (system, occurrences) = (System::default(), Occurrences::default());
        let notifier = Notifier::default();
        Self { sources, evaluators, logs: Vec::new(), system, occurrences, notifier, now }
    }

    /// The same with log evaluators.
    #[must_use]
    pub fn with_logs(mut self, rules: Vec<LogRule>) -> Self {
        self.logs = rules.into_iter().map(LogEvaluator::new).collect();
        self
    }

    /// The same, which tells these sinks.
    #[must_use]
    pub fn with_routes(
        mut self,
        routes: Vec<notify::Route>,
        inhibits: Vec<Inhibit>,
        maintenance: Vec<Silence>,
    ) -> Self {
        self.route(routes, inhibits, maintenance, self.now);
        self
    }

    /// Takes an input and judges what is due: the whole of a [`Step`].
    ///
    /// The work is bounded: slots that passed while nobody asked are counted, not judged.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Effects {
        let mut step = Step::new(input, now);
        let mut effects = Effects::default();
        while let Some(part) = self.advance(&mut step) {
            effects.extend(part);
        }
        effects
    }

    /// Goes on with a step; the answer is what this part of it led to, `None` once it is over. The
    /// parts are to be written in this order, and no other step may begin between them.
    pub fn advance(&mut self, step: &mut Step) -> Option<Effects> {
        if step.is_over {
            return None;
        }
        let now = step.now;
        let mut changes = Changes::default();
        // What comes in this moment changes nothing of what was due before.
        if step.input.is_some() && self.flush_due(now) == Progress::More {
            return Some(self.effects(changes, now));
        }
        if let Some(input) = step.input.take() {
            self.take_input(input, now, &mut changes);
            self.system.settle_clock(now, &mut changes);
        }
        if !step.is_judged && self.judge_due(now, &mut changes) == Progress::Done {
            self.settle_logs(now, false, &mut changes);
            step.is_judged = true;
        }
        let mut effects = self.effects(changes, now);
        let flushed = self.flush_prompt(now, step.is_judged, &mut effects);
        step.is_over = step.is_judged && flushed == Progress::Done;
        Some(effects)
    }

    /// Tells what was due before this moment; to be asked again while there is more.
    fn flush_due(&mut self, now: Timestamp) -> Progress {
        self.follow_clock(now);
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        notifier.settle(now);
        notifier.due(now, Views { evaluators, sources, system, logs })
    }

    /// What changes lead to, all of it.
    fn finish(&mut self, changes: Changes, now: Timestamp) -> Effects {
        let mut effects = self.effects(changes, now);
        while self.flush_prompt(now, true, &mut effects) == Progress::More {}
        effects
    }

    /// Changes, with what the groups of sinks keep of them.
    fn effects(&mut self, changes: Changes, now: Timestamp) -> Effects {
        let mut effects = changes.into_effects();
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        notifier.take(&effects, now, Views { evaluators, sources, system, logs });
        notifier.drain(&mut effects);
        effects
    }

    /// Tells what waits for nothing; while the moment is not `whole`, what nothing else can change.
    fn flush_prompt(&mut self, now: Timestamp, whole: bool, effects: &mut Effects) -> Progress {
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        let flushed = notifier.prompt(now, whole, Views { evaluators, sources, system, logs });
        notifier.drain(effects);
        flushed
    }

    fn take_input(&mut self, input: Input, now: Timestamp, changes: &mut Changes) {
        match input {
            Input::Samples { source, samples } => {
                self.notifier.heard(&source);
                self.source_up(&source, now, changes);
                self.take(&source, &samples, now);
            }
            Input::History { source, samples } => self.recall(&source, &samples, now),
            Input::Records(records) => self.take_records(&records, changes),
            Input::Heard { source, until, vouched } => {
                let found = Found::heard(until, vouched);
                for log in &mut self.logs {
                    log.heard(&source, &found, &mut self.occurrences, changes);
                }
            }
            Input::Rewound { source } => {
                for log in &mut self.logs {
                    log.rewind(&source);
                }
            }
            Input::SourceDown { source, reason } => {
                self.source_down(&source, reason, now, changes);
            }
            Input::SourceUp { source } => self.source_up(&source, now, changes),
            Input::Problem { instance, problem, detail } => {
                let Self { system, occurrences, .. } = self;
                system.say(&instance, (problem, detail), now, occurrences, changes);
            }
            Input::Overrides(overrides) => {
                for evaluator in &mut self.evaluators {
                    evaluator.override_with(&overrides, now, changes);
                }
            }
            Input::Handled { alarm, handling } => {
                let Self { evaluators, sources, system, logs, notifier, .. } = self;
                notifier.handle(&alarm, handling, now, Views { evaluators, sources, system, logs });
            }
            Input::Silences(silences) => self.notifier.silence(silences, now),
            Input::Routes { routes, inhibits, maintenance } => {
                self.route(routes, inhibits, maintenance, now);
            }
            Input::Reload(setting) => self.replace_plan(*setting, now, changes),
            Input::Jumped { from } => {
                for evaluator in &mut self.evaluators {
                    evaluator.jump(from, now);
                }
                for log in &mut self.logs {
                    log.jump();
                }
                self.raise(CLOCK, Problem::ClockJumped, jumped(from, now), now, changes);
            }
            Input::Tick => {}
        }
    }

    /// What is to be written before it is given up: all that was judged.
    pub fn last_effects(&mut self, now: Timestamp) -> Effects {
        let mut changes = Changes::default();
        self.settle_logs(now, true, &mut changes);
        self.finish(changes, now)
    }

    /// A clock that went back must not leave slots, watermarks and points in the future.
    fn follow_clock(&mut self, now: Timestamp) {
        if now < self.now {
            for source in &mut self.sources {
                source.follow_clock(now);
            }
            for evaluator in &mut self.evaluators {
                evaluator.follow_clock(now);
            }
            self.notifier.follow_clock(now);
            for log in &mut self.logs {
                log.follow_clock(now);
            }
        }
        self.now = now;
    }

    fn raise(
        &mut self,
        instance: &str,
        problem: Problem,
        detail: String,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        self.system.raise(instance, problem, detail, now, &mut self.occurrences, changes);
    }

    fn source_down(&mut self, name: &str, why: String, now: Timestamp, changes: &mut Changes) {
        for log in &mut self.logs {
            log.source_down(name);
        }
        if let Some(source) = self.source(name) {
            source.outage(now);
        }
        self.notifier.heard(name);
        self.raise(name, Problem::SourceDown, why, now, changes);
    }

    fn source_up(&mut self, name: &str, now: Timestamp, changes: &mut Changes) {
        if let Some(source) = self.source(name) {
            source.recover(now);
        }
        self.system.end(name, Problem::SourceDown, now, changes);
    }

    fn take(&mut self, name: &str, samples: &Samples, now: Timestamp) {
        let Self { sources, evaluators, occurrences, .. } = self;
        let named = sources.iter_mut().enumerate();
        let Some((index, source)) = named.into_iter().find(|(_, s)| s.timing.name == name) else {
            return;
        };
        let offers = source.take(samples, now, |evaluator, series| {
            evaluators.get(evaluator).is_some_and(|evaluator| evaluator.wants(series))
        });
        for place in offers {
            source.offer(place, |evaluator, series| {
                let evaluator = evaluators.get_mut(evaluator);
                evaluator
                    .is_some_and(|evaluator| evaluator.attach(index, place, series, occurrences))
            });
        }
    }

    fn take_records(&mut self, records: &LogBatch, changes: &mut Changes) {
        for log in &mut self.logs {
            log.take(records, &mut self.occurrences, changes);
        }
    }

    /// Judges what is due, until enough has changed.
    fn judge_due(&mut self, now: Timestamp, changes: &mut Changes) -> Progress {
        let Self { sources, evaluators, system, occurrences, .. } = self;
        for (index, evaluator) in evaluators.iter_mut().enumerate() {
            let (detached, progress) = evaluator.judge_due(now, sources, occurrences, changes);
            for detached in detached {
                if let Some(source) = sources.get_mut(detached.source) {
                    source.detach(detached.place, index);
                }
            }
            for news in evaluator.news() {
                system.say(evaluator.name(), news, now, occurrences, changes);
            }
            if progress == Progress::More {
                return progress;
            }
        }
        Progress::Done
    }

    fn settle_logs(&mut self, now: Timestamp, whole: bool, changes: &mut Changes) {
        let Self { logs, system, occurrences, .. } = self;
        for log in logs {
            log.settle(now, whole, changes);
            for news in log.news() {
                system.say(log.name(), news, now, occurrences, changes);
            }
        }
    }

    fn source(&mut self, name: &str) -> Option<&mut SourceState> {
        self.sources.iter_mut().find(|source| source.timing.name == name)
    }
}
