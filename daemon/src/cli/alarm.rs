//! `haetae alarm`: the alarms of the running daemon.

use clap::Subcommand;

use super::{
    Common, client,
    output::{self, Style},
};
use crate::{
    config::Language,
    deliver::render::{Voice, quantity},
    engine::AlarmView,
    http::{
        api::{AlarmAnswer, AlarmsAnswer},
        outbox::ObligationsAnswer,
    },
    store::{DebtState, Entry},
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List all alarms that are not ok, worst first
    #[command(after_help = "Examples:\n  haetae alarm list\n  haetae -o json alarm list")]
    List,
    /// Show one alarm
    #[command(after_help = "Example:\n  haetae alarm show 3f9c2a")]
    Show {
        /// Its id, or the start of it
        id: String,
    },
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
        Verb::List => list(common),
        Verb::Show { id } => show(common, id),
        Verb::Obligations { all } => obligations(common, *all),
    };
    result.map_or_else(|code| code, |()| 0)
}

fn list(common: &Common) -> Result<(), u8> {
    let answer: AlarmsAnswer = client::get(common, "/api/v1/alarms")?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    if answer.alarms.is_empty() {
        output::line("no alarms");
        return Ok(());
    }
    let (style, voice) = (common.style(), voice());
    let mut table = output::table(&["ID", "SEVERITY", "CONDITION", "VALUE", "SINCE", "WHAT"]);
    for alarm in &answer.alarms {
        let value = alarm.value.map_or_else(String::new, |value| quantity(value, &alarm.unit));
        table.add_row([
            alarm.id.clone(),
            style.severity(alarm.severity, alarm.severity.as_str()),
            condition(alarm, style),
            value,
            voice.time(alarm.since),
            voice.summary(alarm),
        ]);
    }
    output::show(&table);
    Ok(())
}

fn show(common: &Common, id: &str) -> Result<(), u8> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.is_empty() || !id.chars().all(plain) {
        output::say(format!("`{id}` is no id of an alarm; see `haetae alarm list`"));
        return Err(super::exit::NOT_FOUND);
    }
    let answer: AlarmAnswer = client::get(common, &format!("/api/v1/alarms/{id}"))?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    let AlarmAnswer { alarm, history } = answer;
    let (style, voice) = (common.style(), voice());
    output::line(format!("{}  {}", alarm.id, voice.summary(&alarm)));
    let severity = style.severity(alarm.severity, alarm.severity.as_str());
    let rows = [
        ("severity", severity),
        ("condition", condition(&alarm, style)),
        ("evidence", evidence(&alarm, &voice)),
        ("since", voice.time(alarm.since)),
        ("judged", voice.time(alarm.updated)),
        ("value", alarm.value.map_or_else(|| "none".into(), |value| quantity(value, &alarm.unit))),
        ("evaluator", alarm.evaluator.clone()),
        ("why", alarm.reason.clone().unwrap_or_default()),
        ("runbook", alarm.runbook.clone().unwrap_or_default()),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        output::line(format!("  {name:<10} {value}"));
    }
    for (name, value) in &alarm.labels {
        output::line(format!("  {:<10} {name}={value}", "label"));
    }
    output::line("");
    for entry in &history {
        let Entry { at, actor, act, detail } = entry;
        output::line(format!("  {}  {act:<9} {detail}  ({actor})", voice.time(*at)));
    }
    Ok(())
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
    let text = alarm.condition.as_str();
    if alarm.is_firing() { style.severity(alarm.severity, text) } else { text.into() }
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
