//! `haetae alarm`: the alarms of the running daemon, and what people do about them.

mod acts;

use clap::Subcommand;
use haetae_plugin::Timestamp;

use super::{
    Common, client, language,
    output::{self, Style},
};
use crate::{
    deliver::render::{Voice, quantity},
    engine::{
        AlarmView,
        alarm::handling::{Handling, HandlingState},
        notify::Why,
    },
    http::{api::AlarmAnswer, outbox::ObligationsAnswer, people::AlarmsAnswer, shown::Happened},
    language::Language,
    store::DebtState,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List all alarms that are not ok, worst first
    #[command(
        after_help = "Examples:\n  haetae alarm list\n  haetae alarm list --match severity=critical --match handling=unhandled\n  haetae alarm list --unseen\n  haetae -o json alarm list"
    )]
    List {
        /// Those that match alone, like severity="warning"; `evaluator`, `condition` and `handling` count as labels
        #[arg(long = "match", value_name = "MATCHER")]
        matchers: Vec<String>,
        /// Those alone that ended while nobody had taken them up, and that nobody has looked at
        #[arg(long)]
        unseen: bool,
        /// Also those that have ended, of the last 30 days
        #[arg(long, conflicts_with = "unseen")]
        all: bool,
    },
    /// Show one alarm
    #[command(after_help = "Example:\n  haetae alarm show 3f9c2a")]
    Show {
        /// Its id, or the start of it
        id: String,
    },
    /// Show what happened to an alarm and who did it
    #[command(after_help = "Example:\n  haetae alarm history 3f9c2a")]
    History {
        /// Its id, or the start of it
        id: String,
    },
    #[command(flatten)]
    Act(acts::Act),
    /// List sinks that told of an alarm and are to be told of its end
    #[command(
        after_help = "Examples:\n  haetae alarm obligations\n  haetae alarm obligations --all"
    )]
    Obligations {
        /// Also those that were met
        #[arg(long)]
        all: bool,
    },
}

pub(super) fn run(common: &Common, verb: &Verb) -> u8 {
    let result = match verb {
        Verb::List { matchers, unseen, all } => list(common, matchers, *unseen, *all),
        Verb::Show { id } => show(common, id),
        Verb::History { id } => history(common, id),
        Verb::Act(act) => acts::run(common, act),
        Verb::Obligations { all } => obligations(common, *all),
    };
    result.err().unwrap_or(0)
}

fn list(common: &Common, matchers: &[String], unseen: bool, all: bool) -> Result<(), u8> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(matchers.iter().map(|matcher| ("match", matcher)));
    query.append_pair("unseen", &unseen.to_string()).append_pair("all", &all.to_string());
    let answer: AlarmsAnswer = client::get(common, &format!("/api/v1/alarms?{}", query.finish()))?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    incomplete(answer.incomplete.as_deref());
    if answer.alarms.is_empty() {
        output::line("no alarms");
        return Ok(());
    }
    let style = common.style();
    let voice = Voice { language: language::chosen(common, None)?, ..voice() };
    // Most of the time nothing is, and the rest has more room.
    let some_muted = answer.alarms.iter().any(|one| !one.muted.is_empty());
    let mut head = vec!["ID", "SEVERITY", "CONDITION", "HANDLING", "VALUE", "SINCE", "WHAT"];
    if some_muted {
        head.insert(4, "MUTED BY");
    }
    let mut table = output::table(&head);
    for one in &answer.alarms {
        let alarm = &one.alarm;
        let value = alarm.value.map_or_else(String::new, |value| quantity(value, &alarm.unit));
        let mut row = vec![
            alarm.id.clone(),
            style.severity(alarm.severity, alarm.severity.as_str()),
            condition(alarm, style),
            handling(&one.handling.handling, alarm.ended.is_some(), &voice),
            value,
            voice.time(one.since()),
            voice.summary(alarm),
        ];
        if some_muted {
            let muted: Vec<_> = one.muted.iter().map(|why| muted_by(why, &voice)).collect();
            row.insert(4, muted.join("; "));
        }
        table.add_row(row);
    }
    output::show(&table);
    Ok(())
}

fn show(common: &Common, id: &str) -> Result<(), u8> {
    let answer: AlarmAnswer = client::get(common, &path(id)?)?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    let AlarmAnswer { alarm, handling: handled, history, incomplete: cause } = answer;
    incomplete(cause.as_deref());
    let style = common.style();
    let voice = Voice { language: language::chosen(common, None)?, ..voice() };
    output::text(&format!("{}  {}", alarm.id, voice.summary(&alarm)), 4);
    let severity = style.severity(alarm.severity, alarm.severity.as_str());
    let rows = [
        ("severity", severity),
        ("condition", condition(&alarm, style)),
        ("evidence", evidence(&alarm, &voice)),
        ("handling", handling(&handled.handling, alarm.ended.is_some(), &voice)),
        ("note", handled.note),
        ("since", voice.time(alarm.since)),
        ("judged", voice.time(alarm.updated)),
        ("value", alarm.value.map_or_else(|| "none".into(), |value| quantity(value, &alarm.unit))),
        ("evaluator", alarm.evaluator.clone()),
        ("threshold", alarm.threshold.clone().unwrap_or_default()),
        ("why", alarm.reason.clone().unwrap_or_default()),
        ("runbook", alarm.runbook.clone().unwrap_or_default()),
    ];
    for (name, value) in rows {
        output::row(name, &value);
    }
    for (name, value) in &alarm.labels {
        output::row("label", &format!("{name}={value}"));
    }
    for line in &alarm.excerpts {
        output::row("line", line);
    }
    output::line("");
    happened(&history, &voice);
    Ok(())
}

fn history(common: &Common, id: &str) -> Result<(), u8> {
    let answer: AlarmAnswer = client::get(common, &path(id)?)?;
    incomplete(answer.incomplete.as_deref());
    if common.is_json() {
        output::json(&answer.history);
    } else {
        happened(&answer.history, &voice());
    }
    Ok(())
}

/// Says that the store did not answer.
fn incomplete(cause: Option<&str>) {
    if let Some(cause) = cause {
        output::say(format!(
            "how alarms are handled, and their history, are not known now: {cause}"
        ));
    }
}

fn happened(history: &[Happened], voice: &Voice) {
    for Happened { at, actor, act, detail, before, after } in history {
        // What a note leaves as it is is not said again.
        let after = after.as_ref().filter(|after| before.as_ref() != Some(*after));
        let act = if act == "buried" { "given up" } else { act };
        let after = after.map(|after| format!("  → {}", handling(after, false, voice)));
        let after = after.unwrap_or_default();
        let detail = Some(output::in_one_line(detail) + "  ").filter(|_| !detail.is_empty());
        let detail = detail.unwrap_or_default();
        let line = format!("  {}  {act:<12} {detail}({actor}){after}", voice.time(*at));
        output::line(line);
    }
}

/// Where an alarm is found; an id that can't be one is told at once.
fn path(id: &str) -> Result<String, u8> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || !id.chars().all(plain) {
        output::say(format!("`{id}` is no id of an alarm; see `haetae alarm list`"));
        return Err(super::exit::NOT_FOUND);
    }
    Ok(format!("/api/v1/alarms/{id}"))
}

fn obligations(common: &Common, all: bool) -> Result<(), u8> {
    let answer: ObligationsAnswer = client::get(common, &format!("/api/v1/obligations?all={all}"))?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    if answer.obligations.is_empty() {
        output::line("no obligations");
        return Ok(());
    }
    let (style, voice) = (common.style(), voice());
    let mut table = output::table(&["SINK", "ALARM", "STATE", "TOLD", "REPEATS", "ENDED", "WHY"]);
    for debt in &answer.obligations {
        let state = match debt.state {
            DebtState::Open => "open".into(),
            DebtState::Closed => style.good("closed"),
            DebtState::Unreachable => style.bad("unreachable"),
        };
        table.add_row([
            debt.sink.clone(),
            debt.alarm.clone(),
            state,
            voice.time(debt.opened),
            debt.repeats.to_string(),
            debt.ended.map_or_else(String::new, |ended| voice.time(ended)),
            debt.reason.clone(),
        ]);
    }
    output::show(&table);
    Ok(())
}

fn condition(alarm: &AlarmView, style: Style) -> String {
    if alarm.ended.is_some() {
        return style.good("ended");
    }
    let text = alarm.condition.as_str();
    if alarm.is_firing() { style.severity(alarm.severity, text) } else { text.into() }
}

/// How it is handled, in a few words.
fn handling(handling: &Handling, ended: bool, voice: &Voice) -> String {
    let owner = handling.owner.as_ref().map(|owner| format!(", for {owner}")).unwrap_or_default();
    let text = match &handling.state {
        HandlingState::Unhandled if ended => "unseen".into(),
        HandlingState::Unhandled => "unhandled".into(),
        HandlingState::Acknowledged { by, until, sticky } => {
            let until = until.map(|until| format!(" until {}", voice.time(until)));
            let sticky = if *sticky { ", sticky" } else { "" };
            format!("acknowledged by {by}{}{sticky}", until.unwrap_or_default())
        }
        HandlingState::InProgress { by } => format!("in progress by {by}"),
        HandlingState::Closed { by, code } => format!("closed as {} by {by}", code.as_str()),
        HandlingState::Seen { by } => format!("seen by {by}"),
    };
    text + &owner
}

/// What mutes an alarm, in a few words.
fn muted_by(why: &Why, voice: &Voice) -> String {
    let until = |until: &Option<Timestamp>| {
        until.map(|until| format!(" until {}", voice.time(until))).unwrap_or_default()
    };
    match why {
        Why::Silenced { author, until: end, .. } => format!("silence of {author}{}", until(end)),
        Why::Maintenance { place, until: end } => format!("maintenance{} ({place})", until(end)),
        Why::Inhibited { by, .. } => format!("alarm {by}"),
        Why::SourceDown { source } => format!("source {source} is down"),
        Why::Flapping => "flapping".into(),
        other => voice.against(other),
    }
}

fn evidence(alarm: &AlarmView, voice: &Voice) -> String {
    match alarm.evidence.words() {
        (words, Some(since)) => format!("{words} since {}", voice.time(since)),
        (words, None) => words.into(),
    }
}

fn voice() -> Voice {
    Voice { language: Language::En, zone: jiff::tz::TimeZone::system() }
}
