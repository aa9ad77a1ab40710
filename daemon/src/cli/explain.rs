//! `haetae explain`: why each sink was told of an alarm or not, and what it is told next.

use clap::Args;
use haetae_plugin::Timestamp;

use super::{
    Common, client,
    output::{self, Style},
};
use crate::{
    config::Language,
    deliver::render::{Voice, quantity},
    engine::notify::Why,
    http::{
        explain::{ExplainAnswer, ExplainedSink, WaitingNotice},
        shown::Happened,
    },
    store::DebtState,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  haetae explain 3f9c2a\n  haetae explain 3f9c2a --sink mail\n  haetae explain 3f9c2a --at 2026-11-25T03:12\n  haetae -o json explain 3f9c2a-1"
)]
pub(super) struct Arguments {
    /// The alarm's id, or the start of it
    id: String,
    /// This sink alone
    #[arg(long, value_name = "SINK")]
    sink: Option<String>,
    /// How it was then, after the journal: 2026-11-25T03:12 here, or with an offset
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    at: Option<Timestamp>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    explain(common, arguments).map_or_else(|code| code, |()| 0)
}

fn explain(common: &Common, arguments: &Arguments) -> Result<(), u8> {
    let id = &arguments.id;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || !id.chars().all(plain) {
        output::say(format!("`{id}` is no id of an alarm; see `haetae alarm list --all`"));
        return Err(super::exit::NOT_FOUND);
    }
    let mut answer: ExplainAnswer = client::get(common, &format!("/api/v1/alarms/{id}/explain"))?;
    if let Some(name) = &arguments.sink {
        answer.sinks.retain(|sink| sink.explanation.sink == *name);
        if answer.sinks.is_empty() {
            output::say(format!("no sink `{name}` has to do with this alarm"));
            return Err(super::exit::NOT_FOUND);
        }
    }
    if let Some(at) = arguments.at {
        answer.history.retain(|entry| entry.at <= at);
    }
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    let (style, voice) =
        (common.style(), Voice { language: Language::En, zone: jiff::tz::TimeZone::system() });
    head(&answer, &voice, style);
    if answer.sinks.is_empty() {
        output::line("  no sink is told of alarms");
    }
    for sink in &answer.sinks {
        output::line("");
        match arguments.at {
            Some(at) => then(sink, &answer, at, &voice),
            None => now(sink, &answer, &voice, style),
        }
    }
    Ok(())
}

fn head(answer: &ExplainAnswer, voice: &Voice, style: Style) {
    let alarm = &answer.alarm;
    output::line(format!("{}  {}", alarm.id, voice.summary(alarm)));
    let severity = style.severity(alarm.severity, alarm.severity.as_str());
    let state = match alarm.ended {
        Some(ended) => format!("ended at {}", voice.time(ended)),
        None => format!("{} since {}", alarm.condition.as_str(), voice.time(alarm.since)),
    };
    let value = alarm.value.map(|value| format!(" at {}", quantity(value, &alarm.unit)));
    output::line(format!("  {severity}, {state}{}", value.unwrap_or_default()));
    let place = answer.places.get(&alarm.evaluator);
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    let (evidence, since) = alarm.evidence.words();
    let since = since.map(|since| format!(" since {}", voice.time(since))).unwrap_or_default();
    let who = answer.threshold.as_ref().and_then(|one| {
        let reason = Some(&one.text.reason).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(format!(" ({}{reason})", one.author.as_ref()?))
    });
    let who = who.unwrap_or_default();
    let numbers =
        alarm.threshold.as_ref().map(|id| format!(", by the numbers of threshold {id}{who}"));
    let numbers = output::in_one_line(&numbers.unwrap_or_default());
    output::line(format!(
        "  judged by {}{place}{numbers}, evidence {evidence}{since}",
        alarm.evaluator
    ));
}

/// What is so now.
fn now(sink: &ExplainedSink, answer: &ExplainAnswer, voice: &Voice, style: Style) {
    let explanation = &sink.explanation;
    output::line(format!("{} ({})", explanation.sink, explanation.place));
    let verdict = verdict(sink, voice);
    let verdict = if sink.debt.is_some() { style.good(&verdict) } else { style.bad(&verdict) };
    output::line(format!("  {verdict}"));
    for notice in &sink.waiting {
        let words = failing(notice, &explanation.place, voice);
        output::line(format!("  {}", output::in_one_line(&words)));
    }
    for why in &explanation.against {
        let words = match (why, &sink.debt) {
            // What is decided is in the outbox: nobody there has heard it.
            (Why::RepeatNotDue { .. }, None) => continue,
            _ => against(why, answer, voice),
        };
        output::line(format!("  against telling it now: {}", output::in_one_line(&words)));
    }
    if let Some((at, reason)) = explanation.next {
        let at = voice.time(at);
        output::line(format!("  next, if nothing changes: {} at {at}", reason.as_str()));
    }
}

/// Whether the sink knows of the alarm.
fn verdict(sink: &ExplainedSink, voice: &Voice) -> String {
    match &sink.debt {
        Some(debt) => {
            let end = match debt.state {
                DebtState::Open => String::new(),
                DebtState::Closed => match debt.ended {
                    Some(ended) => format!("; of its end at {}", voice.time(ended)),
                    None => "; of its end".into(),
                },
                DebtState::Unreachable => format!("; of its end it cannot be: {}", debt.reason),
            };
            format!("told at {}{end}", voice.time(debt.opened))
        }
        None if sink.waiting.iter().any(|notice| !notice.dead) => "not told yet".into(),
        None => "not told".into(),
    }
}

fn failing(notice: &WaitingNotice, place: &str, voice: &Voice) -> String {
    let WaitingNotice { id, reason, since, due, attempts, dead, failure } = notice;
    let reason = reason.as_str();
    if *dead {
        return format!("{reason} was given up: {failure}; see haetae outbox show {id} ({place})");
    }
    let (since, due) = (voice.time(*since), voice.time(*due));
    if failure.is_empty() {
        format!("{reason} waits since {since} ({place})")
    } else {
        format!(
            "{reason} waits since {since}: the sink fails, try {attempts}, next at {due}: {failure} ({place})"
        )
    }
}

fn against(why: &Why, answer: &ExplainAnswer, voice: &Voice) -> String {
    let words = voice.against(why);
    match why {
        Why::SourceDown { source } => match answer.places.get(source) {
            Some(place) => format!("{words} ({place})"),
            None => words,
        },
        _ => words,
    }
}

/// What the journal says of that time: the last word about the sink until then.
fn then(sink: &ExplainedSink, answer: &ExplainAnswer, at: Timestamp, voice: &Voice) {
    let name = &sink.explanation.sink;
    output::line(format!("{name} ({}) at {}", sink.explanation.place, voice.time(at)));
    let of_it = |entry: &&Happened| {
        let about = entry.detail.split_once(": ").is_some_and(|(sink, _)| sink == name);
        about && matches!(&*entry.act, "told" | "withheld" | "buried" | "redriven" | "dropped")
    };
    let Some(last) = answer.history.iter().rfind(of_it) else {
        output::line("  nothing was said or withheld until then");
        return;
    };
    let Happened { at, actor, act, detail, .. } = last;
    let detail = output::in_one_line(detail);
    output::line(format!("  {act} at {}: {detail}  ({actor})", voice.time(*at)));
}
