//! The pipeline: from what sources collect to evaluators and sinks.

pub mod evaluation;
pub mod feed;
pub mod intake;
pub mod log_reader;
pub mod part;
pub mod problems;
pub mod pump;
pub mod queue;
pub mod refill;
