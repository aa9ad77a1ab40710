//! Rendering: an alarm as title and text, in a language, its values by unit.

use std::collections::BTreeMap;

use haetae_plugin::{Alarm, Notification, Reason, Status, Timestamp};
use jiff::tz::TimeZone;

use crate::{
    config::Language,
    engine::{AlarmView, Change, Transition},
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
    /// The notification of one transition, as a sink takes it.
    pub fn notification(&self, transition: &Transition, now: Timestamp) -> Notification {
        let view = &transition.alarm;
        let mut alarm =
            Alarm::firing(view.id.clone(), view.evaluator.clone(), view.severity, view.since);
        alarm.labels.clone_from(&view.labels);
        alarm.value = view.value;
        alarm.unit.clone_from(&view.unit);
        alarm.summary = self.summary(view);
        alarm.runbook.clone_from(&view.runbook);
        if transition.change.is_end() {
            alarm.status = Status::Resolved;
            alarm.ended = Some(transition.at);
        }
        let reason = match transition.change {
            Change::Fired => Reason::First,
            Change::Worse => Reason::Worse,
            Change::Better => Reason::Better,
            Change::Resolved => Reason::Resolved,
            Change::Closed => Reason::Closed,
        };
        let mut notification = Notification::of(alarm, reason, now);
        notification.idempotency_key =
            format!("{}/{}/{}", view.id, transition.change.as_str(), transition.at.nanos());
        notification.title = format!("[{}] {}", self.state(transition), self.summary(view));
        notification.text = self.text(transition);
        notification
    }

    /// One line on what is wrong.
    pub fn summary(&self, alarm: &AlarmView) -> String {
        let language = match self.language {
            Language::En => "en",
            Language::Ko => "ko",
        };
        let template = alarm.summaries.get(language).or_else(|| alarm.summaries.values().next());
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

    fn state(&self, transition: &Transition) -> &'static str {
        match (self.language, transition.change, transition.alarm.severity) {
            (Language::En, Change::Resolved, _) => "RESOLVED",
            (Language::Ko, Change::Resolved, _) => "해소",
            (Language::En, Change::Closed, _) => "CLOSED",
            (Language::Ko, Change::Closed, _) => "종결",
            (Language::En, _, haetae_plugin::Severity::Critical) => "CRITICAL",
            (Language::Ko, _, haetae_plugin::Severity::Critical) => "심각",
            (Language::En, _, haetae_plugin::Severity::Warning) => "WARNING",
            (Language::Ko, _, haetae_plugin::Severity::Warning) => "경고",
        }
    }

    fn text(&self, transition: &Transition) -> String {
        let alarm = &transition.alarm;
        let words = match self.language {
            Language::En => ["value", "since", "ended", "labels", "runbook", "alarm", "why"],
            Language::Ko if transition.change == Change::Closed => {
                ["값", "발생", "종결", "레이블", "조치 안내", "알람", "사유"]
            }
            Language::Ko => ["값", "발생", "해소", "레이블", "조치 안내", "알람", "사유"],
        };
        let [value, since, ended, labels_word, runbook, id, why] = words;
        let mut lines = vec![self.summary(alarm)];
        if let Some(number) = alarm.value {
            lines.push(format!("{value}: {}", quantity(number, &alarm.unit)));
        }
        lines.push(format!("{since}: {}", self.time(alarm.since)));
        if transition.change.is_end() {
            lines.push(format!("{ended}: {}", self.time(transition.at)));
        }
        if let Some(reason) = &alarm.reason {
            lines.push(format!("{why}: {reason}"));
        }
        lines.push(format!("{labels_word}: {}", labels(&alarm.labels)));
        if let Some(link) = &alarm.runbook {
            lines.push(format!("{runbook}: {link}"));
        }
        lines.push(format!("{id}: {}", alarm.id));
        lines.join("\n")
    }
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

fn labels(labels: &BTreeMap<String, String>) -> String {
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

    #[test]
    fn an_alarm_that_nothing_judges_any_more_is_closed_in_each_language() {
        let at = Timestamp::from_seconds(60);
        let alarm = AlarmView {
            id: "3f9c2a-1".into(),
            evaluator: "cpu".into(),
            labels: BTreeMap::new(),
            severity: haetae_plugin::Severity::Critical,
            condition: crate::engine::Condition::Ok,
            evidence: crate::engine::Evidence::Fresh,
            since: Timestamp::default(),
            updated: at,
            ended: Some(at),
            value: None,
            unit: String::new(),
            summaries: BTreeMap::new(),
            runbook: None,
            reason: Some("rule removed".into()),
        };
        let transition = Transition { change: Change::Closed, alarm, at };
        let cases = [
            (Language::En, "[CLOSED] cpu ()", "ended: 1970-01-01 00:01:00 +00:00"),
            (Language::Ko, "[종결] cpu ()", "종결: 1970-01-01 00:01:00 +00:00"),
        ];
        for (language, title, line) in cases {
            let voice = Voice { language, zone: TimeZone::UTC };
            let notification = voice.notification(&transition, at);
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
