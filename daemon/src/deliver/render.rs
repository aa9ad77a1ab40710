//! Rendering: an alarm as title and text, in a language, its values by unit.

pub(super) mod controls;
pub(super) mod group;
pub(super) mod reasons;

use std::collections::BTreeMap;

use haetae_plugin::{Alarm, Notification, Reason, Severity, Status, Timestamp};
use jiff::tz::TimeZone;

use crate::{
    engine::{AlarmView, notify::Flush},
    language::{Catalogue, Language, Texts},
};

/// Whom it is rendered for.
#[derive(Clone, Debug)]
pub struct Voice {
    /// The language.
    pub language: Language,
    /// The zone that times are shown in.
    pub zone: TimeZone,
}

impl Voice {
    /// What a sink is told, in its final words; `now` is when it is notification.
    pub fn notification(&self, flush: &Flush, now: Timestamp) -> Notification {
        match &flush.alarms[..] {
            [view] => self.single(flush, view, now),
            _ => self.group(flush, now),
        }
    }

    /// An alarm that is alone in its group.
    fn single(&self, flush: &Flush, view: &AlarmView, now: Timestamp) -> Notification {
        let reason = flush.reason;
        let mut notification = Notification::of(self.alarm(view), reason, now);
        let (word, at) = (reason.as_str(), flush.at.nanos());
        notification.key.clone_from(&flush.key);
        notification.labels.clone_from(&flush.labels);
        notification.idempotency_key = format!("{}/{word}/{at}", view.id);
        let title = format!("[{}] {}", self.state(view.severity, reason), self.summary(view));
        notification.title = controls::title(&title);
        let facts = self.facts(view, reason);
        notification.text = controls::body(&text(&self.summary(view), &facts));
        notification.html = html(&notification.title, view, &facts, self.language);
        self.language.code().clone_into(&mut notification.language);
        notification
    }

    /// An alarm as a notification shows it.
    pub(super) fn alarm(&self, view: &AlarmView) -> Alarm {
        let mut alarm =
            Alarm::firing(view.id.clone(), view.evaluator.clone(), view.severity, view.since);
        alarm.labels.clone_from(&view.labels);
        alarm.value = view.value;
        alarm.unit.clone_from(&view.unit);
        alarm.summary = self.summary(view);
        alarm.runbook.clone_from(&view.runbook);
        alarm.excerpts.clone_from(&view.excerpts);
        if let Some(ended) = view.ended {
            alarm.status = Status::Resolved;
            alarm.ended = Some(ended);
        }
        alarm
    }

    /// One line on what is wrong.
    pub fn summary(&self, alarm: &AlarmView) -> String {
        let template = alarm.summaries.text(self.language.code());
        let value = alarm.value.map_or_else(|| "?".into(), |value| quantity(value, &alarm.unit));
        match template {
            Some(template) => filled(template, &alarm.labels, &value),
            None if alarm.value.is_some() => {
                format!("{} {value} ({})", alarm.evaluator, labels(&alarm.labels))
            }
            None => format!("{} ({})", alarm.evaluator, labels(&alarm.labels)),
        }
    }

    /// A time with its offset, in the voice's zone.
    pub fn time(&self, time: Timestamp) -> String {
        let Ok(time) = jiff::Timestamp::from_nanosecond(time.nanos().into()) else {
            return time.nanos().to_string();
        };
        time.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// How it stands, in a word or two.
    pub(super) fn state(&self, severity: Severity, reason: Reason) -> String {
        let id = match reason {
            Reason::Resolved => "state-resolved",
            Reason::Closed => "state-closed",
            Reason::Repeat => "state-repeat",
            Reason::Reopened => "state-reopened",
            Reason::Escalated => "state-escalated",
            Reason::Flapping => "state-flapping",
            Reason::Digest => "state-digest",
            _ => "state-firing",
        };
        self.texts().say(id, [("severity", severity.as_str())])
    }

    /// What else there is to say, with a word for each.
    fn facts(&self, alarm: &AlarmView, reason: Reason) -> Vec<Fact> {
        let ended = if reason == Reason::Closed { "fact-closed" } else { "fact-resolved" };
        let facts = [
            ("fact-value", alarm.value.map(|value| quantity(value, &alarm.unit))),
            ("fact-since", Some(self.time(alarm.since))),
            (ended, alarm.ended.map(|ended| self.time(ended))),
            ("fact-why", alarm.reason.clone()),
            ("fact-labels", Some(labels(&alarm.labels))),
            ("fact-runbook", alarm.runbook.clone()),
            ("fact-alarm", Some(alarm.id.clone())),
        ];
        let lines = alarm.excerpts.iter().map(|line| ("fact-line", Some(line.trim_end().into())));
        let texts = self.texts();
        let fact =
            |(id, text): (&str, Option<String>)| Some(Fact { word: texts.word(id), text: text? });
        facts.into_iter().chain(lines).filter_map(fact).collect()
    }

    fn texts(&self) -> &'static Texts {
        self.language.texts(Catalogue::Notifications)
    }
}

/// One thing that is known of an alarm.
struct Fact {
    word: String,
    text: String,
}

fn text(summary: &str, facts: &[Fact]) -> String {
    let lines = facts.iter().map(|Fact { word, text }| format!("\n{word}: {text}"));
    [summary.to_owned()].into_iter().chain(lines).collect()
}

/// A document that needs nothing from elsewhere: mail programs load neither styles nor pictures.
fn html(title: &str, alarm: &AlarmView, facts: &[Fact], language: Language) -> String {
    let colour = colour(alarm.ended.is_some(), alarm.severity);
    let row = |Fact { word, text }: &Fact| {
        let text = escaped(text);
        let text = if text.starts_with("https://") || text.starts_with("http://") {
            format!("<a href=\"{text}\">{text}</a>")
        } else {
            text
        };
        format!(
            "<tr><th align=\"left\" valign=\"top\" style=\"padding:2px 16px 2px 0;font-weight:normal;color:#57606a\">{word}</th><td style=\"padding:2px 0\">{text}</td></tr>\n"
        )
    };
    let rows: String = facts.iter().map(row).collect();
    let table = format!("<table style=\"border-collapse:collapse\">\n{rows}</table>\n");
    document(title, colour, &table, language)
}

/// The colour of how it stands.
pub(super) const fn colour(over: bool, severity: Severity) -> &'static str {
    match (over, severity) {
        (true, _) => "#1a7f37",
        (false, Severity::Critical) => "#b42318",
        (false, Severity::Warning) => "#9a6700",
    }
}

/// A whole document around a body.
pub(super) fn document(title: &str, colour: &str, body: &str, language: Language) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body style=\"font-family:sans-serif;font-size:14px\">\n<p style=\"border-left:6px solid {colour};padding:4px 12px;font-size:16px\"><strong>{title}</strong></p>\n{body}</body>\n</html>\n",
        language.code(),
        title = escaped(title),
    )
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in controls::body(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A value with its unit, as people write it: `85.2 %`, `1.2 GiB`, `350 ms`.
pub fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    match unit {
        "percent" => format!("{} %", short(value)),
        "bytes" => scaled(value, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
        "seconds" if value.abs() < 1.0 && value != 0.0 => format!("{} ms", short(value * 1e3)),
        "seconds" => format!("{} s", short(value)),
        "1" | "" => short(value),
        unit => format!("{} {unit}", short(value)),
    }
}

fn scaled(value: f64, step: f64, units: [&str; 6]) -> String {
    let (mut value, mut units) = (value, units.iter().peekable());
    while let Some(unit) = units.next() {
        if value.abs() < step || units.peek().is_none() {
            return format!("{} {unit}", short(value));
        }
        value /= step;
    }
    short(value)
}

/// At most one decimal, and none where it says nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), Into::into)
}

pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// Fills `{{label}}` and `{{value}}`; what names no label stays as it is written.
fn filled(template: &str, labels: &BTreeMap<String, String>, value: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            text.push_str("{{");
            rest = after;
            continue;
        };
        match (name.trim(), labels.get(name.trim())) {
            (_, Some(label)) => text.push_str(label),
            ("value", None) => text.push_str(value),
            (name, None) => text.extend(["{{", name, "}}"]),
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// Each reason, for tests of what is said of it.
#[cfg(test)]
pub(crate) const REASONS: [Reason; 13] = [
    Reason::First,
    Reason::NewAlarms,
    Reason::Worse,
    Reason::Better,
    Reason::Resolved,
    Reason::SomeResolved,
    Reason::Repeat,
    Reason::Closed,
    Reason::Reopened,
    Reason::Escalated,
    Reason::Flapping,
    Reason::Digest,
    Reason::Other,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        let cases = [
            (85.24, "percent", "85.2 %"),
            (90.0, "percent", "90 %"),
            (1_288_490_188.8, "bytes", "1.2 GiB"),
            (12.0, "bytes", "12 B"),
            (0.35, "seconds", "350 ms"),
            (12.0, "seconds", "12 s"),
            (3.0, "1", "3"),
            (3.5, "req/s", "3.5 req/s"),
            (f64::NAN, "percent", "NaN"),
        ];
        for (value, unit, text) in cases {
            assert_eq!(quantity(value, unit), text);
        }
    }

    fn closed(at: Timestamp) -> AlarmView {
        AlarmView {
            id: "3f9c2a-1".into(),
            evaluator: "cpu".into(),
            labels: BTreeMap::new(),
            severity: Severity::Critical,
            condition: crate::engine::Condition::Ok,
            evidence: crate::engine::Evidence::Fresh,
            flapping: false,
            since: Timestamp::default(),
            updated: at,
            ended: Some(at),
            value: None,
            unit: String::new(),
            summaries: <_>::default(),
            runbook: None,
            threshold: None,
            reason: Some("rule removed".into()),
            excerpts: Vec::new(),
        }
    }

    fn flush(alarms: Vec<AlarmView>, at: Timestamp) -> Flush {
        Flush {
            sink: "log".into(),
            key: "cpu/3f9c2a-1".into(),
            labels: BTreeMap::new(),
            reason: Reason::Closed,
            news: alarms.iter().map(|alarm| alarm.id.clone()).collect(),
            alarms,
            at,
        }
    }

    #[test]
    fn nobodys_label_turns_or_breaks_what_is_around_it() {
        let at = Timestamp::from_seconds(60);
        let mut alarm = closed(at);
        alarm.labels.insert("file".into(), "a\u{202e}gpj\n.exe\u{7}\u{200f}".into());
        let voice = Voice { language: Language::En, zone: TimeZone::UTC };
        for alarms in [vec![alarm.clone()], vec![alarm.clone(), alarm]] {
            let mut flush = flush(alarms, at);
            flush.labels.insert("file".into(), "\u{2067}x".into());
            let notification = voice.notification(&flush, at);
            let title = match flush.alarms.len() {
                1 => r"[CLOSED] cpu (file=a\u{202e}gpj .exe\u{7}\u{200f})",
                _ => r"[CLOSED] cpu: 2 alarms ended (file=\u{2067}x)",
            };
            assert_eq!(notification.title, title);
            for text in [&notification.text, &notification.html] {
                assert!(text.contains(r"a\u{202e}gpj"), "{text}");
                assert!(!text.contains(['\u{202e}', '\u{2067}', '\u{7}']), "{text}");
            }
        }
    }

    #[test]
    fn each_reason_has_its_words_in_each_language() {
        for language in Language::ALL {
            let voice = Voice { language, zone: TimeZone::UTC };
            for reason in REASONS {
                assert!(!voice.why(reason).starts_with("why-"), "{reason:?} in {language:?}");
                for severity in [Severity::Warning, Severity::Critical] {
                    let state = voice.state(severity, reason);
                    assert!(!state.starts_with("state-"), "{reason:?} in {language:?}");
                }
            }
        }
    }

    #[test]
    fn an_alarm_that_nothing_judges_any_more_is_closed_in_each_language() {
        let at = Timestamp::from_seconds(60);
        let alarm = closed(at);
        let cases = [
            (Language::En, "[CLOSED] cpu ()", "ended: 1970-01-01 00:01:00 +00:00"),
            (Language::Ko, "[종결] cpu ()", "종결: 1970-01-01 00:01:00 +00:00"),
        ];
        for (language, title, line) in cases {
            let voice = Voice { language, zone: TimeZone::UTC };
            let flush = flush(vec![alarm.clone()], at);
            let notification = voice.notification(&flush, at);
            assert_eq!(notification.reason, Reason::Closed);
            assert_eq!(notification.alarms[0].status, Status::Resolved);
            assert_eq!(notification.alarms[0].ended, Some(at));
            assert_eq!(notification.title, title);
            assert!(notification.text.lines().any(|one| one == line), "{}", notification.text);
        }
    }

    #[test]
    fn a_template_is_filled_and_what_it_misnames_stays() {
        let labels = BTreeMap::from([("id".to_owned(), "vm-1".to_owned())]);
        let cases = [
            ("{{id}} CPU {{ value }}", "vm-1 CPU 95 %"),
            ("{{nope}} {{id", "{{nope}} {{id"),
            ("plain", "plain"),
        ];
        for (template, text) in cases {
            assert_eq!(filled(template, &labels, "95 %"), text);
        }
    }
}
