//! Silences: what a person does not want to be told of for a while.

use haetae_plugin::Timestamp;

use super::matcher::Matcher;

/// A silence, or a maintenance of the configuration.
#[derive(Clone, Debug)]
pub struct Silence {
    /// Its id; of a maintenance, its name.
    pub id: String,
    /// Which alarms; all must match. They see `severity` and `evaluator` as labels too.
    pub matchers: Vec<Matcher>,
    /// Who made it; of a maintenance, the place in the configuration: `haetae.toml:12`.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it holds.
    pub span: Span,
}

/// When a silence holds.
#[derive(Clone, Debug)]
pub enum Span {
    /// From and until; the end is not part of it.
    Between(Timestamp, Timestamp),
    /// From then until each of these alarms has ended: those that fired when it was made.
    UntilResolved {
        /// From when.
        from: Timestamp,
        /// Ids of alarms.
        alarms: Vec<String>,
    },
}
