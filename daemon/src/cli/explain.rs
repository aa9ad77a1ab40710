//! `haetae explain`: why each sink was told of an alarm or not, and what it is told next.

mod words;

use clap::Args;
use haetae_plugin::Timestamp;

use self::words::Words;
use super::{
    Common, client, language,
    output::{self, Style},
};
use crate::{
    engine::notify::Why,
    http::{
        explain::{ExplainAnswer, ExplainedSink},
        shown::Happened,
    },
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  haetae explain 3f9c2a\n  haetae explain 3f9c2a --sink mail\n  haetae explain 3f9c2a --at 2026-11-25T03:12\n  haetae explain 3f9c2a --language ko\n  haetae -o json explain 3f9c2a-1"
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
    /// The language of the answer [default: [daemon] language]
    #[arg(long, value_enum)]
    language: Option<language::Choice>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    explain(common, arguments).err().unwrap_or(0)
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
    let words = Words::new(language::chosen(common, arguments.language)?);
    head(&answer, &words, common.style());
    if answer.sinks.is_empty() {
        output::line(format!("  {}", words.say("explain-no-sinks", &[])));
    }
    for sink in &answer.sinks {
        output::line("");
        match arguments.at {
            Some(at) => then(sink, &answer, at, &words),
            None => now(sink, &answer, &words, common.style()),
        }
    }
    Ok(())
}

fn head(answer: &ExplainAnswer, words: &Words, style: Style) {
    let alarm = &answer.alarm;
    output::text(&format!("{}  {}", alarm.id, words.voice.summary(alarm)), 4);
    let severity = style.severity(alarm.severity, &words.severity(alarm));
    indented(&format!("{severity}, {}", words.state(alarm)));
    indented(&words.judged(answer));
    if let Some(evidence) = words.evidence(alarm.evidence) {
        indented(&evidence);
    }
}

/// What is so now.
fn now(sink: &ExplainedSink, answer: &ExplainAnswer, words: &Words, style: Style) {
    let explanation = &sink.explanation;
    output::line(format!("{} ({})", explanation.sink, explanation.place));
    let verdict = words.verdict(sink);
    indented(&if sink.debt.is_some() { style.good(&verdict) } else { style.bad(&verdict) });
    for notice in &sink.waiting {
        indented(&words.waiting(notice));
    }
    for why in &explanation.against {
        // What is decided is in the outbox: nobody there has heard it.
        let decided = matches!(why, Why::RepeatNotDue { .. }) && sink.debt.is_none();
        if let Some(said) = words.why(why, answer).filter(|_| !decided) {
            indented(&said);
        }
    }
    if let Some((at, reason)) = explanation.next {
        indented(&words.next(at, reason));
    }
}

fn indented(text: &str) {
    output::text(&format!("  {}", output::in_one_line(text)), 4);
}

/// What the journal says of that time: the last word about the sink until then.
fn then(sink: &ExplainedSink, answer: &ExplainAnswer, at: Timestamp, words: &Words) {
    let (name, place) = (&sink.explanation.sink, &sink.explanation.place);
    let at = words.voice.time(at);
    output::line(words.say("explain-then", &[("sink", name), ("place", place), ("at", &at)]));
    let of_it = |entry: &&Happened| {
        let about = entry.detail.split_once(": ").is_some_and(|(sink, _)| sink == name);
        about && matches!(&*entry.act, "told" | "withheld" | "buried" | "redriven" | "dropped")
    };
    let Some(Happened { at, actor, act, detail, .. }) = answer.history.iter().rfind(of_it) else {
        indented(&words.say("explain-then-nothing", &[]));
        return;
    };
    let detail = detail.split_once(": ").map_or(&**detail, |(_, detail)| detail);
    let variables = [("at", &*words.voice.time(*at)), ("actor", actor), ("detail", detail)];
    indented(&words.say(&format!("explain-then-{act}"), &variables));
}
