//! Checking: from the text to the plan, one part of the configuration a file.

pub(super) mod evaluator;
pub(super) mod expect;
pub(super) mod kind;
pub(super) mod length;
pub(super) mod level;
pub(super) mod log;
pub(super) mod names;
pub(super) mod notify;
pub(super) mod proposal;
pub(super) mod retention;
pub(super) mod rule_test;
pub(super) mod sink;
pub(super) mod source;
pub(super) mod threshold;
pub(super) mod wiring;
pub(super) mod zone;
