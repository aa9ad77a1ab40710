//! Fits: the alarms that matchers choose, by the labels that they see.

use super::matcher::Matcher;
use crate::engine::alarm::view::AlarmView;

/// A label of an alarm; `severity` and `evaluator` count as labels.
pub(in crate::engine) fn label<'a>(alarm: &'a AlarmView, name: &str) -> Option<&'a str> {
    match name {
        "severity" => Some(alarm.severity.as_str()),
        "evaluator" => Some(&alarm.evaluator),
        name => alarm.labels.get(name).map(String::as_str),
    }
}

/// Whether all matchers fit.
pub(in crate::engine) fn fits(matchers: &[Matcher], alarm: &AlarmView) -> bool {
    matchers.iter().all(|matcher| matcher.matches(label(alarm, matcher.label())))
}
