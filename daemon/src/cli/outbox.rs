//! `haetae outbox`: what waits for sinks, and dead letters.

use clap::{ArgGroup, Args, Subcommand};

use super::{Common, client, output};
use crate::{
    deliver::render::Voice,
    http::outbox::{ChangedAnswer, Chosen, OutboxAnswer},
    language::Language,
    store::OutboxRow,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List notifications that wait or were given up, and records that sinks rejected
    #[command(
        after_help = "Examples:\n  haetae outbox list\n  haetae outbox list --dead --sink mail\n  haetae -o json outbox list"
    )]
    List {
        /// Dead letters alone
        #[arg(long)]
        dead: bool,
        /// Of this sink alone
        #[arg(long, value_name = "NAME")]
        sink: Option<String>,
    },
    /// Show one notification whole, as it is sent
    #[command(after_help = "Example:\n  haetae outbox show 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B")]
    Show {
        /// Its id
        id: String,
    },
    /// Try dead letters again
    #[command(
        after_help = "Examples:\n  haetae outbox redrive 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B\n  haetae outbox redrive --all --sink mail"
    )]
    Redrive(DeadLetterSelection),
    /// Drop notifications or rejected records for good
    #[command(
        after_help = "Examples:\n  haetae outbox drop 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B\n  haetae outbox drop --all --sink mail"
    )]
    Drop(DeadLetterSelection),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["ids", "all"]))]
pub(super) struct DeadLetterSelection {
    /// Their ids
    ids: Vec<String>,
    /// All dead letters
    #[arg(long)]
    all: bool,
    /// With --all: of this sink alone
    #[arg(long, value_name = "NAME", requires = "all")]
    sink: Option<String>,
}

pub(super) fn run(common: &Common, verb: &Verb) -> u8 {
    let result = match verb {
        Verb::List { dead, sink } => list(common, *dead, sink.as_deref()),
        Verb::Show { id } => show(common, id),
        Verb::Redrive(which) => change(common, "redrive", "tried again", which),
        Verb::Drop(which) => change(common, "drop", "dropped", which),
    };
    result.err().unwrap_or(0)
}

fn list(common: &Common, dead: bool, sink: Option<&str>) -> Result<(), u8> {
    let mut all = OutboxAnswer { notifications: Vec::new(), records: Vec::new(), next: None };
    let mut after = String::new();
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("dead", &dead.to_string()).append_pair("after", &after);
        if let Some(sink) = sink {
            query.append_pair("sink", sink);
        }
        let path = format!("/api/v1/outbox?{}", query.finish());
        let page: OutboxAnswer = client::get(common, &path)?;
        all.notifications.extend(page.notifications);
        all.records.extend(page.records);
        let Some(next) = page.next else { break };
        after = next;
    }
    if common.is_json() {
        output::json(&all);
        return Ok(());
    }
    if all.notifications.is_empty() && all.records.is_empty() {
        output::line(if dead { "no dead letters" } else { "nothing waits" });
        return Ok(());
    }
    let (style, voice) = (common.style(), voice());
    let mut table =
        output::table(&["ID", "SINK", "STATE", "TRIES", "SINCE", "NEXT TRY", "WHAT", "WHY"]);
    for row in &all.notifications {
        let state = if row.dead { style.bad("dead") } else { "waits".into() };
        let next = if row.dead { String::new() } else { voice.time(row.due) };
        table.add_row([
            row.id.clone(),
            row.sink.clone(),
            state,
            row.attempts.to_string(),
            voice.time(row.created),
            next,
            row.notification.title.clone(),
            row.reason.clone(),
        ]);
    }
    for record in &all.records {
        table.add_row([
            record.id.clone(),
            record.sink.clone(),
            style.bad("dead"),
            String::new(),
            voice.time(record.at),
            String::new(),
            record.what.clone(),
            record.reason.clone(),
        ]);
    }
    output::show(&table);
    Ok(())
}

fn show(common: &Common, id: &str) -> Result<(), u8> {
    if !is_plain(id) {
        output::say(format!("`{id}` is no id of a notification; see `haetae outbox list`"));
        return Err(super::exit::NOT_FOUND);
    }
    let row: OutboxRow = client::get(common, &format!("/api/v1/outbox/{id}"))?;
    if common.is_json() {
        output::json(&row);
        return Ok(());
    }
    let voice = voice();
    output::line(format!("{}  {}", row.id, row.notification.title));
    let rows = [
        ("sink", row.sink),
        ("alarm", row.alarm),
        ("state", if row.dead { "dead".into() } else { "waits".into() }),
        ("tries", row.attempts.to_string()),
        ("since", voice.time(row.created)),
        ("next try", if row.dead { String::new() } else { voice.time(row.due) }),
        ("why", row.reason),
        ("left", row.notification.recipients.join(", ")),
        ("key", row.notification.idempotency_key),
    ];
    for (name, value) in rows {
        output::row(name, &value);
    }
    output::line("");
    output::line(row.notification.text);
    Ok(())
}

fn change(common: &Common, verb: &str, done: &str, which: &DeadLetterSelection) -> Result<(), u8> {
    let chosen = Chosen { ids: which.ids.clone(), all_dead: which.all, sink: which.sink.clone() };
    let answer: ChangedAnswer = client::post(common, &format!("/api/v1/outbox/{verb}"), &chosen)?;
    if common.is_json() {
        output::json(&answer);
    } else if answer.changed == 0 {
        output::line("no dead letters: there was nothing to do");
    } else {
        output::line(format!("{} {done}", answer.changed));
    }
    if answer.changed < which.ids.len() {
        output::say(
            "the others are not there: they may have been delivered, or are no dead letters",
        );
        return Err(super::exit::PARTLY);
    }
    Ok(())
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|character| character.is_ascii_alphanumeric())
}

fn voice() -> Voice {
    Voice { language: Language::En, zone: jiff::tz::TimeZone::system() }
}
