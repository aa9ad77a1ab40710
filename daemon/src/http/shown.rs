//! Shown: alarms and their history as answers have them, with texts that say something by themselves.

use haetae_plugin::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{
    deliver::render::Voice,
    engine::{AlarmView, alarm::handling::Handling},
    language::Language,
    store::JournalEntry,
};

/// A row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// Who: `haetae`, or a person.
    pub actor: String,
    /// What happened, in a word.
    pub act: String,
    /// More about it.
    pub detail: String,
    /// How the alarm was handled before a person's act; none: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Handling>,
    /// How it was handled after it, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Handling>,
}

impl From<JournalEntry> for Happened {
    fn from(entry: JournalEntry) -> Self {
        let JournalEntry { at, actor, act, detail, before, after } = entry;
        let [before, after] = [before, after].map(|text| serde_json::from_str(&text).ok());
        Self { at, actor, act, detail, before, after }
    }
}

/// An alarm with its summaries filled in, one for each language.
pub(super) fn filled(mut alarm: AlarmView) -> AlarmView {
    let texts = Language::ALL.map(|language| {
        let voice = Voice { language, zone: TimeZone::UTC };
        (language.code().to_owned(), voice.summary(&alarm))
    });
    alarm.summaries = texts.into_iter().collect();
    alarm
}
