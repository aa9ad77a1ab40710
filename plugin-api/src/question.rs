//! What a reader is asked, and what it answers. Crosses as JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A question about the past or present of what a plugin reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Question {
    /// The points of a metric in `from ≤ time < to`.
    Series {
        /// The metric's name, or the plugin's own query text.
        query: String,
        /// Start of the range.
        from: Timestamp,
        /// End of the range.
        to: Timestamp,
    },
    /// What the source would have yielded of a metric at its slots `from`, `from + every`, …, all
    /// of them before `to`. What its server computes over a window has the slot's time, and the
    /// window ends there; raw points are those of `from - every < time ≤ last slot`.
    Slots {
        /// The metric's name.
        query: String,
        /// The first slot.
        from: Timestamp,
        /// The time between two slots.
        every: Duration,
        /// No slot is at or after this time.
        to: Timestamp,
    },
    /// A question that this build does not know; answer [`Answer::Unsupported`].
    #[serde(other)]
    Unknown,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Answer {
    /// Each series with its points, oldest first.
    Series(Vec<Line>),
    /// The reader does not answer this kind of question.
    Unsupported,
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Name of the metric.
    pub name: String,
    /// Labels of the series.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Unit of the values.
    pub unit: String,
    /// Time and value, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_cross_as_json() {
        let (from, to) = (Timestamp::from_nanos(1), Timestamp::from_nanos(9));
        let question =
            Question::Slots { query: "cpu".into(), from, every: Duration::from_secs(30), to };
        let text = serde_json::to_string(&question).unwrap();
        assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
    }
}
