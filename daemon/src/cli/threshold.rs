//! `haetae threshold`: numbers that override an evaluator's for some of its alarms.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value};

use super::{Common, client, output};
use crate::{
    config::ThresholdText,
    deliver::render::{Voice, quantity},
    http::thresholds::{HistoryAnswer, ThresholdsAnswer},
    language::Language,
    people::thresholds::{Changed, Threshold},
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List all thresholds: those of the configuration, and those that people set
    #[command(after_help = "Examples:\n  haetae threshold list\n  haetae -o json threshold list")]
    List,
    /// Show one threshold
    #[command(
        after_help = "Examples:\n  haetae threshold show 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B\n  haetae threshold show haetae.toml:12"
    )]
    Show {
        /// Its id, or the start of it, or its place in the configuration
        id: String,
    },
    /// Set a threshold: a new one, or with its id one that is there
    #[command(
        after_help = "Examples:\n  haetae threshold set --evaluator vm-cpu --match 'deployment=\"db\"' --critical 'above=97,clear=92,for=5m' --comment 'batch nights'\n  haetae threshold set --evaluator vm-cpu --warning above=85 --critical above=95 --dry-run\n  haetae threshold set 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B --critical above=98 --if-version 2\n\nThe most specific one counts: more matchers with =, then more others, then the newest."
    )]
    Set(Set),
    /// Remove a threshold: the evaluator's own numbers count again
    #[command(
        after_help = "Examples:\n  haetae threshold remove 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B\n  haetae threshold remove 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B --dry-run"
    )]
    Remove {
        /// Its id, or the start of it
        id: String,
        #[command(flatten)]
        how: How,
    },
    /// Show who changed a threshold, when, and from what to what; also of one that was removed
    #[command(after_help = "Example:\n  haetae threshold history 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B")]
    History {
        /// Its id, or the start of it
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["id", "evaluator"]))]
pub(super) struct Set {
    /// The id, or the start of it, of one that is there; what is not given of it stays
    id: Option<String>,
    /// The evaluator whose numbers it overrides
    #[arg(long, value_name = "NAME")]
    evaluator: Option<String>,
    /// For alarms with this label alone; all must match
    #[arg(long = "match", value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Replaces the whole level: above or below, clear, for or of (3/5), `clear_for`
    #[arg(long, value_name = "LEVEL")]
    warning: Option<String>,
    /// Likewise
    #[arg(long, value_name = "LEVEL")]
    critical: Option<String>,
    /// Why
    #[arg(long, alias = "reason", value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(super) struct How {
    /// Only if it still has this version; without it, the one that it has now
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(common: &Common, verb: &Verb) -> u8 {
    let result = match verb {
        Verb::List => list(common),
        Verb::Show { id } => show(common, id),
        Verb::Set(set) => self::set(common, set),
        Verb::Remove { id, how } => remove(common, id, how),
        Verb::History { id } => history(common, id),
    };
    result.err().unwrap_or(0)
}

fn list(common: &Common) -> Result<(), u8> {
    let answer: ThresholdsAnswer = client::get(common, "/api/v1/thresholds")?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    if answer.thresholds.is_empty() {
        output::line("no thresholds");
        return Ok(());
    }
    let style = common.style();
    let mut table =
        output::table(&["ID", "EVALUATOR", "MATCH", "WARNING", "CRITICAL", "BY", "COMMENT"]);
    for one in &answer.thresholds {
        let reason = match &one.problem {
            Some(problem) => style.bad(&format!("no effect: {problem}")),
            None => one.text.reason.clone(),
        };
        table.add_row([
            one.id.clone(),
            one.text.evaluator.clone(),
            one.text.matchers.join(", "),
            level(one.text.warning.as_ref()),
            level(one.text.critical.as_ref()),
            one.author.clone().unwrap_or_else(|| "configuration".into()),
            reason,
        ]);
    }
    output::show(&table);
    Ok(())
}

fn show(common: &Common, id: &str) -> Result<(), u8> {
    let one: Threshold = client::get(common, &path(id))?;
    if common.is_json() {
        output::json(&one);
    } else {
        details(&one);
    }
    Ok(())
}

fn details(one: &Threshold) {
    let voice = voice();
    let time = |at: Option<_>| at.map_or_else(String::new, |at| voice.time(at));
    output::line(&one.id);
    let rows = [
        ("evaluator", one.text.evaluator.clone()),
        ("match", one.text.matchers.join(", ")),
        ("warning", level(one.text.warning.as_ref())),
        ("critical", level(one.text.critical.as_ref())),
        ("comment", one.text.reason.clone()),
        ("by", one.author.clone().unwrap_or_else(|| "configuration".into())),
        ("created", time(one.created)),
        ("changed", time(one.updated)),
        ("version", one.version.map_or_else(String::new, |version| version.to_string())),
        ("no effect", one.problem.clone().unwrap_or_default()),
    ];
    for (name, value) in rows {
        output::row(name, &value);
    }
}

/// The level that a flag names, if it is there.
fn parse_flag(flag: &str, text: Option<&str>) -> Result<Option<Value>, u8> {
    let Some(text) = text else { return Ok(None) };
    let Some(level) = parse(text) else {
        output::say(format!("`{text}` is no level for {flag}; such as 'above=85,clear=80,for=2m'"));
        return Err(super::exit::USAGE);
    };
    Ok(Some(level))
}

fn set(common: &Common, set: &Set) -> Result<(), u8> {
    let warning = parse_flag("--warning", set.warning.as_deref())?;
    let critical = parse_flag("--critical", set.critical.as_deref())?;
    let (before, mut seen) = match &set.id {
        None => (ThresholdText::default(), None),
        Some(id) => {
            let known: Threshold = client::exact(common, &path(id))?;
            (known.text, known.version)
        }
    };
    seen = set.how.if_version.or(seen);
    let matchers = Some(set.matchers.clone()).filter(|it| !it.is_empty());
    let text = ThresholdText {
        evaluator: set.evaluator.clone().unwrap_or(before.evaluator),
        matchers: matchers.unwrap_or(before.matchers),
        warning: warning.or(before.warning),
        critical: critical.or(before.critical),
        reason: set.comment.clone().unwrap_or(before.reason),
    };
    let dry = set.how.dry_run;
    let changed: Changed = match &set.id {
        None => client::post(common, &format!("/api/v1/thresholds?dry_run={dry}"), &text)?,
        Some(id) => client::put(common, &format!("{}?dry_run={dry}", path(id)), seen, &text)?,
    };
    confirm(common, &changed, "set");
    Ok(())
}

fn remove(common: &Common, id: &str, how: &How) -> Result<(), u8> {
    let mut seen = how.if_version;
    if seen.is_none() {
        let known: Threshold = client::get(common, &path(id))?;
        seen = known.version;
    }
    let path = format!("{}?dry_run={}", path(id), how.dry_run);
    let changed: Changed = client::delete(common, &path, seen)?;
    confirm(common, &changed, "removed");
    Ok(())
}

fn confirm(common: &Common, changed: &Changed, done: &str) {
    if common.is_json() {
        output::json(changed);
        return;
    }
    let Some(preview) = &changed.preview else {
        output::line(format!("{} {done}", changed.threshold.id));
        return;
    };
    let things = if preview.applies == 1 { "thing" } else { "things" };
    output::line(format!(
        "nothing was changed; it would apply to {} {things} that {} watched now",
        preview.applies,
        if preview.applies == 1 { "is" } else { "are" },
    ));
    if preview.changes.is_empty() {
        output::line("no alarm would change at its last value");
        return;
    }
    let style = common.style();
    let severity = |one: Option<haetae_plugin::Severity>| {
        one.map_or_else(|| "ok".into(), |one| style.severity(one, one.as_str()))
    };
    let mut table = output::table(&["ALARM", "VALUE", "NOW", "THEN", "LABELS"]);
    for one in &preview.changes {
        let labels: Vec<_> = one.labels.iter().map(|(name, it)| format!("{name}={it}")).collect();
        table.add_row([
            one.alarm.clone(),
            quantity(one.value, &one.unit),
            severity(one.now),
            severity(one.then),
            labels.join(" "),
        ]);
    }
    output::show(&table);
}

fn history(common: &Common, id: &str) -> Result<(), u8> {
    let answer: HistoryAnswer = client::get(common, &format!("{}/history", path(id)))?;
    if common.is_json() {
        output::json(&answer);
        return Ok(());
    }
    if answer.history.is_empty() {
        output::line("no history: it stands in the configuration");
        return Ok(());
    }
    let voice = voice();
    let said = |text: &Option<ThresholdText>| text.as_ref().map_or_else(|| "nothing".into(), words);
    for one in &answer.history {
        let time = voice.time(one.at);
        output::line(format!("{time}  {:<8} ({})", one.act, one.actor));
        output::line(format!("  from {}", said(&one.before)));
        output::line(format!("  to   {}", said(&one.after)));
    }
    Ok(())
}

/// A threshold in one line.
fn words(text: &ThresholdText) -> String {
    let mut words = vec![text.evaluator.clone()];
    words.extend(text.matchers.iter().cloned());
    for (name, it) in [("warning", &text.warning), ("critical", &text.critical)] {
        words.extend(it.as_ref().map(|it| format!("{name} {}", level(Some(it)))));
    }
    words.extend(Some(text.reason.clone()).filter(|reason| !reason.is_empty()));
    output::in_one_line(&words.join("; "))
}

/// `above=85,clear=80,of=3/5` as the configuration has it; what each key may be, the daemon says.
fn parse(text: &str) -> Option<Value> {
    let mut level = Map::new();
    for part in text.split(',') {
        let (key, value) = part.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        let value = match value.split_once('/') {
            Some((count, slots)) => {
                Value::from(vec![count.parse::<u32>().ok()?, slots.parse::<u32>().ok()?])
            }
            None => {
                serde_json::from_str(value).ok().filter(Value::is_number).unwrap_or(value.into())
            }
        };
        level.insert(key.into(), value);
    }
    Some(Value::Object(level))
}

/// The other way round.
fn level(level: Option<&Value>) -> String {
    let part = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={text}"),
        Value::Array(all) => {
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            format!("{key}={}", all.join("/"))
        }
        value => format!("{key}={value}"),
    };
    let table = level.and_then(Value::as_object);
    table.map(|table| table.iter().map(part).collect::<Vec<_>>().join(",")).unwrap_or_default()
}

fn path(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    // A space in a path is no `+`.
    format!("/api/v1/thresholds/{}", id.replace('+', "%20"))
}

fn voice() -> Voice {
    Voice { language: Language::En, zone: jiff::tz::TimeZone::system() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_written_as_it_is_read() {
        for text in ["above=85,clear=80,for=2m", "below=5.5,of=3/5,clear_for=1m", "above=x"] {
            let read = parse(text).unwrap();
            let mut words: Vec<_> = text.split(',').collect();
            words.sort_unstable();
            let again = level(Some(&read));
            let mut shown: Vec<_> = again.split(',').collect();
            shown.sort_unstable();
            assert_eq!(shown, words);
        }
        assert_eq!(parse("above=85").unwrap()["above"], 85);
        assert_eq!(parse("of=3/5").unwrap()["of"], serde_json::json!([3, 5]));
        for text in ["", "above", "of=3/x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
