//! Problems: what can be wrong with haetae itself.

use haetae_plugin::Severity;
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error},
};

use super::alarm::summary::Summaries;
use crate::language::{Catalogue, Language};

/// The name of the built-in evaluator.
pub const SYSTEM: &str = "system";

/// What can be wrong with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// A source does not answer.
    SourceDown,
    /// A sink does not take what it is given.
    SinkFailing,
    /// A plugin panicked and was restarted.
    PluginPanicked,
    /// A call did not return in time.
    Hung,
    /// There was more than a limit allows.
    LimitExceeded,
    /// Deliveries were given up.
    DeadLetters,
    /// Slots of an evaluator were not judged in time.
    SlotsMissed,
    /// More alarms of an evaluator would fire than may.
    AlarmsOverLimit,
    /// A queue comes near its limit.
    QueueFilling,
    /// A part of a queue could not be read.
    QueueDamaged,
    /// The store does not take what it is given.
    StoreFailing,
    /// The store holds less than it did.
    StoreLost,
    /// The state directory is not where it was.
    StateLost,
    /// A disk that we write to is full.
    DiskFull,
    /// A stage of the daemon ended and was started again.
    StageFailed,
    /// The clock was set, or the machine was suspended.
    ClockJumped,
    /// The configuration could not be reloaded: the one before stays.
    ReloadFailed,
}

/// What is wrong with an evaluator, or no longer if there is no more to say.
pub(super) type News = (Problem, Option<String>);

impl Problem {
    /// Its word, as the label `problem` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceDown => "source-down",
            Self::SinkFailing => "sink-failing",
            Self::PluginPanicked => "plugin-panicked",
            Self::Hung => "hung",
            Self::LimitExceeded => "limit-exceeded",
            Self::DeadLetters => "dead-letters",
            Self::SlotsMissed => "slots-missed",
            Self::AlarmsOverLimit => "alarms-over-limit",
            Self::QueueFilling => "queue-filling",
            Self::QueueDamaged => "queue-damaged",
            Self::StoreFailing => "store-failing",
            Self::StoreLost => "store-lost",
            Self::StateLost => "state-lost",
            Self::DiskFull => "disk-full",
            Self::StageFailed => "stage-failed",
            Self::ClockJumped => "clock-jumped",
            Self::ReloadFailed => "reload-failed",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        let word: serde::de::value::StrDeserializer<'_, Error> = word.into_deserializer();
        Self::deserialize(word).ok()
    }

    /// Those that calls of a plugin raise and end.
    pub const fn of_calls() -> [Self; 5] {
        [Self::SourceDown, Self::SinkFailing, Self::PluginPanicked, Self::Hung, Self::LimitExceeded]
    }

    /// Those that queues raise and end.
    pub const fn of_queues() -> [Self; 4] {
        [Self::StoreFailing, Self::QueueFilling, Self::DeadLetters, Self::QueueDamaged]
    }

    /// How bad it is: critical if something is no longer watched or told.
    pub const fn severity(self) -> Severity {
        match self {
            Self::SourceDown
            | Self::SinkFailing
            | Self::Hung
            | Self::AlarmsOverLimit
            | Self::StoreFailing
            | Self::StoreLost
            | Self::StateLost
            | Self::DiskFull => Severity::Critical,
            Self::PluginPanicked
            | Self::LimitExceeded
            | Self::DeadLetters
            | Self::SlotsMissed
            | Self::QueueFilling
            | Self::QueueDamaged
            | Self::StageFailed
            | Self::ClockJumped
            | Self::ReloadFailed => Severity::Warning,
        }
    }

    pub(super) fn summaries(self) -> Summaries {
        let id = format!("problem-{}", self.as_str());
        let line = |language: Language| {
            let text = language.texts(Catalogue::Notifications).word(&id);
            (language.code().into(), format!("{{{{instance}}}}: {text}"))
        };
        Language::ALL.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_its_problem() {
        let word: serde::de::value::StrDeserializer<'_, Error> = "?".into_deserializer();
        // The refusal names every variant that there is.
        let refusal = Problem::deserialize(word).unwrap_err().to_string();
        let words: Vec<_> = refusal.split('`').skip(3).step_by(2).collect();
        assert_eq!(words.len(), 17, "{refusal}");
        for word in words {
            let problem = Problem::parse(word).unwrap();
            assert_eq!(problem.as_str(), word);
            let summaries = problem.summaries();
            assert_eq!(summaries.texts().count(), 2);
            assert!(summaries.texts().all(|text| !text.contains(word)), "{word} has a text");
        }
        assert_eq!(Problem::parse("delivery-rejected"), None);
    }
}
