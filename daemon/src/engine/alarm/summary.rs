//! What is wrong, in one line: a text for each language that a rule has one for.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Texts by the codes of their languages; `{{label}}` and `{{value}}` are filled in by who tells.
///
/// A handle: all alarms of a rule share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summaries(Arc<[(Box<str>, Box<str>)]>);

impl Summaries {
    /// The text in a language, or else in the first that it has.
    pub fn text(&self, language: &str) -> Option<&str> {
        let known = self.0.iter().find(|(code, _)| **code == *language);
        known.or_else(|| self.0.first()).map(|(_, text)| &**text)
    }

    /// Each text.
    pub(in crate::engine) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, text)| &**text)
    }

    /// The same with each text changed.
    pub(in crate::engine) fn with(&self, change: impl Fn(&str) -> String) -> Self {
        self.0.iter().map(|(code, text)| ((**code).into(), change(text))).collect()
    }
}

impl FromIterator<(String, String)> for Summaries {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(texts: T) -> Self {
        let texts: BTreeMap<_, _> = texts.into_iter().collect();
        Self(texts.into_iter().map(|(code, text)| (code.into(), text.into())).collect())
    }
}

impl Serialize for Summaries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(code, text)| (code, text)))
    }
}

impl<'de> Deserialize<'de> for Summaries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
    }
}
