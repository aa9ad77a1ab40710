//! Filters: which alarms a person means.

use super::PeopleError;
use crate::engine::{AlarmView, Matcher, alarm::handling::Handling};

/// Matchers that all must fit. They see `severity`, `evaluator`, `condition` and `handling` as
/// labels too.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<Matcher>);

impl Filter {
    /// Reads matchers.
    pub fn parse(matchers: &[String]) -> Result<Self, PeopleError> {
        let read = |text: &String| {
            Matcher::parse(text).map_err(|error| PeopleError::matcher(text, &error))
        };
        matchers.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an alarm is meant.
    pub fn fits(&self, alarm: &AlarmView, handling: &Handling) -> bool {
        self.0.iter().all(|matcher| {
            let value = match matcher.label() {
                "condition" if alarm.ended.is_some() => Some("ended"),
                "condition" => Some(alarm.condition.as_str()),
                "handling" => Some(handling.state.as_str()),
                label => label_of(alarm, label),
            };
            matcher.matches(value)
        })
    }
}

/// Whether an alarm has all that these matchers want, as silences see it.
pub(super) fn fits(matchers: &[Matcher], alarm: &AlarmView) -> bool {
    matchers.iter().all(|matcher| matcher.matches(label_of(alarm, matcher.label())))
}

fn label_of<'a>(alarm: &'a AlarmView, label: &str) -> Option<&'a str> {
    match label {
        "severity" => Some(alarm.severity.as_str()),
        "evaluator" => Some(&alarm.evaluator),
        label => alarm.labels.get(label).map(String::as_str),
    }
}
