//! `[sources.NAME]`: from the text to the plan.

use std::time::Duration;

use haetae_plugin::{Metric, Records};

use super::{kind, length::too_short};
use crate::config::{
    Kinds, file, plan,
    read::{schema, section::Section},
    text::problem::{Code, Problem},
};

/// Where none is given.
const LONGEST_DEADLINE: Duration = Duration::from_secs(20);

/// A source as far as it could be read.
pub(in crate::config) struct SourceDraft<'a> {
    pub(super) section: Section<'a>,
    pub(in crate::config) source: plan::Source,
    /// What it yields, if that is known.
    pub(super) yields: Option<Vec<Records>>,
    /// The metrics that it yields, if they are known.
    pub(super) metrics: Option<Vec<Metric>>,
}

/// Reads a source.
pub(in crate::config) fn read<'a>(
    section: Section<'a>,
    kinds: &dyn Kinds,
    problems: &mut Vec<Problem>,
) -> SourceDraft<'a> {
    let (judged, rest) = schema::shared::<file::SourceSection>(&section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    let offer = kind::offer(&section, &file.plugin, rest, kinds);
    let sound = offer.problems.is_empty();
    problems.extend(offer.problems);
    let interval = *file.interval;
    let deadline = file.deadline.map_or(interval.min(LONGEST_DEADLINE), |deadline| *deadline);
    too_short(&section, "/interval", interval, problems);
    too_short(&section, "/deadline", deadline, problems);
    if deadline > interval {
        let at = if section.has("/deadline") { "/deadline" } else { "/interval" };
        let problem = Problem::new(Code::DeadlineBeyondInterval, section.value(at));
        problems.push(problem.with("interval", file.interval));
    }
    let mut metrics = None;
    if let (true, Some(_)) = (sound, &offer.facts) {
        match kinds.metrics(&file.plugin, &offer.options) {
            // A source that doesn't say may yield anything.
            Ok(known) => metrics = Some(known).filter(|known| !known.is_empty()),
            Err(cause) => {
                let problem = Problem::new(Code::RefusedOptions, section.head());
                problems.push(
                    problem
                        .with("plugin", &file.plugin)
                        .with("section", section)
                        .with("cause", cause),
                );
            }
        }
    }
    let yields = offer.facts.and_then(|facts| facts.source);
    let source = plan::Source {
        name: section.name.into(),
        kind: file.plugin,
        options: plan::PluginOptions(offer.options),
        interval,
        deadline,
        limits: plan::SourceLimits {
            max_series: file.max_series,
            max_labels: file.max_labels,
            max_label_name: file.max_label_name,
            max_label_value: file.max_label_value,
            max_record: usize::try_from(file.max_record.bytes()).unwrap_or(usize::MAX),
        },
        labels: file.labels,
        queue: queue(&file.queue, yields.as_deref()),
    };
    SourceDraft { section, source, yields, metrics }
}

/// Logs wait where samples would rather drop the oldest.
fn queue(file: &file::QueueSection, yields: Option<&[Records]>) -> plan::Queue {
    let logs = yields.is_some_and(|yields| yields.contains(&Records::Logs));
    let wait = file.when_full.map_or(logs, |when_full| matches!(when_full, file::WhenFull::Wait));
    plan::Queue { max: file.max.bytes(), wait }
}
