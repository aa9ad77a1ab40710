//! `haetae silence`: what nobody wants to hear of for a while.

use clap::{ArgGroup, Args, Subcommand};
use haetae_plugin::{Timestamp, options::Duration};

use super::{Common, client, exit, output};
use crate::{
    deliver::render::Voice,
    http::people::SilencesAnswer,
    language::Language,
    people::{ShownSilence, SilenceAnswer, SilenceRequest},
    store::{StoredSilence, StoredSpan},
};

/// Ids that a text answer names at the most.
const NAMED: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Silence alarms that match
    #[command(
        after_help = "Examples:\n  haetae silence add --match evaluator=cpu --match host=db1 --for 2h --comment 'patching db1'\n  haetae silence add --match zone=z1 --from 2026-11-28T22:00 --for 8h --comment 'power works'\n  haetae silence add --match plane=paas --until-resolved --comment 'known, ticket 4711' --dry-run\n  haetae silence add --match zone=z1 --every 'Mon-Fri 22:00-07:00' --zone Asia/Seoul --comment backup"
    )]
    Add(Add),
    /// List silences that hold or will
    #[command(after_help = "Examples:\n  haetae silence list\n  haetae -o json silence list --all")]
    List {
        /// Also those that are over
        #[arg(long)]
        all: bool,
    },
    /// End a silence now
    #[command(after_help = "Example:\n  haetae silence end 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B")]
    End {
        /// Its id, or the start of it
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("span").required(true).multiple(true)
    .args(["lasts", "until", "until_resolved", "every"]))]
pub(super) struct Add {
    /// Which alarms, like severity="warning"; all must match; `evaluator` counts as a label
    #[arg(long = "match", value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// Why: others will read it
    #[arg(long, alias = "reason", value_name = "TEXT")]
    comment: String,
    /// For how long, like 90m or 2h; with --every, of the whole
    #[arg(long = "for", value_name = "DURATION", value_parser = super::duration)]
    lasts: Option<Duration>,
    /// Until when, like 2026-11-26T09:00; with --every, of the whole
    #[arg(long, value_name = "TIME", conflicts_with = "lasts", value_parser = super::time)]
    until: Option<Timestamp>,
    /// From when; without it, from now on
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    from: Option<Timestamp>,
    /// Until all that fire and match now have ended
    #[arg(long, conflicts_with_all = ["lasts", "until", "from", "every"])]
    until_resolved: bool,
    /// Days and hours that come again
    #[arg(long, value_name = "HOURS", requires = "zone")]
    every: Option<String>,
    /// The time zone of the hours, like Asia/Seoul
    #[arg(long, value_name = "ZONE", requires = "every")]
    zone: Option<String>,
    /// Only say what would be silenced
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(common: &Common, verb: &Verb) -> u8 {
    let result = match verb {
        Verb::Add(add) => self::add(common, add),
        Verb::List { all } => list(common, *all),
        Verb::End { id } => end(common, id),
    };
    result.err().unwrap_or(0)
}

fn add(common: &Common, add: &Add) -> Result<(), u8> {
    let request = SilenceRequest {
        matchers: add.matchers.clone(),
        reason: add.comment.clone(),
        from: add.from,
        lasts: add.lasts,
        until: add.until,
        until_resolved: add.until_resolved,
        every: add.every.clone(),
        zone: add.zone.clone(),
        dry_run: add.dry_run,
    };
    let answer: SilenceAnswer = client::post(common, "/api/v1/silences", &request)?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    if !answer.dry_run {
        output::line(&answer.silence.stored.id);
    }
    for id in answer.alarms.iter().take(NAMED) {
        output::say(format!("  {id}"));
    }
    let (mutes, when) = (answer.mutes, span(&answer.silence.stored, &voice()));
    let (alarms, match_) = match mutes {
        1 => ("alarm that fires", "matches"),
        _ => ("alarms that fire", "match"),
    };
    output::say(if answer.dry_run {
        format!("{mutes} {alarms} would be silenced {when}. Nothing changed.")
    } else {
        format!("{mutes} {alarms} {match_}: silenced {when}.")
    });
    Ok(())
}

fn list(common: &Common, all: bool) -> Result<(), u8> {
    let answer: SilencesAnswer = client::get(common, &format!("/api/v1/silences?all={all}"))?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    if answer.silences.is_empty() {
        output::line("no silences");
        return Ok(());
    }
    let voice = voice();
    let mut table = output::table(&["ID", "STATE", "WHEN", "MATCHERS", "AUTHOR", "COMMENT"]);
    for ShownSilence { stored, state, .. } in &answer.silences {
        table.add_row([
            stored.id.clone(),
            state.as_str().into(),
            span(stored, &voice),
            stored.matchers.join(" "),
            stored.author.clone(),
            stored.reason.clone(),
        ]);
    }
    output::show(&table);
    Ok(())
}

fn end(common: &Common, id: &str) -> Result<(), u8> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        output::say(format!("`{id}` is no id of a silence; see `haetae silence list`"));
        return Err(exit::NOT_FOUND);
    }
    let ended: StoredSilence = client::delete(common, &format!("/api/v1/silences/{id}"), None)?;
    if common.is_json() {
        output::json(&ended);
    } else {
        output::line(format!("{}  ended", ended.id));
    }
    Ok(())
}

fn span(silence: &StoredSilence, voice: &Voice) -> String {
    // One that was made for now needs not say so.
    let begins = |from: Timestamp| {
        if from > silence.created.after(std::time::Duration::from_secs(1)) {
            format!("from {} ", voice.time(from))
        } else {
            String::new()
        }
    };
    match &silence.span {
        StoredSpan::Between { from, until } => {
            format!("{}until {}", begins(*from), voice.time(*until))
        }
        StoredSpan::UntilResolved { alarms, .. } => match alarms.len() {
            1 => "until 1 alarm has ended".into(),
            count => format!("until {count} alarms have ended"),
        },
        StoredSpan::Recurring { every, zone, from, until } => {
            let until = until.map(|until| format!(" until {}", voice.time(until)));
            format!("{}{every} {zone}{}", begins(*from), until.unwrap_or_default())
        }
    }
}

fn voice() -> Voice {
    Voice { language: Language::En, zone: jiff::tz::TimeZone::system() }
}
