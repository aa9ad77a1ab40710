//! Step: an input, judged with what is due and told in parts, so that what a storm leads to is
//! handed on while the rest of it is judged.

use haetae_plugin::Timestamp;

use super::{Effects, Engine, Input, alarm::changes::Changes, notify::Views, progress::Progress};

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
    pub(super) fn flush_due(&mut self, now: Timestamp) -> Progress {
        self.follow_clock(now);
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        notifier.settle(now);
        notifier.due(now, Views { evaluators, sources, system, logs })
    }

    /// What changes lead to, all of it.
    pub(super) fn finish(&mut self, changes: Changes, now: Timestamp) -> Effects {
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
}
