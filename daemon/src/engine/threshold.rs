//! Threshold evaluators: numbers, conditions, evidence, and who is watched.

pub(super) mod across;
pub(super) mod condition;
pub(super) mod evaluator;
pub(super) mod evidence;
pub(super) mod expected;
pub(super) mod feed;
pub(super) mod identity;
pub(super) mod levels;
pub(super) mod missed_slots;
pub(super) mod overrides;
pub mod rule;
