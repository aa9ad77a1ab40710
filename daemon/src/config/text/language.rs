//! The languages that haetae speaks, and its texts in them.

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language that haetae speaks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Ko];

    /// Its code, as in `[daemon] language`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    pub(super) fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("../../../locales/en.ftl"),
            Self::Ko => include_str!("../../../locales/ko.ftl"),
        }
    }
}

/// What is said of a text that is no length of time, wherever it was given.
pub fn no_duration(text: &str, language: Language) -> String {
    let texts = Texts::new(language);
    let mut arguments = FluentArgs::new();
    arguments.set("given", format!("{text:?}"));
    let cure = texts.attribute("bad-duration", "cure", &arguments).unwrap_or_default();
    format!("{}: {cure}", texts.text("bad-duration", &arguments))
}

/// The texts of one language.
pub(super) struct Texts(FluentBundle<FluentResource>);

impl Texts {
    pub(super) fn new(language: Language) -> Self {
        let mut bundle = FluentBundle::new(vec![language.code().parse().unwrap_or_default()]);
        // The marks that isolate right-to-left text would show up in terminals and logs.
        bundle.set_use_isolating(false);
        // What of a catalogue can't be read is left out; the tests hold that nothing is.
        let resource = FluentResource::try_new(language.source().into());
        bundle.add_resource_overriding(resource.unwrap_or_else(|(resource, _)| resource));
        Self(bundle)
    }

    /// The text `id`, or `id` itself where the catalogue has none.
    pub(super) fn text(&self, id: &str, arguments: &FluentArgs<'_>) -> String {
        self.find(id, None, arguments).unwrap_or_else(|| id.into())
    }

    /// An attribute of the text `id`.
    pub(super) fn attribute(
        &self,
        id: &str,
        attribute: &str,
        arguments: &FluentArgs<'_>,
    ) -> Option<String> {
        self.find(id, Some(attribute), arguments)
    }

    fn find(
        &self,
        id: &str,
        attribute: Option<&str>,
        arguments: &FluentArgs<'_>,
    ) -> Option<String> {
        let message = self.0.get_message(id)?;
        let pattern = match attribute {
            Some(attribute) => message.get_attribute(attribute)?.value(),
            None => message.value()?,
        };
        let mut errors = Vec::new();
        Some(self.0.format_pattern(pattern, Some(arguments), &mut errors).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `id` and `id.attribute` of a catalogue, and every `id $variable`.
    fn keys(language: Language) -> BTreeSet<String> {
        let resource = FluentResource::try_new(language.source().into());
        assert!(resource.is_ok(), "{language:?}: {:?}", resource.err().map(|(_, errors)| errors));
        let (mut keys, mut id) = (BTreeSet::new(), "");
        for line in language.source().lines().filter(|line| !line.starts_with('#')) {
            let head = line.split_once(" =").map(|(head, _)| head.trim());
            match head {
                Some(head) if !line.starts_with(' ') => id = head,
                Some(head) if head.starts_with('.') => {
                    keys.insert(format!("{id}{head}"));
                }
                _ => {}
            }
            keys.insert(id.into());
            for rest in line.split('$').skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                keys.insert(format!("{id} ${name}"));
            }
        }
        keys
    }

    #[test]
    fn both_catalogues_have_the_same_texts_with_the_same_variables() {
        let (en, ko) = (keys(Language::En), keys(Language::Ko));
        let apart: Vec<_> = en.symmetric_difference(&ko).collect();
        assert!(apart.is_empty(), "{apart:#?}");
        assert!(en.contains("unknown-key.meant") && en.contains("unknown-key $meant"));
    }
}
