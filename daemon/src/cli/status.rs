//! `haetae status`: what the running daemon does.

use clap::Args;

use super::{
    Common, client,
    output::{self, Style},
};
use crate::{
    deliver::render::{Voice, quantity},
    http::{api::StatusAnswer, reload::Configuration},
    language::Language,
    plugin::status::{InstanceState, InstanceStatus},
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
    configuration(&status, style, &voice);
    for cause in &status.unready {
        output::line(format!("{}: {cause}", style.bad("not ready")));
    }
    for stage in &status.stages {
        let since = voice.time(stage.since);
        output::line(format!("{}: {}, since {since}", style.bad("stage"), stage.words()));
    }
    instances(&status, style, &voice);
    evaluators(&status, &voice);
    queues(&status, style, &voice);
    store(&status, style, &voice);
    if status.log_lines_dropped > 0 {
        let (mark, lines) = (style.bad("log"), status.log_lines_dropped);
        output::line(format!("{mark}  {lines} lines could not be written"));
        output::line("     cure: make room where stderr goes, or have somebody read it");
    }
    for refused in &status.refused {
        let mark = style.bad("not loaded");
        output::text(&format!("{mark}  {} {}: {}", refused.code, refused.file, refused.cause), 12);
        output::text(&format!("            cure: {}", refused.cure), 14);
    }
    0
}

fn configuration(status: &StatusAnswer, style: Style, voice: &Voice) {
    let Configuration { file, loaded, failed, .. } = &status.configuration;
    if let Some(file) = file {
        output::line(format!("configuration {} of {}", file.display(), voice.time(*loaded)));
    }
    if let Some(failed) = failed {
        let (mark, at) = (style.bad("not reloaded"), voice.time(failed.at));
        output::line(format!("{mark} at {at}, it goes on as before: {}", failed.cause));
    }
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
        if let (
            Some(error),
            InstanceState::Degraded | InstanceState::Failing | InstanceState::Hung,
        ) = (&instance.last_error, instance.state)
        {
            output::text(&format!("{}: {}", style.bad(&instance.name), error.cause), 2);
            output::text(&format!("  cure: {} (at {})", error.cure, voice.time(error.at)), 4);
            if let Some(until) = instance.paused_until {
                output::line(format!("  left alone until {}", voice.time(until)));
            }
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

fn queues(status: &StatusAnswer, style: Style, voice: &Voice) {
    if status.queues.is_empty() {
        return;
    }
    let head = ["QUEUE", "SINK", "WAITING", "OLDEST", "DROPPED", "DEAD", "HELD", "MAX"];
    let mut table = output::table(&head);
    for queue in &status.queues {
        for sink in &queue.sinks {
            let oldest = queue.oldest.filter(|_| sink.waiting > 0);
            table.add_row([
                queue.source.clone(),
                sink.sink.clone(),
                sink.waiting.to_string(),
                oldest.map_or_else(String::new, |oldest| voice.time(oldest)),
                sink.dropped.to_string(),
                sink.dead.to_string(),
                bytes(queue.bytes),
                bytes(queue.max_bytes),
            ]);
        }
    }
    output::show(&table);
    for queue in &status.queues {
        if let Some(cause) = &queue.failing {
            output::line(format!("{}: {cause}", style.bad(&queue.source)));
        }
        for gone in &queue.removed {
            let (mark, sink) = (style.bad(&queue.source), &gone.sink);
            let (waiting, dead) = (gone.waiting, gone.dead);
            output::line(format!(
                "{mark}: {sink} reads it no more: {waiting} records that waited for it and {dead} \
                 that it had rejected are gone"
            ));
        }
        if queue.damaged > 0 {
            let mark = style.bad(&queue.source);
            output::line(format!("{mark}: {} damaged batches were set aside", queue.damaged));
        }
    }
    output::line("");
}

fn store(status: &StatusAnswer, style: Style, voice: &Voice) {
    let store = &status.store;
    output::line(format!("store {}", store.location));
    if let (Some(cause), Some(since)) = (&store.failing, store.failing_since) {
        let mark = style.bad("failing");
        output::line(format!("  {mark} since {}: {cause}", voice.time(since)));
        output::line("  cure: make room or mend the database; nothing is lost, sources wait");
    }
    for count in &store.outbox {
        let word = if count.dead { style.bad("dead letters") } else { "waiting".into() };
        let oldest = voice.time(count.oldest);
        output::line(format!("  {}: {} {word}, the oldest of {oldest}", count.sink, count.count));
    }
    let (open, lost) = (store.open_obligations, store.unreachable_obligations);
    let lost = if lost > 0 { style.bad(&lost.to_string()) } else { lost.to_string() };
    output::line(format!("  obligations: {open} open, {lost} unreachable"));
}

fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
    let bytes = bytes as f64;
    quantity(bytes, "bytes")
}

fn state(instance: &InstanceStatus, style: Style) -> String {
    let text = match instance.state {
        InstanceState::Starting => "starting",
        InstanceState::Ok => return style.good("ok"),
        InstanceState::Degraded => "degraded",
        InstanceState::Failing => "failing",
        InstanceState::Hung => "hung",
        InstanceState::Stopped => "stopped",
    };
    style.bad(text)
}
