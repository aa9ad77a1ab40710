//! `[sinks.NAME]`: from the text to the plan.

use haetae_plugin::Records;

use super::{kind, length::too_short, notify, zone::bad_zone};
use crate::config::{
    Kinds, file, plan,
    read::{schema, section::Section},
    text::problem::Problem,
};

/// A sink as far as it could be read.
pub(in crate::config) struct SinkDraft<'a> {
    pub(super) section: Section<'a>,
    pub(in crate::config) sink: plan::Sink,
    /// What it takes, if that is known.
    pub(super) takes: Option<Vec<Records>>,
}

/// Reads a sink; `zone` is the daemon's.
pub(in crate::config) fn read<'a>(
    section: Section<'a>,
    kinds: &dyn Kinds,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) -> SinkDraft<'a> {
    let (judged, rest) = schema::shared::<file::SinkSection>(&section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    let offer = kind::offer(&section, &file.plugin, rest, kinds);
    problems.extend(offer.problems);
    too_short(&section, "/deadline", *file.deadline, problems);
    too_short(&section, "/give_up", *file.give_up, problems);
    bad_zone(&section, "/zone", file.zone.as_deref(), problems);
    let notify = notify::read(&section, &file, zone, problems);
    let takes = offer.facts.and_then(|facts| facts.sink);
    let notifies = takes.as_ref().is_some_and(|takes| takes.contains(&Records::Notifications));
    let sink = plan::Sink {
        name: section.name.into(),
        place: section.head().short(),
        notifies,
        kind: file.plugin,
        options: plan::PluginOptions(offer.options),
        inputs: file.inputs,
        matchers: file.matchers.into_iter().map(|matcher| matcher.0).collect(),
        resolved: file.resolved,
        deadline: *file.deadline,
        language: file.language,
        zone: file.zone,
        fallback: file.fallback,
        give_up: *file.give_up,
        notify,
    };
    SinkDraft { section, sink, takes }
}
