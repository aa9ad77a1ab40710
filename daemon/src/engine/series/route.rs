//! A route: who reads the series of a metric.

use std::time::Duration;

/// An evaluator that reads a metric.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Route {
    /// The evaluator, by its place among all.
    pub(in crate::engine) evaluator: usize,
    /// For how long it needs a point.
    pub(in crate::engine) keep: Duration,
}
