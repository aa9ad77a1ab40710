//! The pipeline: from what sources collect to evaluators and sinks.

pub mod evaluation;
pub mod graph;
pub mod intake;
pub mod queue;
