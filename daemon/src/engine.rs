//! The engine: pure and synchronous, it turns evidence into alarms.
//!
//! It is handed inputs and the time, and answers with transitions and with what the store is to
//! keep of its alarms. A slot is judged as soon as
//! every source of an evaluator has said everything about it; too late, it changes and counts
//! nothing. No evidence is never evidence: what nobody saw neither raises nor clears.

mod across;
mod alarm;
mod condition;
mod evaluator;
mod evidence;
mod expected;
pub mod handling;
mod identity;
mod labels;
mod levels;
pub mod matcher;
mod member;
pub mod notify;
mod occurrence;
mod overrides;
mod record;
mod reload;
mod restore;
pub mod silence;
mod slot;
mod source;
mod standing;
mod system;
pub mod threshold;
mod window;

#[cfg(test)]
mod expecting;
#[cfg(test)]
mod overriding;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reloading;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod trial;

use haetae_plugin::{Samples, Severity, Timestamp};

pub use self::{
    alarm::{AlarmView, Change, Condition, Transition},
    condition::MOST_SLOTS,
    evaluator::EvaluatorStatus,
    evidence::Evidence,
    matcher::Matcher,
    overrides::{Foreseen, Override, Preview},
    slot::{last_slot, next_slot, slot_phase},
    source::SourceTiming,
    standing::{AlarmState, Effects, Past, Standing},
    system::{Problem, SYSTEM},
};
use self::{
    evaluator::Evaluator,
    occurrence::Occurrences,
    source::{Route, Source},
    standing::Changes,
    system::System,
    threshold::Threshold,
};

/// All evaluators, what they know, and the alarms that follow from it.
#[derive(Debug)]
pub struct Engine {
    sources: Vec<Source>,
    evaluators: Vec<Evaluator>,
    system: System,
    occurrences: Occurrences,
    overrides: Vec<Override>,
    now: Timestamp,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A source has spoken, up to the batch's watermark. It is not down then.
    Samples {
        /// The source.
        source: String,
        /// What it said; its labels are complete and within the limits.
        samples: Samples,
    },
    /// What a source said before the start, as its reader has it: it fills windows, and is no
    /// word of the source, which may be down.
    History {
        /// The source.
        source: String,
        /// Points of the past; its labels are complete and within the limits.
        samples: Samples,
    },
    /// A source failed: one alarm about it, and none of its evaluators' conditions change.
    SourceDown {
        /// The source.
        source: String,
        /// Why.
        reason: String,
    },
    /// A source is back.
    SourceUp {
        /// The source.
        source: String,
    },
    /// Something is wrong with an instance, or no longer.
    Problem {
        /// The instance.
        instance: String,
        /// What.
        problem: Problem,
        /// More about it; `None` ends it.
        detail: Option<String>,
    },
    /// Numbers that stand in for those of evaluators, all that there are, the newest last. Given
    /// before alarms are restored, they are restored under these.
    Overrides(Vec<Override>),
    /// Time has passed.
    Tick,
}

impl Engine {
    /// An engine that judges slots after `now`.
    pub fn new(sources: Vec<SourceTiming>, evaluators: Vec<Threshold>, now: Timestamp) -> Self {
        let mut sources: Vec<_> = sources.into_iter().map(Source::new).collect();
        let make = |threshold| Evaluator::new(threshold, &sources, now);
        let evaluators: Vec<_> = evaluators.into_iter().map(make).collect();
        for (index, evaluator) in evaluators.iter().enumerate() {
            let route = Route { evaluator: index, keep: evaluator.keep(&sources) };
            for input in evaluator.inputs() {
                if let Some(source) = sources.get_mut(input) {
                    source.route(evaluator.metric(), route);
                }
            }
        }
        let (system, occurrences) = (System::default(), Occurrences::default());
        Self { sources, evaluators, system, occurrences, overrides: Vec::new(), now }
    }

    /// Takes an input and judges what is due.
    ///
    /// The work is bounded: slots that passed while nobody asked are counted, not judged.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Effects {
        self.follow_clock(now);
        let mut changes = Changes::default();
        match input {
            Input::Samples { source, samples } => {
                self.source_up(&source, now, &mut changes);
                self.take(&source, &samples, now);
            }
            Input::History { source, samples } => self.recall(&source, &samples, now),
            Input::SourceDown { source, reason } => {
                if let Some(source) = self.source(&source) {
                    source.outage(now);
                }
                self.raise(&source, Problem::SourceDown, reason, now, &mut changes);
            }
            Input::SourceUp { source } => self.source_up(&source, now, &mut changes),
            Input::Problem { instance, problem, detail } => match detail {
                Some(detail) => self.raise(&instance, problem, detail, now, &mut changes),
                None => self.system.end(&instance, problem, now, &mut changes),
            },
            Input::Overrides(overrides) => {
                for evaluator in &mut self.evaluators {
                    evaluator.override_with(&overrides, now, &mut changes);
                }
                self.overrides = overrides;
            }
            Input::Tick => {}
        }
        self.judge_due(now, &mut changes);
        changes.into_effects()
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.evaluators.iter().filter_map(|evaluator| evaluator.next_due(&self.sources)).min()
    }

    /// All alarms that are pending, firing or recovering, the worst first.
    pub fn alarms(&self) -> Vec<AlarmView> {
        let own = self.evaluators.iter().flat_map(|evaluator| evaluator.alarms(&self.sources));
        let mut alarms: Vec<_> = self.system.alarms().chain(own).collect();
        alarms.sort_by(AlarmView::worst_first);
        alarms
    }

    /// How many alarms of a severity fire.
    pub fn firing(&self, severity: Severity) -> usize {
        let own = self.evaluators.iter().flat_map(Evaluator::firing);
        self.system.firing().chain(own).filter(|one| *one == severity).count()
    }

    /// What other overrides would do now; `id` is the one in question.
    pub fn preview(&self, overrides: &[Override], id: &str) -> Preview {
        let mut preview = Preview::default();
        for evaluator in &self.evaluators {
            evaluator.preview(overrides, id, &mut preview);
        }
        preview
    }

    /// How each evaluator is doing, in the order in which they were given.
    pub fn evaluators(&self) -> Vec<EvaluatorStatus> {
        self.evaluators.iter().map(Evaluator::status).collect()
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

    fn recall(&mut self, name: &str, samples: &Samples, now: Timestamp) {
        let Self { sources, evaluators, .. } = self;
        if let Some(source) = sources.iter_mut().find(|source| source.timing.name == name) {
            source.recall(samples, now, |evaluator, series| {
                evaluators.get(evaluator).is_some_and(|evaluator| evaluator.wants(series))
            });
        }
    }

    fn judge_due(&mut self, now: Timestamp, changes: &mut Changes) {
        let Self { sources, evaluators, occurrences, .. } = self;
        for (index, evaluator) in evaluators.iter_mut().enumerate() {
            for detached in evaluator.judge_due(now, sources, occurrences, changes) {
                if let Some(source) = sources.get_mut(detached.source) {
                    source.detach(detached.place, index);
                }
            }
        }
    }

    fn source(&mut self, name: &str) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.timing.name == name)
    }
}
