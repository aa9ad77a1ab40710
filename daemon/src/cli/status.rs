//! `haetae status`: what the running daemon does.

use clap::Args;

use super::{
    Common, client,
    output::{self, Style},
};
use crate::{
    config::Language,
    deliver::render::Voice,
    http::api::StatusAnswer,
    plugin::status::{InstanceStatus, State},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  haetae status\n  haetae -o json status")]
pub(super) struct Arguments {}

pub(super) fn run(common: &Common, _arguments: &Arguments) -> u8 {
    let status: StatusAnswer = match client::get(common, "/api/v1/status") {
        Ok(status) => status,
        Err(code) => return code,
    };
    if common.is_json() {
        output::json(&status);
        return 0;
    }
    let style = common.style();
    let voice = Voice { language: Language::En, zone: jiff::tz::TimeZone::system() };
    let ready = if status.ready { style.good("ready") } else { style.bad("starting") };
    let since = voice.time(status.started);
    output::line(format!(
        "haetae {}  {ready}  since {since}  {} firing",
        status.version, status.firing
    ));
    if status.memory_only {
        let note = "alarms and what waits for sinks live in memory: a restart forgets them";
        output::line(style.dim(note));
    }
    instances(&status, style, &voice);
    evaluators(&status, &voice);
    for refused in &status.refused {
        let mark = style.bad("not loaded");
        output::line(format!("{mark}  {} {}: {}", refused.code, refused.file, refused.cause));
        output::line(format!("            cure: {}", refused.cure));
    }
    0
}

fn instances(status: &StatusAnswer, style: Style, voice: &Voice) {
    output::line("");
    let head = [
        "NAME", "ROLE", "PLUGIN", "STATE", "SINCE", "RECORDS", "DROPPED", "ERRORS", "PANICS",
        "HANGS",
    ];
    let mut table = output::table(&head);
    for instance in &status.instances {
        let counts = &instance.counts;
        let numbers = [counts.records, counts.dropped, counts.errors, counts.panics, counts.hangs];
        let texts = [
            instance.name.clone(),
            instance.role.clone(),
            instance.kind.clone(),
            state(instance, style),
            voice.time(instance.since),
        ];
        table.add_row(texts.into_iter().chain(numbers.map(|number| number.to_string())));
    }
    output::show(&table);
    for instance in &status.instances {
        if let (Some(error), State::Degraded | State::Failing | State::Hung) =
            (&instance.last_error, instance.state)
        {
            output::line(format!("{}: {}", style.bad(&instance.name), error.cause));
            output::line(format!("  cure: {} (at {})", error.cure, voice.time(error.at)));
        }
    }
}

fn evaluators(status: &StatusAnswer, voice: &Voice) {
    if status.evaluators.is_empty() {
        return;
    }
    output::line("");
    let mut table =
        output::table(&["EVALUATOR", "SERIES", "JUDGED", "LATE", "MISSED", "ERRORS", "LAST SLOT"]);
    for evaluator in &status.evaluators {
        table.add_row([
            evaluator.name.clone(),
            evaluator.series.to_string(),
            evaluator.judged.to_string(),
            evaluator.late.to_string(),
            evaluator.missed.to_string(),
            evaluator.errors.to_string(),
            evaluator.judged_slot.map_or_else(|| "none yet".into(), |slot| voice.time(slot)),
        ]);
    }
    output::show(&table);
    output::line("");
}

fn state(instance: &InstanceStatus, style: Style) -> String {
    let text = match instance.state {
        State::Starting => "starting",
        State::Ok => return style.good("ok"),
        State::Degraded => "degraded",
        State::Failing => "failing",
        State::Hung => "hung",
        State::Stopped => "stopped",
    };
    style.bad(text)
}
