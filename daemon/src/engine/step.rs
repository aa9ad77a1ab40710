//! Step: an input, judged with what is due and told in parts, so that what a storm leads to is
//! handed on while the rest of it is judged.

use haetae_plugin::Timestamp;

use super::{Effects, Engine, Input, notify::Views, standing::Changes};

/// Alarms that a part is about: many make a part heavy, few make many transactions. In tests so few
/// that whatever they say holds of steps with many parts.
pub(super) const PART: usize = if cfg!(test) { 3 } else { 256 };

/// An input on its way through the engine.
#[derive(Debug)]
pub struct Step {
    now: Timestamp,
    /// Until what was due before it is told.
    input: Option<Input>,
    is_judged: bool,
    is_over: bool,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    More,
    Nothing,
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
    pub fn go_on(&mut self, step: &mut Step) -> Option<Effects> {
        if step.is_over {
            return None;
        }
        let now = step.now;
        let mut changes = Changes::default();
        // What comes in this moment changes nothing of what was due before.
        if step.input.is_some() && self.tell_due(now) == Left::More {
            return Some(self.effects(changes, now));
        }
        if let Some(input) = step.input.take() {
            self.take_input(input, now, &mut changes);
        }
        if !step.is_judged && self.judge_due(now, &mut changes) == Left::Nothing {
            self.settle_logs(now, false, &mut changes);
            step.is_judged = true;
        }
        let mut effects = self.effects(changes, now);
        let left = self.tell_prompt(now, step.is_judged, &mut effects);
        step.is_over = step.is_judged && left == Left::Nothing;
        Some(effects)
    }

    /// Tells what was due before this moment; to be asked again while there is more.
    pub(super) fn tell_due(&mut self, now: Timestamp) -> Left {
        self.follow_clock(now);
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        notifier.settle(now);
        notifier.due(now, Views { evaluators, sources, system, logs })
    }

    /// What changes lead to, all of it.
    pub(super) fn whole(&mut self, changes: Changes, now: Timestamp) -> Effects {
        let mut effects = self.effects(changes, now);
        while self.tell_prompt(now, true, &mut effects) == Left::More {}
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
    fn tell_prompt(&mut self, now: Timestamp, whole: bool, effects: &mut Effects) -> Left {
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        let left = notifier.prompt(now, whole, Views { evaluators, sources, system, logs });
        notifier.drain(effects);
        left
    }
}
