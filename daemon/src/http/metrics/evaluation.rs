//! Metrics of judging: what each evaluator did, how long it takes, what fires.

use prometheus_client::{
    collector::Collector, encoding::DescriptorEncoder, metrics::histogram::Histogram,
};

use super::families::{Families, Labels};
use crate::{engine::EvaluatorStatus, http::View, pipeline::evaluation::EngineCounts};

/// What the engine counts, or counted last.
#[derive(Debug)]
pub(super) struct Evaluation {
    counts: EngineCounts,
    durations: Histogram,
}

type EvaluatorCount = fn(&EvaluatorStatus) -> u64;

const COUNTS: [(&str, &str, EvaluatorCount); 6] = [
    ("evaluations", "Slots that an evaluator judged", |status| status.judged),
    (
        "evaluations_late",
        "Slots that passed because a source had not said everything in time",
        |status| status.late,
    ),
    ("evaluations_missed", "Slots that nobody looked at", |status| status.missed),
    ("evaluation_errors", "Values that are no number", |status| status.errors),
    (
        "evaluator_ignored_series",
        "Series turned away because their source has too many",
        |status| status.ignored,
    ),
    ("evaluator_matches", "Log records that matched", |status| status.matches),
];

impl Evaluation {
    pub(super) async fn of(view: &View) -> Self {
        let counts = view.counts().await.unwrap_or_default();
        Self { counts, durations: view.parts().heartbeat.durations() }
    }
}

impl Evaluation {
    /// A sample for each evaluator.
    fn each(&self, value: impl Fn(&EvaluatorStatus) -> u64) -> Vec<(Labels<'_>, u64)> {
        let evaluators = self.counts.evaluators.iter();
        evaluators
            .map(|status| (vec![("evaluator", status.name.as_str())], value(status)))
            .collect()
    }
}

impl Collector for Evaluation {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        for (name, help, count) in COUNTS {
            families.counter(name, help, self.each(count))?;
        }
        let series = self.each(|status| status.series as u64);
        families.gauge("evaluator_series", "Series that an evaluator knows", series)?;
        let firing = self.counts.firing.iter();
        let firing =
            firing.map(|(severity, count)| (vec![("severity", severity.as_str())], *count as u64));
        families.gauge("alarms_firing", "Firing alarms", firing)?;
        let help = "Time that the engine took for an input and the slots that were due with it";
        let durations = [(Vec::new(), self.durations.clone())];
        families.histogram("evaluation_duration_seconds", help, durations)
    }
}
