//! Speech: sentences of the catalogue for whoever speaks to people outside of a report.

use fluent_bundle::FluentArgs;

use super::language::{Language, Texts};

/// Says sentences in a language.
pub struct Speech(Texts);

impl Speech {
    /// Speech in a language.
    pub fn new(language: Language) -> Self {
        Self(Texts::new(language))
    }

    /// The sentence `id` with its variables filled in.
    pub fn say(&self, id: &str, variables: &[(&'static str, &str)]) -> String {
        let mut arguments = FluentArgs::new();
        for (name, value) in variables {
            arguments.set(*name, *value);
        }
        self.0.text(id, &arguments)
    }
}
