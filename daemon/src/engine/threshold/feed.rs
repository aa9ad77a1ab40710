//! A feed: a source as an evaluator reads it.

/// A source that an evaluator reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct EvaluatorInput {
    pub(super) source: usize,
    /// How many series of it are known.
    pub(super) series: usize,
    pub(super) most: usize,
}
